"""Reading the queue for delivery: what is due at a destination, without writing anything.

Whose turn it is goes round: of every owner with something due one message is read before a second of anyone, high lane
first. What is read costs the same however much waits behind it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, and_, bindparam, or_, select, tuple_

from estafeta.mailboxes.selection import as_json, numbers
from estafeta.queue.destinations import DESTINATION, destination_of
from estafeta.queue.lines import NEVER, NO_OWNER, NOT_READY, OPEN, SHARED
from estafeta.queue.seeking import due_owners
from estafeta.queue.tables import couriers as couriers_table
from estafeta.queue.tables import destinations as destinations_table
from estafeta.queue.tables import entries, recipients
from estafeta.queue.values import Destination, EntryFlag, Place, Waiting, Work
from estafeta.storage.prepared import Query

Key = tuple[int, int, int]
"""Where a recipient is among those of an owner: due time, entry, number."""

_START: Key = (-1, 0, 0)


def read_work(
    conn: Connection,
    destination_id: int,
    now_ms: int,
    limit: int,
    *,
    after: Mapping[tuple[int, int], Key] | None = None,
    lanes: Sequence[int] = OPEN,
    max_recipients: int = 100,
    turn: int = NO_OWNER,
) -> list[Work]:
    """Up to `limit` messages that are due at a destination; an empty list says that there are no more.

    `after` names for (lane, owner) the last recipient that the caller has in hand: it reads on behind it. What comes
    late with an earlier due time (another node's clock) is behind it too, so a caller leaves out a key when it has
    nothing of that owner in hand, and all of them now and then. `turn`: the owner that was served last; the round goes
    on behind it. Recipients of one message that are due together come as one `Work`, at most `max_recipients` of them.
    """
    behind = after or {}
    found: list[list[Any]] = []
    for lane in lanes:
        if len(found) < limit:
            place, wanted = (destination_id, int(lane)), limit - len(found)
            found += _read_lane(conn, place, now_ms, wanted, behind, max_recipients, turn)
    return _as_work(conn, found)


def late(
    conn: Connection, destination_id: int, now_ms: int, limit: int, *, after: tuple[int, ...] | None = None
) -> list[Work]:
    """Messages with recipients of a destination that have expired or whose senders are to be warned, due or not.

    Reads all that waits there until `limit` recipients are found: 100,000 are some 50 ms. `after`: lane, owner, due
    time, entry and number of the last that the caller has seen."""
    lane, owner, due, entry_id, number = after or (-1, NO_OWNER, 0, 0, 0)
    begin = {"lane": lane, "owner": owner, "due": due, "entry": entry_id, "place": number}
    rows = _LATE.rows(conn, destination=destination_id, now=now_ms, most=limit, **begin)
    return _as_work(conn, [list(group) for _, group in groupby(rows, key=_message_of)])


def find_destination(conn: Connection, destination_id: int) -> Destination | None:
    """A destination as it is now: an operator may have held it meanwhile."""
    rows = _ONE.rows(conn, destination=destination_id)
    return destination_of(rows[0]) if rows else None


def next_claim_ms(conn: Connection) -> int | None:
    """When a destination that nobody holds is due, maybe in the past; None: none will be, as things are."""
    if _READY.rows(conn):
        return 0
    dues = [row[0] for line in NOT_READY for row in _NEXT_DUE.rows(conn, here=line)]
    return min((due for due in dues if due < NEVER), default=None)


def couriers(conn: Connection) -> dict[str, int]:
    """The couriers that are known, with the numbers of their last beats."""
    return dict(_COURIERS.rows(conn))


def held_by(conn: Connection, courier: str) -> set[int]:
    """The destinations that a courier holds. Looks at all: for when a courier has lost count."""
    return {destination_id for (destination_id,) in _HELD_BY.rows(conn, name=courier)}


def _read_lane(
    conn: Connection,
    place: tuple[int, int],
    now_ms: int,
    limit: int,
    after: Mapping[tuple[int, int], Key],
    max_recipients: int,
    turn: int,
) -> list[list[Any]]:
    """Rows of recipients, a list for each message: one of each owner, then another of each, until there are enough."""
    destination_id, lane = place
    in_hand = sum(key[0] == lane for key in after)
    owners = due_owners(conn, destination_id, lane, now_ms, turn, limit + in_hand)
    share = -(-limit // max(len(owners) - in_hand, 1))
    queues = []
    for owner in owners:
        start = after.get((lane, owner), _START)
        mine = list(_read_owner(conn, (destination_id, lane, owner), now_ms, share, start, max_recipients))
        if mine:
            queues.append(iter(mine))
    return list(_round_robin(queues, limit))


def _read_owner(
    conn: Connection, place: tuple[int, int, int], now_ms: int, share: int, start: Key, max_recipients: int
) -> Iterator[list[Any]]:
    destination_id, lane, owner = place
    most = max(share, max_recipients)
    rows = _DUE.rows(
        conn,
        destination=destination_id,
        lane=lane,
        owner=owner,
        due=start[0],
        entry=start[1],
        place=start[2],
        now=now_ms,
        most=most,
    )
    for _, same in groupby(rows, key=_message_of):
        group = list(same)
        if group[-1] is rows[-1] and len(rows) == most and group[0] is not rows[0]:
            return  # it may have more recipients than were read; it is the first next time
        for begin in range(0, len(group), max_recipients):
            yield group[begin : begin + max_recipients]


def _round_robin(queues: list[Iterator[list[Any]]], limit: int) -> Iterator[list[Any]]:
    count = 0
    while queues:
        for one in list(queues):
            group = next(one, None)
            if group is None:
                queues.remove(one)
                continue
            yield group
            count += 1
            if count == limit:
                return


def _as_work(conn: Connection, groups: Sequence[Sequence[Any]]) -> list[Work]:
    """Each group with the message that it belongs to; without those whose message has just gone."""
    ids = {group[0][_ENTRY] for group in groups}
    known = {row[0]: row for row in _ENTRIES.rows(conn, ids=as_json(ids))} if ids else {}
    return [_work(known[group[0][_ENTRY]], group) for group in groups if group[0][_ENTRY] in known]


def _work(entry: Any, group: Sequence[Any]) -> Work:
    entry_id, content_id, sender, owner, flags, size, skip, created_ms, envid, ret, language, subject = entry
    waiting = tuple(
        [
            Waiting(Place(entry_id, number), address, due, expires, warn, notify, orcpt, attempts, first, reason)
            for _, _, due, _, number, address, expires, warn, notify, orcpt, attempts, first, reason in group
        ]
    )
    return Work(
        entry_id,
        content_id,
        sender,
        owner,
        group[0][0],
        EntryFlag(flags),
        size,
        skip,
        created_ms,
        envid,
        ret,
        language,
        subject,
        waiting,
    )


_R = recipients.c
_COLUMNS = (
    _R.lane,
    _R.owner,
    _R.due_ms,
    _R.entry_id,
    _R.number,
    _R.address,
    _R.expires_ms,
    _R.warn_ms,
    _R.notify,
    _R.orcpt,
    _R.attempts,
    _R.first_ms,
    _R.reason,
)
_ENTRY = 3


def _message_of(row: Any) -> tuple[int, int, int, int]:
    """Recipients of one message that are due together."""
    return tuple(row[: _ENTRY + 1])


_AT = _R.destination_id == bindparam("destination")
_OWNED = and_(_AT, _R.lane == bindparam("lane"), _R.owner == bindparam("owner"))
_BEHIND = (
    bindparam("due", type_=BigInteger),
    bindparam("entry", type_=BigInteger),
    bindparam("place", type_=Integer),
)
_DUE = Query(
    select(*_COLUMNS)
    .where(_OWNED, tuple_(_R.due_ms, _R.entry_id, _R.number) > tuple_(*_BEHIND), _R.due_ms <= bindparam("now"))
    .order_by(_R.due_ms, _R.entry_id, _R.number)
    .limit(bindparam("most"))
)
_KEY = (_R.lane, _R.owner, _R.due_ms, _R.entry_id, _R.number)
_BEHIND_ALL = (bindparam("lane", type_=Integer), bindparam("owner", type_=BigInteger), *_BEHIND)
_LATE = Query(
    select(*_COLUMNS)
    .where(
        _AT,
        tuple_(*_KEY) > tuple_(*_BEHIND_ALL),
        or_(_R.expires_ms <= bindparam("now"), and_(_R.warn_ms > 0, _R.warn_ms <= bindparam("now"))),
    )
    .order_by(*_KEY)
    .limit(bindparam("most"))
)
_ENTRIES = Query(
    select(*(column for column in entries.columns if column.name != "lane")).where(
        entries.c.entry_id.in_(numbers("ids"))
    )
)
_D = destinations_table.c
_ONE = Query(select(*DESTINATION).where(_D.destination_id == bindparam("destination")))
_HELD_BY = Query(select(_D.destination_id).where(_D.holder == bindparam("name")))
_READY = Query(select(_D.destination_id).where(_D.line >= SHARED).limit(1))
_NEXT_DUE = Query(select(_D.due_ms).where(_D.line == bindparam("here")).order_by(_D.due_ms).limit(1))
_COURIERS = Query(select(couriers_table.c.name, couriers_table.c.beat))
