"""Removing messages: expunge (RFC 9051 6.4.3, RFC 4315 2.1), whole mailboxes, whole accounts.

Counters, MODSEQ, tombstones and references change in the same transaction as the messages that they describe.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, delete, func, insert, or_, select

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.noting import NoteRead, record_reading
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.references import release_contents
from estafeta.mailboxes.rows import Totals, at, count, load_account, lock_mailbox
from estafeta.mailboxes.selection import Selected
from estafeta.mailboxes.tables import (
    BELONGINGS,
    account_state,
    acl,
    annotations,
    learn_queue,
    mailboxes,
    messages,
    subscriptions,
    tombstones,
    urlauth_keys,
)
from estafeta.mailboxes.values import ALL, Expunged, Flag, Ranges, ranges_of
from estafeta.storage.database import Transaction

_AT_ONCE = 5000
_EVERY = 0
_NO_UIDS: Ranges = ()
_NONE = Expunged(0, _NO_UIDS)


@dataclass(frozen=True, slots=True)
class Expunge:
    """Remove the messages in `ranges`; `only_deleted`: those of them that have \\Deleted now. `most`: how many at once,
    the first ones (0: all); the result says where to go on. `reading`: what of the mailbox was read before, for the
    journal."""

    account_id: AccountId
    mailbox_id: MailboxId
    ranges: Ranges
    only_deleted: bool = False
    most: int = 0
    reading: NoteRead | None = None


@dataclass(frozen=True, slots=True)
class PurgeAccount:
    """Remove all that belongs to an account; the result is how many messages went. `address`: whose rights on the
    mailboxes of others go too."""

    account_id: AccountId
    address: str = ""


@each
def expunge(tx: Transaction, wanted: Expunge) -> Expunged:
    """Payload `Expunge`. UIDs that are gone already are no error: two sessions may expunge the same."""
    account = load_account(tx, wanted.account_id)
    box = lock_mailbox(tx, wanted.account_id, wanted.mailbox_id)
    if wanted.reading is not None:
        record_reading(tx, wanted.reading)
    if wanted.only_deleted and not box.deleted:
        return _NONE  # without reading the messages: clients send CLOSE often
    having = int(Flag.DELETED) if wanted.only_deleted else _EVERY
    key = (wanted.account_id, wanted.mailbox_id)
    ranges, rest = wanted.ranges, _NO_UIDS
    number = sum(high - low + 1 for low, high in ranges)
    if 0 < wanted.most < (min(number, box.deleted) if wanted.only_deleted else number):
        ranges, rest = _cut(ranges, _NEXT.found(tx, *key, ranges, having=having, skipped=wanted.most))
    gone = remove_messages(tx, *key, ranges, account.modseq + 1, having=having)
    return replace(gone, rest=rest)


def _cut(ranges: Ranges, found: Sequence[Any]) -> tuple[Ranges, Ranges]:
    """The ranges below, and from, the UID that was found, if any."""
    if not found:
        return ranges, ()
    [(uid,)] = found
    below = tuple((low, min(high, uid - 1)) for low, high in ranges if low < uid)
    return below, tuple((max(low, uid), high) for low, high in ranges if high >= uid)


def remove_messages(
    tx: Transaction, account_id: int, mailbox_id: int, ranges: Ranges, modseq: int, *, having: int = _EVERY
) -> Expunged:
    """Delete the messages in `ranges` that have the flags `having`, with all that counts them, and leave tombstones."""
    key = (account_id, mailbox_id, ranges)
    totals, uids = total_and_uids(tx, *key, having=having)
    if not uids:
        return _NONE
    release_contents(tx, (row[0] for row in _CONTENTS.found(tx, *key, having=having)))
    _BURY.run(tx, *key, having=having, new_modseq=modseq)
    _DELETE.run(tx, *key, having=having)
    count(tx, account_id, mailbox_id, modseq, -totals)
    return Expunged(modseq, uids)


def take_out(tx: Transaction, account_id: int, mailbox_id: int, ranges: Ranges, modseq: int) -> None:
    """Delete messages whose contents have another reader (MOVE), leaving tombstones. Counters are the caller's."""
    _BURY.run(tx, account_id, mailbox_id, ranges, having=_EVERY, new_modseq=modseq)
    _DELETE.run(tx, account_id, mailbox_id, ranges, having=_EVERY)


