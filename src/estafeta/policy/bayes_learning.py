"""Learning: an operation of the group commit that counts the words of messages, once for each message and person.

What was learnt is remembered with its words, so that the opposite takes back exactly that: learning and forgetting
leaves the counts as they were. Counts are rows; the version of the site's tells workers which to read again
(policy.bayes_store).

A lesson that people gave waits in `learn_queue` (mailboxes.lessons). Its row goes in the transaction that counts it,
and only if that finds the row as it was read: a crash leaves it there or has it counted, never both, whoever learns at
the same time.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, text, update

from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.tables import learn_queue
from estafeta.policy.bayes_tables import bayes_changes, bayes_counts, bayes_learnt, bayes_totals
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared, Query

SITE = 0
"""The account that the site's words belong to; nobody has it."""
TOPIC = "bayes"
"""On the bus, as `bayes:ACCOUNT`: what is known has changed."""
KEPT_CHANGES = 100
"""Versions that a worker may be behind without reading all: some 10 KiB each."""


class Taught(NamedTuple):
    """A message to learn. `account_id`: who says it; `SITE`: nobody, it is learnt for the site alone. `content_id`:
    which message, so that it counts once and can be taken back; 0: it is known by its words alone (`fingerprint`).
    `buckets`: its words; None: the content is gone, and the words are those that were learnt from it before, if any.
    `day`: days since 1970. `site_most`: lessons that this account may teach the site on one day; None: any number.
    `queued_ms`: this is the row of `learn_queue` with that time; 0: of none."""

    account_id: int
    content_id: int
    lesson: Lesson
    buckets: Sequence[int] | None
    day: int
    site_most: int | None = None
    queued_ms: int = 0


def fingerprint(buckets: Sequence[int]) -> int:
    """The number of a message that is known by its words alone: below 0, where no content has its number."""
    return -1 - (int.from_bytes(hashlib.blake2b(pack(buckets), digest_size=8).digest()) >> 1)


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

    def count_today(self, day: int, most: int | None) -> bool:
        """Whether one more is allowed on this day; counts it."""
        if most is None:
            return True
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
        if wanted.queued_ms and not self._dequeue(wanted):
            return False
        self._day = max(self._day, wanted.day)
        lesson, words = wanted.lesson, wanted.buckets
        account, content = wanted.account_id, wanted.content_id or fingerprint(words or ())
        before = self._recall(account, content)
        if words is None:
            if before is None:
                return False
            words = unpack(before[2])
        spam = lesson is Lesson.SPAM
        if before is not None and lesson is not Lesson.FORGET and before[0] == spam:
            return False
        if before is not None:
            self._take_back(account, content, before)
        self._drop_others(account, content, words)
        if lesson is Lesson.FORGET:
            return before is not None
        return self._learn(wanted, content, words, spam)

    def _dequeue(self, wanted: Taught) -> bool:
        """Whether the lesson was still to be learnt."""
        return bool(
            _DEQUEUE.run(
                self._tx,
                account=wanted.account_id,
                content=wanted.content_id,
                said=wanted.lesson.value,
                at=wanted.queued_ms,
            )
        )

    def _drop_others(self, account: int, content: int, words: Sequence[int]) -> None:
        """A person knows better than what was learnt of the same words without one, or by that person from a file."""
        number = fingerprint(words)
        for key in {(SITE, number), (account, number)} - {(account, content)}:
            if (before := self._recall(*key)) is not None:
                self._take_back(*key, before)

    def _learn(self, wanted: Taught, content_id: int, words: Sequence[int], spam: bool) -> bool:
        own = self._known[wanted.account_id]
        in_site = own.count_today(wanted.day, wanted.site_most)
        if wanted.account_id == SITE:
            if not in_site:
                return False
        elif in_site:
            self._known[SITE].add(words, spam, 1)
        own.add(words, spam, 1)
        row = (wanted.account_id, content_id, bool(spam), in_site, wanted.day, pack(words))
        _REMEMBER.many(self._tx, [row])
        return True

    def _recall(self, account_id: int, content_id: int) -> tuple[bool, bool, bytes] | None:
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
                self._tx.announce(f"{TOPIC}:{account_id}")

    def _write_counts(self, account_id: int, known: _Known) -> None:
        changed = sorted((bucket, more) for bucket, more in known.more.items() if more != [0, 0])
        less = [
            (*(2 * (-min(0, ham),)), *(2 * (-min(0, spam),)), account_id, bucket)
            for bucket, (ham, spam) in changed
            if min(ham, spam) < 0
        ]
        more = [
            (account_id, bucket, max(0, ham), max(0, spam), self._day)
            for bucket, (ham, spam) in changed
            if max(ham, spam) > 0
        ]
        _LESS.many(self._tx, less)
        _MORE.many(self._tx, more)
        _NONE_LEFT.many(self._tx, [row[4:] for row in less])
        known.version += 1
        if account_id == SITE:
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
_q = learn_queue.c
_DEQUEUE = Query(
    delete(learn_queue).where(
        _q.account_id == bindparam("account"),
        _q.content_id == bindparam("content"),
        _q.lesson == bindparam("said"),
        _q.at_ms == bindparam("at"),
    )
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
    text("DELETE FROM bayes_counts WHERE account_id = :account AND bucket = :bucket AND ham = 0 AND spam = 0"),
    "account",
    "bucket",
)
_CHANGED = Prepared(insert(bayes_changes), "version", "buckets")
_OLD_CHANGES = Query(delete(bayes_changes).where(bayes_changes.c.version < bindparam("below")))
