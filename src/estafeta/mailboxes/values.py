"""Values that mailboxes take and give."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import NamedTuple

from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.journal.records import Record
from estafeta.mail.scan import MessageSummary
from estafeta.storage.packs import Location

Ranges = tuple[tuple[int, int], ...]
"""UIDs: ascending, disjoint ranges with both ends in them, e.g. ((1, 500), (502, 502))."""

ALL: Ranges = ((1, 2**32 - 1),)
"""Every UID that there can be."""


def ranges_of(uids: Iterable[int]) -> Ranges:
    """The ranges that hold these UIDs, in any order and as often as they come, and no others."""
    ordered = sorted(set(uids))
    if not ordered:
        return ()
    if ordered[-1] - ordered[0] + 1 == len(ordered):
        return ((ordered[0], ordered[-1]),)
    found, first, last = [], ordered[0], ordered[0]
    for uid in ordered:
        if uid > last + 1:
            found.append((first, last))
            first = uid
        last = uid
    return (*found, (first, last))


class Flag(IntFlag):
    """System flags of RFC 9051 2.3.2, as stored."""

    NONE = 0
    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


class Delivery(NamedTuple):
    """A message for one mailbox. Quotas of 0 mean no limit; they are checked in the commit itself. `address`: the
    recipient that it is for, as the journal names it."""

    account_id: AccountId
    mailbox_id: MailboxId = INBOX
    flags: int = 0
    keywords: str = ""
    quota_bytes: int = 0
    quota_messages: int = 0
    address: str = ""


class Arrival(NamedTuple):
    """One message to store, once, for all its deliveries. Dates in epoch milliseconds.

    `records`: what the journal says of its reception; with any, it also says what became of each delivery. `ident`: the
    message in the journal (`Record.message_id`), kept with the content so that its reading can be recorded; 0: none.
    """

    summary: MessageSummary
    deliveries: tuple[Delivery, ...]
    internal_date_ms: int
    save_date_ms: int
    records: tuple[Record, ...] = ()
    ident: int = 0


class Delivered(NamedTuple):
    """Where a delivery went."""

    account_id: AccountId
    mailbox_id: MailboxId
    uid: int
    modseq: int


class SnapshotRow(NamedTuple):
    """A message as it was when the snapshot was taken. `size` in octets."""

    uid: int
    size: int
    location: Location
    flags: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A mailbox as it was, ordered by UID."""

    uid_validity: int
    rows: tuple[SnapshotRow, ...]


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """The counters of a mailbox (RFC 9051 6.3.11), read from one row whatever the size.

    `special_use`: attributes of RFC 6154 without backslash, separated by spaces. `keywords`: every keyword that was
    ever set, separated by spaces, in the order of first use. `recent_uid`: UIDs up to this one were announced as
    recent.
    """

    account_id: AccountId
    mailbox_id: MailboxId
    name: str
    special_use: str
    uid_validity: int
    uid_next: int
    modseq: int
    messages: int
    unseen: int
    deleted: int
    bytes: int
    keywords: str
    recent_uid: int


class Change(NamedTuple):
    """A message that is new or changed: its flags now. `keywords` separated by spaces."""

    uid: int
    modseq: int
    flags: int
    keywords: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened in a mailbox after a MODSEQ: messages new or changed, the UIDs that are gone (both ascending), and
    the counters at that moment."""

    modseq: int
    changed: tuple[Change, ...]
    expunged: tuple[int, ...]
    status: MailboxStatus


class NewMessage(NamedTuple):
    """A message to append. Dates in epoch milliseconds."""

    summary: MessageSummary
    flags: int
    keywords: tuple[str, ...]
    internal_date_ms: int
    save_date_ms: int


class StoreMode(StrEnum):
    """What STORE does with the flags it names (RFC 9051 6.4.6)."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Expunged:
    """The UIDs that went, and the MODSEQ of their going (0: none went). `rest`: where to go on, when only so many were
    to go at once."""

    modseq: int
    ranges: Ranges
    rest: Ranges = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """The MODSEQ of the change (0: nothing changed), how many messages changed, and the UIDs that were left alone since
    their MODSEQ was above `unchanged_since` (RFC 7162 3.1.3). `before`: the MODSEQ that the mailbox had before, which
    tells whether anybody else was at work since the client was told last."""

    modseq: int
    changed: int
    conflicts: Ranges
    before: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Copied:
    """Where copies are: the messages with the UIDs `sources`, in that order, have the `count` UIDs from `first_uid` on
    (RFC 4315 3). `modseq` is that of the target's account."""

    uid_validity: int
    sources: Ranges
    first_uid: int
    count: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Appended:
    """Where appended messages are: `count` UIDs from `first_uid` on. `replaced_modseq`: that of the expunge of the
    message that was replaced, else 0."""

    uid_validity: int
    first_uid: int
    count: int
    modseq: int
    replaced_modseq: int


class Grant(NamedTuple):
    """An entry of an access control list, and the mailbox that has it."""

    account_id: AccountId
    mailbox_id: MailboxId
    name: str
    identifier: str
    rights: str


class Annotation(NamedTuple):
    """An annotation (RFC 5464): `entry` without /shared or /private; `person_id` 0 for /shared."""

    person_id: int
    entry: str
    value: bytes
