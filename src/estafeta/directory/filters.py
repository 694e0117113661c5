"""Filters of the operator: what is kept back, discarded, refused or marked, read from TOML. Pure.

    [[filter]]
    name = "scripts"
    action = "keep"
    attachment = ["*.vbs", "*.js"]

Rows F1 of the requirements; the manual's criteria are originator, subject, attachment name and MIME type, its actions
keep and discard. Errors name the line. docs/guides/filters.md has the words for people.
"""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_fields import parse_number

#: Characters of all filters together: a setting travels whole to every worker.
MAX_TEXT = 256 << 10
MAX_FILTERS = 500
#: Patterns in one filter.
MAX_PATTERNS = 2000
MAX_PATTERN = 500
_MAX_NAME = 80
_MOST_POINTS = 100.0
_NAME = re.compile(r"[\w .+-]{1,80}")
_FIELD = re.compile(r"[!-9;-~]{1,200}")
_TAG = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_HEAD = re.compile(r"[ \t]*\[\[[ \t]*\"?filter\"?[ \t]*\]\][ \t]*(#.*)?\r?")


class FilterAction(StrEnum):
    """What becomes of a message that a filter is about. KEEP: held in quarantine, not delivered. DISCARD: taken,
    dropped, and nobody told but the journal. REJECT: refused, and its sender told so. PASS: filters behind it are not
    asked. TAG, SCORE: a word or points in the result; other filters are asked, too."""

    KEEP = "keep"
    DISCARD = "discard"
    REJECT = "reject"
    PASS = "pass"  # noqa: S105 - a word, no password
    TAG = "tag"
    SCORE = "score"


class Direction(StrEnum):
    """IN: from outside. OUT: from our own people or networks, and somebody elsewhere gets it. LOCAL: from our own, for
    our own only."""

    IN = "in"
    OUT = "out"
    LOCAL = "local"


