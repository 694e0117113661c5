"""COPY and MOVE (RFC 9051 6.4.7, 6.4.8): messages into another mailbox, of the same or another account, as one change.

Rows are copied by the database, in the order of their UIDs. COPY adds references to the contents; MOVE hands them over,
and leaves tombstones where the messages were.
"""

import time
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, case, func, insert, literal, select, update

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.change import take_out, total, total_and_uids
from estafeta.mailboxes.keywords import Vocabulary, join, keep
from estafeta.mailboxes.lessons import note_copies
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.references import add_references
from estafeta.mailboxes.rows import Box, Totals, at, count, load_account, lock_mailbox
from estafeta.mailboxes.selection import Selected
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Copied, Flag, Ranges
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared

_EVERY_FLAG = 0x7FFFFFFF
# With more different sets of keywords to change than this, messages are changed one by one.
_SETS = 16


@dataclass(frozen=True, slots=True)
class CopyMessages:
    """Copy or `move` the messages in `ranges` that are there. Quotas are the target account's; 0 is none.

    `keep_flags` and `keep_keywords`: what of the flags goes along, as the rights in the target say (RFC 4314 4)."""

    source_account: AccountId
    source_mailbox: MailboxId
    ranges: Ranges
    target_account: AccountId
    target_mailbox: MailboxId
    move: bool = False
    quota_bytes: int = 0
    quota_messages: int = 0
    keep_flags: int = _EVERY_FLAG
    keep_keywords: bool = True


@each
def copy_messages(tx: Transaction, wanted: CopyMessages) -> Copied:
    """Payload `CopyMessages`. Kinds: NOT_FOUND, QUOTA."""
    return copy_into(tx, wanted)


def copy_into(tx: Transaction, wanted: CopyMessages) -> Copied:
    """As `copy_messages`, as a part of another operation."""
    accounts = {one: load_account(tx, one) for one in sorted({wanted.source_account, wanted.target_account})}
    places = {(wanted.source_account, wanted.source_mailbox), (wanted.target_account, wanted.target_mailbox)}
    boxes = {place: lock_mailbox(tx, *place) for place in sorted(places)}
    target = boxes[wanted.target_account, wanted.target_mailbox]
    totals, sources = total_and_uids(tx, wanted.source_account, wanted.source_mailbox, wanted.ranges)
    account = accounts[wanted.target_account]
    if not (wanted.move and wanted.source_account == wanted.target_account):
        account.check_room(totals.octets, totals.messages, wanted.quota_bytes, wanted.quota_messages)
    if not totals.messages:
        return Copied(target.uid_validity, (), target.uid_next, 0, 0)
    modseq = account.modseq + 1
    note_copies(tx, boxes[wanted.source_account, wanted.source_mailbox], target, sources)
    _transfer(tx, wanted, target, totals, sources, modseq)
    if wanted.move:
        gone_modseq = accounts[wanted.source_account].modseq + 1
        take_out(tx, wanted.source_account, wanted.source_mailbox, sources, gone_modseq)
        count(tx, wanted.source_account, wanted.source_mailbox, gone_modseq, -totals)
    return Copied(target.uid_validity, sources, target.uid_next, totals.messages, modseq)


def _transfer(tx: Transaction, wanted: CopyMessages, target: Box, totals: Totals, sources: Ranges, modseq: int) -> None:
    """Add copies of the messages with the UIDs `sources`, which add up to `totals`, to the target."""
    key = (wanted.source_account, wanted.source_mailbox, sources)
    if not wanted.move:
        add_references(tx, *key)
    # Without gaps the new UIDs are the old ones moved, which is half the work of counting.
    gaps = len(sources) > 1
    (_COPY if gaps else _SHIFT).run(
        tx,
        *key,
        target_account=target.account_id,
        target_mailbox=target.mailbox_id,
        before=target.uid_next - (1 if gaps else sources[0][0]),
        new_modseq=modseq,
        kept=int(wanted.keep_flags),
        words=int(wanted.keep_keywords),
        now=int(time.time() * 1000),
    )
    copies = ((target.uid_next, target.uid_next + totals.messages - 1),)
    if wanted.keep_keywords:
        _respell(tx, target, copies)
    if wanted.keep_flags & _COUNTED != _COUNTED:
        totals = total(tx, target.account_id, target.mailbox_id, copies)
    count(tx, target.account_id, target.mailbox_id, modseq, totals, uid_next=copies[0][1] + 1)


def _respell(tx: Transaction, target: Box, copies: Ranges) -> None:
    """Have the target know the keywords of its new messages, and them spelled as it does."""
    vocabulary = Vocabulary(target.keywords)
    key = (target.account_id, target.mailbox_id, copies)
    spelled = {words: join(vocabulary.take(words.split())) for (words,) in sorted(_WORDS.found(tx, *key))}
    other = {words: new for words, new in spelled.items() if new != words}
    if len(other) <= _SETS:
        for words, new in other.items():
            _SPELL.run(tx, *key, before=words, after=new)
    else:
        rows = [(other[words], *key[:2], uid) for uid, words in _SPELLED.found(tx, *key) if words in other]
        _SPELL_ONE.many(tx, rows)
    keep(tx, target.account_id, target.mailbox_id, target.keywords, vocabulary)


_COUNTED = int(Flag.SEEN | Flag.DELETED)
_m = messages.c


def _copying(number: ColumnElement[int]) -> Selected:
    """Copy rows; the new UID is the parameter `before` and this number."""
    return Selected(
        lambda here: insert(messages).from_select(
            [column.name for column in messages.columns],
            select(
                bindparam("target_account", type_=BigInteger),
                bindparam("target_mailbox", type_=_m.mailbox_id.type),
                bindparam("before", type_=BigInteger) + number,
                _m.content_id,
                bindparam("new_modseq", type_=BigInteger),
                bindparam("new_modseq", type_=BigInteger),
                _m.flags.op("&")(bindparam("kept")),
                case((bindparam("words", type_=BigInteger) == literal(1), _m.keywords), else_=literal("", Text)),
                _m.internal_date_ms,
                bindparam("now", type_=BigInteger),
                _m.size,
            )
            .where(here)
            .order_by(_m.uid),
        )
    )


_COPY = _copying(func.row_number().over(order_by=_m.uid))
_SHIFT = _copying(_m.uid)
_WORDS = Selected(lambda here: select(_m.keywords).where(here, _m.keywords != literal("")).distinct())
_SPELL = Selected(
    lambda here: update(messages).where(here, _m.keywords == bindparam("before")).values(keywords=bindparam("after"))
)
_SPELLED = Selected(lambda here: select(_m.uid, _m.keywords).where(here))
_SPELL_ONE = Prepared(
    update(messages)
    .where(at(messages, bindparam("account"), bindparam("mailbox")), _m.uid == bindparam("one"))
    .values(keywords=bindparam("after")),
    "after",
    "account",
    "mailbox",
    "one",
)
