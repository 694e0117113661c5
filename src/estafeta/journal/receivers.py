"""Receivers: the parts in which the journal is closed, exported and removed, as i5/OS has them.

A receiver holds whole stories: all records of the messages that came while it was the open one, also those made later.
Changing it closes it and begins the next. Removing it removes these stories, what late records were made for stories
older still, and what was recorded of destinations up to its end. Sizes are counted message by message as time goes on,
and leave out what is recorded later of messages that were counted.

Synchronous, in short transactions; several nodes may do it at once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.journal.tables import journal, journal_receivers
from estafeta.journal.writing import message_id_at
from estafeta.storage.database import Database, Transaction
from estafeta.storage.prepared import Query

# Records that are removed in one transaction, in which nobody else can write (SQLite): some ten milliseconds.
_REMOVED_AT_ONCE = 5_000
_COUNTED_AT_ONCE = 50_000
# What a record takes besides its texts: numbers, lengths, its place in the tree.
_ROW_BYTES = 40

Stopping = Callable[[], bool]


class Receiver(NamedTuple):
    """A receiver: `ended_ms` is 0 for the open one. `records` and `bytes` up to the message `counted_id`."""

    number: int
    begun_ms: int
    ended_ms: int
    counted_id: int
    records: int
    bytes: int

    @property
    def low(self) -> int:
        """The least ident in it; the first receiver holds all that is older, too."""
        return self.begun_ms << 20 if self.number > 1 else 0

    def high(self, now_ms: int) -> int:
        """The ident that is above all in it."""
        return (self.ended_ms or now_ms + 60_000) << 20


class Tended(NamedTuple):
    """What a look after the receivers did: the number of the receiver that was closed (0: none), and those removed."""

    closed: int
    removed: tuple[int, ...]


def list_receivers(database: Database) -> list[Receiver]:
    """All of them, the oldest first; the last one is open. None before the first record was looked after."""
    with database.read() as conn:
        return _receivers(conn)


def change_receiver(database: Database, now_ms: int) -> Receiver:
    """Close the open receiver and begin the next one, which is the result."""
    count(database, now_ms)
    with database.write() as tx:
        opened = _open_one(tx, now_ms)
        if opened.number > 1 and opened.begun_ms >= now_ms:
            raise EstafetaError(Kind.IN_USE, "The journal receiver was changed just now.")
        tx.conn.execute(update(journal_receivers).where(_is(opened.number)).values(ended_ms=now_ms))
        return _begin(tx, opened.number + 1, now_ms)


def remove_receiver(database: Database, number: int, stopping: Stopping = lambda: False) -> int:
    """Remove a closed receiver with its records, in portions; how many records went. Interrupted, it can be repeated.

    Kinds: NOT_FOUND; IN_USE for the open one; INVALID while an older one is there."""
    receivers = list_receivers(database)
    mine = next((one for one in receivers if one.number == number), None)
    if mine is None:
        raise EstafetaError(Kind.NOT_FOUND, f"There is no journal receiver {number}.")
    if not mine.ended_ms:
        raise EstafetaError(Kind.IN_USE, f"Journal receiver {number} is the open one: change it first.")
    if receivers[0].number != number:
        raise EstafetaError(Kind.INVALID, f"Journal receiver {receivers[0].number} is older and has to go first.")
    gone = 0
    while (portion := _remove_some(database, mine.ended_ms << 20)) and not stopping():
        gone += portion
    with database.write() as tx:
        gone += _REMOVE_OF_DESTINATIONS.run(tx, until=mine.ended_ms * 1000)
    if not stopping():
        with database.write() as tx:
            tx.conn.execute(delete(journal_receivers).where(_is(number)))
    return gone


def tend(
    database: Database,
    *,
    max_bytes: int,
    max_age_ms: int,
    keep_ms: int,
    now_ms: int,
    stopping: Stopping = lambda: False,
) -> Tended:
    """Close the open receiver when it is full or old, and remove closed ones older than `keep_ms` (0: none)."""
    current = count(database, now_ms, stopping)
    closed = 0
    if current.records and (current.bytes >= max_bytes or now_ms - current.begun_ms >= max_age_ms):
        change_receiver(database, now_ms)
        closed = current.number
    removed = []
    for receiver in list_receivers(database):
        if not keep_ms or not receiver.ended_ms or now_ms - receiver.ended_ms < keep_ms or stopping():
            break
        remove_receiver(database, receiver.number, stopping)
        if not stopping():
            removed.append(receiver.number)
    return Tended(closed, tuple(removed))


def count(database: Database, now_ms: int, stopping: Stopping = lambda: False) -> Receiver:
    """Count what came since it was counted last; the open receiver as it is then."""
    with database.write() as tx:
        current = _open_one(tx, now_ms)
    high = message_id_at(now_ms * 1000)
    low, records, octets = current.counted_id, current.records, current.bytes
    while low < high and not stopping():
        with database.read() as conn:
            bound = _BOUND.rows(conn, low=low, high=high, skipped=_COUNTED_AT_ONCE)
            upper = max(int(bound[0][0]), low + 1) if bound else high
            [(more, texts)] = _COUNT.rows(conn, low=low, high=upper)
        records, octets, low = records + more, octets + more * _ROW_BYTES + int(texts or 0), upper
    counted = current._replace(counted_id=low, records=records, bytes=octets)
    if counted != current:
        _note_count(database, current, counted)
    return counted


def _note_count(database: Database, before: Receiver, counted: Receiver) -> None:
    """Unless another node counted the same meanwhile."""
    with database.write() as tx:
        tx.conn.execute(
            update(journal_receivers)
            .where(_is(counted.number), journal_receivers.c.counted_id == before.counted_id)
            .values(counted_id=counted.counted_id, records=counted.records, bytes=counted.bytes)
        )


def _receivers(conn: Connection) -> list[Receiver]:
    rows = conn.execute(select(*journal_receivers.columns).order_by(journal_receivers.c.number))
    return [Receiver(*row) for row in rows]


def _open_one(tx: Transaction, now_ms: int) -> Receiver:
    """The open receiver; the first one is made here, and begins with the first record there is."""
    rows = tx.conn.execute(
        select(*journal_receivers.columns).order_by(journal_receivers.c.number.desc()).limit(1).with_for_update()
    ).all()
    if rows:
        return Receiver(*rows[0])
    first = tx.conn.execute(select(func.min(journal.c.message_id)).where(journal.c.message_id > 0)).scalar()
    return _begin(tx, 1, min(now_ms, int(first) >> 20) if first else now_ms, counted_id=0)


def _begin(tx: Transaction, number: int, begun_ms: int, counted_id: int | None = None) -> Receiver:
    receiver = Receiver(number, begun_ms, 0, begun_ms << 20 if counted_id is None else counted_id, 0, 0)
    tx.conn.execute(insert(journal_receivers), receiver._asdict())
    return receiver


def _remove_some(database: Database, high: int) -> int:
    """Remove the oldest records below `high`; how many, 0 when none are left."""
    with database.write() as tx:
        rows = _OLDEST.found(tx, high=high, most=_REMOVED_AT_ONCE)
        if not rows:
            return 0
        if rows[0][0] == rows[-1][0]:
            return _REMOVE_PART.run(tx, message_id=rows[0][0], last=rows[-1][1])
        # The last message may have more records than were read: it is left for the next portion.
        last = rows[-1][0] if len(rows) == _REMOVED_AT_ONCE else high
        return _REMOVE.run(tx, high=last)


def _is(number: int) -> Any:
    return journal_receivers.c.number == number


_within = (journal.c.message_id >= bindparam("low"), journal.c.message_id < bindparam("high"))
_BOUND = Query(
    select(journal.c.message_id).where(*_within).order_by(journal.c.message_id).limit(1).offset(bindparam("skipped"))
)
_COUNT = Query(
    select(
        func.count(),
        func.sum(
            func.length(journal.c.address)
            + func.length(journal.c.peer)
            + func.length(journal.c.text)
            + func.length(journal.c.detail)
        ),
    ).where(*_within)
)
_OLDEST = Query(
    select(journal.c.message_id, journal.c.at_us)
    .where(journal.c.message_id >= 0, journal.c.message_id < bindparam("high"))
    .order_by(journal.c.message_id, journal.c.at_us)
    .limit(bindparam("most"))
)
_REMOVE = Query(delete(journal).where(journal.c.message_id >= 0, journal.c.message_id < bindparam("high")))
_REMOVE_OF_DESTINATIONS = Query(delete(journal).where(journal.c.message_id < 0, journal.c.at_us < bindparam("until")))
_REMOVE_PART = Query(
    delete(journal).where(journal.c.message_id == bindparam("message_id"), journal.c.at_us <= bindparam("last"))
)
