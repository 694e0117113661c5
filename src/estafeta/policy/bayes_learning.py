"""Learning: an operation of the group commit that counts the words of messages, once for each message and person.

What was learnt is remembered with its words, so that the opposite takes back exactly that: learning and forgetting
leaves the counts as they were. Counts are rows; the version of the site's tells workers which to read again
(policy.bayes_store).
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, text, update

from estafeta.mailboxes.lessons import Lesson
from estafeta.policy.bayes_tables import bayes_changes, bayes_counts, bayes_learnt, bayes_totals
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared, Query

SITE = 0
"""The account that the site's words belong to; nobody has it."""
TOPIC = "bayes"
"""On the bus: what is known has changed."""
KEPT_CHANGES = 500
"""Versions that a worker may be behind without reading all."""


class Taught(NamedTuple):
    """A message to learn. `account_id`: who says it; `SITE`: nobody, it is learnt for the site alone. `content_id`:
    which message, so that it counts once and can be taken back; 0: it is not remembered. `day`: days since 1970.
    `site_most`: lessons that this account may teach the site on one day."""

    account_id: int
    content_id: int
    lesson: Lesson
    buckets: Sequence[int]
    day: int
    site_most: int = 1_000_000_000


def learn(tx: Transaction, items: Sequence[Item]) -> list[bool]:
    """Payloads are `Taught`; the results say whether anything changed by each."""
    wanted: list[Taught] = [item.payload for item in items]
    if not wanted:
        return []
    batch = _Batch(tx, {SITE} | {one.account_id for one in wanted})
    done = [batch.take(one) for one in wanted]
    batch.write()
    return done


@dataclass(slots=True)
class _Known:
    """The totals of an account, and what this batch adds to its counts: bucket -> good, spam."""

    ham: int = 0
    spam: int = 0
    version: int = 0
    day: int = 0
    today: int = 0
    new: bool = True
    more: dict[int, list[int]] = field(default_factory=dict)
    changed: bool = False

    def add(self, buckets: Iterable[int], spam: bool, number: int) -> None:
        """Count a message, or take it back with `number` -1."""
        self.changed = True
        if spam:
            self.spam = max(0, self.spam + number)
        else:
            self.ham = max(0, self.ham + number)
        more = self.more
        for bucket in buckets:
            found = more.get(bucket)
            if found is None:
                found = more[bucket] = [0, 0]
            found[spam] += number

    def count_today(self, day: int, most: int) -> bool:
        """Whether one more is allowed on this day; counts it."""
        if day != self.day:
            self.day, self.today = day, 0
        if self.today >= most:
            return False
        self.today += 1
        self.changed = True
        return True


class _Batch:
    """All lessons of one transaction. Rows of totals are locked in the order of the accounts, so that two who learn
    at once take turns."""

    def __init__(self, tx: Transaction, accounts: set[int]) -> None:
        self._tx = tx
        self._known = {account: _load(tx, account) for account in sorted(accounts)}
        self._day = 0

    def take(self, wanted: Taught) -> bool:
        """Learn one message."""
        self._day = max(self._day, wanted.day)
        key = (wanted.account_id, wanted.content_id)
        before = self._recall(*key)
        if wanted.lesson is Lesson.FORGET and before is None:
            return False
        spam = wanted.lesson is Lesson.SPAM
        if before is not None and wanted.lesson is not Lesson.FORGET and before[0] == spam:
            return False
        if before is not None:
            self._take_back(*key, before)
        if wanted.account_id != SITE and (guess := self._recall(SITE, wanted.content_id)) is not None:
            # A person knows better than what was learnt automatically.
            self._take_back(SITE, wanted.content_id, guess)
        if wanted.lesson is not Lesson.FORGET:
            return self._learn(wanted, spam)
        return True

    def _learn(self, wanted: Taught, spam: bool) -> bool:
        own = self._known[wanted.account_id]
        in_site = own.count_today(wanted.day, wanted.site_most)
        if wanted.account_id == SITE:
            if not in_site:
                return False
        elif in_site:
            self._known[SITE].add(wanted.buckets, spam, 1)
        own.add(wanted.buckets, spam, 1)
        if wanted.content_id:
            _REMEMBER.many(
                self._tx,
                [(wanted.account_id, wanted.content_id, spam, in_site, wanted.day, pack(wanted.buckets))],
            )
        return True

    def _recall(self, account_id: int, content_id: int) -> tuple[bool, bool, bytes] | None:
        if not content_id:
            return None
        found: tuple[bool, bool, bytes] | None = _RECALL.first(self._tx, account_id, content_id)
        return found

    def _take_back(self, account_id: int, content_id: int, before: tuple[bool, bool, bytes]) -> None:
        spam, in_site, packed = before
        buckets = unpack(packed)
        self._known[account_id].add(buckets, bool(spam), -1)
        if in_site and account_id != SITE:
            self._known[SITE].add(buckets, bool(spam), -1)
        _FORGET.many(self._tx, [(account_id, content_id)])

    def write(self) -> None:
        """Rows of all accounts, in the order of their keys."""
        for account_id, known in self._known.items():
            if known.changed:
                self._write_counts(account_id, known)
                self._write_totals(account_id, known)
                self._tx.announce(TOPIC)

    def _write_counts(self, account_id: int, known: _Known) -> None:
        changed = sorted((bucket, more) for bucket, more in known.more.items() if more != [0, 0])
        less = [
            (-min(0, ham), -min(0, spam), account_id, bucket) for bucket, (ham, spam) in changed if min(ham, spam) < 0
        ]
        more = [
            (account_id, bucket, max(0, ham), max(0, spam), self._day)
            for bucket, (ham, spam) in changed
            if max(ham, spam) > 0
        ]
        _LESS.many(self._tx, less)
        _MORE.many(self._tx, more)
        _NONE_LEFT.many(self._tx, [row[2:] for row in less])
        known.version += 1
        if account_id == SITE and changed:
            _CHANGED.many(self._tx, [(known.version, pack(bucket for bucket, _ in changed))])
            _OLD_CHANGES.run(self._tx, below=known.version - KEPT_CHANGES)

    def _write_totals(self, account_id: int, known: _Known) -> None:
        values = {name: getattr(known, name) for name in ("ham", "spam", "version", "day", "today")}
        if known.new:
            self._tx.conn.execute(insert(bayes_totals), {"account_id": account_id, **values})
        else:
            mine = bayes_totals.c.account_id == account_id
            self._tx.conn.execute(update(bayes_totals).where(mine).values(**values))


