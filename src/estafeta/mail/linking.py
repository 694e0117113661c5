"""Which message answers which, by Message-ID and references: steps 1 to 3 of REFERENCES (RFC 5256 3).

Works with numbers: a message's place in the list, and beyond these, one for each id that is named and not there (a
"dummy" in the RFC). Takes time in proportion to the ids; only the exact search for loops is limited, as below.
"""

import re
from collections.abc import Sequence

_NONE = -1
_STEPS_PER_ID = 50
"""Ancestors that are looked through for loops, on the average. Mail needs less than one. When someone makes up ids so
that this is not enough, a link that might make a loop is left out without looking."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def link_messages(messages: Sequence[tuple[str, Sequence[str]]]) -> list[int | None]:
    """For each message (its id and its references, oldest first) the nearest ancestor that is there; where none of
    them is, the number of the topmost; None where it has no ancestors. Messages come in the order of the mailbox."""
    numbers = _number(messages)
    links = _Links(len(messages))
    for number, (_, references) in enumerate(messages):
        last = _NONE
        for reference in references:
            this = _find_or_add(numbers, links, _normal(reference))
            # (1.A): a link that is there stays.
            if last != _NONE and links.parent[this] == _NONE:
                links.link(last, this)
            last = this
        # (1.B): the last reference is right, whatever others said before.
        links.cut(number)
        if last != _NONE:
            links.link(last, number)
    return links.find_anchors(len(messages))


def _number(messages: Sequence[tuple[str, Sequence[str]]]) -> dict[str, int]:
    """By id. (1): of several messages with one id the first has it, the others none."""
    numbers: dict[str, int] = {}
    for number, (message_id, _) in enumerate(messages):
        if message_id.startswith("<") and message_id.endswith(">"):
            numbers.setdefault(_normal(message_id), number)
    return numbers


def _normal(message_id: str) -> str:
    # RFC 5256 2.3: ids are equal that differ in how they are quoted.
    return _ESCAPE.sub(r"\1", message_id).replace('"', "") if '"' in message_id else message_id


def _find_or_add(numbers: dict[str, int], links: "_Links", message_id: str) -> int:
    number = numbers.get(message_id)
    if number is None:
        number = numbers[message_id] = links.add()
    return number


class _Links:
    """Parents, and sets of what was ever connected: only within one can a link make a loop."""

    def __init__(self, size: int) -> None:
        self.parent = [_NONE] * size
        self._child_count = [0] * size
        self._set = list(range(size))
        self._steps = 0

    def add(self) -> int:
        number = len(self.parent)
        self.parent.append(_NONE)
        self._child_count.append(0)
        self._set.append(number)
        return number

    def cut(self, child: int) -> None:
        parent = self.parent[child]
        if parent != _NONE:
            self._child_count[parent] -= 1
            self.parent[child] = _NONE

    def link(self, parent: int, child: int) -> None:
        """(1.A): no link that would make a loop. `child` has no parent."""
        if parent == child or self._is_above(child, parent):
            return
        self.parent[child] = parent
        self._child_count[parent] += 1
        self._set[self._find(child)] = self._find(parent)

    def _is_above(self, number: int, other: int) -> bool:
        if not self._child_count[number] or self._find(number) != self._find(other):
            return False
        left = _STEPS_PER_ID * len(self.parent) - self._steps
        while other != _NONE and left > 0:
            if other == number:
                return True
            other = self.parent[other]
            self._steps += 1
            left -= 1
        return other != _NONE

    def _find(self, number: int) -> int:
        sets = self._set
        while sets[number] != number:
            sets[number] = number = sets[sets[number]]
        return number

    def find_anchors(self, count: int) -> list[int | None]:
        """(2), (3): for the first `count` numbers the nearest ancestor below `count`, else the topmost, else None."""
        anchors: dict[int, int] = {}
        out: list[int | None] = []
        for number in range(count):
            above = self.parent[number]
            passed = []
            while above >= count and above not in anchors and self.parent[above] != _NONE:
                passed.append(above)
                above = self.parent[above]
            anchor = anchors.get(above, above)
            for each in passed:
                anchors[each] = anchor
            out.append(None if anchor == _NONE else anchor)
        return out
