"""Compaction: giving back the room of contents that nobody refers to (docs/internals/store.md).

Live records of sealed packs that are mostly dead are copied, octet for octet, to a new pack; content ids stay. A pack
that nothing refers to any more becomes *dead*, and a dead pack's file is removed by a later run, `GRACE_SECONDS` after:
until then whoever looked up a location before the move can read there. Every step leaves a whole store, so a run may
end anywhere, and may run beside a busy server. One run at a time: a second one raises EstafetaError IN_USE.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import (
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import PackId
from estafeta.storage.commit import SEAL_BYTES, next_pack_id, pack_row
from estafeta.storage.contents import live_bytes, live_rows, location_of
from estafeta.storage.database import Database, Transaction
from estafeta.storage.packs import DamagedRecordError, Packs, PackState, born_in
from estafeta.storage.packwriting import PackAppender, as_store_error, lock
from estafeta.storage.prepared import Prepared
from estafeta.storage.tables import contents
from estafeta.storage.tables import packs as packs_table

log = logging.getLogger("estafeta.storage")

#: Files are kept so long after the last reference to them went.
GRACE_SECONDS = 3600
# One transaction moves at most this much, so that no delivery waits long for its turn.
_PORTION_ROWS = 500
_PORTION_BYTES = 4 << 20

Row = Any


@dataclass(frozen=True, slots=True)
class CompactReport:
    """`packs` that nothing refers to any more since this run, `pending_bytes` on disk that a later run gives back for
    them, and `freed_bytes` on disk that this run gave back."""

    packs: int
    freed_bytes: int
    pending_bytes: int


def compact(
    database: Database,
    packs: Packs,
    *,
    dead_percent: int,
    stopping: Callable[[], bool] = lambda: False,
    grace_seconds: int = GRACE_SECONDS,
    clock: Callable[[], float] = time.time,
) -> CompactReport:
    """Rewrite packs more than `dead_percent` dead, and remove files whose time is over.

    `stopping` is asked between portions. `grace_seconds` 0 is for a store that nobody reads. Raises EstafetaError:
    IN_USE, or TEMPORARY when disk or database fail.
    """
    with _alone(packs.root):
        run = _Run(database, packs, dead_percent, stopping, int(clock()), grace_seconds)
        try:
            run.remove_dead()
            run.remove_leftovers()
            run.retire_solo()
            run.rewrite()
            if not grace_seconds:
                run.remove_dead()
        except OSError as error:
            raise as_store_error(error) from error
        finally:
            run.close()
        return CompactReport(run.packs_retired, run.freed_bytes, run.pending_bytes if grace_seconds else 0)


@dataclass(slots=True)
class _Run:
    """One run; `target` is the pack it copies to."""

    database: Database
    packs: Packs
    dead_percent: int
    stopping: Callable[[], bool]
    now: int
    grace_seconds: int
    packs_retired: int = 0
    freed_bytes: int = 0
    pending_bytes: int = 0
    target: PackAppender | None = field(default=None)

    def close(self) -> None:
        """Let go of the target."""
        if self.target is not None:
            self.target.close()
            self.target = None

    def remove_dead(self) -> None:
        """Remove the files of packs that are dead for long enough, then their rows."""
        old = (packs_table.c.state == PackState.DEAD) & (packs_table.c.since_seconds <= self.now - self.grace_seconds)
        with self.database.read() as conn:
            rows = conn.execute(select(packs_table.c.pack_id).where(old)).all()
        for row in rows:
            with self.database.write() as tx:
                if live_bytes(tx.conn, row.pack_id):
                    # A commit that was long under way has landed after all.
                    tx.conn.execute(_STATE, {"pack": row.pack_id, "state": PackState.SEALED, "now": self.now})
                    continue
            self._remove_file(PackId(row.pack_id))
            with self.database.write() as tx:
                tx.conn.execute(delete(packs_table).where(packs_table.c.pack_id == row.pack_id))

    def remove_leftovers(self) -> None:
        """Remove files that no row names, that nobody writes, and that are not new."""
        with self.database.read() as conn:
            known = {row.pack_id for row in conn.execute(select(packs_table.c.pack_id))}
        for pack_id, path in pack_files(self.packs.root):
            if pack_id not in known and path.stat().st_mtime <= self.now - self.grace_seconds:
                self._remove_leftover(pack_id, path)

    def retire_solo(self) -> None:
        """Packs of one content which is gone, or never came to be."""
        born = packs_table.c.pack_id * (born_in(1)[0])
        gone = (packs_table.c.state == PackState.SOLO) & ~exists().where(contents.c.content_id == born)
        with self.database.read() as conn:
            rows = conn.execute(select(packs_table.c.pack_id).where(gone)).all()
        for row in rows:
            self._retire(PackId(row.pack_id))

    def rewrite(self) -> None:
        """Move what lives out of packs that are mostly dead."""
        much = packs_table.c.dead_bytes * 100 > packs_table.c.end * self.dead_percent
        wanted = select(packs_table.c.pack_id).where(packs_table.c.state == PackState.SEALED, much)
        with self.database.read() as conn:
            rows = conn.execute(wanted.order_by(packs_table.c.pack_id)).all()
        for row in rows:
            if self.stopping():
                return
            if self._worth_it(row.pack_id):
                self._empty(PackId(row.pack_id))

    def _worth_it(self, pack_id: int) -> bool:
        """`dead_bytes` chose it; what counts is what lives in it."""
        with self.database.write() as tx:
            live = live_bytes(tx.conn, pack_id)
            end = tx.conn.execute(select(packs_table.c.end).where(packs_table.c.pack_id == pack_id)).scalar_one()
            tx.conn.execute(_DEAD_BYTES, {"pack": pack_id, "dead": end - live})
        return bool((end - live) * 100 > end * self.dead_percent)

    def _empty(self, pack_id: PackId) -> None:
        try:
            for rows in self._portions(pack_id):
                if self.stopping():
                    return
                self._move(pack_id, rows)
        except DamagedRecordError as error:
            log.error("compaction leaves a pack alone: %s", error.private)
            return
        self._retire(pack_id)

    def _portions(self, pack_id: PackId) -> Iterator[list[Row]]:
        last = -1
        while True:
            with self.database.read() as conn:
                rows = live_rows(conn, pack_id, last, _PORTION_ROWS)
            if not rows:
                return
            portion: list[Row] = []
            octets = 0
            for row in rows:
                octets += row.length
                if portion and octets > _PORTION_BYTES:
                    break
                portion.append(row)
            last = portion[-1].content_id
            yield portion

    def _move(self, pack_id: PackId, rows: Sequence[Row]) -> None:
        records = [self.packs.pread(location_of(row), 0, row.length) for row in rows]
        target = self._target()
        offsets = target.append_records(records)
        target.sync()
        with self.database.write() as tx:
            here = select(contents.c.content_id).where(
                contents.c.content_id.in_([row.content_id for row in rows]), contents.c.pack_id == pack_id
            )
            still = {row.content_id for row in tx.conn.execute(here.with_for_update())}
            moved = [(row, offset) for row, offset in zip(rows, offsets, strict=True) if row.content_id in still]
            _MOVE.many(tx, [(target.pack_id, offset, True, row.content_id) for row, offset in moved])
            octets = sum(row.length for row, _ in moved)
            wasted = sum(row.length for row in rows) - octets
            self._count(tx, target, wasted)
            tx.conn.execute(_MORE_DEAD, {"pack": pack_id, "more": octets})

    def _count(self, tx: Transaction, target: PackAppender, wasted: int) -> None:
        tx.conn.execute(_MORE_DEAD, {"pack": target.pack_id, "more": wasted})
        tx.conn.execute(_END, {"pack": target.pack_id, "new_end": target.end})

    def _target(self) -> PackAppender:
        if self.target is not None and self.target.end >= SEAL_BYTES:
            self.close()
        if self.target is None:
            pack_id = next_pack_id(self.database)
            self.target = PackAppender.open(self.packs, pack_id, 0)
            if self.target is None:
                raise EstafetaError(Kind.TEMPORARY, "The mail store is busy; try again.", f"pack {pack_id} is locked")
            with self.database.write() as tx:
                tx.conn.execute(insert(packs_table), pack_row(pack_id, PackState.SEALED, 0))
        return self.target

    def _retire(self, pack_id: PackId) -> None:
        with self.database.write() as tx:
            if live_bytes(tx.conn, pack_id):
                return
            tx.conn.execute(_STATE, {"pack": pack_id, "state": PackState.DEAD, "now": self.now})
        self.packs_retired += 1
        self.pending_bytes += _on_disk(self.packs.path(pack_id))

    def _remove_file(self, pack_id: PackId) -> None:
        path = self.packs.path(pack_id)
        self.packs.forget(pack_id)
        if path.exists():
            self.freed_bytes += _on_disk(path)
            # A worker may have the file open for long: the room comes back now.
            os.truncate(path, 0)
            path.unlink()

    def _remove_leftover(self, pack_id: int, path: Path) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            # Whoever makes a pack holds its lock until the row is committed: with the lock ours, the row is there or
            # will never be.
            if lock(fd) and not self._has_row(pack_id):
                self.freed_bytes += _on_disk(path)
                path.unlink()
        finally:
            os.close(fd)

    def _has_row(self, pack_id: int) -> bool:
        with self.database.read() as conn:
            found = conn.execute(select(packs_table.c.pack_id).where(packs_table.c.pack_id == pack_id)).first()
        return found is not None


def pack_files(root: Path) -> Iterator[tuple[int, Path]]:
    """The files that look like packs, with their numbers."""
    for path in root.glob("*/*.pack"):
        if path.stem.isdecimal():
            yield int(path.stem), path


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        fd = os.open(root / "compact.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise as_store_error(error) from error
    try:
        if not lock(fd):
            raise EstafetaError(Kind.IN_USE, "A compaction is under way already.")
        yield
    finally:
        os.close(fd)


def _on_disk(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


_MOVE = Prepared(
    update(contents)
    .where(contents.c.content_id == bindparam("content"))
    .values(pack_id=bindparam("new_pack"), offset=bindparam("new_offset"), moved=bindparam("new_moved")),
    "new_pack",
    "new_offset",
    "new_moved",
    "content",
)
_ONE = packs_table.c.pack_id == bindparam("pack")
_STATE = update(packs_table).where(_ONE).values(state=bindparam("state"), since_seconds=bindparam("now"))
_END = update(packs_table).where(_ONE).values(end=bindparam("new_end"))
_DEAD_BYTES = update(packs_table).where(_ONE).values(dead_bytes=bindparam("dead"))
_MORE_DEAD = update(packs_table).where(_ONE).values(dead_bytes=packs_table.c.dead_bytes + bindparam("more"))
