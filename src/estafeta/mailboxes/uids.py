"""Which UIDs a mailbox has, now or at an earlier MODSEQ, as arrays: a million of them cost a fraction of a second.

Every UID below UIDNEXT is a message or has a tombstone (docs/internals/store.md). So where the counters add up, the
messages are all UIDs without the tombstones, and neither a SELECT of a full mailbox nor its resynchronisation reads the
messages. Where they do not, or where more is gone than there, the messages are read.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.rows import at
from estafeta.mailboxes.tables import mailboxes, messages, tombstones
from estafeta.mailboxes.values import Flag
from estafeta.storage.database import Database
from estafeta.storage.prepared import Query

# How many numbers are made before other threads get their turn.
_AT_ONCE = 50_000
# How many messages `first_unseen` looks at.
_LOOKED_AT = 10_000


def uids_of(database: Database, account_id: AccountId, mailbox_id: MailboxId) -> "array[int]":
    """The UIDs of a mailbox, ascending. Raises NOT_FOUND."""
    with database.read() as conn:
        uid_next, count, _ = _counters(conn, account_id, mailbox_id)
        gone = _gone(conn, account_id, mailbox_id, uid_next - 1 - count, count)
        if gone is not None:
            return _without(uid_next, sorted(uid for uid, _ in gone))
        return _read(conn, account_id, mailbox_id)


def view_as_of(
    database: Database, account_id: AccountId, mailbox_id: MailboxId, uid_next: int, modseq: int
) -> "array[int]":
    """The UIDs below `uid_next` that were there at `modseq`, ascending: those that are there, and those that went
    later. `uid_next` and `modseq` are from one `MailboxStatus`. Raises NOT_FOUND."""
    with database.read() as conn:
        next_now, count, _ = _counters(conn, account_id, mailbox_id)
        gone = _gone(conn, account_id, mailbox_id, next_now - 1 - count, count)
        if gone is not None:
            before = sorted(uid for uid, at_modseq in gone if at_modseq <= modseq and uid < uid_next)
            return _without(min(uid_next, next_now), before)
        found = _read(conn, account_id, mailbox_id)
        key = {"account": account_id, "mailbox": mailbox_id, "since": modseq, "below": uid_next}
        later = [row[0] for row in _GONE_AFTER.rows(conn, **key)]
    del found[bisect_left(found, uid_next) :]
    return array("I", sorted([*found, *later])) if later else found


def first_unseen(database: Database, account_id: AccountId, mailbox_id: MailboxId) -> int | None:
    """The lowest UID without \\Seen (RFC 3501 7.1, UNSEEN); None when there is none among the first 10,000 messages.

    Raises NOT_FOUND."""
    with database.read() as conn:
        _, _, unseen = _counters(conn, account_id, mailbox_id)
        rows = _UNSEEN.rows(conn, account=account_id, mailbox=mailbox_id) if unseen else []
    return rows[0][0] if rows else None


def _counters(conn: Connection, account_id: int, mailbox_id: int) -> tuple[int, int, int]:
    """UIDNEXT, messages, unseen."""
    for uid_next, count, unseen in _COUNTERS.rows(conn, account=account_id, mailbox=mailbox_id):
        return uid_next, count, unseen
    raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")


def _gone(conn: Connection, account_id: int, mailbox_id: int, missing: int, count: int) -> list[Any] | None:
    """The tombstones of a mailbox, as UID and MODSEQ, if they are all that is missing, and quicker read than what is
    there."""
    if not 0 <= missing <= count:
        return None
    found = _GONE.rows(conn, account=account_id, mailbox=mailbox_id, most=missing + 1)
    return found if len(found) == missing else None


def _read(conn: Connection, account_id: int, mailbox_id: int) -> "array[int]":
    found = array("I")
    for rows in _UIDS.portions(conn, account=account_id, mailbox=mailbox_id):
        found.extend([row[0] for row in rows])
    return found


def _without(uid_next: int, gone: Iterable[int]) -> "array[int]":
    """The numbers from 1 up to, without, `uid_next`, but none of `gone` (ascending)."""
    found = array("I")
    first = 1
    for uid in (*gone, uid_next):
        for start in range(first, uid, _AT_ONCE):
            found.extend(range(start, min(start + _AT_ONCE, uid)))
        first = uid + 1
    return found


_messages_here = at(messages, bindparam("account"), bindparam("mailbox"))
_gone_here = at(tombstones, bindparam("account"), bindparam("mailbox"))
_COUNTERS = Query(
    select(mailboxes.c.uid_next, mailboxes.c.messages, mailboxes.c.unseen).where(
        at(mailboxes, bindparam("account"), bindparam("mailbox"))
    )
)
_UIDS = Query(select(messages.c.uid).where(_messages_here).order_by(messages.c.uid))
_GONE = Query(select(tombstones.c.uid, tombstones.c.modseq).where(_gone_here).limit(bindparam("most")))
_GONE_AFTER = Query(
    select(tombstones.c.uid).where(
        _gone_here, tombstones.c.modseq > bindparam("since"), tombstones.c.uid < bindparam("below")
    )
)
_head = (
    select(messages.c.uid, messages.c.flags)
    .where(_messages_here)
    .order_by(messages.c.uid)
    .limit(_LOOKED_AT)
    .subquery("head")
)
_UNSEEN = Query(select(_head.c.uid).where(_head.c.flags.op("&")(int(Flag.SEEN)) == 0).order_by(_head.c.uid).limit(1))
