"""What operators do to the queue: recipients that they chose (`choosing.find_places`), in portions, and destinations.

Each operation is one commit with its records, and says how many it changed; what has left the queue meanwhile is passed
over. A courier that has a recipient in hand at this moment may still deliver it.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import BigInteger, Integer, and_, bindparam, case, delete, literal_column, null, select, update

from estafeta.journal.records import Code, Record, detail
from estafeta.journal.writing import write_records
from estafeta.mailboxes.selection import as_json, numbers
from estafeta.queue.destinations import TOPIC, Coming, bring, find_by_hop, find_or_make, find_standings, topic_of
from estafeta.queue.lines import NEVER, WAITING
from estafeta.queue.seeking import earliest_due, is_empty
from estafeta.queue.settling import drop_finished
from estafeta.queue.tables import destinations, entries, recipients
from estafeta.queue.values import GIVEN_UP, Lane, Place
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared, Query

#: Reason of what an operator gave up.
BOUNCED = "bounced by operator"


class Action(StrEnum):
    """What is done to recipients. HOLD: they wait until RELEASE; REMOVE: they go, and nobody is told; BOUNCE: the
    courier gives them up without a try, and their sender is told; RETRY: now, whatever their times and those of their
    destination; NEXT_TRY: at `value_ms`; HIGH, NORMAL: their lane; REROUTE: to the next hops named, now."""

    HOLD = "hold"
    RELEASE = "release"
    REMOVE = "remove"
    BOUNCE = "bounce"
    RETRY = "retry"
    NEXT_TRY = "next"
    HIGH = "high"
    NORMAL = "normal"
    REROUTE = "requeue"


class Change(NamedTuple):
    """An action on recipients, some hundreds at a time. `who` did it, for the record. `hops`: of REROUTE, one for each
    place, "" where it stays."""

    action: Action
    places: tuple[Place, ...]
    now_ms: int
    who: str = ""
    value_ms: int = 0
    hops: tuple[str, ...] = ()


class DestinationAction(StrEnum):
    """What is done to a destination. HOLD: nothing is sent there until RELEASE; RETRY: it is tried now, with
    what is due there; NEXT_TRY: not before `value_ms`; FORGET: what is remembered of its failures."""

    HOLD = "hold"
    RELEASE = "release"
    RETRY = "retry"
    NEXT_TRY = "next"
    FORGET = "forget"


class DestinationChange(NamedTuple):
    """An action on destinations, by their next hops."""

    action: DestinationAction
    hops: tuple[str, ...]
    now_ms: int
    value_ms: int = 0


class _Row(NamedTuple):
    destination_id: int
    lane: int
    owner: int
    due_ms: int
    entry_id: int
    number: int
    address: str
    entry_lane: int


def change(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Operation: payloads are `Change`s. Results are how many recipients each changed."""
    return [_change(tx, item.payload) for item in items]


