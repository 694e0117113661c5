"""Answers remembered until their time is up, within a bound of memory."""

from collections.abc import Sized
from typing import Any

from estafeta.dns.values import Answer

_OCTETS_OF_ONE = 500
Key = tuple[str, str]


class AnswerCache:
    """Answers by kind of record and name. An answer counts as one entry for each 500 octets of its records, so that
    somebody's giant answers cost no more memory than other ones. `now` is in seconds of any clock."""

    def __init__(self, max_entries: int) -> None:
        self._max = max_entries
        self._entries: dict[Key, tuple[float, int, Answer[Any]]] = {}
        self._weight = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Key, now: float) -> Answer[Any] | None:
        """The answer, unless its time is up."""
        entry = self._entries.get(key)
        return entry[2] if entry is not None and now < entry[0] else None

    def add(self, key: Key, answer: Answer[Any], expires: float, now: float) -> None:
        """Remember `answer` until `expires`; what is oldest makes room."""
        self._remove(key)
        weight = 1 + sum(map(_octets, answer.records)) // _OCTETS_OF_ONE
        if self._weight + weight > self._max:
            self._make_room(weight, now)
        self._entries[key] = (expires, weight, answer)
        self._weight += weight

    def _make_room(self, weight: int, now: float) -> None:
        """Throw out a tenth, of the oldest; first of all what has expired among them."""
        oldest = list(self._entries.items())[: max(16, self._max // 5)]
        for key, entry in oldest:
            if entry[0] <= now:
                self._remove(key)
        for key, _ in oldest:
            if self._weight + weight <= self._max - self._max // 10:
                break
            self._remove(key)

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry[1]


def _octets(record: object) -> int:
    if isinstance(record, tuple):
        return 60 + sum(len(part) for part in record if isinstance(part, Sized))
    return 50 + len(record) if isinstance(record, Sized) else 50
