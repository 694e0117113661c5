"""How couriers take destinations and give them back, and how one is replaced that died.

A courier is the only holder of what it claims. It shows that it lives by a number that it raises; whoever sees the
number of another unchanged for long, by its own monotonic clock, names it dead: no clocks are compared.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, case, delete, func, insert, null, select, update

from estafeta.mailboxes.selection import as_json, numbers
from estafeta.queue.destinations import DESTINATION, TOPIC, destination_of
from estafeta.queue.lines import (
    NEVER,
    NOT_READY,
    OPEN,
    PARKED_HIGH,
    PARKED_NORMAL,
    PARKED_OUTWARD,
    SHARED,
    WAITING,
    line_of,
)
from estafeta.queue.seeking import earliest_due, is_empty
from estafeta.queue.tables import couriers, destinations, recipients
from estafeta.queue.values import Destination, Lane
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared, Query

# So many destinations whose time has come are put in line by one claim, and so many looked at for lanes that are open.
_PROMOTED = 500
_LOOKED_AT = 500
_OUTWARD = ("mx:", "host:", "lmtp:")


class Beat(NamedTuple):
    """A courier lives. `fresh`: it begins, and what its predecessor of that name held is free; `dead`: couriers whose
    destinations are to be freed."""

    name: str
    fresh: bool = False
    dead: tuple[str, ...] = ()


class Claim(NamedTuple):
    """A courier wants up to `room` destinations. Lanes that are held are not sent; `inward`: nothing that leaves this
    server either, only lists and the like (a batch site between sessions)."""

    name: str
    now_ms: int
    room: int
    hold_high: bool = False
    hold_normal: bool = False
    inward: bool = False


class Release(NamedTuple):
    """A courier gives destinations back."""

    name: str
    destination_ids: tuple[int, ...]
    now_ms: int = 0


def beat(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Operation: payloads are `Beat`s. Results are the numbers of the beats: 1 says that the courier was not known, so
    that it holds nothing (any more)."""
    return [_beat(tx, item.payload) for item in items]


def claim(tx: Transaction, items: Sequence[Item]) -> list[tuple[Destination, ...]]:
    """Operation: payloads are `Claim`s. Results are destinations where something is due, now held by the courier: of
    all owners in turn, and of each those first that have waited longest. Fewer than asked for: there are no more now,
    or they are being given work at this moment, which is announced."""
    return [_claim(tx, item.payload) for item in items]


