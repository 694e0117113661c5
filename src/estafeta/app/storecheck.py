"""`store verify`, `repair`, `compact` and `upgrade`: the store and the mailboxes, in the order that they need."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from estafeta.app.config import Node
from estafeta.app.pidfile import PidFile, lock
from estafeta.core.errors import EstafetaError
from estafeta.mailboxes.repair import mend_counters, mend_messages, mend_references
from estafeta.mailboxes.verify import check_accounts, check_references
from estafeta.queue.verify import check_queue, mend_queue, queued_contents
from estafeta.search.service import forget_everything
from estafeta.storage import migrate
from estafeta.storage.compact import GRACE_SECONDS, CompactReport, compact
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs
from estafeta.storage.repair import mend_packs, mend_records
from estafeta.storage.verify import Problem, Progress, check_packs, check_records


def verify(database: Database, packs: Packs, progress: Progress) -> Iterator[Problem]:
    """Everything that is wrong with a store; nothing for a whole one. The server may be running."""
    yield from check_packs(database, packs)
    yield from check_accounts(database)
    yield from check_queue(database)
    yield from check_references(database, (queued_contents,))
    yield from check_records(database, packs, progress)


def repair(node: Node, database: Database, packs: Packs, progress: Progress) -> Iterator[str]:
    """Mend what `verify` finds. Holds the server's pid file meanwhile: raises IN_USE, at its first step, while the
    server runs."""
    held = _lock(node)
    try:
        mended = False
        for sentence in mend(database, packs, node.data / "damaged", progress):
            mended = True
            yield sentence
        if mended:  # contents may not be what they were when they were indexed
            forget_everything(database, node.data / "search")
    finally:
        held.release()


def compact_now(node: Node, database: Database, packs: Packs, dead_percent: int) -> CompactReport:
    """Compact for a person who waits: with the server stopped nobody reads, and files go at once."""
    with _stopped(node) as stopped:
        grace = 0 if stopped else GRACE_SECONDS
        return compact(database, packs, dead_percent=dead_percent, grace_seconds=grace)


def upgrade(node: Node) -> None:
    """Bring the database to the schema of this version. Raises IN_USE while the server runs."""
    held = _lock(node)
    try:
        migrate.upgrade(node.database_url)
    finally:
        held.release()


def mend(database: Database, packs: Packs, kept: Path, progress: Progress) -> Iterator[str]:
    """The steps of a repair on a store that nobody else uses; a second run finds nothing to do."""
    yield from mend_records(database, packs, kept, progress)
    yield from mend_messages(database)
    yield from mend_queue(database)
    yield from mend_references(database, (queued_contents,))
    yield from mend_counters(database)
    yield from mend_packs(database)


@contextmanager
def _stopped(node: Node) -> Iterator[bool]:
    """Whether the server is stopped; if so it cannot start meanwhile."""
    try:
        held = _lock(node)
    except EstafetaError:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


def _lock(node: Node) -> PidFile:
    node.home.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    return lock(node.home.pid_file)
