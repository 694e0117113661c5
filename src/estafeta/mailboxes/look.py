"""Reading mailboxes: snapshots, counters, changes since a MODSEQ. Synchronous; every read is one short transaction."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, bindparam, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, AccountId, ContentId, MailboxId, PackId
from estafeta.mailboxes.fetching import fetch_rows
from estafeta.mailboxes.rows import at
from estafeta.mailboxes.tables import account_state, mailboxes, messages, tombstones
from estafeta.mailboxes.tables import subscriptions as subscribed
from estafeta.mailboxes.uids import first_unseen, uids_of, view_as_of
from estafeta.mailboxes.values import Change, Changes, MailboxStatus, Snapshot, SnapshotRow
from estafeta.storage.database import Database
from estafeta.storage.packs import Location
from estafeta.storage.prepared import Query
from estafeta.storage.tables import contents

__all__ = [
    "changes_since",
    "fetch_rows",
    "find_mailbox",
    "first_unseen",
    "list_mailboxes",
    "modseqs_of",
    "snapshot",
    "status",
    "subscriptions",
    "uids_of",
    "usage",
    "used_bytes",
    "view_as_of",
]

_STATUS = select(*(mailboxes.c[name.name] for name in fields(MailboxStatus)))
# Drivers fetch a whole result: new messages are asked for in portions, each larger than the one before.
_AT_ONCE = 200
# Databases take a bounded number of parameters in one statement.
_ACCOUNTS = 500
_ABOVE_ALL = 2**62


def snapshot(database: Database, account_id: AccountId, mailbox_id: MailboxId = INBOX) -> Snapshot:
    """Every message of a mailbox as it is now. An INBOX that never got mail is empty."""
    with database.read() as conn:
        box = conn.execute(
            select(mailboxes.c.uid_validity).where(
                mailboxes.c.account_id == account_id, mailboxes.c.mailbox_id == mailbox_id
            )
        ).first()
        if box is None:
            return _empty(mailbox_id)
        rows = conn.execute(_MESSAGES, {"account": account_id, "mailbox": mailbox_id}).all()
    return Snapshot(box.uid_validity, tuple(map(_snapshot_row, rows)))


def list_mailboxes(database: Database, account_id: AccountId) -> list[MailboxStatus]:
    """The mailboxes of an account, by name."""
    with database.read() as conn:
        found = conn.execute(_STATUS.where(mailboxes.c.account_id == account_id).order_by(mailboxes.c.name))
        return [MailboxStatus(*row) for row in found]


def find_mailbox(database: Database, account_id: AccountId, name: str) -> MailboxStatus | None:
    """The mailbox of this name."""
    wanted = "INBOX" if name.upper() == "INBOX" else name
    with database.read() as conn:
        rows = _BY_NAME.rows(conn, account=account_id, name=wanted)
    return MailboxStatus(*rows[0]) if rows else None


def status(database: Database, account_id: AccountId, mailbox_id: MailboxId) -> MailboxStatus:
    """The counters of a mailbox: one row, whatever its size. Raises NOT_FOUND."""
    with database.read() as conn:
        return _status(conn, account_id, mailbox_id)


def used_bytes(database: Database, account_id: AccountId) -> int:
    """Octets that an account holds, as its quota counts them."""
    with database.read() as conn:
        row = conn.execute(select(account_state.c.bytes).where(account_state.c.account_id == account_id)).first()
    return 0 if row is None else int(row.bytes)


def usage(database: Database, account_id: AccountId) -> tuple[int, int]:
    """What an account holds, as its quota counts: octets before compression, messages."""
    wanted = select(account_state.c.bytes, account_state.c.messages).where(account_state.c.account_id == account_id)
    with database.read() as conn:
        row = conn.execute(wanted).first()
    return (0, 0) if row is None else (int(row.bytes), int(row.messages))


def subscriptions(database: Database, account_id: AccountId) -> list[str]:
    """The names that a person subscribed to, by name; there may be no such mailboxes."""
    wanted = select(subscribed.c.name).where(subscribed.c.account_id == account_id).order_by(subscribed.c.name)
    with database.read() as conn:
        return list(conn.execute(wanted).scalars())


def changes_since(
    database: Database,
    account_id: AccountId,
    mailbox_id: MailboxId,
    modseq: int,
    *,
    without: Collection[int] = (),
) -> Changes:
    """What happened after `modseq` (RFC 7162 3.1.4, 3.2.6): cost grows with the changes, not with the mailbox.

    Messages that changed last at a MODSEQ in `without` are left out, unless they are new."""
    key = {"account": account_id, "mailbox": mailbox_id, "since": modseq}
    with database.read() as conn:
        now = _status(conn, account_id, mailbox_id)
        if now.modseq <= modseq:
            return Changes(now.modseq, (), (), now)
        marks = sorted({modseq, now.modseq + 1, *(one for one in without if modseq < one <= now.modseq)})
        changed = {
            row[0]: row
            for low, high in pairwise(marks)
            for row in _CHANGED.rows(conn, **key | {"since": low}, until=high)
        }
        changed.update((row[0], row) for row in _new(conn, key))
        gone = _GONE.rows(conn, **key)
    rows = (Change._make(changed[uid]) for uid in sorted(changed))
    return Changes(now.modseq, tuple(rows), tuple(row[0] for row in gone), now)


def _new(conn: Connection, key: dict[str, int]) -> Iterator[tuple[Any, ...]]:
    """Messages that came later: UIDs and creation MODSEQs grow together, so read backwards until one is older."""
    below, portion = _ABOVE_ALL, _AT_ONCE
    while rows := _LATEST.rows(conn, **key, below=below, most=portion):
        for *row, created_modseq in rows:
            if created_modseq <= key["since"]:
                return
            yield tuple(row)
        below, portion = rows[-1][0], portion * 4


def _status(conn: Connection, account_id: int, mailbox_id: int) -> MailboxStatus:
    rows = _BY_ID.rows(conn, account=account_id, mailbox=mailbox_id)
    if not rows:
        raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
    return MailboxStatus(*rows[0])


def _empty(mailbox_id: MailboxId) -> Snapshot:
    if mailbox_id != INBOX:
        raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
    return Snapshot(0, ())


def _snapshot_row(row: Any) -> SnapshotRow:
    uid, size, flags, content_id, pack_id, offset, length, content_size = row
    location = Location(ContentId(content_id), PackId(pack_id), offset, length, content_size)
    return SnapshotRow(uid, size, location, flags)


_BY_ID = Query(_STATUS.where(at(mailboxes, bindparam("account"), bindparam("mailbox"))))
_BY_NAME = Query(_STATUS.where(mailboxes.c.account_id == bindparam("account"), mailboxes.c.name == bindparam("name")))
_here = at(messages, bindparam("account"), bindparam("mailbox"))
_CHANGE = select(messages.c.uid, messages.c.modseq, messages.c.flags, messages.c.keywords)
# From the index that holds only messages that were changed after they came.
_CHANGED = Query(
    _CHANGE.where(
        _here,
        messages.c.modseq > messages.c.created_modseq,
        messages.c.modseq > bindparam("since"),
        messages.c.modseq < bindparam("until"),
    )
)
_LATEST = Query(
    _CHANGE.add_columns(messages.c.created_modseq)
    .where(_here, messages.c.uid < bindparam("below"))
    .order_by(messages.c.uid.desc())
    .limit(bindparam("most"))
)
_GONE = Query(
    select(tombstones.c.uid)
    .where(at(tombstones, bindparam("account"), bindparam("mailbox")), tombstones.c.modseq > bindparam("since"))
    .order_by(tombstones.c.uid)
)
_MESSAGES = (
    select(
        messages.c.uid,
        messages.c.size,
        messages.c.flags,
        contents.c.content_id,
        contents.c.pack_id,
        contents.c.offset,
        contents.c.length,
        contents.c.size,
    )
    .join_from(messages, contents, contents.c.content_id == messages.c.content_id)
    .where(messages.c.account_id == bindparam("account"), messages.c.mailbox_id == bindparam("mailbox"))
    .order_by(messages.c.uid)
)


def modseqs_of(database: Database, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """The highest MODSEQ of each of these mailboxes (account, mailbox) that there is."""
    mine = set(wanted)
    accounts = sorted({account_id for account_id, _ in mine})
    found: dict[tuple[int, int], int] = {}
    with database.read() as conn:
        for start in range(0, len(accounts), _ACCOUNTS):
            rows = conn.execute(
                select(mailboxes.c.account_id, mailboxes.c.mailbox_id, mailboxes.c.modseq).where(
                    mailboxes.c.account_id.in_(accounts[start : start + _ACCOUNTS])
                )
            )
            found |= {(row[0], row[1]): row[2] for row in rows if (row[0], row[1]) in mine}
    return found
