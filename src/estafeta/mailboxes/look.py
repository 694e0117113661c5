"""Reading mailboxes: snapshots, counters, changes since a MODSEQ. Synchronous; every read is one short transaction."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, AccountId, ContentId, MailboxId, PackId
from estafeta.mailboxes.tables import account_state, mailboxes, messages, tombstones
from estafeta.mailboxes.values import Change, Changes, MailboxStatus, Snapshot, SnapshotRow
from estafeta.storage.database import Database
from estafeta.storage.packs import Location
from estafeta.storage.tables import contents

_STATUS = select(mailboxes)
# Drivers fetch a whole result: new messages are asked for in portions.
_AT_ONCE = 200


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
        row = conn.execute(_STATUS.where(mailboxes.c.account_id == account_id, mailboxes.c.name == wanted)).first()
    return None if row is None else MailboxStatus(*row)


def status(database: Database, account_id: AccountId, mailbox_id: MailboxId) -> MailboxStatus:
    """The counters of a mailbox: one row, whatever its size. Raises NOT_FOUND."""
    with database.read() as conn:
        return _status(conn, account_id, mailbox_id)


def used_bytes(database: Database, account_id: AccountId) -> int:
    """Octets that an account holds, as its quota counts them."""
    with database.read() as conn:
        row = conn.execute(select(account_state.c.bytes).where(account_state.c.account_id == account_id)).first()
    return 0 if row is None else int(row.bytes)


def changes_since(database: Database, account_id: AccountId, mailbox_id: MailboxId, modseq: int) -> Changes:
    """What happened after `modseq` (RFC 7162 3.1.4, 3.2.6): cost grows with the changes, not with the mailbox."""
    with database.read() as conn:
        now = _status(conn, account_id, mailbox_id)
        if now.modseq <= modseq:
            return Changes(now.modseq, (), ())
        changed = {row.uid: row for row in _changed(conn, account_id, mailbox_id, modseq)}
        changed.update((row.uid, row) for row in _new(conn, account_id, mailbox_id, modseq))
        gone = conn.execute(
            select(tombstones.c.uid)
            .where(_at(tombstones, account_id, mailbox_id), tombstones.c.modseq > modseq)
            .order_by(tombstones.c.uid)
        )
        rows = [changed[uid] for uid in sorted(changed)]
        return Changes(
            now.modseq,
            tuple(Change(row.uid, row.modseq, row.flags, row.keywords) for row in rows),
            tuple(row.uid for row in gone),
        )


def _changed(conn: Connection, account_id: int, mailbox_id: int, modseq: int) -> list[Any]:
    """Messages changed after they came, from the index that holds only those."""
    return list(
        conn.execute(
            _CHANGE.where(
                _at(messages, account_id, mailbox_id),
                messages.c.modseq > messages.c.created_modseq,
                messages.c.modseq > modseq,
            )
        )
    )


def _new(conn: Connection, account_id: int, mailbox_id: int, modseq: int) -> Iterator[Any]:
    """Messages that came later: UIDs and creation MODSEQs grow together, so read backwards until one is older."""
    latest = _CHANGE.where(_at(messages, account_id, mailbox_id)).order_by(messages.c.uid.desc()).limit(_AT_ONCE)
    rows = conn.execute(latest).all()
    while rows:
        for row in rows:
            if row.created_modseq <= modseq:
                return
            yield row
        rows = conn.execute(latest.where(messages.c.uid < rows[-1].uid)).all()


def _status(conn: Connection, account_id: int, mailbox_id: int) -> MailboxStatus:
    row = conn.execute(_STATUS.where(_at(mailboxes, account_id, mailbox_id))).first()
    if row is None:
        raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
    return MailboxStatus(*row)


def _empty(mailbox_id: MailboxId) -> Snapshot:
    if mailbox_id != INBOX:
        raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
    return Snapshot(0, ())


def _snapshot_row(row: Any) -> SnapshotRow:
    uid, size, flags, content_id, pack_id, offset, length, content_size = row
    location = Location(ContentId(content_id), PackId(pack_id), offset, length, content_size)
    return SnapshotRow(uid, size, location, flags)


def _at(table: Any, account_id: int, mailbox_id: int) -> Any:
    return and_(table.c.account_id == account_id, table.c.mailbox_id == mailbox_id)


_CHANGE = select(messages.c.uid, messages.c.modseq, messages.c.created_modseq, messages.c.flags, messages.c.keywords)
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
