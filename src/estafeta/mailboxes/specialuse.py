"""Giving a mailbox that is there special uses (RFC 6154 4)."""

from dataclasses import dataclass

from sqlalchemy import select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.rows import at, load_account, lock_mailbox
from estafeta.mailboxes.tables import mailboxes
from estafeta.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class SetSpecialUse:
    """Have a mailbox be for exactly these uses: without backslash, separated by spaces, empty for none."""

    account_id: AccountId
    mailbox_id: MailboxId
    special_use: str


@each
def set_special_use(tx: Transaction, wanted: SetSpecialUse) -> None:
    """Payload `SetSpecialUse`. Kinds: NOT_FOUND, IN_USE when another mailbox has one of them."""
    load_account(tx, wanted.account_id)
    lock_mailbox(tx, wanted.account_id, wanted.mailbox_id)
    others = select(mailboxes.c.name, mailboxes.c.special_use).where(
        mailboxes.c.account_id == wanted.account_id, mailboxes.c.mailbox_id != wanted.mailbox_id
    )
    uses = set(wanted.special_use.lower().split())
    for row in tx.conn.execute(others.where(mailboxes.c.special_use != "")):
        if uses & set(row.special_use.lower().split()):
            raise EstafetaError(Kind.IN_USE, f"The mailbox {row.name!r} has that special use.")
    here = at(mailboxes, wanted.account_id, wanted.mailbox_id)
    tx.conn.execute(update(mailboxes).where(here).values(special_use=wanted.special_use))
    tx.announce(f"mailbox:{wanted.account_id}:{wanted.mailbox_id}")
