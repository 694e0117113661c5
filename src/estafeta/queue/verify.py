"""Checking and mending the queue: do messages, recipients, destinations and contents belong together?

Reads in one view of the database, so a server that goes on working gives no false alarms. Mending is for a stopped
server: each step is one commit and can be repeated. What `mailboxes.tally` counts is told in `queued_contents`.
"""

import secrets
from collections.abc import Callable, Iterator

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, exists, func, insert, select, update

from estafeta.queue.lines import OPEN, WAITING
from estafeta.queue.tables import couriers, destinations, entries, quarantine, quarantine_told, recipients
from estafeta.queue.values import Lane
from estafeta.storage.database import Database, Transaction
from estafeta.storage.tables import contents
from estafeta.storage.verify import Problem, ProblemKind

_ROWS = 5000
# Ten years: longer than settings let anything be held.
_LONG_MS = 3650 * 86_400_000
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


def _say_why(tx: Transaction) -> object:
    """What is held stays held, for an operator to decide about."""
    found = select(_E.entry_id, _E.subject, _E.created_ms).where(
        exists().where(_R.entry_id == _E.entry_id, _OF_QUARANTINE),
        _none(select(_Q.entry_id).where(_Q.entry_id == _E.entry_id)),
    )
    rows = [
        {
            "entry_id": row.entry_id,
            "rule": "unknown",
            "reason": "the reason was lost",
            "author": "",
            "subject": row.subject,
            "held_ms": row.created_ms,
            "expires_ms": row.created_ms + _LONG_MS,
            "by_users": False,
            "secret": secrets.token_bytes(20),
        }
        for row in tx.conn.execute(found).all()
    ]
    return tx.conn.execute(insert(quarantine), rows)


_D, _E, _Q, _R = destinations.c, entries.c, quarantine.c, recipients.c


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

_OF_QUARANTINE = _R.lane == int(Lane.QUARANTINE)
_HELD_OF_IT = select(_R.entry_id).where(_R.entry_id == _Q.entry_id, _OF_QUARANTINE)
_NO_REASON = and_(_OF_QUARANTINE, _none(select(_Q.entry_id).where(_Q.entry_id == _R.entry_id)))
_NOTHING_TOLD = _none(select(_Q.entry_id).where(_Q.entry_id == quarantine_told.c.entry_id))

# In the order in which they are mended: what one leaves over the next one finds.
_WRONG: tuple[tuple[str, Table, ColumnElement[bool]], ...] = (
    ("messages have lost their content", entries, _NO_CONTENT),
    ("recipients belong to no message", recipients, _NO_ENTRY),
    ("recipients belong to no destination", recipients, _NO_DESTINATION),
    ("messages have no recipients", entries, _NO_RECIPIENT),
    ("reasons of quarantine belong to nothing that is held", quarantine, _none(_HELD_OF_IT)),
    ("letters about quarantine are of nothing that is held", quarantine_told, _NOTHING_TOLD),
    ("recipients are in quarantine and nothing says why", recipients, _NO_REASON),
    ("destinations have work and stand in no line", destinations, _STRAYED),
)
_MENDS = (*(_drop(table, wrong) for _, table, wrong in _WRONG[:-2]), _say_why, _stand_again)
