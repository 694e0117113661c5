"""The delivery operation of the group commit: every message that waits, into every mailbox it goes to, at once.

Counters, UIDNEXT, MODSEQ and quota change in the same transaction as the rows they describe. One content row serves any
number of recipients. A recipient over quota gets an error of kind QUOTA; the others get the message.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX
from estafeta.mailboxes.tables import account_state, mailboxes, messages
from estafeta.mailboxes.values import Arrival, Delivered, Delivery, Flag
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.packs import Location
from estafeta.storage.prepared import Prepared
from estafeta.storage.tables import contents


@dataclass(slots=True)
class _Account:
    modseq: int
    octets: int
    last_mailbox_id: int
    added: int = 0
    added_octets: int = 0


@dataclass(slots=True)
class _Mailbox:
    uid_next: int
    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    octets: int = 0
    modseq: int = 0


Outcome = Delivered | EstafetaError


def deliver(tx: Transaction, items: Sequence[Item]) -> list[list[Outcome]]:
    """Payloads are `Arrival`s with one location each; results are one outcome per delivery, in order."""
    wanted = sorted({(d.account_id, d.mailbox_id) for item in items for d in item.payload.deliveries})
    accounts, boxes = _load(tx, wanted)
    batch = _Batch(accounts, boxes)
    results = [batch.take(item.payload, item.locations[0]) for item in items]
    batch.write(tx)
    return results


class _Batch:
    """Rows of one transaction, gathered so that each table is written once."""

    def __init__(self, accounts: dict[int, _Account], boxes: dict[tuple[int, int], _Mailbox]) -> None:
        self._accounts = accounts
        self._boxes = boxes
        self._messages: list[tuple[object, ...]] = []
        self._contents: list[tuple[object, ...]] = []

    def take(self, arrival: Arrival, location: Location) -> list[Outcome]:
        outcomes = [self._deliver(arrival, delivery, location) for delivery in arrival.deliveries]
        refs = sum(isinstance(outcome, Delivered) for outcome in outcomes)
        if refs:
            self._contents.append(_content_row(arrival, location, refs))
        return outcomes

    def _deliver(self, arrival: Arrival, delivery: Delivery, location: Location) -> Outcome:
        account = self._accounts[delivery.account_id]
        box = self._boxes.get((delivery.account_id, delivery.mailbox_id))
        if box is None:
            return EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
        size = location.size
        if delivery.quota_bytes and account.octets + account.added_octets + size > delivery.quota_bytes:
            return EstafetaError(Kind.QUOTA, "The mailbox is full.")
        account.modseq += 1
        account.added += 1
        account.added_octets += size
        uid = box.uid_next
        box.uid_next += 1
        box.messages += 1
        box.octets += size
        box.modseq = account.modseq
        flags = delivery.flags
        box.unseen += not flags & Flag.SEEN
        box.deleted += bool(flags & Flag.DELETED)
        self._messages.append(
            (
                delivery.account_id,
                delivery.mailbox_id,
                uid,
                location.content_id,
                account.modseq,
                account.modseq,
                flags,
                delivery.keywords,
                arrival.internal_date_ms,
                arrival.save_date_ms,
                size,
            )
        )
        return Delivered(delivery.account_id, delivery.mailbox_id, uid, account.modseq)

    def write(self, tx: Transaction) -> None:
        _ADD_CONTENT.many(tx, self._contents)
        # In key order: neighbours share a page of the tree.
        self._messages.sort(key=lambda row: row[:3])
        _ADD_MESSAGE.many(tx, self._messages)
        changed = {key: box for key, box in self._boxes.items() if box.messages}
        _COUNT_MAILBOX.many(
            tx,
            [
                (box.uid_next, box.modseq, box.messages, box.unseen, box.deleted, box.octets, *key)
                for key, box in changed.items()
            ],
        )
        _COUNT_ACCOUNT.many(
            tx,
            [
                (account.modseq, account.added_octets, account.added, account_id)
                for account_id, account in self._accounts.items()
                if account.added
            ],
        )
        for account_id, mailbox_id in changed:
            tx.announce(f"mailbox:{account_id}:{mailbox_id}")


def _content_row(arrival: Arrival, location: Location, refs: int) -> tuple[object, ...]:
    summary = arrival.summary
    return (
        location.content_id,
        location.pack_id,
        location.offset,
        location.length,
        location.size,
        refs,
        False,
        summary.header_size,
        summary.envelope,
        summary.bodystructure,
        summary.structure,
        summary.preview,
    )


def _load(
    tx: Transaction, wanted: Sequence[tuple[int, int]]
) -> tuple[dict[int, _Account], dict[tuple[int, int], _Mailbox]]:
    """The rows of accounts and mailboxes, locked in the order of their keys. INBOXes are made where missing."""
    accounts: dict[int, _Account] = {}
    boxes: dict[tuple[int, int], _Mailbox] = {}
    for key in wanted:
        row = _STATE.first(tx, *key)
        if row is None:
            if key[0] not in accounts:
                accounts[key[0]] = load_account(tx, key[0])
            if key[1] == INBOX:
                boxes[key] = _Mailbox(uid_next=1)
            continue
        if key[0] not in accounts:
            accounts[key[0]] = _Account(row[0], row[1], row[2])
        boxes[key] = _Mailbox(uid_next=row[3])
    return accounts, boxes


def load_account(tx: Transaction, account_id: int) -> _Account:
    """The state of an account; made, with its INBOX, when mail comes for the first time."""
    row = tx.conn.execute(
        select(account_state.c.modseq, account_state.c.bytes, account_state.c.last_mailbox_id)
        .where(account_state.c.account_id == account_id)
        .with_for_update()
    ).first()
    if row is not None:
        return _Account(row.modseq, row.bytes, row.last_mailbox_id)
    tx.conn.execute(
        insert(account_state),
        {"account_id": account_id, "modseq": 1, "bytes": 0, "messages": 0, "last_mailbox_id": INBOX},
    )
    tx.conn.execute(insert(mailboxes), new_mailbox(account_id, INBOX, "INBOX", modseq=1))
    return _Account(1, 0, INBOX)


def new_mailbox(
    account_id: int, mailbox_id: int, name: str, *, modseq: int, special_use: str = ""
) -> dict[str, object]:
    """The row of an empty mailbox. UIDVALIDITY is the second of its making (RFC 9051 2.3.1.1)."""
    return {
        "account_id": account_id,
        "mailbox_id": mailbox_id,
        "name": name,
        "special_use": special_use,
        "subscribed": True,
        "uid_validity": int(time.time()),
        "uid_next": 1,
        "modseq": modseq,
        "messages": 0,
        "unseen": 0,
        "deleted": 0,
        "bytes": 0,
    }


_STATE = Prepared(
    select(account_state.c.modseq, account_state.c.bytes, account_state.c.last_mailbox_id, mailboxes.c.uid_next)
    .join_from(account_state, mailboxes, mailboxes.c.account_id == account_state.c.account_id)
    .where(mailboxes.c.account_id == bindparam("account_id"), mailboxes.c.mailbox_id == bindparam("mailbox_id"))
    .with_for_update(),
    "account_id",
    "mailbox_id",
)
_ADD_CONTENT = Prepared(insert(contents), *(column.name for column in contents.columns))
_ADD_MESSAGE = Prepared(insert(messages), *(column.name for column in messages.columns))
_COUNT_MAILBOX = Prepared(
    update(mailboxes)
    .where(mailboxes.c.account_id == bindparam("account"), mailboxes.c.mailbox_id == bindparam("mailbox"))
    .values(
        uid_next=bindparam("new_uid_next"),
        modseq=bindparam("new_modseq"),
        messages=mailboxes.c.messages + bindparam("more_messages"),
        unseen=mailboxes.c.unseen + bindparam("more_unseen"),
        deleted=mailboxes.c.deleted + bindparam("more_deleted"),
        bytes=mailboxes.c.bytes + bindparam("more_bytes"),
    ),
    "new_uid_next",
    "new_modseq",
    "more_messages",
    "more_unseen",
    "more_deleted",
    "more_bytes",
    "account",
    "mailbox",
)
_COUNT_ACCOUNT = Prepared(
    update(account_state)
    .where(account_state.c.account_id == bindparam("account"))
    .values(
        modseq=bindparam("new_modseq"),
        bytes=account_state.c.bytes + bindparam("more_bytes"),
        messages=account_state.c.messages + bindparam("more_messages"),
    ),
    "new_modseq",
    "more_bytes",
    "more_messages",
    "account",
)
