"""What SEARCH, SORT and THREAD look for: a tree of keys (RFC 9051 6.4.4; RFC 5032, 5182, 6203, 7162, 8474, 8514).

Keys that say the opposite of another are that other one in a `Not`: UNSEEN is Not(HasFlag(SEEN)). NEW is
And(Recent, Not(HasFlag(SEEN))), OLD is Not(Recent()).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from estafeta.protocols.imap.values import SequenceSet


class Field(StrEnum):
    """Where a text is looked for."""

    SUBJECT = "subject"
    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    HEADER = "header"
    BODY = "body"
    TEXT = "text"


class When(StrEnum):
    """How a date compares: a day earlier than, that day, that day or later."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


class DateOf(StrEnum):
    """Which date."""

    INTERNAL = "internal"
    SENT = "sent"
    SAVED = "saved"


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class And:
    """All of these; at least one."""

    keys: tuple["SearchKey", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Either."""

    left: "SearchKey"
    right: "SearchKey"


@dataclass(frozen=True, slots=True)
class Not:
    """The others."""

    key: "SearchKey"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Messages by sequence number, or by UID. In a UIDONLY session a plain set was refused by the parser."""

    numbers: SequenceSet
    uid: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """`$`, the result that was saved (RFC 5182)."""


@dataclass(frozen=True, slots=True)
class HasFlag:
    """A system flag, as a bit of `values`."""

    flag: int


@dataclass(frozen=True, slots=True)
class HasKeyword:
    """A keyword; case does not matter."""

    keyword: str


@dataclass(frozen=True, slots=True)
class Recent:
    """`\\Recent` in this session (IMAP4rev1)."""


@dataclass(frozen=True, slots=True)
class Text:
    """A substring of decoded text. `name` is the field's for HEADER (lower case), whose `needle` may be empty: the
    field is there. `fuzzy`: RFC 6203."""

    field: Field
    needle: str
    name: str = ""
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class Larger:
    """More octets than this."""

    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """Fewer octets than this."""

    octets: int


@dataclass(frozen=True, slots=True)
class Dated:
    """A date without time and zone (RFC 9051 6.4.4)."""

    which: DateOf
    when: When
    day: date


@dataclass(frozen=True, slots=True)
class SaveDateSupported:
    """RFC 8514 4.3: every message of a mailbox that keeps save dates, so all."""


@dataclass(frozen=True, slots=True)
class Older:
    """Internal date more than `seconds` ago (RFC 5032)."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Younger:
    """Internal date within the last `seconds` (RFC 5032)."""

    seconds: int


@dataclass(frozen=True, slots=True)
class ModSeq:
    """MODSEQ of at least `value` (RFC 7162 3.1.5; we keep one per message, so the entry name says nothing)."""

    value: int


@dataclass(frozen=True, slots=True)
class EmailId:
    """RFC 8474 6."""

    value: str


@dataclass(frozen=True, slots=True)
class ThreadId:
    """RFC 8474 6."""

    value: str


SearchKey = (
    All
    | And
    | Or
    | Not
    | Numbers
    | Saved
    | HasFlag
    | HasKeyword
    | Recent
    | Text
    | Larger
    | Smaller
    | Dated
    | SaveDateSupported
    | Older
    | Younger
    | ModSeq
    | EmailId
    | ThreadId
)


def leaves(key: SearchKey) -> Iterator[SearchKey]:
    """The keys that are no combination of others."""
    match key:
        case And(parts):
            for part in parts:
                yield from leaves(part)
        case Or(left, right):
            yield from leaves(left)
            yield from leaves(right)
        case Not(inner):
            yield from leaves(inner)
        case _:
            yield key


def has_numbers(key: SearchKey) -> bool:
    """Whether it speaks of messages by sequence number."""
    return any(isinstance(leaf, Numbers) and not leaf.uid for leaf in leaves(key))


def has_modseq(key: SearchKey) -> bool:
    """Whether it asks for MODSEQs (RFC 7162 3.1.5)."""
    return any(isinstance(leaf, ModSeq) for leaf in leaves(key))