class Releaser(StrEnum):
    """Who may release what a filter keeps, besides operators: its recipients, or nobody."""

    USERS = "users"
    OPERATORS = "operators"


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter. Criteria are empty (or 0) where nothing is asked; of the patterns of one criterion any counts.
    `any_of`: one criterion is enough, else all must be met. Sizes in octets, of the whole message."""

    name: str
    action: FilterAction
    line: int = 0
    any_of: bool = False
    originator: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    attachment: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    archive: tuple[str, ...] = ()
    header: tuple[tuple[str, tuple[str, ...]], ...] = ()
    client: tuple[str, ...] = ()
    direction: tuple[str, ...] = ()
    larger: int = 0
    smaller: int = 0
    points: float = 0.0
    tag: str = ""
    text: str = ""
    release: Releaser = Releaser.USERS

    @property
    def asks_parts(self) -> bool:
        """Whether the parts of the message have to be read."""
        return bool(self.attachment or self.type or self.archive)


class _Block(NamedTuple):
    """A filter as it was written, and where."""

    values: Mapping[str, Any]
    line: int
    lines: Mapping[str, int]

    def refuse(self, words: str, key: str = "") -> EstafetaError:
        """What is wrong with it, with its line where that is known."""
        line = self.lines.get(key, self.line)
        name = self.values.get("name")
        who = f"filter {name!r}: " if isinstance(name, str) and name else ""
        return EstafetaError(Kind.INVALID, f"{f'line {line}: ' if line else ''}{who}{words}.")


def parse_filters(text: str) -> tuple[Filter, ...]:
    """The filters of a text, in its order. EstafetaError INVALID says the first thing that is wrong, and its line."""
    if len(text) > MAX_TEXT:
        raise EstafetaError(Kind.INVALID, f"All filters together have at most {MAX_TEXT} characters.")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EstafetaError(Kind.INVALID, f"This is not TOML: {error}.") from None
    except RecursionError:
        raise EstafetaError(Kind.INVALID, "This is nested too deeply.") from None
    for key in document:
        if key != "filter":
            raise EstafetaError(Kind.INVALID, f"{key!r} is not known here: each filter begins with [[filter]].")
    blocks = _blocks(document.get("filter", []), text)
    if len(blocks) > MAX_FILTERS:
        raise EstafetaError(Kind.INVALID, f"There may be {MAX_FILTERS} filters, and these are {len(blocks)}.")
    found: dict[str, Filter] = {}
    for block in blocks:
        one = _read(block)
        if one.name in found:
            raise block.refuse("another filter has this name already", "name")
        found[one.name] = one
    return tuple(found.values())


def find_blocks(text: str) -> list[tuple[int, int]]:
    """The lines of each filter in a text that `parse_filters` takes: the number of its first, from 1, and of the one
    behind its last. Comments above a filter belong to it."""
    lines = text.removesuffix("\n").split("\n")
    heads = [number for number, line in enumerate(lines, 1) if _HEAD.fullmatch(line)]
    begins: list[int] = []
    for head in heads:
        while head > 1 and lines[head - 2].lstrip().startswith("#") and (not begins or head - 1 > begins[-1]):
            head -= 1
        begins.append(head)
    return list(zip(begins, [*begins[1:], len(lines) + 1][: len(begins)], strict=True))


def _blocks(written: object, text: str) -> list[_Block]:
    if not isinstance(written, list) or not all(isinstance(one, dict) for one in written):
        raise EstafetaError(Kind.INVALID, "A filter begins with [[filter]], in two pairs of brackets.")
    lines = text.removesuffix("\n").split("\n")
    heads = [number for number, line in enumerate(lines, 1) if _HEAD.fullmatch(line)]
    if len(heads) != len(written):  # written in another of TOML's forms: then errors name the filter alone
        return [_Block(one, 0, {}) for one in written]
    ends = [*heads[1:], len(lines) + 1][: len(heads)]
    return [_Block(one, head, _keys(lines, head, end)) for one, head, end in zip(written, heads, ends, strict=True)]


def _keys(lines: Sequence[str], head: int, end: int) -> dict[str, int]:
    """The line on which each key of a filter stands."""
    found: dict[str, int] = {}
    for number in range(head + 1, end):
        match = re.match(r"[ \t]*(?:\[filter\.)?\"?([A-Za-z]+)\"?[ \t]*[=.\]]", lines[number - 1])
        if match:
            found.setdefault(match[1], number)
    return found


def _read(block: _Block) -> Filter:
    for key in block.values:
        if key not in _READERS and key not in ("name", "action"):
            near = difflib.get_close_matches(key, [*_READERS, "name", "action"], n=1, cutoff=0.5)
            raise block.refuse(f"{key!r} is not known{f'; the nearest is {near[0]!r}' if near else ''}", key)
    name = block.values.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name != name.strip():
        raise block.refuse(f"a filter needs a name of letters, digits, blanks and . + -, {_MAX_NAME} at most", "name")
    values: dict[str, Any] = {"name": name, "action": _choice(block, "action", FilterAction), "line": block.line}
    for key, value in block.values.items():
        if key in _READERS:
            values["any_of" if key == "match" else key] = _READERS[key](block, key)
            if value in ([], ""):
                raise block.refuse(f"{key} is empty: leave it out", key)
    one = Filter(**values)
    _check(block, one)
    return one


def _check(block: _Block, one: Filter) -> None:
    """What belongs together."""
    criteria = (one.originator, one.recipient, one.subject, one.attachment, one.type, one.archive, one.header)
    if not any((*criteria, one.client, one.direction, one.larger, one.smaller)):
        raise block.refuse("it says nothing of what it is about, and would be about every message")
    patterns = sum(map(len, criteria[:-1])) + sum(len(values) for _, values in one.header) + len(one.client)
    if patterns > MAX_PATTERNS:
        raise block.refuse(f"it has {patterns} patterns; {MAX_PATTERNS} are possible")
    if (one.action is FilterAction.SCORE) != bool(one.points):
        raise block.refuse("action 'score' and points belong together", "points" if one.points else "action")
    if one.action is FilterAction.TAG and not one.tag:
        raise block.refuse("action 'tag' needs a tag", "action")
    if one.tag and one.action not in (FilterAction.TAG, FilterAction.SCORE):
        raise block.refuse("a tag belongs to action 'tag' or 'score'", "tag")
    if one.text and one.action is not FilterAction.REJECT:
        raise block.refuse("a text belongs to action 'reject'", "text")
    if "release" in block.values and one.action is not FilterAction.KEEP:
        raise block.refuse("release belongs to action 'keep'", "release")
    if one.smaller and one.larger >= one.smaller:
        raise block.refuse("no message is both larger and smaller than that", "smaller")


def _texts(block: _Block, key: str, value: object = None) -> tuple[str, ...]:
    """Patterns: one text, or several in brackets."""
    value = block.values[key] if value is None else value
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        raise block.refuse(f"{key} must be a text, or several in brackets", key)
    for one in given:
        if not isinstance(one, str) or not one.strip() or len(one) > MAX_PATTERN:
            raise block.refuse(f"{key} must be texts of 1 to {MAX_PATTERN} characters", key)
    return tuple(given)


def _types(block: _Block, key: str) -> tuple[str, ...]:
    found = _texts(block, key)
    for one in found:
        if one.count("/") != 1 and one != "*":
            raise block.refuse(f"{one!r} is no MIME type such as image/* or text/html", key)
    return found


def _fields(block: _Block, key: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    value = block.values[key]
    if not isinstance(value, dict):
        raise block.refuse('header names fields, as in header."X-Mailer" = "*bulk*"', key)
    for name in value:
        if not _FIELD.fullmatch(name):
            raise block.refuse(f"{name!r} is no name of a header field", key)
    return tuple((name.lower(), _texts(block, key, patterns)) for name, patterns in value.items())


def _networks(block: _Block, key: str) -> tuple[str, ...]:
    found = _texts(block, key)
    for one in found:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            raise block.refuse(f"{one!r} is neither an IP address nor a network such as 192.0.2.0/24", key) from None
    return found


def _words(*known: str) -> Callable[[_Block, str], tuple[str, ...]]:
    def read(block: _Block, key: str) -> tuple[str, ...]:
        found = _texts(block, key)
        for one in found:
            if one not in known:
                raise block.refuse(f"{key} is {' or '.join(known)}, not {one!r}", key)
        return found

    return read


def _size(block: _Block, key: str) -> int:
    value = block.values[key]
    try:
        found = value if isinstance(value, int) and not isinstance(value, bool) else parse_number(value, "_bytes")
    except (ValueError, TypeError):
        found = 0
    if found <= 0:
        raise block.refuse(f'{key} must be a size such as "10 MiB"', key)
    return found


def _points(block: _Block, key: str) -> float:
    value = block.values[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < abs(value) <= _MOST_POINTS:
        raise block.refuse(f"points are a number from -{_MOST_POINTS:g} to {_MOST_POINTS:g}, not 0", key)
    return float(value)


def _tag(block: _Block, key: str) -> str:
    value = block.values[key]
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise block.refuse("a tag has small letters, digits and hyphens", key)
    return value


def _sentence(block: _Block, key: str) -> str:
    value = block.values[key]
    # It is said in a reply, whose lines hold 512 octets (RFC 5321 4.5.3.1.5).
    if not isinstance(value, str) or not (value.isascii() and value.isprintable() and len(value) <= 300):
        raise block.refuse("a text is one line of at most 300 characters of ASCII", key)
    return value


def _any_of(block: _Block, key: str) -> bool:
    value = block.values[key]
    if value not in ("all", "any"):
        raise block.refuse("match is all or any", key)
    return bool(value == "any")


def _choice(block: _Block, key: str, known: type[StrEnum]) -> Any:
    value = block.values.get(key)
    if not isinstance(value, str) or value not in list(known):
        said = "none is given" if value is None else f"not {value!r}"
        raise block.refuse(f"{key} is one of {', '.join(known)}; {said}", key)
    return known(value)


_READERS: dict[str, Callable[[_Block, str], Any]] = {
    "match": _any_of,
    "originator": _texts,
    "recipient": _texts,
    "subject": _texts,
    "attachment": _texts,
    "type": _types,
    "archive": _words("encrypted", "unsupported", "left"),
    "header": _fields,
    "client": _networks,
    "direction": _words(*Direction),
    "larger": _size,
    "smaller": _size,
    "points": _points,
    "tag": _tag,
    "text": _sentence,
    "release": lambda block, key: _choice(block, key, Releaser),
}