def change_destinations(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Operation: payloads are `DestinationChange`s. Results are how many destinations each found. To hold one that is
    not there makes it."""
    return [_change_destinations(tx, item.payload) for item in items]


def prune(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Operation: payloads are times; what is remembered of destinations where nothing waits, and that were not tried
    since, is forgotten, a thousand in a commit. Results are how many were."""
    return [_prune(tx, item.payload) for item in items]


def _change(tx: Transaction, wanted: Change) -> int:
    places = set(wanted.places)
    found = _FIND.found(tx, ids=as_json({place.entry_id for place in places}))
    rows = [row for row in map(_Row._make, found) if (row.entry_id, row.number) in places and _concerns(wanted, row)]
    if not rows:
        return 0
    match wanted.action:
        case Action.HOLD:
            _set(tx, [(row, int(Lane.HELD), row.due_ms) for row in rows])
            _line_up(tx, {row.destination_id for row in rows})
        case Action.RELEASE:
            _move(tx, wanted, [(row, row.entry_lane, row.due_ms) for row in rows])
        case Action.REMOVE:
            _REMOVE.many(tx, [(row.destination_id, row.entry_id, row.number) for row in rows])
            drop_finished(tx, {row.entry_id for row in rows})
            _line_up(tx, {row.destination_id for row in rows})
        case Action.BOUNCE:
            _GIVE_UP.many(tx, [(GIVEN_UP, BOUNCED, row.destination_id, row.entry_id, row.number) for row in rows])
            _move(tx, wanted, [(row, _open_lane(row), wanted.now_ms) for row in rows], at_once=True)
        case Action.RETRY:
            _move(tx, wanted, [(row, row.lane, wanted.now_ms) for row in rows], at_once=True)
        case Action.NEXT_TRY:
            _move(tx, wanted, [(row, row.lane, wanted.value_ms) for row in rows])
        case Action.HIGH | Action.NORMAL:
            _change_lane(tx, wanted, rows)
        case Action.REROUTE:
            _reroute(tx, wanted, rows)
    write_records(tx, [_record(wanted, row) for row in rows])
    return len(rows)


def _concerns(wanted: Change, row: _Row) -> bool:
    """Whether there is anything to do. What is in quarantine is decided about there alone."""
    if row.lane == Lane.QUARANTINE:
        return False
    held = row.lane == Lane.HELD
    return not held if wanted.action is Action.HOLD else held if wanted.action is Action.RELEASE else True


def _open_lane(row: _Row) -> int:
    return row.entry_lane if row.lane == Lane.HELD else row.lane


def _change_lane(tx: Transaction, wanted: Change, rows: Sequence[_Row]) -> None:
    """What is held stays so, and goes to its new lane when it is released."""
    lane = int(Lane.HIGH if wanted.action is Action.HIGH else Lane.NORMAL)
    _ENTRY_LANE.many(tx, [(lane, entry_id) for entry_id in sorted({row.entry_id for row in rows})])
    _move(tx, wanted, [(row, lane if row.lane != Lane.HELD else row.lane, row.due_ms) for row in rows])


def _reroute(tx: Transaction, wanted: Change, rows: Sequence[_Row]) -> None:
    hops = {place: hop for place, hop in zip(wanted.places, wanted.hops, strict=True) if hop}
    standings = find_or_make(tx, hops.values())
    moved = []
    for row in rows:
        hop = hops.get(Place(row.entry_id, row.number))
        moved.append((row, standings[hop].destination_id if hop else row.destination_id))
    _SEND_TO.many(tx, [(there, row.destination_id, row.entry_id, row.number) for row, there in moved])
    again = [row._replace(destination_id=there) for row, there in moved]
    _move(tx, wanted, [(row, row.lane, wanted.now_ms) for row in again], at_once=True)


def _move(tx: Transaction, wanted: Change, changed: Sequence[tuple[_Row, int, int]], *, at_once: bool = False) -> None:
    """Give recipients a lane and a due time, and put their destinations in line for it; `at_once`: although these are
    in trouble."""
    _set(tx, changed)
    coming = [Coming(row.destination_id, row.owner, due) for row, lane, due in changed if lane != Lane.HELD]
    ids = sorted({one.destination_id for one in coming})
    if at_once:
        _IMPATIENT.many(tx, [(one,) for one in ids])
    bring(tx, find_standings(tx, ids), coming, wanted.now_ms)


def _set(tx: Transaction, changed: Sequence[tuple[_Row, int, int]]) -> None:
    _SET.many(tx, [(lane, due, row.destination_id, row.entry_id, row.number) for row, lane, due in changed])


_CODES = {
    Action.HOLD: Code.HELD,
    Action.RELEASE: Code.RELEASED,
    Action.REMOVE: Code.REMOVED,
    Action.BOUNCE: Code.BOUNCED,
}
_WORDS = {
    Action.RETRY: "to be tried now",
    Action.NEXT_TRY: "next try changed",
    Action.HIGH: "priority high",
    Action.NORMAL: "priority normal",
    Action.REROUTE: "routed anew",
}


def _record(wanted: Change, row: _Row) -> Record:
    values = detail(who=wanted.who, next_ms=wanted.value_ms)
    code = _CODES.get(wanted.action, Code.CHANGED)
    return Record(row.entry_id, code, row.address, text=_WORDS.get(wanted.action, ""), detail=values)


def _change_destinations(tx: Transaction, wanted: DestinationChange) -> int:
    hops = sorted(set(wanted.hops))
    found = (find_or_make if wanted.action is DestinationAction.HOLD else find_by_hop)(tx, hops)
    for hop in sorted(found):
        one = found[hop].destination_id
        match wanted.action:
            case DestinationAction.HOLD:
                _HOLD.run(tx, here=one)
                tx.announce(topic_of(one))
                continue
            case DestinationAction.RELEASE:
                _UNHOLD.run(tx, here=one)
            case DestinationAction.RETRY:
                _IMPATIENT.many(tx, [(one,)])
            case DestinationAction.FORGET:
                _FORGET.run(tx, here=one)
            case DestinationAction.NEXT_TRY:
                _POSTPONE.run(tx, here=one, due=wanted.value_ms)
        _line_up(tx, (one,))
    if found:
        tx.announce(TOPIC)
    return len(found)


def _line_up(tx: Transaction, destination_ids: Iterable[int]) -> None:
    """Have destinations that nobody holds wait for their earliest work, and for the time before which they are not
    tried; where there is no work, in no line."""
    for destination_id in sorted(destination_ids):
        due = earliest_due(tx.conn, destination_id)
        _LINE_UP.run(tx, here=destination_id, new_line=WAITING if due < NEVER else None, due=due)


def _prune(tx: Transaction, before_ms: int) -> int:
    # Locked first, then looked at: work that is just coming keeps it (PostgreSQL).
    old = [destination_id for (destination_id,) in _OLD.found(tx, before=before_ms, most=_PRUNED)]
    gone = [(destination_id,) for destination_id in old if is_empty(tx.conn, destination_id)]
    _DROP.many(tx, gone)
    return len(gone)


_PRUNED = 1000
_D, _E, _R = destinations.c, entries.c, recipients.c
_HERE = and_(_R.destination_id == bindparam("here"), _R.entry_id == bindparam("entry"), _R.number == bindparam("place"))
_KEY = ("here", "entry", "place")
_ONE = _D.destination_id == bindparam("here")
_ZERO = literal_column("0", Integer)

_FIND = Query(
    select(_R.destination_id, _R.lane, _R.owner, _R.due_ms, _R.entry_id, _R.number, _R.address, _E.lane)
    .join_from(entries, recipients, _R.entry_id == _E.entry_id)
    .where(_E.entry_id.in_(numbers("ids")))
    .order_by(_R.entry_id, _R.number)
)
_SET = Prepared(
    update(recipients).where(_HERE).values(lane=bindparam("new_lane"), due_ms=bindparam("new_due")),
    "new_lane",
    "new_due",
    *_KEY,
)
_GIVE_UP = Prepared(
    update(recipients).where(_HERE).values(expires_ms=bindparam("new_end"), reason=bindparam("new_reason")),
    "new_end",
    "new_reason",
    *_KEY,
)
_SEND_TO = Prepared(update(recipients).where(_HERE).values(destination_id=bindparam("there")), "there", *_KEY)
_REMOVE = Prepared(delete(recipients).where(_HERE), *_KEY)
_ENTRY_LANE = Prepared(
    update(entries).where(_E.entry_id == bindparam("entry")).values(lane=bindparam("new_lane")), "new_lane", "entry"
)
_IMPATIENT = Prepared(update(destinations).where(_ONE).values(retry_ms=_ZERO), "here")
_HOLD = Query(update(destinations).where(_ONE).values(held=True, line=null()))
_UNHOLD = Query(update(destinations).where(_ONE).values(held=False))
_POSTPONE = Query(update(destinations).where(_ONE).values(retry_ms=bindparam("due")))
_FORGET = Query(update(destinations).where(_ONE).values(retry_ms=0, failures=0, first_failed_ms=0, error=""))
_LINE_UP = Query(
    update(destinations)
    .where(_ONE, ~_D.held, _D.holder == "")
    .values(
        line=bindparam("new_line"),
        due_ms=case(
            (_D.retry_ms > bindparam("due", type_=BigInteger), _D.retry_ms), else_=bindparam("due", type_=BigInteger)
        ),
    )
)
_OLD = Query(
    select(_D.destination_id)
    .where(_D.last_tried_ms < bindparam("before"), _D.holder == "", ~_D.held, _D.line.is_(None))
    .order_by(_D.destination_id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_DROP = Prepared(delete(destinations).where(_ONE), "here")
