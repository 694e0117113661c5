"""Values that mailboxes take and give."""

from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mail.scan import MessageSummary
from estafeta.storage.packs import Location


class Flag(IntFlag):
    """System flags of RFC 9051 2.3.2, as stored."""

    NONE = 0
    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


class Delivery(NamedTuple):
    """A message for one mailbox. `quota_bytes` 0 means no limit; it is checked in the commit itself."""

    account_id: AccountId
    mailbox_id: MailboxId = INBOX
    flags: int = 0
    keywords: str = ""
    quota_bytes: int = 0


class Arrival(NamedTuple):
    """One message to store, once, for all its deliveries. Dates in epoch milliseconds."""

    summary: MessageSummary
    deliveries: tuple[Delivery, ...]
    internal_date_ms: int
    save_date_ms: int


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
    """The counters of a mailbox (RFC 9051 6.3.11), read from one row whatever the size."""

    account_id: AccountId
    mailbox_id: MailboxId
    name: str
    special_use: str
    subscribed: bool
    uid_validity: int
    uid_next: int
    modseq: int
    messages: int
    unseen: int
    deleted: int
    bytes: int


class Change(NamedTuple):
    """A message that is new or changed: its flags now. `keywords` separated by spaces."""

    uid: int
    modseq: int
    flags: int
    keywords: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened in a mailbox after a MODSEQ: messages new or changed, and the UIDs that are gone."""

    modseq: int
    changed: tuple[Change, ...]
    expunged: tuple[int, ...]
