"""The queue in numbers, and its destinations: what operators look at.

Sums read every recipient once; a million take about half a second. An ident begins with its time, which gives the
oldest and the newest without a look at the messages.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, func, select, true

from estafeta.queue.choosing import is_destination
from estafeta.queue.destinations import DESTINATION, destination_of
from estafeta.queue.lines import NEVER
from estafeta.queue.tables import destinations, entries, recipients
from estafeta.queue.values import HELD_LANES, Destination

# How an ident is made of its time: estafeta.intake.idents.
_IDENT_TIME_BITS = 20


class SumBy(StrEnum):
    """What is summed up by. Messages are counted by sender, recipients otherwise."""

    DOMAIN = "domain"
    DESTINATION = "destination"
    SENDER = "sender"
    REASON = "reason"


class Sum(NamedTuple):
    """One line of a summary: how many, their octets, and when the oldest and the newest came (epoch milliseconds)."""

    name: str
    number: int
    volume: int
    oldest_ms: int
    newest_ms: int


class Totals(NamedTuple):
    """The queue at a glance. `in_trouble`: destinations that could not be reached the last time; `held` recipients;
    `held_destinations` by an operator."""

    messages: int
    recipients: int
    volume: int
    oldest_ms: int
    held: int
    destinations: int
    in_trouble: int
    held_destinations: int


class DestinationState(NamedTuple):
    """A destination and what waits there."""

    destination: Destination
    next_try_ms: int | None
    """When it will be tried; None: nothing waits that could be sent, or it is held; at once when it is in the past."""
    waiting: int
    volume: int
    oldest_ms: int


def summary(conn: Connection, by: SumBy = SumBy.DOMAIN) -> list[Sum]:
    """Sums over all that waits, by name."""
    match by:
        case SumBy.SENDER:
            rows = _sums(conn, _E.sender, _E.entry_id, _E.size)
        case SumBy.DOMAIN:
            rows = _sums(conn, _R.domain, _R.entry_id, _R.size)
        case SumBy.REASON:
            rows = _sums(conn, _R.reason, _R.entry_id, _R.size)
        case SumBy.DESTINATION:
            hops = {row.destination_id: row.hop for row in conn.execute(select(_D.destination_id, _D.hop))}
            by_id = _sums(conn, _R.destination_id, _R.entry_id, _R.size)
            rows = [(hops.get(destination_id, "?"), *numbers) for destination_id, *numbers in by_id]
    return sorted(map(_sum, rows))


def totals(conn: Connection) -> Totals:
    """The queue at a glance."""
    waiting = conn.execute(
        select(*_numbers(_R.entry_id, _R.size), func.count().filter(_R.lane.in_([int(lane) for lane in HELD_LANES])))
    ).one()
    return Totals(
        conn.execute(select(func.count()).select_from(entries)).scalar_one(),
        waiting[0],
        int(waiting[1] or 0),
        _time_of(waiting[2]),
        int(waiting[4] or 0),
        *(
            conn.execute(select(func.count()).select_from(destinations).where(wanted)).scalar_one()
            for wanted in (true(), _D.failures > 0, _D.held)
        ),
    )


def states(conn: Connection, destination: str = "", limit: int = 1000) -> list[DestinationState]:
    """Destinations, those that are to be tried first in front; `destination` is a pattern as in `Choice`."""
    wanted = select(*DESTINATION, _D.line).order_by(_D.due_ms, _D.hop).limit(limit)
    if destination:
        wanted = wanted.where(is_destination(destination))
    return [_state(conn, destination_of(row), row[-1]) for row in conn.execute(wanted).all()]


def _state(conn: Connection, one: Destination, line: int | None) -> DestinationState:
    waiting = conn.execute(select(*_numbers(_R.entry_id, _R.size)).where(_R.destination_id == one.destination_id)).one()
    next_try = None if one.held or one.due_ms >= NEVER or (line is None and not one.holder) else one.due_ms
    return DestinationState(one, next_try, waiting[0], int(waiting[1] or 0), _time_of(waiting[2]))


_D, _E, _R = destinations.c, entries.c, recipients.c


def _numbers(ident: Column[int], size: Column[int]) -> tuple[Any, ...]:
    return func.count(), func.sum(size), func.min(ident), func.max(ident)


def _sums(conn: Connection, name: Column[Any], ident: Column[int], size: Column[int]) -> Sequence[Any]:
    return conn.execute(select(name, *_numbers(ident, size)).group_by(name)).all()


def _sum(row: Any) -> Sum:
    name, number, volume, first, last = row
    return Sum(name, number, int(volume), _time_of(first), _time_of(last))


def _time_of(entry_id: int | None) -> int:
    return (entry_id or 0) >> _IDENT_TIME_BITS
