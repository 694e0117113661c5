"""Rows that every change of a mailbox begins and ends with: the account's and the mailbox's, locked, made, counted.

Locks are taken accounts first, in the order of their ids, then mailboxes in the order of theirs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, SHARED
from estafeta.mailboxes.tables import account_state, mailboxes, subscriptions
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Query


@dataclass(slots=True)
class Account:
    """The state of an account, and what an operation adds to it. `octets` before compression."""

    modseq: int
    octets: int
    last_mailbox_id: int
    messages: int
    added: int = 0
    added_octets: int = 0

    def check_room(self, octets: int, messages: int, quota_bytes: int, quota_messages: int) -> None:
        """Raises QUOTA unless so much more fits. 0 is no limit; who adds nothing is never over it."""
        if quota_bytes and octets > 0 and self.octets + self.added_octets + octets > quota_bytes:
            raise EstafetaError(Kind.QUOTA, "The mailbox is full.")
        if quota_messages and messages > 0 and self.messages + self.added + messages > quota_messages:
            raise EstafetaError(Kind.QUOTA, "There are too many messages in the mailbox.")


@dataclass(frozen=True, slots=True)
class Box:
    """The row of a mailbox as it was locked."""

    account_id: int
    mailbox_id: int
    name: str
    uid_validity: int
    uid_next: int
    modseq: int
    keywords: str
    recent_uid: int
    deleted: int
    special_use: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """What some messages add up to. `octets` before compression."""

    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    octets: int = 0

    def __neg__(self) -> "Totals":
        return Totals(-self.messages, -self.unseen, -self.deleted, -self.octets)


def at(table: FromClause, account_id: Any, mailbox_id: Any) -> ColumnElement[bool]:
    """The rows of a table that belong to a mailbox."""
    return and_(table.c.account_id == account_id, table.c.mailbox_id == mailbox_id)


def load_account(tx: Transaction, account_id: int) -> Account:
    """The state of an account, locked; made, with its INBOX, when it is used for the first time."""
    for modseq, octets, last_mailbox_id, messages in _ACCOUNT.found(tx, account=account_id):
        return Account(modseq, octets, last_mailbox_id, messages)
    state = {"account_id": account_id, "modseq": 1, "bytes": 0, "messages": 0, "last_mailbox_id": INBOX}
    tx.conn.execute(insert(account_state), state)
    if account_id != SHARED:
        tx.conn.execute(insert(mailboxes), new_mailbox(account_id, INBOX, "INBOX", modseq=1))
        subscribe(tx, account_id, "INBOX")
    return Account(1, 0, INBOX, 0)


def lock_mailbox(tx: Transaction, account_id: int, mailbox_id: int) -> Box:
    """The row of a mailbox, locked. Raises NOT_FOUND."""
    for row in _BOX.found(tx, account=account_id, mailbox=mailbox_id):
        return Box(account_id, mailbox_id, *row)
    raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")


def new_mailbox(
    account_id: int, mailbox_id: int, name: str, *, modseq: int, special_use: str = ""
) -> dict[str, object]:
    """The row of an empty mailbox. UIDVALIDITY is the second of its making (RFC 9051 2.3.1.1)."""
    return {
        "account_id": account_id,
        "mailbox_id": mailbox_id,
        "name": name,
        "special_use": special_use,
        "uid_validity": int(time.time()),
        "uid_next": 1,
        "modseq": modseq,
        "messages": 0,
        "unseen": 0,
        "deleted": 0,
        "bytes": 0,
        "keywords": "",
        "recent_uid": 0,
    }


def subscribe(tx: Transaction, account_id: int, name: str) -> None:
    """Add a name to the subscriptions of an account, if it is not there."""
    replace_row(tx, subscriptions, {"account_id": account_id, "name": name}, {})


def replace_row(tx: Transaction, table: Table, key: Mapping[str, Any], values: Mapping[str, Any] | None) -> None:
    """Have the row with this key hold these values; None removes it."""
    tx.conn.execute(delete(table).where(*(table.c[name] == value for name, value in key.items())))
    if values is not None:
        tx.conn.execute(insert(table), {**key, **values})


def count(
    tx: Transaction, account_id: int, mailbox_id: int, modseq: int | None, more: Totals, *, uid_next: int = 0
) -> None:
    """Move the counters of a mailbox and its account. `modseq` is that of this change (None: it leaves no trace);
    `uid_next` if it grew."""
    figures = {"more_messages": more.messages, "more_bytes": more.octets, "new_modseq": modseq}
    _COUNT_BOX.run(
        tx,
        account=account_id,
        mailbox=mailbox_id,
        more_unseen=more.unseen,
        more_deleted=more.deleted,
        least=uid_next,
        **figures,
    )
    _COUNT_ACCOUNT.run(tx, account=account_id, **figures)
    tx.announce(f"mailbox:{account_id}:{mailbox_id}")


def _at(table: Table) -> ColumnElement[bool]:
    return at(table, bindparam("account"), bindparam("mailbox"))


_ACCOUNT = Query(
    select(account_state.c.modseq, account_state.c.bytes, account_state.c.last_mailbox_id, account_state.c.messages)
    .where(account_state.c.account_id == bindparam("account"))
    .with_for_update()
)
_BOX = Query(
    select(
        mailboxes.c.name,
        mailboxes.c.uid_validity,
        mailboxes.c.uid_next,
        mailboxes.c.modseq,
        mailboxes.c.keywords,
        mailboxes.c.recent_uid,
        mailboxes.c.deleted,
        mailboxes.c.special_use,
    )
    .where(_at(mailboxes))
    .with_for_update()
)
_COUNT_BOX = Query(
    update(mailboxes)
    .where(_at(mailboxes))
    .values(
        messages=mailboxes.c.messages + bindparam("more_messages"),
        unseen=mailboxes.c.unseen + bindparam("more_unseen"),
        deleted=mailboxes.c.deleted + bindparam("more_deleted"),
        bytes=mailboxes.c.bytes + bindparam("more_bytes"),
        modseq=func.coalesce(bindparam("new_modseq", type_=BigInteger), mailboxes.c.modseq),
        uid_next=case((mailboxes.c.uid_next < bindparam("least"), bindparam("least")), else_=mailboxes.c.uid_next),
    )
)
_COUNT_ACCOUNT = Query(
    update(account_state)
    .where(account_state.c.account_id == bindparam("account"))
    .values(
        messages=account_state.c.messages + bindparam("more_messages"),
        bytes=account_state.c.bytes + bindparam("more_bytes"),
        modseq=func.coalesce(bindparam("new_modseq", type_=BigInteger), account_state.c.modseq),
    )
)
