"""Finding what is due among the recipients of a destination, at a cost that does not grow with how many wait.

The key begins with destination, lane, owner, due time: one search in the tree finds the next owner, another its first
due time, so what is paid is a few searches for each owner. All functions are given a connection in a transaction.
"""

from collections.abc import Sequence

from sqlalchemy import CTE, BigInteger, Connection, ScalarSelect, and_, bindparam, func, select

from estafeta.queue.lines import NEVER, NO_OWNER, OPEN
from estafeta.queue.tables import recipients
from estafeta.storage.prepared import Query


def earliest_due(conn: Connection, destination_id: int, lanes: Sequence[int] = OPEN) -> int:
    """When the first recipient in one of these lanes is due; NEVER when there is none."""
    found = (_EARLIEST.rows(conn, destination=destination_id, lane=int(lane), after=NO_OWNER)[0][0] for lane in lanes)
    return min((due for due in found if due is not None), default=NEVER)


def due_owners(conn: Connection, destination_id: int, lane: int, now_ms: int, turn: int, limit: int) -> list[int]:
    """Up to `limit` owners for whom something is due in a lane, in a ring that begins behind the owner `turn`."""
    key = {"destination": destination_id, "lane": lane, "now": now_ms}
    found = [owner for (owner,) in _OWNERS.rows(conn, **key, after=turn, most=limit)]
    if len(found) < limit and turn > NO_OWNER:
        begin = _OWNERS.rows(conn, **key, after=NO_OWNER, most=limit - len(found))
        found += [owner for (owner,) in begin if owner <= turn]
    return found


def is_empty(conn: Connection, destination_id: int) -> bool:
    """Whether no recipient waits there, in any lane."""
    return not _ANY.rows(conn, destination=destination_id)


_R = recipients.c
_HERE = and_(_R.destination_id == bindparam("destination"), _R.lane == bindparam("lane"))


def _owners() -> CTE:
    """Each owner in a lane once, by a search for the next one behind the last."""
    first = select(func.min(_R.owner).label("owner")).where(_HERE, _R.owner > bindparam("after", type_=BigInteger))
    owners = first.cte("owners", recursive=True)
    following = select(func.min(_R.owner)).where(_HERE, _R.owner > owners.c.owner).scalar_subquery()
    return owners.union_all(select(following).where(owners.c.owner.is_not(None)))


def _first_due(owners: CTE) -> ScalarSelect[int]:
    return select(func.min(_R.due_ms)).where(_HERE, _R.owner == owners.c.owner).scalar_subquery()


def _earliest() -> Query:
    owners = _owners()
    dues = select(_first_due(owners).label("due")).select_from(owners).where(owners.c.owner.is_not(None)).subquery()
    return Query(select(func.min(dues.c.due)))


def _due_owners() -> Query:
    owners = _owners()
    due = _first_due(owners) <= bindparam("now", type_=BigInteger)
    return Query(select(owners.c.owner).where(owners.c.owner.is_not(None), due).limit(bindparam("most")))


_EARLIEST = _earliest()
_OWNERS = _due_owners()
_ANY = Query(select(_R.destination_id).where(_R.destination_id == bindparam("destination")).limit(1))