def total(tx: Transaction, account_id: int, mailbox_id: int, ranges: Ranges, *, having: int = _EVERY) -> Totals:
    """What the messages in `ranges` that have the flags `having` add up to."""
    [row] = _TOTALS.found(tx, account_id, mailbox_id, ranges, having=having)
    return Totals(*map(int, row[:4]))


def total_and_uids(
    tx: Transaction, account_id: int, mailbox_id: int, ranges: Ranges, *, having: int = _EVERY
) -> tuple[Totals, Ranges]:
    """As `total`, and which UIDs they have; these are read only when there are gaps between them."""
    key = (account_id, mailbox_id, ranges)
    [(*figures, low, high)] = _TOTALS.found(tx, *key, having=having)
    totals = Totals(*map(int, figures))
    if not totals.messages:
        return totals, ()
    if high - low + 1 == totals.messages:
        return totals, ((low, high),)
    return totals, ranges_of(row[0] for row in _UIDS.found(tx, *key, having=having))


def drop_mailbox(tx: Transaction, account_id: int, mailbox_id: int) -> int:
    """Remove a locked mailbox with all that belongs to it; how many messages it had."""
    gone = 0
    while rows := _FIRST.found(tx, account_id, mailbox_id, ALL, most=_AT_ONCE):
        ranges: Ranges = ((rows[0][0], rows[-1][0]),)
        totals = total(tx, account_id, mailbox_id, ranges)
        release_contents(tx, (row[1] for row in rows))
        _DELETE.run(tx, account_id, mailbox_id, ranges, having=_EVERY)
        count(tx, account_id, mailbox_id, None, -totals)
        gone += len(rows)
    for table in (tombstones, *BELONGINGS, mailboxes):
        tx.conn.execute(delete(table).where(at(table, account_id, mailbox_id)))
    tx.announce(f"mailbox:{account_id}:{mailbox_id}")
    return gone


@each
def purge_account(tx: Transaction, wanted: PurgeAccount) -> int:
    """Payload `PurgeAccount` (D6: a removed user's mailbox stays until it is purged)."""
    account_id = wanted.account_id
    mine = account_state.c.account_id == account_id
    tx.conn.execute(select(account_state.c.account_id).where(mine).with_for_update())
    ids = select(mailboxes.c.mailbox_id).where(mailboxes.c.account_id == account_id)
    gone = sum(drop_mailbox(tx, account_id, row.mailbox_id) for row in tx.conn.execute(ids).all())
    for table in (subscriptions, learn_queue, *BELONGINGS, account_state):
        tx.conn.execute(delete(table).where(table.c.account_id == account_id))
    for table in (annotations, urlauth_keys):
        tx.conn.execute(delete(table).where(table.c.person_id == account_id))
    if wanted.address:
        theirs = or_(acl.c.identifier == wanted.address, acl.c.identifier == f"-{wanted.address}")
        tx.conn.execute(delete(acl).where(theirs))
    return gone


_m = messages.c
_having = _m.flags.op("&")(bindparam("having")) == bindparam("having")
_UIDS = Selected(lambda here: select(_m.uid).where(here, _having).order_by(_m.uid))
_NEXT = Selected(
    lambda here: select(_m.uid).where(here, _having).order_by(_m.uid).limit(1).offset(bindparam("skipped"))
)
_CONTENTS = Selected(lambda here: select(_m.content_id).where(here, _having))
_FIRST = Selected(lambda here: select(_m.uid, _m.content_id).where(here).order_by(_m.uid).limit(bindparam("most")))
_DELETE = Selected(lambda here: delete(messages).where(here, _having))
_TOTALS = Selected(
    lambda here: select(
        func.count(),
        func.coalesce(func.sum(case((_m.flags.op("&")(int(Flag.SEEN)) == 0, 1), else_=0)), 0),
        func.coalesce(func.sum(case((_m.flags.op("&")(int(Flag.DELETED)) != 0, 1), else_=0)), 0),
        func.coalesce(func.sum(_m.size), 0),
        func.min(_m.uid),
        func.max(_m.uid),
    ).where(here, _having)
)
_BURY = Selected(
    lambda here: insert(tombstones).from_select(
        ["account_id", "mailbox_id", "modseq", "uid"],
        select(_m.account_id, _m.mailbox_id, bindparam("new_modseq", type_=BigInteger), _m.uid).where(here, _having),
    )
)
