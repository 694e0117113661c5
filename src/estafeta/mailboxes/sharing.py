"""Access control lists (RFC 4314): who has which rights on a mailbox. What a right allows is the servers' to say.

An identifier is `ann@example.test`, `@example.test` (everyone of a domain), `group:staff@example.test` or `anyone`;
with `-` in front its rights are taken away from those that others give (RFC 4314 2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.rows import at, load_account, lock_mailbox, replace_row
from estafeta.mailboxes.tables import acl, mailboxes
from estafeta.mailboxes.values import Grant
from estafeta.storage.database import Database, Transaction

_MAX_ENTRIES = 1000
_IDENTIFIER_LENGTH = 320


@dataclass(frozen=True, slots=True)
class SetAcl:
    """Give `identifier` these rights (letters of RFC 4314 2.1) on a mailbox; None removes the entry."""

    account_id: AccountId
    mailbox_id: MailboxId
    identifier: str
    rights: str | None


@each
def set_acl(tx: Transaction, wanted: SetAcl) -> None:
    """Payload `SetAcl`. Kinds: NOT_FOUND, INVALID, LIMIT."""
    load_account(tx, wanted.account_id)
    lock_mailbox(tx, wanted.account_id, wanted.mailbox_id)
    identifier = wanted.identifier
    if not identifier.lstrip("-") or len(identifier) > _IDENTIFIER_LENGTH or not identifier.isprintable():
        raise EstafetaError(Kind.INVALID, "This cannot have rights on a mailbox.")
    here = at(acl, wanted.account_id, wanted.mailbox_id)
    there = {row.identifier for row in tx.conn.execute(select(acl.c.identifier).where(here))}
    if wanted.rights is not None and identifier not in there and len(there) >= _MAX_ENTRIES:
        raise EstafetaError(Kind.LIMIT, f"A mailbox can be shared with at most {_MAX_ENTRIES} identifiers.")
    key = {"account_id": wanted.account_id, "mailbox_id": wanted.mailbox_id, "identifier": identifier}
    rights = None if wanted.rights is None else {"rights": "".join(sorted(set(wanted.rights)))}
    replace_row(tx, acl, key, rights)
    tx.announce(f"mailbox:{wanted.account_id}:{wanted.mailbox_id}")


def acl_of(database: Database, account_id: AccountId, mailbox_id: MailboxId) -> dict[str, str]:
    """The entries of a mailbox: identifier -> rights."""
    wanted = select(acl.c.identifier, acl.c.rights).where(at(acl, account_id, mailbox_id)).order_by(acl.c.identifier)
    with database.read() as conn:
        return {row.identifier: row.rights for row in conn.execute(wanted)}


def granted(database: Database, identifiers: Sequence[str]) -> list[Grant]:
    """Every entry that any mailbox has for one of these identifiers, also those that take rights away."""
    names = [*identifiers, *(f"-{one}" for one in identifiers)]
    wanted = (
        select(acl.c.account_id, acl.c.mailbox_id, mailboxes.c.name, acl.c.identifier, acl.c.rights)
        .join_from(
            acl,
            mailboxes,
            (mailboxes.c.account_id == acl.c.account_id) & (mailboxes.c.mailbox_id == acl.c.mailbox_id),
        )
        .where(acl.c.identifier.in_(names))
        .order_by(acl.c.account_id, acl.c.mailbox_id, acl.c.identifier)
    )
    with database.read() as conn:
        return [Grant(*row) for row in conn.execute(wanted)]


def effective(entries: Mapping[str, str], identifiers: Sequence[str]) -> frozenset[str]:
    """The rights of someone with these identifiers: all that are given, without those that are taken away."""
    given = {right for one in identifiers for right in entries.get(one, "")}
    taken = {right for one in identifiers for right in entries.get(f"-{one}", "")}
    return frozenset(given - taken)
