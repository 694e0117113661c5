"""STORE (RFC 9051 6.4.6, RFC 7162 3.1.3): flags and keywords of any number of messages, as one change.

What the messages have now is counted before anything is written, so that the counters are known: only what the change
touches of \\Seen and \\Deleted, or, where keywords change, groups of equal flags and keywords. Then few statements
change all of them, and messages that are so already keep their MODSEQ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import bindparam, case, func, or_, select, update

from estafeta.core.ids import AccountId, MailboxId
from estafeta.journal.records import Code
from estafeta.mailboxes.keywords import Vocabulary, join, keep
from estafeta.mailboxes.lessons import note_marked
from estafeta.mailboxes.noting import NoteRead, record_reading
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.rows import Totals, at, count, load_account, lock_mailbox
from estafeta.mailboxes.selection import Selected
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Flag, Ranges, Stored, StoreMode, ranges_of
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared

_EVERY_FLAG = 0x7FFFFFFF
# Above every MODSEQ (RFC 7162 1: 63 bits).
_NO_LIMIT = 2**63 - 1
# With more different sets of keywords than this, messages are changed one by one: a statement for each set reads all.
_SETS = 16
_COUNTED = int(Flag.SEEN | Flag.DELETED)
# Account, mailbox, UIDs.
_Key = tuple[int, int, Ranges]


@dataclass(frozen=True, slots=True)
class StoreFlags:
    """Add, remove or replace flags and keywords of the messages in `ranges`. With `unchanged_since`, only those whose
    MODSEQ is not above it. `reader`: who reads what gets \\Seen now, as the journal has it ("": it has not)."""

    account_id: AccountId
    mailbox_id: MailboxId
    ranges: Ranges
    mode: Literal["add", "remove", "replace"]
    flags: int = 0
    keywords: frozenset[str] = frozenset()
    unchanged_since: int | None = None
    reader: str = ""


@dataclass(frozen=True, slots=True)
class _Change:
    """What happens to each message: `flags & keep | add`, and its keywords."""

    mode: StoreMode
    keep: int
    add: int
    words: frozenset[str]

    @property
    def has_words(self) -> bool:
        """Whether it can change keywords."""
        return bool(self.words) or self.mode is StoreMode.REPLACE

    def flags(self, old: int) -> int:
        return old & self.keep | self.add

    def having(self, flag: Flag, before: int, number: int) -> int:
        """How many of `number` messages have a flag afterwards, if `before` have it now."""
        return number if self.add & flag else before if self.keep & flag else 0

    def bits(self, limit: int, modseq: int) -> dict[str, Any]:
        """What the statements are given that change flags."""
        return {"kept": self.keep, "added": self.add, "most": limit, "new_modseq": modseq}

    def keywords(self, old: str) -> str:
        if self.mode is StoreMode.REPLACE:
            return join(self.words)
        if not self.words:
            return old
        there = set(old.split())
        return join(there | self.words if self.mode is StoreMode.ADD else there - self.words)


@each
def store_flags(tx: Transaction, wanted: StoreFlags) -> Stored:
    """Payload `StoreFlags`. Kinds: NOT_FOUND, LIMIT (too many keywords), INVALID (what no keyword can be)."""
    account = load_account(tx, wanted.account_id)
    box = lock_mailbox(tx, wanted.account_id, wanted.mailbox_id)
    vocabulary = Vocabulary(box.keywords)
    change = _plan(wanted, vocabulary)
    key = (wanted.account_id, wanted.mailbox_id, wanted.ranges)
    limit: int = _NO_LIMIT
    conflicts: Ranges = ()
    if wanted.unchanged_since is not None:
        limit = min(wanted.unchanged_since, _NO_LIMIT)
        conflicts = ranges_of(row[0] for row in _CONFLICTS.found(tx, *key, most=limit))
    modseq = account.modseq + 1
    if wanted.reader and change.add & Flag.SEEN:
        reading = NoteRead(wanted.account_id, wanted.mailbox_id, wanted.ranges, Code.READ_IMAP, wanted.reader)
        record_reading(tx, reading, unseen=True)
    number, moved = (_change_both if change.has_words else _change_flags)(tx, key, change, limit, modseq)
    if not number:
        return Stored(0, 0, conflicts, box.modseq)
    keep(tx, wanted.account_id, wanted.mailbox_id, box.keywords, vocabulary)
    if change.has_words:
        note_marked(tx, key, wanted.keywords, modseq)
    count(tx, wanted.account_id, wanted.mailbox_id, modseq, moved)
    return Stored(modseq, number, conflicts, box.modseq)


def _plan(wanted: StoreFlags, vocabulary: Vocabulary) -> _Change:
    mode, flags = StoreMode(wanted.mode), int(wanted.flags)
    if mode is StoreMode.REMOVE:
        return _Change(mode, _EVERY_FLAG & ~flags, 0, frozenset(vocabulary.known(wanted.keywords)))
    kept = _EVERY_FLAG if mode is StoreMode.ADD else 0
    return _Change(mode, kept, flags, frozenset(vocabulary.learn(wanted.keywords)))


def _change_flags(tx: Transaction, key: _Key, change: _Change, limit: int, modseq: int) -> tuple[int, Totals]:
    """Change flags alone; how many messages changed, and what the counters move by."""
    moved = Totals()
    if (change.add | ~change.keep) & _COUNTED:
        [(number, seen, deleted)] = _TALLY.found(tx, *key, most=limit)
        moved = Totals(
            unseen=seen - change.having(Flag.SEEN, seen, number),
            deleted=change.having(Flag.DELETED, deleted, number) - deleted,
        )
    return _SET_FLAGS.run(tx, *key, **change.bits(limit, modseq)), moved


def _change_both(tx: Transaction, key: _Key, change: _Change, limit: int, modseq: int) -> tuple[int, Totals]:
    """As `_change_flags`, with keywords."""
    groups = _GROUPS.found(tx, *key, most=limit)
    changing = [row for row in groups if (change.flags(row[0]), change.keywords(row[1])) != (row[0], row[1])]
    if changing:
        _write(tx, key, change, sorted({row[1] for row in changing}), limit, modseq)
    return sum(row[2] for row in changing), _moved(change, changing)


def _moved(change: _Change, groups: Sequence[Any]) -> Totals:
    """What the counters move by."""
    unseen = deleted = 0
    for old, _, number in groups:
        new = change.flags(old)
        unseen += number * (bool(old & Flag.SEEN) - bool(new & Flag.SEEN))
        deleted += number * (bool(new & Flag.DELETED) - bool(old & Flag.DELETED))
    return Totals(unseen=unseen, deleted=deleted)


def _write(tx: Transaction, key: _Key, change: _Change, sets: Sequence[str], limit: int, modseq: int) -> None:
    """Change the messages, whose keywords are one of `sets` now."""
    bits = change.bits(limit, modseq)
    if change.mode is StoreMode.REPLACE:
        _SET_BOTH.run(tx, *key, **bits, words=join(change.words))
    elif len(sets) <= _SETS:
        for old in sets:
            _SET_THESE.run(tx, *key, **bits, before=old, words=change.keywords(old))
    else:
        _write_singly(tx, key, change, limit, modseq)


def _write_singly(tx: Transaction, key: _Key, change: _Change, limit: int, modseq: int) -> None:
    rows = []
    for uid, flags, words in _STATES.found(tx, *key, most=limit):
        new = (change.flags(flags), change.keywords(words))
        if new != (flags, words):
            rows.append((modseq, *new, *key[:2], uid))
    _SET_ONE.many(tx, rows)


_m = messages.c
_at_most = _m.modseq <= bindparam("most")
_new_flags = _m.flags.op("&")(bindparam("kept")).op("|")(bindparam("added"))
_CONFLICTS = Selected(lambda here: select(_m.uid).where(here, _m.modseq > bindparam("most")))
_GROUPS = Selected(
    lambda here: select(_m.flags, _m.keywords, func.count()).where(here, _at_most).group_by(_m.flags, _m.keywords)
)
_TALLY = Selected(
    lambda here: select(
        func.count(),
        *(func.count(case((_m.flags.op("&")(int(flag)) != 0, 1))) for flag in (Flag.SEEN, Flag.DELETED)),
    ).where(here, _at_most)
)
_STATES = Selected(lambda here: select(_m.uid, _m.flags, _m.keywords).where(here, _at_most).order_by(_m.uid))
_SET_FLAGS = Selected(
    lambda here: (
        update(messages)
        .where(here, _at_most, _m.flags != _new_flags)
        .values(flags=_new_flags, modseq=bindparam("new_modseq"))
    )
)
_SET_BOTH = Selected(
    lambda here: (
        update(messages)
        .where(here, _at_most, or_(_m.flags != _new_flags, _m.keywords != bindparam("words")))
        .values(flags=_new_flags, keywords=bindparam("words"), modseq=bindparam("new_modseq"))
    )
)
_SET_THESE = Selected(
    lambda here: (
        update(messages)
        .where(
            here,
            _at_most,
            _m.keywords == bindparam("before"),
            or_(_m.flags != _new_flags, _m.keywords != bindparam("words")),
        )
        .values(flags=_new_flags, keywords=bindparam("words"), modseq=bindparam("new_modseq"))
    )
)
_SET_ONE = Prepared(
    update(messages)
    .where(at(messages, bindparam("account"), bindparam("mailbox")), _m.uid == bindparam("one"))
    .values(modseq=bindparam("new_modseq"), flags=bindparam("new_flags"), keywords=bindparam("words")),
    "new_modseq",
    "new_flags",
    "words",
    "account",
    "mailbox",
    "one",
)