def release(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Operation: payloads are `Release`s. A destination where nothing waits is forgotten unless it is in trouble; what
    the courier does not hold (any more) is left alone."""
    for item in items:
        for row in _HELD_BY.found(tx, ids=as_json(item.payload.destination_ids), of_holder=item.payload.name):
            _give_back(tx, destination_of(row), row[-1], item.payload.now_ms)
    return [None] * len(items)


def _beat(tx: Transaction, wanted: Beat) -> int:
    for name in (*((wanted.name,) if wanted.fresh else ()), *wanted.dead):
        if _FREE.run(tx, of_holder=name):
            tx.announce(TOPIC)
    for name in wanted.dead:
        _FORGET_COURIER.run(tx, courier=name)
    row = _FIND_COURIER.found(tx, courier=wanted.name)
    if not row:
        _ADD_COURIER.many(tx, [(wanted.name, 1, SHARED)])
        return 1
    _RAISE.run(tx, courier=wanted.name)
    return int(row[0][0]) + 1


def _claim(tx: Transaction, wanted: Claim) -> tuple[Destination, ...]:
    lanes = tuple(lane for lane, held in zip(OPEN, (wanted.hold_high, wanted.hold_normal), strict=True) if not held)
    if not lanes or wanted.room < 1:
        return ()
    _promote(tx, wanted)
    row = _FIND_COURIER.found(tx, courier=wanted.name)
    line = last = row[0][1] if row else SHARED
    found: list[Destination] = []
    looked_at = 0
    while len(found) < wanted.room and looked_at < _LOOKED_AT:
        lines = _lines_behind(tx, last, wanted.room - len(found))
        seen = 0
        for last in lines:
            share = -(-(wanted.room - len(found)) // len(lines))
            rows = _CANDIDATES.found(tx, here=last, most=share)
            seen += len(rows)
            found += _take(tx, wanted, lanes, list(map(destination_of, rows)))
            if len(found) >= wanted.room:
                break
        looked_at += seen
        if not seen:
            break
    if found and last != line:
        _TURN.run(tx, courier=wanted.name, last=last)
    return tuple(found)


def _lines_behind(tx: Transaction, last: int, most: int) -> list[int]:
    """Up to so many ready lines, in a ring that begins behind `last`."""
    lines = [line for (line,) in _LINES.found(tx, after=last, most=most)]
    if len(lines) < most:
        begin = _LINES.found(tx, after=SHARED - 1, most=most - len(lines))
        lines += [line for (line,) in begin if line <= last]
    return lines


def _take(
    tx: Transaction, wanted: Claim, lanes: Sequence[Lane], candidates: Sequence[Destination]
) -> list[Destination]:
    """Those that have something due that may go now, held from here on; the others wait, or are parked."""
    taken: list[Destination] = []
    others: list[tuple[int | None, int, int]] = []
    for one in candidates:
        if wanted.inward and one.hop.startswith(_OUTWARD):
            others.append((PARKED_OUTWARD, NEVER, one.destination_id))
            continue
        due = earliest_due(tx.conn, one.destination_id, lanes)
        if due <= wanted.now_ms:
            taken.append(one._replace(holder=wanted.name))
        else:
            others.append((_aside(wanted, due), due, one.destination_id))
    _PARK.many(tx, others)
    _HOLD.many(tx, [(wanted.name, one.destination_id) for one in taken])
    return taken


def _aside(wanted: Claim, due_ms: int) -> int | None:
    """The line of a destination where nothing is due in an open lane before `due_ms`."""
    if wanted.hold_normal:
        return PARKED_NORMAL
    if wanted.hold_high:
        return PARKED_HIGH
    return WAITING if due_ms < NEVER else None


def _promote(tx: Transaction, wanted: Claim) -> None:
    """Put those in line whose time has come, or whose lane is open again."""
    if not wanted.inward:
        _UNPARK.run(tx, parked=PARKED_OUTWARD, now=wanted.now_ms, most=_PROMOTED)
    if not wanted.hold_normal:
        _UNPARK.run(tx, parked=PARKED_NORMAL, now=wanted.now_ms, most=_PROMOTED)
    if not wanted.hold_high:
        _UNPARK.run(tx, parked=PARKED_HIGH, now=wanted.now_ms, most=_PROMOTED)
    rows = []
    for line in NOT_READY:
        rows += _RIPE.found(tx, here=line, now=wanted.now_ms, most=_PROMOTED)
    changed = [(_line_for({owner for owner in owners if owner is not None}), one) for one, *owners in rows]
    _ENTER.many(tx, changed)


def _line_for(owners: set[int]) -> int | None:
    if not owners:
        return None
    return line_of(owners.pop()) if len(owners) == 1 else SHARED


def _give_back(tx: Transaction, one: Destination, retry_ms: int, now_ms: int) -> None:
    due = earliest_due(tx.conn, one.destination_id)
    if due == NEVER and not one.failures and not one.held and is_empty(tx.conn, one.destination_id):
        _REMOVE.run(tx, destination=one.destination_id)
        return
    due = max(due, retry_ms)
    line = None if one.held or due >= NEVER else WAITING
    _LET_GO.run(tx, destination=one.destination_id, new_line=line, new_due=due)
    if line is not None and due <= now_ms:
        tx.announce(TOPIC)


_D = destinations.c
_R = recipients.c
_C = couriers.c
_ONE = _D.destination_id == bindparam("destination")
_NAME = _C.name == bindparam("courier")

_FIND_COURIER = Query(select(_C.beat, _C.line).where(_NAME))
_ADD_COURIER = Prepared(insert(couriers), *(column.name for column in couriers.columns))
_RAISE = Query(update(couriers).where(_NAME).values(beat=_C.beat + 1))
_TURN = Query(update(couriers).where(_NAME).values(line=bindparam("last")))
_FORGET_COURIER = Query(delete(couriers).where(_NAME))
_FREE = Query(
    update(destinations)
    .where(_D.holder == bindparam("of_holder"), _D.holder != "")
    .values(holder="", line=case((_D.held, None), else_=WAITING), due_ms=_D.retry_ms)
)


def _ready_lines() -> Query:
    """Each line that somebody stands in once, by a search for the next one behind the last."""
    lines = select(func.min(_D.line).label("line")).where(_D.line > bindparam("after", type_=BigInteger))
    found = lines.cte("lines", recursive=True)
    following = select(func.min(_D.line)).where(_D.line > found.c.line).scalar_subquery()
    found = found.union_all(select(following).where(found.c.line.is_not(None)))
    return Query(select(found.c.line).where(found.c.line.is_not(None)).limit(bindparam("most")))


def _owner(edge: Any, lane: Lane) -> Any:
    return select(edge(_R.owner)).where(_R.destination_id == _D.destination_id, _R.lane == int(lane)).scalar_subquery()


_LINES = _ready_lines()
# Those that work is coming for at this moment, or that another courier takes, are passed over (PostgreSQL).
_CANDIDATES = Query(
    select(*DESTINATION)
    .where(_D.line == bindparam("here"))
    .order_by(_D.due_ms)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_RIPE = Query(
    select(_D.destination_id, *(_owner(edge, lane) for lane in OPEN for edge in (func.min, func.max)))
    .where(_D.line == bindparam("here"), _D.due_ms <= bindparam("now"))
    .order_by(_D.due_ms)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True, of=destinations)
)
_ENTER = Prepared(update(destinations).where(_ONE).values(line=bindparam("new_line")), "new_line", "destination")
_UNPARK = Query(
    update(destinations)
    .where(
        _D.destination_id.in_(
            select(_D.destination_id)
            .where(_D.line == bindparam("parked"), _D.due_ms > bindparam("now"))
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(line=WAITING, due_ms=_D.retry_ms)
)
_PARK = Prepared(
    update(destinations).where(_ONE).values(line=bindparam("new_line"), due_ms=bindparam("new_due")),
    "new_line",
    "new_due",
    "destination",
)
_HOLD = Prepared(
    update(destinations).where(_ONE).values(line=null(), holder=bindparam("new_holder")), "new_holder", "destination"
)
_HELD_BY = Query(
    select(*DESTINATION, _D.retry_ms)
    .where(_D.destination_id.in_(numbers("ids")), _D.holder == bindparam("of_holder"))
    .order_by(_D.destination_id)
    .with_for_update()
)
_LET_GO = Query(
    update(destinations).where(_ONE).values(holder="", line=bindparam("new_line"), due_ms=bindparam("new_due"))
)
_REMOVE = Query(delete(destinations).where(_ONE))
