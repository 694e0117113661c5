"""Decisions on posts that are held, carried out: released to the members, or removed. Each is one transaction."""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select

from estafeta.directory.listnames import role_of
from estafeta.directory.model import ListRole
from estafeta.lists.values import Moderated
from estafeta.queue.operating import Action, Change, change
from estafeta.queue.tables import destinations, recipients
from estafeta.queue.values import Lane, Place
from estafeta.routing.values import HopKind
from estafeta.storage.commit import Item
from estafeta.storage.database import Database

_PREFIX = f"{HopKind.LIST}:"
_MOST = 10_000


def moderate(
    database: Database, decisions: Sequence[Moderated], *, clock: Callable[[], float] = time.time
) -> list[Moderated]:
    """Carry them out; those that were not decided before. What is no longer held is left alone."""
    done = []
    for decision in decisions:
        action = Action.RELEASE if decision.approved else Action.REMOVE
        with database.write() as tx:
            places = _held(tx.conn, entry_id=decision.entry_id)
            wanted = Change(action, tuple(places), int(clock() * 1000), decision.reason)
            if places and change(tx, [Item(wanted, ())])[0]:
                done.append(decision)
    return done


def remove_expired(database: Database, now_seconds: float) -> int:
    """Remove posts of all lists that nobody decided about in time (`lists.confirm_days`); how many. For a daily job."""
    now_ms = int(now_seconds * 1000)
    with database.read() as conn:
        late = {place.entry_id for place in _held(conn, before_ms=now_ms)}
    decisions = [Moderated(entry_id, False, "nobody decided in time") for entry_id in sorted(late)]
    return len(moderate(database, decisions, clock=lambda: now_seconds))


def _held(conn: Connection, *, entry_id: int = 0, before_ms: int = 0) -> list[Place]:
    """Recipients that wait for a moderator: of one message, or those whose time is over."""
    columns = recipients.c
    query = (
        select(columns.entry_id, columns.number, columns.address, destinations.c.hop)
        .join_from(recipients, destinations, destinations.c.destination_id == columns.destination_id)
        .where(columns.lane == Lane.HELD, destinations.c.hop.startswith(_PREFIX, autoescape=True))
        .limit(_MOST)
    )
    query = query.where(columns.entry_id == entry_id) if entry_id else query.where(columns.expires_ms <= before_ms)
    return [
        Place(row.entry_id, row.number)
        for row in conn.execute(query)
        if role_of(row.hop.removeprefix(_PREFIX), row.address)[0] is ListRole.APPROVED
    ]
