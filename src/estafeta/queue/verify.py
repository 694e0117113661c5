"""Checking and mending the queue: do messages, recipients, destinations and contents belong together?

Reads in one view of the database, so a server that goes on working gives no false alarms. Mending is for a stopped
server: each step is one commit and can be repeated. What `mailboxes.tally` counts is told in `queued_contents`.
"""

from collections.abc import Callable, Iterator

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, exists, func, select, update

from estafeta.queue.lines import OPEN, WAITING
from estafeta.queue.tables import couriers, destinations, entries, recipients
from estafeta.storage.database import Database, Transaction
from estafeta.storage.tables import contents
from estafeta.storage.verify import Problem, ProblemKind

_ROWS = 5000
_REPAIR = "run 'estafeta store repair'"


def queued_contents(conn: Connection) -> Iterator[int]:
    """The contents that the queue refers to, one for each message in it."""
    result = conn.execution_options(yield_per=_ROWS).execute(select(entries.c.content_id))
    return (row.content_id for row in result)


def check_queue(database: Database) -> Iterator[Problem]:
    """One sentence for each kind of thing that is wrong."""
    with database.read() as conn:
        for words, table, wrong in _WRONG:
            count = conn.execute(select(func.count()).select_from(table).where(wrong)).scalar_one()
            if count:
                yield Problem(ProblemKind.REFERENCE, f"In the queue {count} {words}: {_REPAIR}.")


def mend_queue(database: Database) -> Iterator[str]:
    """Mend what `check_queue` finds, and let go of what couriers held that no longer run."""
    for (words, table, wrong), mend in zip(_WRONG, _MENDS, strict=True):
        with database.write() as tx:
            count = tx.conn.execute(select(func.count()).select_from(table).where(wrong)).scalar_one()
            if count:
                mend(tx)
        if count:
            yield f"In the queue {count} {words}: corrected."


def _drop(table: Table, wrong: ColumnElement[bool]) -> Callable[[Transaction], object]:
    return lambda tx: tx.conn.execute(delete(table).where(wrong))


def _stand_again(tx: Transaction) -> object:
    return tx.conn.execute(update(destinations).where(_STRAYED).values(holder="", line=WAITING, due_ms=_D.retry_ms))


_D, _E, _R = destinations.c, entries.c, recipients.c


def _none(found: Select[tuple[int]]) -> ColumnElement[bool]:
    return ~exists(found)


_NO_CONTENT = _none(select(contents.c.content_id).where(contents.c.content_id == _E.content_id))
_NO_ENTRY = _none(select(_E.entry_id).where(_E.entry_id == _R.entry_id))
_NO_DESTINATION = _none(select(_D.destination_id).where(_D.destination_id == _R.destination_id))
_NO_RECIPIENT = _none(select(_R.entry_id).where(_R.entry_id == _E.entry_id))
_OPEN_WORK = exists().where(_R.destination_id == _D.destination_id, _R.lane.in_([int(lane) for lane in OPEN]))
_UNKNOWN_HOLDER = and_(_D.holder != "", _none(select(couriers.c.name).where(couriers.c.name == _D.holder)))
_NOWHERE = and_(_D.holder == "", ~_D.held, _D.line.is_(None), _OPEN_WORK)
_STRAYED = _UNKNOWN_HOLDER | _NOWHERE

# In the order in which they are mended: what one leaves over the next one finds.
_WRONG: tuple[tuple[str, Table, ColumnElement[bool]], ...] = (
    ("messages have lost their content", entries, _NO_CONTENT),
    ("recipients belong to no message", recipients, _NO_ENTRY),
    ("recipients belong to no destination", recipients, _NO_DESTINATION),
    ("messages have no recipients", entries, _NO_RECIPIENT),
    ("destinations have work and stand in no line", destinations, _STRAYED),
)
_MENDS = (*(_drop(table, wrong) for _, table, wrong in _WRONG[:-1]), _stand_again)
