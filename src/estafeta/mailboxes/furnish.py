"""The folders that an account begins with: made once, when its user signs in for the first time.

What the user renames or deletes later does not come back. An import may have been there before: a mailbox that has one
of the names gets its special use (RFC 6154), and where another one has the use already, none is made.
"""

from dataclasses import dataclass

from sqlalchemy import select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mailboxes.folders import CreateMailbox, create_mailbox
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.rows import load_account, subscribe
from estafeta.mailboxes.tables import account_state, mailboxes
from estafeta.storage.commit import Item
from estafeta.storage.database import Database, Transaction

_JUNK = "Junk"


@dataclass(frozen=True, slots=True)
class Furnish:
    """Make these folders, given as name and special use (without backslash, or empty), unless that was done before.

    The result says whether it was done now."""

    account_id: AccountId
    folders: tuple[tuple[str, str], ...]


@each
def furnish(tx: Transaction, wanted: Furnish) -> bool:
    """Payload `Furnish`. Also makes INBOX, if no mail came yet. A name that cannot be a mailbox is passed over."""
    load_account(tx, wanted.account_id)
    mine = account_state.c.account_id == wanted.account_id
    if tx.conn.execute(select(account_state.c.furnished).where(mine)).scalar_one():
        return False
    for name, use in wanted.folders:
        [made] = create_mailbox(tx, [Item(CreateMailbox(wanted.account_id, name, use), ())])
        if isinstance(made, EstafetaError) and made.kind is Kind.EXISTS:
            _adopt(tx, wanted.account_id, name, use)
    tx.conn.execute(update(account_state).where(mine).values(furnished=True))
    return True


def _adopt(tx: Transaction, account_id: AccountId, name: str, use: str) -> None:
    """Give the mailbox that has the name its use, unless one has it already."""
    mine = mailboxes.c.account_id == account_id
    used = tx.conn.execute(select(mailboxes.c.special_use).where(mine)).scalars()
    if any(use.lower() in there.lower().split() for there in used):
        return
    here = (mine, mailboxes.c.name == name, mailboxes.c.special_use == "")
    tx.conn.execute(update(mailboxes).where(*here).values(special_use=use))
    subscribe(tx, account_id, name)


def find_junk(tx: Transaction, account_id: AccountId) -> MailboxId:
    """The mailbox for junk; INBOX when there is none and none can be made."""
    found = _with_use(tx, account_id, _JUNK)
    if found is None:
        [made] = create_mailbox(tx, [Item(CreateMailbox(account_id, _JUNK, _JUNK), ())])
        if isinstance(made, EstafetaError) and made.kind is Kind.EXISTS:
            _adopt(tx, account_id, _JUNK, _JUNK)
        found = _with_use(tx, account_id, _JUNK)
    return INBOX if found is None else found


def _with_use(tx: Transaction, account_id: AccountId, use: str) -> MailboxId | None:
    columns = mailboxes.c
    rows = tx.conn.execute(
        select(columns.mailbox_id, columns.special_use)
        .where(columns.account_id == account_id, columns.special_use != "")
        .order_by(columns.mailbox_id)
    )
    return next((MailboxId(row.mailbox_id) for row in rows if use.lower() in row.special_use.lower().split()), None)


def is_furnished(database: Database, account_id: AccountId) -> bool:
    """Whether the account has got its first folders."""
    wanted = select(account_state.c.furnished).where(account_state.c.account_id == account_id)
    with database.read() as conn:
        return bool(conn.execute(wanted).scalar())
