"""The delivery operation of the group commit: every message that waits, into every mailbox it goes to, at once.

Counters, UIDNEXT, MODSEQ and quota change in the same transaction as the rows they describe. One content row serves any
number of recipients. A recipient over quota gets an error of kind QUOTA; the others get the message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, JUNK, SHARED, AccountId, MailboxId
from estafeta.journal.records import Record
from estafeta.journal.writing import write_records
from estafeta.mail.scan import MessageSummary
from estafeta.mailboxes.filing import filing_records
from estafeta.mailboxes.furnish import find_junk
from estafeta.mailboxes.keywords import Vocabulary, join, keep
from estafeta.mailboxes.rows import Account, load_account
from estafeta.mailboxes.tables import account_state, mailboxes, messages
from estafeta.mailboxes.values import Arrival, Delivered, Delivery, Flag
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.packs import Location
from estafeta.storage.prepared import Prepared
from estafeta.storage.tables import contents

# Plain numbers: to combine one with an enumeration calls Python.
_SEEN, _DELETED = int(Flag.SEEN), int(Flag.DELETED)


@dataclass(slots=True)
class _Mailbox:
    uid_next: int
    keywords: str = ""
    vocabulary: Vocabulary | None = None
    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    octets: int = 0
    modseq: int = 0

    def spell(self, keywords: str) -> str:
        """Keywords as the mailbox spells them; it learns new ones as long as it has room."""
        if self.vocabulary is None:
            self.vocabulary = Vocabulary(self.keywords)
        return join(self.vocabulary.take(keywords.split()))


Outcome = Delivered | EstafetaError


def deliver(tx: Transaction, items: Sequence[Item]) -> list[list[Outcome]]:
    """Payloads are `Arrival`s with one location each; results are one outcome per delivery, in order."""
    return file_arrivals(tx, [(item.payload, item.locations[0], 0) for item in items])


def file_arrivals(tx: Transaction, arrivals: Sequence[tuple[Arrival, Location, int]]) -> list[list[Outcome]]:
    """File each arrival, whose content is at the location and is referred to that many times from elsewhere (the
    queue). One outcome per delivery, in order."""
    wanted = _mailboxes_of(arrivals)
    if any(mailbox_id == JUNK for _, mailbox_id in wanted):
        arrivals = _with_junk_found(tx, arrivals, wanted)
        wanted = _mailboxes_of(arrivals)
    accounts, boxes = _load(tx, sorted(wanted))
    batch = _Batch(accounts, boxes)
    results = [batch.take(*one) for one in arrivals]
    batch.write(tx)
    return results


def _mailboxes_of(arrivals: Sequence[tuple[Arrival, Location, int]]) -> set[tuple[AccountId, MailboxId]]:
    return {(account_id, mailbox_id) for arrival, _, _ in arrivals for account_id, mailbox_id, *_ in arrival.deliveries}


def _with_junk_found(
    tx: Transaction, arrivals: Sequence[tuple[Arrival, Location, int]], wanted: Iterable[tuple[AccountId, MailboxId]]
) -> list[tuple[Arrival, Location, int]]:
    """The same with the mailboxes for junk by their numbers."""
    accounts = sorted(account_id for account_id, mailbox_id in wanted if mailbox_id == JUNK)
    found = {account_id: find_junk(tx, account_id) for account_id in accounts}
    return [(_junk_placed(arrival, found), location, refs) for arrival, location, refs in arrivals]


def _junk_placed(arrival: Arrival, found: dict[AccountId, MailboxId]) -> Arrival:
    placed = [d._replace(mailbox_id=found[d.account_id]) if d.mailbox_id == JUNK else d for d in arrival.deliveries]
    return arrival._replace(deliveries=tuple(placed))


class _Batch:
    """Rows of one transaction, gathered so that each table is written once."""

    def __init__(self, accounts: dict[int, Account], boxes: dict[tuple[int, int], _Mailbox]) -> None:
        self._accounts = accounts
        self._boxes = boxes
        self._messages: list[tuple[int | str, ...]] = []
        self._contents: list[tuple[object, ...]] = []
        self._records: list[Record] = []

    def take(self, arrival: Arrival, location: Location, elsewhere: int) -> list[Outcome]:
        dates = (arrival.internal_date_ms, arrival.save_date_ms)
        outcomes = [self._deliver(delivery, dates, location) for delivery in arrival.deliveries]
        refs = sum(isinstance(outcome, Delivered) for outcome in outcomes) + elsewhere
        if refs:
            self._contents.append(content_row(arrival.summary, location, refs, arrival.ident))
        if arrival.records:
            self._records += filing_records(arrival, outcomes, location.size, queued=elsewhere > 0)
        return outcomes

    def _deliver(self, delivery: Delivery, dates: tuple[int, int], location: Location) -> Outcome:
        account_id, mailbox_id, flags, keywords, quota_bytes, quota_messages, _ = delivery
        account = self._accounts[account_id]
        box = self._boxes.get((account_id, mailbox_id))
        if box is None:
            return EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
        size = location.size
        if quota_bytes and account.octets + account.added_octets + size > quota_bytes:
            return EstafetaError(Kind.QUOTA, "The mailbox is full.")
        if quota_messages and account.messages + account.added >= quota_messages:
            return EstafetaError(Kind.QUOTA, "There are too many messages in the mailbox.")
        modseq = account.modseq = account.modseq + 1
        account.added += 1
        account.added_octets += size
        uid = box.uid_next
        box.uid_next = uid + 1
        box.messages += 1
        box.octets += size
        box.modseq = modseq
        box.unseen += not flags & _SEEN
        box.deleted += bool(flags & _DELETED)
        words = box.spell(keywords) if keywords else ""
        place = (account_id, mailbox_id, uid, location.content_id)
        self._messages.append((*place, modseq, modseq, flags, words, *dates, size))
        return Delivered(account_id, mailbox_id, uid, modseq)

    def write(self, tx: Transaction) -> None:
        ADD_CONTENT.many(tx, self._contents)
        # In key order: neighbours share a page of the tree.
        self._messages.sort()
        ADD_MESSAGE.many(tx, self._messages)
        write_records(tx, self._records)
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
        for (account_id, mailbox_id), box in changed.items():
            if box.vocabulary is not None:
                keep(tx, account_id, mailbox_id, box.keywords, box.vocabulary)
            tx.announce(f"mailbox:{account_id}:{mailbox_id}")


def content_row(summary: MessageSummary, location: Location, refs: int, ident: int = 0) -> tuple[object, ...]:
    """The row of a new content that `refs` messages refer to. `ident`: the message in the journal."""
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
        ident,
    )


def _load(
    tx: Transaction, wanted: Sequence[tuple[int, int]]
) -> tuple[dict[int, Account], dict[tuple[int, int], _Mailbox]]:
    """The rows of accounts and mailboxes, locked in the order of their keys. INBOXes are made where missing."""
    accounts: dict[int, Account] = {}
    boxes: dict[tuple[int, int], _Mailbox] = {}
    for key in wanted:
        row = _STATE.first(tx, *key)
        if row is None:
            if key[0] not in accounts:
                accounts[key[0]] = load_account(tx, key[0])
            if key[1] == INBOX and key[0] != SHARED:
                boxes[key] = _Mailbox(uid_next=1)
            continue
        if key[0] not in accounts:
            accounts[key[0]] = Account(row[0], row[1], row[2], row[3])
        boxes[key] = _Mailbox(uid_next=row[4], keywords=row[5])
    return accounts, boxes


_STATE = Prepared(
    select(
        account_state.c.modseq,
        account_state.c.bytes,
        account_state.c.last_mailbox_id,
        account_state.c.messages,
        mailboxes.c.uid_next,
        mailboxes.c.keywords,
    )
    .join_from(account_state, mailboxes, mailboxes.c.account_id == account_state.c.account_id)
    .where(mailboxes.c.account_id == bindparam("account_id"), mailboxes.c.mailbox_id == bindparam("mailbox_id"))
    .with_for_update(),
    "account_id",
    "mailbox_id",
)
#: Rows of `content_row`.
ADD_CONTENT = Prepared(insert(contents), *(column.name for column in contents.columns))
#: All columns of a message, in their order.
ADD_MESSAGE = Prepared(insert(messages), *(column.name for column in messages.columns))
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
