"""Values of IMAP that commands are made of: sets of numbers, flags, status items (RFC 9051 9)."""

from enum import StrEnum
from typing import NamedTuple

Ranges = tuple[tuple[int, int], ...]
"""Ascending, disjoint, inclusive ranges of numbers."""

LAST = 0
"""Stands for `*` in a `SequenceSet`: the largest number in use."""


class SequenceSet(NamedTuple):
    """`sequence-set` as it was sent: pairs in any order, a single number as a pair of itself, LAST for `*`."""

    pairs: tuple[tuple[int, int], ...]

    def resolve(self, largest: int) -> Ranges:
        """The ranges meant while `largest` is the largest number in use. RFC 9051 9: 4:2 is 2:4, and `*` alone is
        the largest even where the other end is above it."""
        ends = [(low or largest, high or largest) for low, high in self.pairs]
        merged: list[tuple[int, int]] = []
        for low, high in sorted((min(pair), max(pair)) for pair in ends):
            if merged and low <= merged[-1][1] + 1:
                if high > merged[-1][1]:
                    merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        return tuple(merged)


class FlagList(NamedTuple):
    """Flags of APPEND and STORE: system flags as the bits of estafeta's store, keywords as sent. `\\Recent` and other
    flags with a backslash that are no system flags are refused by the parser."""

    flags: int
    keywords: tuple[str, ...]


SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
SYSTEM_FLAGS = {
    "\\seen": SEEN,
    "\\answered": ANSWERED,
    "\\flagged": FLAGGED,
    "\\deleted": DELETED,
    "\\draft": DRAFT,
}


class StatusItem(StrEnum):
    """What STATUS may be asked for."""

    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    DELETED = "DELETED"
    SIZE = "SIZE"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"
    APPENDLIMIT = "APPENDLIMIT"
    MAILBOXID = "MAILBOXID"
    DELETED_STORAGE = "DELETED-STORAGE"


class Partial(NamedTuple):
    """`PARTIAL first:last` of RFC 9394: counted from 1, or from -1 backwards; both have one sign, in order of size."""

    first: int
    last: int
