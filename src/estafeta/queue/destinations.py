"""Rows of destinations: found by their next hop or made, and put in line when work comes for them.

A row is locked against its removal, and against couriers that take it or give it back, until the work that comes for
it is committed (PostgreSQL; SQLite has one writer): so whoever gives a destination back sees all of its work.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Text, bindparam, column, false, insert, literal_column, select, text, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from estafeta.mailboxes.selection import as_json, numbers
from estafeta.queue.lines import NEVER, SHARED, WAITING, line_of
from estafeta.queue.tables import destinations
from estafeta.queue.values import Destination
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared, Query

#: Topic that is announced when a destination that nobody holds has something due.
TOPIC = "queue"
_HELD = Destination._fields.index("held")


class Standing(NamedTuple):
    """Where a destination stands."""

    destination_id: int
    line: int | None
    due_ms: int
    retry_ms: int
    held: bool
    holder: str


class Coming(NamedTuple):
    """Work that comes for a destination: whose, and when it is due."""

    destination_id: int
    owner: int
    due_ms: int


def topic_of(destination_id: int) -> str:
    """Topic that is announced when a destination that a courier holds has more."""
    return f"queue:{destination_id}"


def find_by_hop(tx: Transaction, hops: Sequence[str]) -> dict[str, Standing]:
    """The destinations with these next hops that are there."""
    return dict(map(_standing_of, _BY_HOP.found(tx, hops=json.dumps(hops))))


def find_standings(tx: Transaction, destination_ids: Sequence[int]) -> list[Standing]:
    """The destinations with these ids that are there."""
    return [standing for _, standing in map(_standing_of, _BY_ID.found(tx, ids=as_json(destination_ids)))]


def find_or_make(tx: Transaction, hops: Iterable[str]) -> dict[str, Standing]:
    """The destinations with these next hops; those that are not there are made."""
    wanted = sorted(set(hops))
    found = find_by_hop(tx, wanted)
    missing = [hop for hop in wanted if hop not in found]
    if missing:
        _ADD.many(tx, [(hop,) for hop in missing])
        found |= find_by_hop(tx, missing)
    return found


def bring(tx: Transaction, standings: Iterable[Standing], coming: Iterable[Coming], now_ms: int) -> None:
    """Put destinations in line for work that has come, and tell couriers of it."""
    known = {standing.destination_id: standing for standing in standings}
    work: dict[int, tuple[int, int]] = {}
    for destination_id, owner, due_ms in coming:
        first_owner, first_due = work.get(destination_id, (owner, due_ms))
        work[destination_id] = (first_owner if first_owner == owner else SHARED, min(first_due, due_ms))
    changed = []
    for destination_id in sorted(work):
        standing = known.get(destination_id)
        if standing is None:
            continue
        if standing.holder:
            tx.announce(topic_of(destination_id))
            continue
        place = _next_place(standing, *work[destination_id], now_ms)
        if place is not None:
            changed.append((*place, destination_id))
    _PLACE.many(tx, changed)
    if any(line is not None and line >= SHARED for line, _, _ in changed):
        tx.announce(TOPIC)


def _next_place(standing: Standing, owner: int, due_ms: int, now_ms: int) -> tuple[int, int] | None:
    """Line and due time of a destination that gets work; None where nothing changes."""
    if standing.held:
        return None
    due_ms = max(due_ms, standing.retry_ms)
    line = standing.line
    if line is not None and line >= SHARED:
        if due_ms > now_ms or line in (SHARED, line_of(owner)):
            return None
        return SHARED, standing.due_ms
    if due_ms <= now_ms:
        return line_of(owner), due_ms
    if line is not None and standing.due_ms <= due_ms:
        return None
    return WAITING if line is None else line, due_ms


class _Words(FunctionElement[Any]):
    """The texts in a JSON array as rows with the column `word`."""

    name = "words"
    inherit_cache = True


@compiles(_Words, "sqlite")
def _words_sqlite(element: Any, compiler: Any, **how: Any) -> str:
    text = "(SELECT value AS word FROM json_each({}))"
    return text.format(compiler.process(element.clauses, **how))


@compiles(_Words, "postgresql")
def _words_postgresql(element: Any, compiler: Any, **how: Any) -> str:
    text = "(SELECT value AS word FROM json_array_elements_text(CAST({} AS json)))"
    return text.format(compiler.process(element.clauses, **how))


def words(parameter: str) -> Any:
    """A subquery with the texts of a JSON parameter, for `IN`."""
    rows = _Words(bindparam(parameter, type_=Text)).table_valued(column("word", Text), name=parameter)
    return select(rows.c.word)


def destination_of(row: Sequence[Any]) -> Destination:
    """From a row that begins with the columns `DESTINATION`."""
    values = list(row[: len(DESTINATION)])
    values[_HELD] = bool(values[_HELD])
    return Destination(*values)


def _standing_of(row: Sequence[Any]) -> tuple[str, Standing]:
    hop, destination_id, line, due_ms, retry_ms, held, holder = row
    return hop, Standing(destination_id, line, due_ms, retry_ms, bool(held), holder)


_D = destinations.c
#: Columns of a `Destination`, in the order of its fields.
DESTINATION = tuple(_D[name] for name in Destination._fields)
_STANDING = select(_D.hop, _D.destination_id, _D.line, _D.due_ms, _D.retry_ms, _D.held, _D.holder)
_BY_HOP = Query(_STANDING.where(_D.hop.in_(words("hops"))).order_by(_D.hop).with_for_update(read=True, key_share=True))
_BY_ID = Query(
    _STANDING.where(_D.destination_id.in_(numbers("ids"))).order_by(_D.hop).with_for_update(read=True, key_share=True)
)
# PostgreSQL: another writer may be making it too.
_ADD = Prepared(
    insert(destinations).from_select(
        [
            "hop",
            "due_ms",
            "retry_ms",
            "failures",
            "first_failed_ms",
            "last_tried_ms",
            "last_ok_ms",
            "error",
            "held",
            "holder",
        ],
        select(
            bindparam("hop", type_=Text),
            literal_column(str(NEVER)),
            *(literal_column("0") for _ in range(5)),
            literal_column("''"),
            false(),
            literal_column("''"),
        )
        .where(text("1 = 1"))
        .suffix_with(text("ON CONFLICT (hop) DO NOTHING")),
    ),
    "hop",
)
# Only where it still stands, and nobody has taken it meanwhile.
_PLACE = Prepared(
    update(destinations)
    .where(_D.destination_id == bindparam("destination"), _D.holder == literal_column("''"))
    .values(line=bindparam("new_line"), due_ms=bindparam("new_due")),
    "new_line",
    "new_due",
    "destination",
)
