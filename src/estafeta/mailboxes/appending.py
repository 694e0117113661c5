"""APPEND, MULTIAPPEND (RFC 3502) and REPLACE (RFC 8508): messages with contents of their own, all or none."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.change import remove_messages
from estafeta.mailboxes.deliver import ADD_CONTENT, ADD_MESSAGE, content_row
from estafeta.mailboxes.keywords import Vocabulary, join, keep
from estafeta.mailboxes.lessons import note_appended
from estafeta.mailboxes.operation import each_stored
from estafeta.mailboxes.rows import Account, Box, Totals, count, load_account, lock_mailbox
from estafeta.mailboxes.selection import Selected
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Appended, Flag, NewMessage
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.packs import Location


@dataclass(frozen=True, slots=True)
class AppendMessages:
    """Append `messages`, whose contents are submitted with it in the same order. Quotas are the account's; 0 is none.

    `replaces` is the account, mailbox and UID of a message that goes in the same transaction."""

    account_id: AccountId
    mailbox_id: MailboxId
    messages: tuple[NewMessage, ...]
    quota_bytes: int = 0
    quota_messages: int = 0
    replaces: tuple[int, int, int] | None = None


@each_stored
def append_messages(tx: Transaction, item: Item) -> Appended:
    """Payload `AppendMessages`. Kinds: NOT_FOUND (also: nothing to replace), QUOTA, LIMIT and INVALID (keywords)."""
    wanted: AppendMessages = item.payload
    accounts, boxes = _lock(tx, wanted)
    account, box = accounts[wanted.account_id], boxes[wanted.account_id, wanted.mailbox_id]
    vocabulary = Vocabulary(box.keywords)
    words = [join(vocabulary.learn(message.keywords)) for message in wanted.messages]
    old_size = _replaced_size(tx, wanted)
    octets = sum(location.size for location in item.locations)
    freed = wanted.replaces is not None and wanted.replaces[0] == wanted.account_id
    account.check_room(
        octets - (old_size if freed else 0),
        len(wanted.messages) - freed,
        wanted.quota_bytes,
        wanted.quota_messages,
    )
    modseq = account.modseq + 1
    _add(tx, box, modseq, wanted.messages, words, item.locations)
    note_appended(tx, box, wanted.messages, item.locations)
    keep(tx, wanted.account_id, wanted.mailbox_id, box.keywords, vocabulary)
    replaced = _replace(tx, wanted, accounts)
    return Appended(box.uid_validity, box.uid_next, len(wanted.messages), modseq, replaced)


def _lock(tx: Transaction, wanted: AppendMessages) -> tuple[dict[int, Account], dict[tuple[int, int], Box]]:
    places = {(int(wanted.account_id), int(wanted.mailbox_id))}
    if wanted.replaces is not None:
        places.add(wanted.replaces[:2])
    accounts = {account_id: load_account(tx, account_id) for account_id in sorted({place[0] for place in places})}
    return accounts, {place: lock_mailbox(tx, *place) for place in sorted(places)}


def _add(
    tx: Transaction,
    box: Box,
    modseq: int,
    new: Sequence[NewMessage],
    words: Sequence[str],
    locations: Sequence[Location],
) -> None:
    rows = [
        (
            box.account_id,
            box.mailbox_id,
            uid,
            location.content_id,
            modseq,
            modseq,
            int(message.flags),
            keywords,
            message.internal_date_ms,
            message.save_date_ms,
            location.size,
        )
        for uid, (message, keywords, location) in enumerate(zip(new, words, locations, strict=True), box.uid_next)
    ]
    pairs = zip(new, locations, strict=True)
    ADD_CONTENT.many(tx, [content_row(message.summary, location, 1) for message, location in pairs])
    ADD_MESSAGE.many(tx, rows)
    totals = Totals(
        messages=len(new),
        unseen=sum(not message.flags & Flag.SEEN for message in new),
        deleted=sum(bool(message.flags & Flag.DELETED) for message in new),
        octets=sum(location.size for location in locations),
    )
    count(tx, box.account_id, box.mailbox_id, modseq, totals, uid_next=box.uid_next + len(new))


def _replaced_size(tx: Transaction, wanted: AppendMessages) -> int:
    if wanted.replaces is None:
        return 0
    account_id, mailbox_id, uid = wanted.replaces
    for (size,) in _SIZE.found(tx, account_id, mailbox_id, ((uid, uid),)):
        return int(size)
    raise EstafetaError(Kind.NOT_FOUND, "The message to be replaced is gone.")


def _replace(tx: Transaction, wanted: AppendMessages, accounts: dict[int, Account]) -> int:
    """The MODSEQ with which the replaced message went; 0 if none was to go."""
    if wanted.replaces is None:
        return 0
    account_id, mailbox_id, uid = wanted.replaces
    modseq = accounts[account_id].modseq + 1
    return remove_messages(tx, account_id, mailbox_id, ((uid, uid),), modseq).modseq


_SIZE = Selected(lambda here: select(messages.c.size).where(here))
