"""Keys that URLs of URLAUTH are signed with (RFC 4467): one for each person and mailbox, made on first use."""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, delete, insert, select

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.rows import at, load_account, lock_mailbox
from estafeta.mailboxes.tables import urlauth_keys
from estafeta.storage.database import Database, Transaction

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class UrlKey:
    """The key of a person for a mailbox; made if there is none. The result is its 32 octets."""

    account_id: AccountId
    mailbox_id: MailboxId
    person_id: int


@dataclass(frozen=True, slots=True)
class ResetUrlKeys:
    """Forget keys of a person, so that the URLs signed with them are void: of one mailbox, or of all (None, None)."""

    person_id: int
    account_id: AccountId | None = None
    mailbox_id: MailboxId | None = None


@each
def url_key(tx: Transaction, wanted: UrlKey) -> bytes:
    """Payload `UrlKey`. Kind NOT_FOUND when there is no such mailbox."""
    load_account(tx, wanted.account_id)
    lock_mailbox(tx, wanted.account_id, wanted.mailbox_id)
    found = tx.conn.execute(_key(wanted.account_id, wanted.mailbox_id, wanted.person_id)).scalar()
    if found is not None:
        return bytes(found)
    secret = secrets.token_bytes(_KEY_BYTES)
    row = {"account_id": wanted.account_id, "mailbox_id": wanted.mailbox_id, "person_id": wanted.person_id}
    tx.conn.execute(insert(urlauth_keys), row | {"secret": secret})
    return secret


@each
def reset_url_keys(tx: Transaction, wanted: ResetUrlKeys) -> int:
    """Payload `ResetUrlKeys`; the result is how many keys went."""
    gone = delete(urlauth_keys).where(urlauth_keys.c.person_id == wanted.person_id)
    if wanted.account_id is not None:
        gone = gone.where(urlauth_keys.c.account_id == wanted.account_id)
    if wanted.mailbox_id is not None:
        gone = gone.where(urlauth_keys.c.mailbox_id == wanted.mailbox_id)
    return int(tx.conn.execute(gone).rowcount)


def find_url_key(database: Database, account_id: AccountId, mailbox_id: MailboxId, person_id: int) -> bytes | None:
    """The key, if one was made and not forgotten."""
    with database.read() as conn:
        found = conn.execute(_key(account_id, mailbox_id, person_id)).scalar()
    return None if found is None else bytes(found)


def _key(account_id: int, mailbox_id: int, person_id: int) -> "Select[Any]":
    return select(urlauth_keys.c.secret).where(
        and_(at(urlauth_keys, account_id, mailbox_id), urlauth_keys.c.person_id == person_id)
    )
