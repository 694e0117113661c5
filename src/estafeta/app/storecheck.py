"""`store verify` and `store repair`: checks of the store and of the mailboxes, joined in the order that they need."""

from collections.abc import Iterator

from estafeta.app.config import Node
from estafeta.app.pidfile import lock
from estafeta.mailboxes.repair import mend_counters, mend_messages, mend_references
from estafeta.mailboxes.verify import check_accounts, check_references
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs
from estafeta.storage.repair import mend_packs, mend_records
from estafeta.storage.verify import Problem, Progress, check_packs, check_records


def verify(database: Database, packs: Packs, progress: Progress) -> Iterator[Problem]:
    """Everything that is wrong with a store; nothing for a whole one. The server may be running."""
    yield from check_packs(database, packs)
    yield from check_accounts(database)
    yield from check_references(database)
    yield from check_records(database, packs, progress)


def repair(node: Node, database: Database, packs: Packs, progress: Progress) -> Iterator[str]:
    """Mend what `verify` finds. Holds the server's pid file, so raises IN_USE while the server runs, at the first step.

    A second run on the same store finds nothing to do.
    """
    node.home.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = lock(node.home.pid_file)
    try:
        yield from mend_records(database, packs, node.data / "damaged", progress)
        yield from mend_messages(database)
        yield from mend_references(database)
        yield from mend_counters(database)
        yield from mend_packs(database)
    finally:
        held.release()
