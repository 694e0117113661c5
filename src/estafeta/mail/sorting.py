"""SORT: the order of messages by what they are listed with (RFC 5256 3, RFC 5957, RFC 6203 6).

Works on what the store keeps of each message; nothing is parsed but the field of the ENVELOPE that a criterion asks
for. Texts compare by a collation, those that are missing as empty. Messages that no criterion tells apart come in
the order of the mailbox, which is that of their UIDs, whether or not a criterion is reversed (RFC 5256 3).
A stored ENVELOPE that is damaged raises EstafetaError(INVALID); header octets never do.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from estafeta.mail.basesubject import base_subject
from estafeta.mail.charsets import decode_unlabelled
from estafeta.mail.collation import DEFAULT, Collation, key_function
from estafeta.mail.encodedwords import decode_header
from estafeta.mail.envelope import EnvelopeAddress, Field, envelope_subject, first_address
from estafeta.mail.sentdate import sent_seconds


class SortBy(StrEnum):
    """`sort-key` of RFC 5256 5 with those of RFC 5957 and RFC 6203."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    RELEVANCY = "RELEVANCY"


class Criterion(NamedTuple):
    """What to sort by, and whether from the last to the first."""

    by: SortBy
    reverse: bool = False


class SortRow(NamedTuple):
    """A message: its UID, internal date (seconds since 1970), size in octets, stored ENVELOPE text, and how well it
    answers a fuzzy search (RFC 6203 4: 1 to 100)."""

    uid: int
    arrived: float
    size: int
    envelope: bytes
    relevancy: float = 0


_Key = Callable[[SortRow], float | str]


def sort_uids(rows: Iterable[SortRow], criteria: Sequence[Criterion], collation: Collation = DEFAULT) -> list[int]:
    """The UIDs of the rows in the order that the criteria ask for, the first of them counting most."""
    ordered = sorted(rows, key=lambda row: row.uid)
    # Sorting keeps the order of equals, so the last criterion goes first. A reversed sort keeps it as well.
    for criterion in reversed(criteria):
        ordered.sort(key=_key(criterion.by, key_function(collation)), reverse=criterion.reverse)
    return [row.uid for row in ordered]


def _key(by: SortBy, collate: Callable[[str], str]) -> _Key:
    match by:
        case SortBy.ARRIVAL:
            return lambda row: row.arrived
        case SortBy.SIZE:
            return lambda row: row.size
        case SortBy.RELEVANCY:
            return lambda row: -row.relevancy  # the best come first
        case SortBy.DATE:
            return lambda row: sent_or_arrived(row.envelope, row.arrived)
        case SortBy.SUBJECT:
            return lambda row: collate(base_subject(envelope_subject(row.envelope)).text)
        case SortBy.DISPLAYFROM | SortBy.DISPLAYTO:
            field = Field.FROM if by is SortBy.DISPLAYFROM else Field.TO
            return lambda row: collate(displayed(first_address(row.envelope, field)))
        case SortBy.FROM | SortBy.TO | SortBy.CC:
            field = Field[by.name]
            return lambda row: collate(_mailbox(first_address(row.envelope, field)))


def sent_or_arrived(envelope: bytes, arrived: float) -> float:
    """RFC 5256 2.2: without a sent date that can be read, the internal date."""
    seconds = sent_seconds(envelope)
    return arrived if seconds is None else seconds


def _mailbox(address: EnvelopeAddress | None) -> str:
    """RFC 5256 3, CC, FROM and TO: addr-mailbox of the first address, which for a group is its name."""
    return "" if address is None or address.mailbox is None else decode_unlabelled(address.mailbox)


def displayed(address: EnvelopeAddress | None) -> str:
    """RFC 5957 3: the name as people see it, else the address, else the mailbox alone."""
    if address is None:
        return ""
    name = decode_header(address.name) if address.name else ""
    if name:
        return name
    mailbox, host = address.mailbox or b"", address.host or b""
    # The host of an address without one is written as "", so that it is no group.
    return decode_header(mailbox) if not host else decode_unlabelled(mailbox + b"@" + host)
