"""Group commit: all that wait are made durable together (the steps and crash states: docs/internals/store.md).

An *operation* is a plain function `(tx, items) -> results`, called once per batch with every item that was submitted
for it, so that a hundred deliveries cost a handful of statements. Each `Item` has its payload and the locations of the
contents that were appended for it. A result may be an `EstafetaError`: that item failed, the others did not.

All of it is synchronous. The writer process runs it for the workers (estafeta.storage.writer); the command line runs it
for itself.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import PackId
from estafeta.storage import steps
from estafeta.storage.database import ConflictError, Database, Transaction
from estafeta.storage.packs import Location, Packs, PackState
from estafeta.storage.packwriting import PackAppender, as_store_error
from estafeta.storage.prepared import Query
from estafeta.storage.steps import Step
from estafeta.storage.tables import packs as packs_table
from estafeta.storage.tables import sequences

log = logging.getLogger("estafeta.storage")

# How often a transaction that lost against another writer is tried.
_ATTEMPTS = 5
SEAL_BYTES = 256 << 20
# Whatever the setting says: an offset is 32 bits of a content id.
_LARGEST_PACK = 2 << 30


class Item(NamedTuple):
    """What an operation gets for each submission: the payload, and where its contents are."""

    payload: Any
    locations: tuple[Location, ...]


Operation = Callable[[Transaction, Sequence[Item]], Sequence[Any]]


@dataclass(slots=True)
class Job:
    """A submission on its way. `contents` are appended to a pack; a `Location` among them is a finished solo pack."""

    operation: Operation
    payload: Any
    contents: Sequence[bytes | Location] = ()
    locations: tuple[Location, ...] = ()
    result: Any = None
    failure: BaseException | None = None

    def outcome(self) -> Any:
        """The result; raises what failed."""
        if self.failure is not None:
            raise self.failure
        return self.result


@dataclass(slots=True)
class GroupCommit:
    """Appends contents, runs operations, commits. One thread at a time."""

    database: Database
    packs: Packs
    reached: steps.Reached = steps.nothing
    seal_bytes: int = SEAL_BYTES
    _appender: PackAppender | None = field(default=None, init=False)

    def run(self, operation: Operation, payload: Any, contents: Sequence[bytes | Location] = ()) -> Any:
        """One submission, durable when this returns. Raises what the operation raised or returned as an error."""
        job = Job(operation, payload, contents)
        self.commit([job])
        return job.outcome()

    def commit(self, jobs: Sequence[Job]) -> None:
        """Make a batch durable; afterwards each job has a result or a failure. Raises nothing a disk can cause."""
        try:
            self._append(jobs)
        except EstafetaError as error:
            # What stores no content goes on: on a full disk it may be what makes room.
            _fail([job for job in jobs if job.contents], error)
            jobs = [job for job in jobs if not job.contents]
        try:
            self._transact(jobs)
        except EstafetaError as error:
            _fail(jobs, error)

    def close(self) -> None:
        """Give up the pack."""
        if self._appender is not None:
            self._appender.close()
            self._appender = None

    def _append(self, jobs: Sequence[Job]) -> None:
        raw = [content for job in jobs for content in job.contents if isinstance(content, bytes)]
        appended = iter(self._store(raw) if raw else ())
        for job in jobs:
            if job.contents:
                job.locations = tuple(
                    next(appended) if isinstance(content, bytes) else content for content in job.contents
                )

    def _store(self, contents: Sequence[bytes]) -> list[Location]:
        appender = self._current()
        locations = appender.append(contents)
        self.reached(Step.CONTENT_WRITTEN)
        try:
            appender.sync()
        except OSError as error:
            # After a failed fsync nobody can say what the disk holds: never write to this pack again.
            self._seal(appender)
            raise as_store_error(error) from error
        self.reached(Step.CONTENT_SYNCED)
        return locations

    def _transact(self, jobs: Sequence[Job], attempts: int = _ATTEMPTS) -> None:
        if not jobs:
            return
        try:
            self._transaction(jobs)
        except EstafetaError as error:
            if not isinstance(error, ConflictError) or attempts <= 1:
                raise
            self._transact(jobs, attempts - 1)
        except Exception as error:  # noqa: BLE001 - an operation's own fault must not take the others with it
            # Two workers made the same row: the next attempt finds it.
            if attempts > 1 and _is_of_a_constraint(error):
                self._transact(jobs, attempts - 1)
            else:
                self._one_by_one(jobs, error)

    def _one_by_one(self, jobs: Sequence[Job], error: Exception) -> None:
        if len(jobs) == 1:
            log.error("an operation failed", exc_info=error)
            jobs[0].failure = error
            return
        for job in jobs:
            try:
                self._transact([job])
            except EstafetaError as failure:
                _fail([job], failure)

    def _transaction(self, jobs: Sequence[Job]) -> None:
        with self.database.write() as tx:
            self.reached(Step.SQL_BEGUN)
            groups = _by_operation(jobs)
            results = [_apply(tx, operation, group) for operation, group in groups]
            self._note_packs(tx, jobs)
            self.reached(Step.SQL_APPLIED)
        self.reached(Step.SQL_COMMITTED)
        for (_, group), outcomes in zip(groups, results, strict=True):
            for job, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, EstafetaError):
                    job.failure = outcome
                else:
                    job.result = outcome

    def _note_packs(self, tx: Transaction, jobs: Sequence[Job]) -> None:
        """Move the end of our pack, and enter the solo packs, in the transaction that makes them count."""
        appender = self._appender
        mine = False
        for job in jobs:
            for content, location in zip(job.contents, job.locations, strict=True):
                if isinstance(content, bytes):
                    mine = True
                else:
                    tx.conn.execute(insert(packs_table), pack_row(location.pack_id, PackState.SOLO, location.length))
        if mine and appender is not None:
            _END.run(tx, pack=appender.pack_id, new_end=appender.end)

    def _current(self) -> PackAppender:
        appender = self._appender
        if appender is not None and self._is_full(appender.end):
            self._seal(appender)
        if self._appender is None:
            self._appender = self._take_pack()
        return self._appender

    def _is_full(self, end: int) -> bool:
        return end >= min(self.seal_bytes, _LARGEST_PACK)

    def _seal(self, appender: PackAppender) -> None:
        self._appender = None
        try:
            with self.database.write() as tx:
                tx.conn.execute(_SEAL, _sealed(appender.pack_id))
        finally:
            # Only now: else another worker could take it up meanwhile.
            appender.close()

    def _take_pack(self) -> PackAppender:
        """An open pack that nobody holds, else a new one."""
        found: PackAppender | None = None
        try:
            with self.database.write() as tx:
                found = self._find_pack(tx)
                if found is not None:
                    # SQLite: a writer may have died with its commit in the log, which nobody sees, until all processes
                    # have gone and SQLite recovers it. A commit of our own takes its place in the log, and only then
                    # its contents, which are behind the end of the pack as we see it, are written over.
                    take_number(tx, "pack")
        except BaseException:
            if found is not None:
                found.close()
            raise
        return found or self._new_pack()

    def _find_pack(self, tx: Transaction) -> PackAppender | None:
        # The lock on the rows waits for a commit of a dead worker that is still under way (PostgreSQL).
        rows = tx.conn.execute(
            select(packs_table.c.pack_id).where(packs_table.c.state == PackState.OPEN).order_by(packs_table.c.pack_id)
        ).all()
        return next(filter(None, (self._try_pack(tx, PackId(row.pack_id)) for row in rows)), None)

    def _new_pack(self) -> PackAppender:
        pack_id = next_pack_id(self.database)
        taken = PackAppender.open(self.packs, pack_id, 0)
        if taken is None:
            raise EstafetaError(Kind.TEMPORARY, "The mail store is busy; try again.", f"pack {pack_id} is locked")
        try:
            with self.database.write() as tx:
                tx.conn.execute(insert(packs_table), pack_row(pack_id, PackState.OPEN, 0))
        except BaseException:
            taken.close()
            raise
        return taken

    def _try_pack(self, tx: Transaction, pack_id: PackId) -> PackAppender | None:
        appender = PackAppender.open(self.packs, pack_id, 0)
        if appender is None:
            return None
        row = tx.conn.execute(
            select(packs_table.c.end, packs_table.c.state).where(packs_table.c.pack_id == pack_id).with_for_update()
        ).one()
        if row.state == PackState.OPEN and self._is_full(row.end):
            # Its worker died between filling and sealing it.
            tx.conn.execute(_SEAL, _sealed(pack_id))
        if row.state != PackState.OPEN or self._is_full(row.end):
            appender.close()
            return None
        appender.end = row.end
        return appender


_END = Query(update(packs_table).where(packs_table.c.pack_id == bindparam("pack")).values(end=bindparam("new_end")))
_SEAL = (
    update(packs_table)
    .where(packs_table.c.pack_id == bindparam("pack"))
    .values(state=PackState.SEALED, since_seconds=bindparam("now"))
)


def pack_row(pack_id: int, state: PackState, end: int) -> dict[str, Any]:
    """A new row of the `packs` table."""
    return {
        "pack_id": pack_id,
        "state": state,
        "end": end,
        "dead_bytes": 0,
        "since_seconds": int(time.time()),
    }


def _sealed(pack_id: int) -> dict[str, int]:
    return {"pack": pack_id, "now": int(time.time())}


def next_pack_id(database: Database) -> PackId:
    """A pack number that was never given out before, durably taken."""
    return PackId(next_number(database, "pack"))


def next_number(database: Database, name: str) -> int:
    """The next number of a sequence, in a transaction of its own."""
    for attempt in range(_ATTEMPTS):
        try:
            with database.write() as tx:
                return take_number(tx, name)
        except (IntegrityError, ConflictError):
            # The very first number, asked for by two workers at once.
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


def take_number(tx: Transaction, name: str) -> int:
    """The next number of a sequence; the first is 1."""
    return raise_number(tx, name, 1)


def raise_number(tx: Transaction, name: str, least: int) -> int:
    """The next number of a sequence, and at least `least`: larger than any before it."""
    row = tx.conn.execute(select(sequences.c.value).where(sequences.c.name == name).with_for_update()).first()
    if row is None:
        tx.conn.execute(insert(sequences), {"name": name, "value": least})
        return least
    value = max(int(row.value) + 1, least)
    tx.conn.execute(update(sequences).where(sequences.c.name == name).values(value=value))
    return value


def _apply(tx: Transaction, operation: Operation, group: Sequence[Job]) -> Sequence[Any]:
    return operation(tx, [Item(job.payload, job.locations) for job in group])


def _by_operation(jobs: Sequence[Job]) -> list[tuple[Operation, list[Job]]]:
    groups: dict[Operation, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.operation, []).append(job)
    return list(groups.items())


def _is_of_a_constraint(error: Exception) -> bool:
    """A violated constraint, said by SQLAlchemy or straight by a driver (PEP 249 gives all the same names)."""
    return any(kind.__name__ == "IntegrityError" for kind in type(error).__mro__)


def _fail(jobs: Sequence[Job], error: EstafetaError) -> None:
    if jobs:
        log.error("commit failed: %s", error.private or error.public)
    for job in jobs:
        job.failure = error
