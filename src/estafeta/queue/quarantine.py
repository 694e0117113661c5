"""Decisions on what is held in quarantine, and whom it was told: operations, each all or nothing.

A held message is an entry of the queue whose recipients are in lane QUARANTINE, all of them for ourselves (`HERE`), and
a row of `quarantine` that says why; both come in the commit that takes the message in. Released, a recipient is looked
up anew and its copy delivered as if it had come now (estafeta.intake.posting.relocate), in one commit with its removal.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, insert, select, tuple_, update

from estafeta.journal.records import Code, Record, detail
from estafeta.journal.writing import write_records
from estafeta.queue.accepting import take_in
from estafeta.queue.destinations import Coming, bring, find_standings
from estafeta.queue.settling import drop_finished
from estafeta.queue.tables import entries, quarantine, quarantine_told, recipients
from estafeta.queue.values import Acceptance, Lane, Place
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction

#: What is released is looked up anew at once; so long while something of ours is in the way.
TRIED_MS = 5 * 86_400_000


class Decision(StrEnum):
    """RELEASE: delivered as if it had come now. DELETE: gone, and nobody is told. EXPIRE: likewise, since nobody
    decided in time."""

    RELEASE = "release"
    DELETE = "delete"
    EXPIRE = "expire"


class Decided(NamedTuple):
    """A decision on recipients, some hundreds at a time. `who` made it, for the record."""

    decision: Decision
    places: tuple[Place, ...]
    now_ms: int
    who: str = ""


class Told(NamedTuple):
    """Mail that tells somebody what is held, and for which recipients that is: they are not told again."""

    acceptance: Acceptance
    places: tuple[Place, ...]


def decide(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Operation: payloads are `Decided`s. Results are for how many recipients each was carried out; those that were
    decided about before are passed over."""
    return [_decide(tx, item.payload) for item in items]


def tell(tx: Transaction, items: Sequence[Item]) -> list[bool]:
    """Operation: payloads are `Told`s with one location each. Results are whether it was sent: not where somebody else
    told one of these meanwhile, or all of it was decided about."""
    return [_tell(tx, item) for item in items]


def _decide(tx: Transaction, wanted: Decided) -> int:
    entry_ids = sorted({place.entry_id for place in wanted.places})
    # The lock: of two who decide about the last two recipients of a message, the second must see that it is the last.
    tx.conn.execute(select(_Q.entry_id).where(_Q.entry_id.in_(entry_ids)).order_by(_Q.entry_id).with_for_update())
    places = set(wanted.places)
    rows = [
        row
        for row in tx.conn.execute(
            select(_R.entry_id, _R.number, _R.destination_id, _R.owner, _R.due_ms, _R.address, _E.lane)
            .join_from(recipients, entries, _R.entry_id == _E.entry_id)
            .where(_R.entry_id.in_(entry_ids), _R.lane == int(Lane.QUARANTINE))
        )
        if Place(row.entry_id, row.number) in places
    ]
    if not rows:
        return 0
    if wanted.decision is Decision.RELEASE:
        coming = []
        for row in rows:
            # What was to wait until some time (RFC 4865) still does.
            due = max(row.due_ms, wanted.now_ms)
            values = {"lane": row.lane, "due_ms": due, "expires_ms": due + TRIED_MS}
            tx.conn.execute(
                update(recipients).where(_held(row.destination_id, row.entry_id, row.number)).values(values)
            )
            coming.append(Coming(row.destination_id, row.owner, due))
        bring(tx, find_standings(tx, sorted({one.destination_id for one in coming})), coming, wanted.now_ms)
    else:
        for row in rows:
            tx.conn.execute(delete(recipients).where(_held(row.destination_id, row.entry_id, row.number)))
    _forget_decided(tx, entry_ids)
    if wanted.decision is not Decision.RELEASE:
        drop_finished(tx, {row.entry_id for row in rows})
    write_records(tx, [_record(wanted, row.entry_id, row.address) for row in rows])
    return len(rows)


def _held(destination_id: int, entry_id: int, number: int) -> ColumnElement[bool]:
    return and_(
        _R.destination_id == destination_id,
        _R.lane == int(Lane.QUARANTINE),
        _R.entry_id == entry_id,
        _R.number == number,
    )


def _forget_decided(tx: Transaction, entry_ids: Sequence[int]) -> None:
    """Messages of these of which nothing is held any more have no row."""
    query = select(_R.entry_id).where(_R.entry_id.in_(entry_ids), _R.lane == int(Lane.QUARANTINE)).distinct()
    gone = sorted(set(entry_ids) - set(tx.conn.execute(query).scalars()))
    for table in (quarantine, quarantine_told):
        tx.conn.execute(delete(table).where(table.c.entry_id.in_(gone)))


_WHY = {
    Decision.RELEASE: "out of quarantine",
    Decision.DELETE: "in quarantine",
    Decision.EXPIRE: "in quarantine, and nobody decided in time",
}


def _record(wanted: Decided, entry_id: int, address: str) -> Record:
    code = Code.RELEASED if wanted.decision is Decision.RELEASE else Code.REMOVED
    return Record(entry_id, code, address, text=_WHY[wanted.decision], detail=detail(who=wanted.who))


def _tell(tx: Transaction, item: Item) -> bool:
    told: Told = item.payload
    entry_ids = sorted({place.entry_id for place in told.places})
    lock = select(_Q.entry_id).where(_Q.entry_id.in_(entry_ids)).order_by(_Q.entry_id).with_for_update()
    held = set(tx.conn.execute(lock).scalars())
    places = [tuple(place) for place in told.places if place.entry_id in held]
    known = select(_T.entry_id).where(tuple_(_T.entry_id, _T.number).in_(places)).limit(1)
    if not places or tx.conn.execute(known).first() is not None:
        return False
    tx.conn.execute(insert(quarantine_told), [{"entry_id": entry_id, "number": number} for entry_id, number in places])
    take_in(tx, [(told.acceptance, item.locations[0])])
    return True


_E, _Q, _R, _T = entries.c, quarantine.c, recipients.c, quarantine_told.c
