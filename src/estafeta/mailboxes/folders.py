"""Making, renaming and removing mailboxes, and what a person's client keeps about their names (RFC 9051 6.3.4 - 6.3.8).

Each is an operation of the group commit: domain errors are returned for the item that they concern. Names are Unicode,
levels separated by `/`; a mailbox needs no parent, the hierarchy is in the names.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, SHARED, AccountId, MailboxId
from estafeta.mailboxes.change import drop_mailbox
from estafeta.mailboxes.copying import CopyMessages, copy_into
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.rows import Account, at, load_account, lock_mailbox, new_mailbox, replace_row, subscribe
from estafeta.mailboxes.tables import account_state, acl, mailboxes, subscriptions
from estafeta.mailboxes.values import ALL
from estafeta.storage.commit import raise_number
from estafeta.storage.database import Transaction

_NAME_BYTES = 1000
# All that RFC 6154 and RFC 8457 know fit in this.
_USE_LENGTH = 80
_MAX_MAILBOXES = 10_000
_MAX_SUBSCRIPTIONS = 20_000


@dataclass(frozen=True, slots=True)
class CreateMailbox:
    """Make a mailbox; the result is its id. `special_use`: attributes of RFC 6154 without backslash, with spaces.

    It gets the rights that its nearest parent gives (RFC 4314 3). Kinds: EXISTS when the name is taken, INVALID when it
    cannot be one, IN_USE when another mailbox has a special use, LIMIT."""

    account_id: AccountId
    name: str
    special_use: str = ""
    subscribed: bool = True
    max_mailboxes: int = _MAX_MAILBOXES


@dataclass(frozen=True, slots=True)
class RenameMailbox:
    """Give a mailbox another name; mailboxes below it follow. INBOX gives its messages to a new mailbox and stays."""

    account_id: AccountId
    mailbox_id: MailboxId
    name: str


@dataclass(frozen=True, slots=True)
class RenameBelow:
    """Give the mailboxes below `old`, a name that is only their parent and no mailbox itself, the parent `name`.

    Kinds: NOT_FOUND when there are none, EXISTS when `old` is a mailbox or a new name is taken, INVALID."""

    account_id: AccountId
    old: str
    name: str


@dataclass(frozen=True, slots=True)
class DeleteMailbox:
    """Remove a mailbox with its messages; the result is how many. INBOX stays, mailboxes below it stay."""

    account_id: AccountId
    mailbox_id: MailboxId


@dataclass(frozen=True, slots=True)
class SetSubscribed:
    """Add a name to the subscriptions of an account, or take it away; there need not be such a mailbox."""

    account_id: AccountId
    name: str
    subscribed: bool


@dataclass(frozen=True, slots=True)
class ClaimRecent:
    """From now on all messages count as announced; the result is the `recent_uid` before (RFC 3501 2.3.2)."""

    account_id: AccountId
    mailbox_id: MailboxId


@each
def create_mailbox(tx: Transaction, wanted: CreateMailbox) -> MailboxId:
    """Payload `CreateMailbox`; INBOX is always there."""
    account = load_account(tx, wanted.account_id)
    name = check_name(wanted.name)
    _check_free(tx, wanted.account_id, name)
    _check_use(tx, wanted.account_id, wanted.special_use)
    there = select(func.count()).select_from(mailboxes).where(mailboxes.c.account_id == wanted.account_id)
    if tx.conn.execute(there).scalar_one() >= wanted.max_mailboxes:
        raise EstafetaError(Kind.LIMIT, f"There can be at most {wanted.max_mailboxes} mailboxes.")
    mailbox_id = _make(tx, wanted.account_id, account, name, wanted.special_use)
    if wanted.subscribed:
        subscribe(tx, wanted.account_id, name)
    return mailbox_id


@each
def rename_mailbox(tx: Transaction, wanted: RenameMailbox) -> None:
    """Payload `RenameMailbox`. Ids, UIDVALIDITY, rights and annotations stay; subscriptions are names and stay too."""
    account = load_account(tx, wanted.account_id)
    old = lock_mailbox(tx, wanted.account_id, wanted.mailbox_id).name
    name = check_name(wanted.name)
    if wanted.mailbox_id == INBOX:
        _check_free(tx, wanted.account_id, name)
        _empty_inbox(tx, wanted.account_id, account, name)
        return
    _check_apart(old, name)
    _move(tx, wanted.account_id, [(int(wanted.mailbox_id), name), *_below(tx, wanted.account_id, old, name)])


@each
def rename_below(tx: Transaction, wanted: RenameBelow) -> None:
    """Payload `RenameBelow`."""
    load_account(tx, wanted.account_id)
    old, name = check_name(wanted.old), check_name(wanted.name)
    _check_apart(old, name)
    _check_free(tx, wanted.account_id, old)
    _check_free(tx, wanted.account_id, name)
    moved = _below(tx, wanted.account_id, old, name)
    if not moved:
        raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
    _move(tx, wanted.account_id, moved)


@each
def delete_mailbox(tx: Transaction, wanted: DeleteMailbox) -> int:
    """Payload `DeleteMailbox`. Kinds: NOT_FOUND, INVALID (INBOX)."""
    if wanted.mailbox_id == INBOX and wanted.account_id != SHARED:
        raise EstafetaError(Kind.INVALID, "INBOX cannot be removed.")
    load_account(tx, wanted.account_id)
    lock_mailbox(tx, wanted.account_id, wanted.mailbox_id)
    return drop_mailbox(tx, wanted.account_id, wanted.mailbox_id)


@each
def set_subscribed(tx: Transaction, wanted: SetSubscribed) -> None:
    """Payload `SetSubscribed`. Kinds: INVALID, LIMIT."""
    load_account(tx, wanted.account_id)
    name = "INBOX" if wanted.name.upper() == "INBOX" else wanted.name
    if not name or not name.isprintable() or len(name.encode("utf-8", "replace")) > _NAME_BYTES:
        raise EstafetaError(Kind.INVALID, f"{name[:80]!r} cannot be the name of a mailbox.")
    mine = subscriptions.c.account_id == wanted.account_id
    known = tx.conn.execute(select(func.count()).select_from(subscriptions).where(mine)).scalar_one()
    if wanted.subscribed and known >= _MAX_SUBSCRIPTIONS:
        raise EstafetaError(Kind.LIMIT, f"There can be at most {_MAX_SUBSCRIPTIONS} subscriptions.")
    key = {"account_id": wanted.account_id, "name": name}
    replace_row(tx, subscriptions, key, {} if wanted.subscribed else None)
    tx.announce(f"mailbox:{wanted.account_id}:0")


@each
def claim_recent(tx: Transaction, wanted: ClaimRecent) -> int:
    """Payload `ClaimRecent`. Of two sessions that ask at once, one gets the recent messages (RFC 3501 2.3.2)."""
    load_account(tx, wanted.account_id)
    box = lock_mailbox(tx, wanted.account_id, wanted.mailbox_id)
    if box.recent_uid < box.uid_next - 1:
        here = at(mailboxes, wanted.account_id, wanted.mailbox_id)
        tx.conn.execute(update(mailboxes).where(here).values(recent_uid=box.uid_next - 1))
    return box.recent_uid


def check_name(name: str) -> str:
    """A mailbox name fit to be stored: Unicode, levels by `/`, no empty level, no control characters."""
    levels = name.split("/")
    wrong = not name or len(name.encode("utf-8", "replace")) > _NAME_BYTES or any(not level.strip() for level in levels)
    if wrong or not name.isprintable():
        raise EstafetaError(Kind.INVALID, f"{name[:80]!r} cannot be the name of a mailbox.")
    return "INBOX" if name.upper() == "INBOX" else name


def _make(tx: Transaction, account_id: int, account: Account, name: str, special_use: str) -> MailboxId:
    """Add the row of a new mailbox, with the rights that its nearest parent gives."""
    mailbox_id, modseq = account.last_mailbox_id + 1, account.modseq + 1
    row = new_mailbox(account_id, mailbox_id, name, modseq=modseq, special_use=" ".join(special_use.split()))
    # RFC 9051 2.3.1.1: larger than that of any mailbox that had this name before, even within the same second.
    row["uid_validity"] = raise_number(tx, "uid_validity", int(time.time()))
    tx.conn.execute(insert(mailboxes), row)
    tx.conn.execute(
        update(account_state)
        .where(account_state.c.account_id == account_id)
        .values(last_mailbox_id=mailbox_id, modseq=modseq)
    )
    account.last_mailbox_id, account.modseq = mailbox_id, modseq
    _inherit(tx, account_id, mailbox_id, name)
    tx.announce(f"mailbox:{account_id}:{mailbox_id}")
    return MailboxId(mailbox_id)


def _inherit(tx: Transaction, account_id: int, mailbox_id: int, name: str) -> None:
    parts = name.split("/")[:-1]
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    parents = select(mailboxes.c.mailbox_id, mailboxes.c.name).where(
        mailboxes.c.account_id == account_id, mailboxes.c.name.in_(above)
    )
    found = sorted(tx.conn.execute(parents).all(), key=lambda row: len(row.name))
    if found:
        theirs = select(acl.c.identifier, acl.c.rights).where(at(acl, account_id, found[-1].mailbox_id))
        rows = [{"identifier": row.identifier, "rights": row.rights} for row in tx.conn.execute(theirs)]
        key = {"account_id": account_id, "mailbox_id": mailbox_id}
        if rows:
            tx.conn.execute(insert(acl), [key | row for row in rows])


def _empty_inbox(tx: Transaction, account_id: int, account: Account, name: str) -> None:
    """RFC 9051 6.3.6: renaming INBOX moves its messages to a new mailbox and leaves it empty; what is below stays."""
    mailbox_id = _make(tx, account_id, account, name, "")
    mine = AccountId(account_id)
    copy_into(tx, CopyMessages(mine, INBOX, ALL, mine, mailbox_id, move=True))


def _below(tx: Transaction, account_id: int, old: str, name: str) -> list[tuple[int, str]]:
    """The mailboxes below `old`, and what they are called when it is called `name`."""
    below = select(mailboxes.c.mailbox_id, mailboxes.c.name).where(
        mailboxes.c.account_id == account_id, mailboxes.c.name.startswith(f"{old}/", autoescape=True)
    )
    # LIKE ignores case in SQLite: look again at what it found.
    found = [row for row in tx.conn.execute(below) if row.name.startswith(f"{old}/")]
    return [(row.mailbox_id, name + row.name[len(old) :]) for row in found]


def _move(tx: Transaction, account_id: int, moved: Sequence[tuple[int, str]]) -> None:
    """Give mailboxes, by id, their new names, which must be free."""
    for _, name in moved:
        _check_free(tx, account_id, check_name(name))
    for mailbox_id, name in moved:
        tx.conn.execute(update(mailboxes).where(at(mailboxes, account_id, mailbox_id)).values(name=name))
        tx.announce(f"mailbox:{account_id}:{mailbox_id}")


def _check_apart(old: str, name: str) -> None:
    if name.startswith(f"{old}/"):
        raise EstafetaError(Kind.INVALID, "A mailbox cannot be moved below itself.")


def _check_free(tx: Transaction, account_id: int, name: str) -> None:
    same = select(mailboxes.c.mailbox_id).where(mailboxes.c.account_id == account_id, mailboxes.c.name == name)
    if tx.conn.execute(same).first() is not None:
        raise EstafetaError(Kind.EXISTS, f"There is a mailbox {name!r} already.")


def _check_use(tx: Transaction, account_id: int, special_use: str) -> None:
    """RFC 6154 3: a mailbox may have several uses; of each there is one mailbox, or clients would not know which."""
    wanted = special_use.split()
    if len(special_use) > _USE_LENGTH:
        raise EstafetaError(Kind.INVALID, "There are too many special uses.")
    if not wanted:
        return
    used = select(mailboxes.c.name, mailboxes.c.special_use).where(
        mailboxes.c.account_id == account_id, mailboxes.c.special_use != ""
    )
    for row in tx.conn.execute(used):
        for use in wanted:
            if use.lower() in row.special_use.lower().split():
                raise EstafetaError(Kind.IN_USE, f"The mailbox {row.name!r} is for {use} already.")
