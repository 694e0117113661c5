"""SORT: the order of messages by what they are listed with (RFC 5256 3, RFC 5957, RFC 6203 6).

Works on what the store keeps of each message; nothing is parsed but the field of the ENVELOPE that a criterion asks
for, and what that gives never changes, so callers may remember it. Texts compare by a collation, those that are missing
as empty. Messages that no criterion tells apart come in the order of the mailbox, which is that of their UIDs, whether
or not a criterion is reversed (RFC 5256 3).
A stored ENVELOPE that is damaged raises EstafetaError(INVALID); header octets never do.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

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


#: What messages are compared by.
Keys = Sequence[float] | Sequence[str]


def sort_uids(uids: Sequence[int], columns: Sequence[tuple[Keys, bool]]) -> list[int]:
    """Ascending UIDs in the order that criteria ask for, the first of them counting most: of each the keys of all
    messages, in the order of `uids`, and whether it is reversed."""
    order = list(range(len(uids)))
    # Sorting keeps the order of equals, so the last criterion goes first. A reversed sort keeps it as well.
    for keys, reverse in reversed(columns):
        order.sort(key=keys.__getitem__, reverse=reverse)
    return [uids[at] for at in order]


def envelope_key(by: SortBy, collation: Collation = DEFAULT) -> Callable[[bytes], float | str | None] | None:
    """What a criterion makes of a stored ENVELOPE text; None when it does not look there.

    The key of DATE is None without a date that can be read: then the internal date counts (RFC 5256 2.2)."""
    collate = key_function(collation)
    match by:
        case SortBy.ARRIVAL | SortBy.SIZE | SortBy.RELEVANCY:
            return None
        case SortBy.DATE:
            return sent_seconds
        case SortBy.SUBJECT:
            return lambda envelope: collate(base_subject(envelope_subject(envelope)).text)
        case SortBy.DISPLAYFROM | SortBy.DISPLAYTO:
            field = Field.FROM if by is SortBy.DISPLAYFROM else Field.TO
            return lambda envelope: collate(displayed(first_address(envelope, field)))
        case SortBy.FROM | SortBy.TO | SortBy.CC:
            field = Field[by.name]
            return lambda envelope: collate(_mailbox(first_address(envelope, field)))


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
