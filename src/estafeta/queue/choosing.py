"""Which of what waits an operator means, and the list of it.

Patterns have * and ?, and do not care about case. Reads one view of the database, row by row: a million messages cost
no memory.
"""

from collections.abc import Generator
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.queue.tables import destinations, entries, recipients
from estafeta.queue.values import HELD_LANES, EntryFlag, Lane, Place
from estafeta.routing.values import HopKind

_ROWS = 2000


class Choice(NamedTuple):
    """Recipients that fulfil all that is named. `entry_ids`: of these messages; `sender`, `recipient`, `domain` (of the
    recipient) and `destination` (key of a next hop, or its domain or host) are patterns, sender "<>" the null one;
    `before_ms`, `after_ms`: taken in before or after; `held`: only what is held, or only what is not; `everything`: no
    restriction, said on purpose."""

    entry_ids: tuple[int, ...] = ()
    sender: str = ""
    recipient: str = ""
    domain: str = ""
    destination: str = ""
    before_ms: int = 0
    after_ms: int = 0
    held: bool | None = None
    everything: bool = False


class Queued(NamedTuple):
    """A recipient that waits, and its message. Times in epoch milliseconds, sizes in octets."""

    entry_id: int
    number: int
    address: str
    hop: str
    lane: Lane
    due_ms: int
    expires_ms: int
    attempts: int
    first_ms: int
    reason: str
    notify: str
    sender: str
    owner: int
    size: int
    created_ms: int
    subject: str
    flags: EntryFlag
    content_id: int
    destination_id: int
    skip: int

    @property
    def place(self) -> Place:
        """Its key."""
        return Place(self.entry_id, self.number)


def find(conn: Connection, choice: Choice, limit: int | None = None) -> Generator[Queued, None, None]:
    """Recipients that wait, by the time at which their messages came. Raises EstafetaError INVALID for a choice that
    names nothing."""
    wanted = _LISTED.where(*_conditions(choice)).order_by(_R.entry_id, _R.number).limit(limit)
    with conn.execution_options(yield_per=_ROWS).execute(wanted) as rows:
        for row in rows:
            one = Queued._make(row)
            yield one._replace(lane=Lane(one.lane), flags=EntryFlag(one.flags))


def find_places(conn: Connection, choice: Choice, at_once: int = 500) -> Generator[tuple[Place, ...], None, None]:
    """Their keys in portions, for changes: each portion is a commit of its own. What is in quarantine is not changed
    from here."""
    wanted = select(_R.entry_id, _R.number).select_from(_JOINED).where(*_conditions(choice), _CHANGEABLE)
    with conn.execution_options(yield_per=_ROWS).execute(wanted) as rows:
        places = (Place(*row) for row in rows)
        while portion := tuple(islice(places, at_once)):
            yield portion


def count(conn: Connection, choice: Choice) -> tuple[int, int]:
    """How many recipients, and of how many messages, without those in quarantine."""
    numbers = select(func.count(), func.count(_E.entry_id.distinct())).select_from(_JOINED)
    row = conn.execute(numbers.where(*_conditions(choice), _CHANGEABLE)).one()
    return row[0], row[1]


_D, _E, _R = destinations.c, entries.c, recipients.c
_CHANGEABLE = _R.lane != int(Lane.QUARANTINE)
_JOINED = recipients.join(entries, _E.entry_id == _R.entry_id).join(
    destinations, _D.destination_id == _R.destination_id
)
_LISTED = select(
    _R.entry_id,
    _R.number,
    _R.address,
    _D.hop,
    _R.lane,
    _R.due_ms,
    _R.expires_ms,
    _R.attempts,
    _R.first_ms,
    _R.reason,
    _R.notify,
    _E.sender,
    _E.owner,
    _E.size,
    _E.created_ms,
    _E.subject,
    _E.flags,
    _E.content_id,
    _R.destination_id,
    _E.skip,
).select_from(_JOINED)


def _conditions(choice: Choice) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if choice.entry_ids:
        found.append(_E.entry_id.in_(choice.entry_ids))
    if choice.sender:
        found.append(_E.sender == "" if choice.sender == "<>" else matches(_E.sender, choice.sender))
    if choice.recipient:
        found.append(matches(_R.address, choice.recipient))
    if choice.domain:
        found.append(matches(_R.domain, choice.domain))
    if choice.destination:
        found.append(_R.destination_id.in_(_destination_ids(choice.destination)))
    if choice.before_ms:
        found.append(_E.created_ms < choice.before_ms)
    if choice.after_ms:
        found.append(_E.created_ms >= choice.after_ms)
    if not found and not choice.everything and choice.held is None:
        raise EstafetaError(Kind.INVALID, "Say which messages are meant.")
    if choice.held is not None:
        lanes = [int(lane) for lane in HELD_LANES]
        found.append(_R.lane.in_(lanes) if choice.held else _R.lane.not_in(lanes))
    return found


def _destination_ids(pattern: str) -> Select[tuple[int]]:
    """Looked up once, and not for every recipient."""
    named = destinations.alias("named")
    return select(named.c.destination_id).where(is_destination(pattern, named.c.hop))


def matches(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether a text is like a pattern with * and ?."""
    if not {"*", "?"} & set(pattern):
        return func.lower(column) == pattern.lower()
    escaped = pattern.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return func.lower(column).like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


def is_destination(pattern: str, hop: ColumnElement[str] = destinations.c.hop) -> ColumnElement[bool]:
    """Whether a next hop is the one named: its whole key, or the domain or host in it."""
    if pattern.partition(":")[0] in list(HopKind):
        return matches(hop, pattern)
    return (
        matches(hop, f"mx:{pattern}")
        | matches(hop, f"host:{pattern}:*")
        | matches(hop, f"lmtp:{pattern}*")
        | matches(hop, f"list:{pattern}")
    )
