"""Operations that change mailboxes after delivery: expunge, flags, and making, renaming, removing mailboxes.

Each is an operation of the group commit (`(tx, items) -> results`): domain errors are returned for the item that they
concern, and counters, MODSEQ and references change in the same transaction as what they describe.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from sqlalchemy import and_, bindparam, delete, func, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mailboxes.deliver import load_account, new_mailbox
from estafeta.mailboxes.tables import account_state, mailboxes, messages, tombstones
from estafeta.mailboxes.values import Flag
from estafeta.storage.commit import Item, raise_number
from estafeta.storage.database import Transaction
from estafeta.storage.tables import contents, packs

# Databases take a bounded number of parameters in one statement.
_AT_ONCE = 500
_NAME_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Expunge:
    """Remove these UIDs; the result is how many were there."""

    account_id: AccountId
    mailbox_id: MailboxId
    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SetFlags:
    """Add and remove flags and keywords on these UIDs; the result is their new MODSEQ (0: nothing changed)."""

    account_id: AccountId
    mailbox_id: MailboxId
    uids: tuple[int, ...]
    add: int = 0
    remove: int = 0
    add_keywords: frozenset[str] = frozenset()
    remove_keywords: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateMailbox:
    """Make a mailbox; the result is its id. Kind EXISTS when the name is taken, INVALID when it cannot be one."""

    account_id: AccountId
    name: str
    special_use: str = ""


@dataclass(frozen=True, slots=True)
class RenameMailbox:
    """Give a mailbox another name; mailboxes below it follow."""

    account_id: AccountId
    mailbox_id: MailboxId
    name: str


@dataclass(frozen=True, slots=True)
class DeleteMailbox:
    """Remove a mailbox with its messages. INBOX stays."""

    account_id: AccountId
    mailbox_id: MailboxId


@dataclass(frozen=True, slots=True)
class PurgeAccount:
    """Remove all mailboxes and messages of an account; the result is how many messages went."""

    account_id: AccountId


P = TypeVar("P")


def each(apply: Callable[[Transaction, P], Any]) -> Callable[[Transaction, Sequence[Item]], list[Any]]:
    """An operation that treats its items one by one and turns raised domain errors into results."""

    @wraps(apply)
    def operation(tx: Transaction, items: Sequence[Item]) -> list[Any]:
        return [_attempt(apply, tx, item.payload) for item in items]

    return operation


def _attempt(apply: Callable[[Transaction, P], Any], tx: Transaction, payload: P) -> Any:
    try:
        return apply(tx, payload)
    except EstafetaError as error:
        if error.kind in {Kind.TEMPORARY, Kind.UNAVAILABLE}:
            raise
        return error


@each
def expunge(tx: Transaction, wanted: Expunge) -> int:
    """Payload `Expunge`. UIDs that are gone already are no error: two sessions may expunge the same."""
    account = load_account(tx, wanted.account_id)
    _mailbox(tx, wanted.account_id, wanted.mailbox_id)
    gone = 0
    for uids in _portions(sorted(set(wanted.uids))):
        rows = _rows(tx, wanted.account_id, wanted.mailbox_id, uids)
        if rows:
            account.modseq += 1
            _remove(tx, wanted.account_id, wanted.mailbox_id, rows, account.modseq)
            gone += len(rows)
    return gone


@each
def set_flags(tx: Transaction, wanted: SetFlags) -> int:
    """Payload `SetFlags`. Messages whose flags are already so keep their MODSEQ (RFC 7162 3.1.3)."""
    account = load_account(tx, wanted.account_id)
    _mailbox(tx, wanted.account_id, wanted.mailbox_id)
    modseq, changed, unseen, deleted = account.modseq + 1, [], 0, 0
    for uids in _portions(sorted(set(wanted.uids))):
        for row in _rows(tx, wanted.account_id, wanted.mailbox_id, uids):
            flags = (row.flags | wanted.add) & ~wanted.remove
            keywords = _keywords(row.keywords, wanted)
            if (flags, keywords) == (row.flags, row.keywords):
                continue
            unseen += bool(row.flags & Flag.SEEN) - bool(flags & Flag.SEEN)
            deleted += bool(flags & Flag.DELETED) - bool(row.flags & Flag.DELETED)
            changed.append({"u": row.uid, "f": flags, "k": keywords})
    if not changed:
        return 0
    where = and_(_at(messages, wanted.account_id, wanted.mailbox_id), messages.c.uid == bindparam("u"))
    tx.conn.execute(
        update(messages).where(where).values(flags=bindparam("f"), keywords=bindparam("k"), modseq=modseq), changed
    )
    _count(tx, wanted.account_id, wanted.mailbox_id, modseq, unseen=unseen, deleted=deleted)
    return modseq


@each
def create_mailbox(tx: Transaction, wanted: CreateMailbox) -> MailboxId:
    """Payload `CreateMailbox`. Names are kept as Unicode, levels separated by `/`; INBOX is always there."""
    account = load_account(tx, wanted.account_id)
    name = check_name(wanted.name)
    _name_free(tx, wanted.account_id, name)
    mailbox_id, modseq = account.last_mailbox_id + 1, account.modseq + 1
    row = new_mailbox(wanted.account_id, mailbox_id, name, modseq=modseq, special_use=wanted.special_use)
    # RFC 9051 2.3.1.1: larger than that of any mailbox that had this name before, even within the same second.
    row["uid_validity"] = raise_number(tx, "uid_validity", int(time.time()))
    tx.conn.execute(insert(mailboxes), row)
    tx.conn.execute(
        update(account_state)
        .where(account_state.c.account_id == wanted.account_id)
        .values(last_mailbox_id=mailbox_id, modseq=modseq)
    )
    tx.announce(f"mailbox:{wanted.account_id}:{mailbox_id}")
    return MailboxId(mailbox_id)


@each
def rename_mailbox(tx: Transaction, wanted: RenameMailbox) -> None:
    """Payload `RenameMailbox`. INBOX keeps its name (what RFC 9051 6.3.6 asks for it is the IMAP server's to do)."""
    load_account(tx, wanted.account_id)
    old = _mailbox(tx, wanted.account_id, wanted.mailbox_id).name
    if wanted.mailbox_id == INBOX:
        raise EstafetaError(Kind.INVALID, "INBOX cannot be renamed.")
    name = check_name(wanted.name)
    if name.startswith(f"{old}/"):
        raise EstafetaError(Kind.INVALID, "A mailbox cannot be moved below itself.")
    below = select(mailboxes.c.mailbox_id, mailboxes.c.name).where(
        mailboxes.c.account_id == wanted.account_id, mailboxes.c.name.startswith(f"{old}/", autoescape=True)
    )
    moved = [(wanted.mailbox_id, name)]
    # LIKE ignores case in SQLite: look again at what it found.
    moved += [(r.mailbox_id, name + r.name[len(old) :]) for r in tx.conn.execute(below) if r.name.startswith(f"{old}/")]
    for _, new in moved:
        _name_free(tx, wanted.account_id, check_name(new))
    for mailbox_id, new in moved:
        tx.conn.execute(update(mailboxes).where(_at(mailboxes, wanted.account_id, mailbox_id)).values(name=new))
        tx.announce(f"mailbox:{wanted.account_id}:{mailbox_id}")


@each
def delete_mailbox(tx: Transaction, wanted: DeleteMailbox) -> int:
    """Payload `DeleteMailbox`; the result is how many messages went with it."""
    if wanted.mailbox_id == INBOX:
        raise EstafetaError(Kind.INVALID, "INBOX cannot be removed.")
    load_account(tx, wanted.account_id)
    _mailbox(tx, wanted.account_id, wanted.mailbox_id)
    return _drop(tx, wanted.account_id, wanted.mailbox_id)


@each
def purge_account(tx: Transaction, wanted: PurgeAccount) -> int:
    """Payload `PurgeAccount` (D6: a removed user's mailbox stays until it is purged)."""
    tx.conn.execute(
        select(account_state.c.account_id).where(account_state.c.account_id == wanted.account_id).with_for_update()
    )
    ids = select(mailboxes.c.mailbox_id).where(mailboxes.c.account_id == wanted.account_id)
    gone = sum(_drop(tx, wanted.account_id, row.mailbox_id) for row in tx.conn.execute(ids).all())
    tx.conn.execute(delete(account_state).where(account_state.c.account_id == wanted.account_id))
    return gone


def check_name(name: str) -> str:
    """A mailbox name fit to be stored: Unicode, levels by `/`, no empty level, no control characters."""
    levels = name.split("/")
    wrong = not name or len(name.encode("utf-8", "replace")) > _NAME_BYTES or any(not level.strip() for level in levels)
    if wrong or not name.isprintable():
        raise EstafetaError(Kind.INVALID, f"{name[:80]!r} cannot be the name of a mailbox.")
    return "INBOX" if name.upper() == "INBOX" else name


def release_contents(tx: Transaction, content_ids: Iterable[int]) -> None:
    """Take one reference from each content; what has none left is dead, and its octets count against its pack."""
    times: dict[int, int] = {}
    for content_id in content_ids:
        times[content_id] = times.get(content_id, 0) + 1
    where = contents.c.content_id == bindparam("c")
    tx.conn.execute(
        update(contents).where(where).values(refs=contents.c.refs - bindparam("n")),
        [{"c": content_id, "n": count} for content_id, count in sorted(times.items())],
    )
    for ids in _portions(sorted(times)):
        _bury(tx, ids)


def _bury(tx: Transaction, content_ids: Sequence[int]) -> None:
    dead = and_(contents.c.content_id.in_(content_ids), contents.c.refs <= 0)
    octets = select(contents.c.pack_id, func.sum(contents.c.length).label("octets")).where(dead)
    for row in tx.conn.execute(octets.group_by(contents.c.pack_id)).all():
        tx.conn.execute(
            update(packs).where(packs.c.pack_id == row.pack_id).values(dead_bytes=packs.c.dead_bytes + int(row.octets))
        )
    tx.conn.execute(delete(contents).where(dead))


def _drop(tx: Transaction, account_id: int, mailbox_id: int) -> int:
    gone = 0
    some = (
        select(messages.c.uid, messages.c.content_id, messages.c.flags, messages.c.size)
        .where(_at(messages, account_id, mailbox_id))
        .limit(_AT_ONCE)
    )
    while rows := tx.conn.execute(some).all():
        _remove(tx, account_id, mailbox_id, rows, None)
        gone += len(rows)
    for table in (tombstones, mailboxes):
        tx.conn.execute(delete(table).where(_at(table, account_id, mailbox_id)))
    tx.announce(f"mailbox:{account_id}:{mailbox_id}")
    return gone


def _remove(tx: Transaction, account_id: int, mailbox_id: int, rows: Sequence[Any], modseq: int | None) -> None:
    """Delete message rows with all that counts them. Tombstones only where the mailbox stays (`modseq`)."""
    uids = [row.uid for row in rows]
    tx.conn.execute(delete(messages).where(_at(messages, account_id, mailbox_id), messages.c.uid.in_(uids)))
    release_contents(tx, (row.content_id for row in rows))
    _count(
        tx,
        account_id,
        mailbox_id,
        modseq,
        messages=-len(rows),
        unseen=-sum(not row.flags & Flag.SEEN for row in rows),
        deleted=-sum(bool(row.flags & Flag.DELETED) for row in rows),
        octets=-sum(row.size for row in rows),
    )
    if modseq is not None:
        key = {"account_id": account_id, "mailbox_id": mailbox_id, "modseq": modseq}
        tx.conn.execute(insert(tombstones), [key | {"uid": uid} for uid in uids])


def _count(
    tx: Transaction,
    account_id: int,
    mailbox_id: int,
    modseq: int | None,
    *,
    messages: int = 0,
    unseen: int = 0,
    deleted: int = 0,
    octets: int = 0,
) -> None:
    """Move the counters of a mailbox and its account by these amounts."""
    box, account = mailboxes.c, account_state.c
    tx.conn.execute(
        update(mailboxes)
        .where(_at(mailboxes, account_id, mailbox_id))
        .values(
            messages=box.messages + messages,
            unseen=box.unseen + unseen,
            deleted=box.deleted + deleted,
            bytes=box.bytes + octets,
            **({} if modseq is None else {"modseq": modseq}),
        )
    )
    tx.conn.execute(
        update(account_state)
        .where(account.account_id == account_id)
        .values(
            messages=account.messages + messages,
            bytes=account.bytes + octets,
            **({} if modseq is None else {"modseq": modseq}),
        )
    )
    tx.announce(f"mailbox:{account_id}:{mailbox_id}")


def _rows(tx: Transaction, account_id: int, mailbox_id: int, uids: Sequence[int]) -> Sequence[Any]:
    found = select(messages.c.uid, messages.c.content_id, messages.c.flags, messages.c.keywords, messages.c.size).where(
        _at(messages, account_id, mailbox_id), messages.c.uid.in_(uids)
    )
    return tx.conn.execute(found).all()


def _mailbox(tx: Transaction, account_id: int, mailbox_id: int) -> Any:
    row = tx.conn.execute(select(mailboxes).where(_at(mailboxes, account_id, mailbox_id)).with_for_update()).first()
    if row is None:
        raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
    return row


def _name_free(tx: Transaction, account_id: int, name: str) -> None:
    same = select(mailboxes.c.mailbox_id).where(mailboxes.c.account_id == account_id, mailboxes.c.name == name)
    if tx.conn.execute(same).first() is not None:
        raise EstafetaError(Kind.EXISTS, f"There is a mailbox {name!r} already.")


def _keywords(kept: str, wanted: SetFlags) -> str:
    if not wanted.add_keywords and not wanted.remove_keywords:
        return kept
    return " ".join(sorted((set(kept.split()) | wanted.add_keywords) - wanted.remove_keywords))


def _at(table: Any, account_id: int, mailbox_id: int) -> Any:
    return and_(table.c.account_id == account_id, table.c.mailbox_id == mailbox_id)


def _portions(values: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