def pack(buckets: Iterable[int]) -> bytes:
    """Buckets as they are stored, the same on every machine: 4 octets each, ascending."""
    ordered = sorted(buckets)
    return struct.pack(f"<{len(ordered)}I", *ordered)


def unpack(packed: bytes) -> tuple[int, ...]:
    """The buckets again."""
    return struct.unpack(f"<{len(packed) // 4}I", packed)


def _load(tx: Transaction, account_id: int) -> _Known:
    row = _TOTALS.first(tx, account_id)
    return _Known() if row is None else _Known(row[0], row[1], row[2], row[3], row[4], new=False)


_t, _c, _l = bayes_totals.c, bayes_counts.c, bayes_learnt.c
_TOTALS = Prepared(
    select(_t.ham, _t.spam, _t.version, _t.day, _t.today)
    .where(_t.account_id == bindparam("account"))
    .with_for_update(),
    "account",
)
_RECALL = Prepared(
    select(_l.spam, _l.in_site, _l.buckets).where(
        _l.account_id == bindparam("account"), _l.content_id == bindparam("content")
    ),
    "account",
    "content",
)
_REMEMBER = Prepared(insert(bayes_learnt), *(column.name for column in bayes_learnt.columns))
_FORGET = Prepared(
    delete(bayes_learnt).where(_l.account_id == bindparam("account"), _l.content_id == bindparam("content")),
    "account",
    "content",
)
_MORE = Prepared(
    text(
        "INSERT INTO bayes_counts (account_id, bucket, ham, spam, day) VALUES (:account, :bucket, :ham, :spam, :day)"
        " ON CONFLICT (account_id, bucket) DO UPDATE SET ham = bayes_counts.ham + excluded.ham,"
        " spam = bayes_counts.spam + excluded.spam, day = excluded.day"
    ),
    "account",
    "bucket",
    "ham",
    "spam",
    "day",
)
_LESS = Prepared(
    text(
        "UPDATE bayes_counts SET ham = CASE WHEN ham > :ham THEN ham - :ham ELSE 0 END,"
        " spam = CASE WHEN spam > :spam THEN spam - :spam ELSE 0 END WHERE account_id = :account AND bucket = :bucket"
    ),
    "ham",
    "ham",
    "spam",
    "spam",
    "account",
    "bucket",
)
_NONE_LEFT = Prepared(
    delete(bayes_counts).where(
        _c.account_id == bindparam("account"), _c.bucket == bindparam("bucket"), _c.ham == 0, _c.spam == 0
    ),
    "account",
    "bucket",
)
_CHANGED = Prepared(insert(bayes_changes), "version", "buckets")
_OLD_CHANGES = Query(delete(bayes_changes).where(bayes_changes.c.version < bindparam("below")))
