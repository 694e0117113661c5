"""What a site has seen of senders, in the database: read as sessions ask, gathered, and written once a second.

What was gathered and not yet written is lost with its worker: no message depends on it.
"""

import logging
from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, delete, func, select, text

from estafeta.core.clock import Clock
from estafeta.mailboxes.service import Submit
from estafeta.policy.experience import KEPT_DAYS, Row, Seen, counted
from estafeta.policy.remembered import Remembered
from estafeta.policy.reputationtables import reputation
from estafeta.storage.commit import Item
from estafeta.storage.database import Database, Transaction
from estafeta.storage.prepared import Prepared, Query

log = logging.getLogger("estafeta.policy")

#: Names that are written at once; a worker that hears of more within a second lets the others go.
MAX_GATHERED = 2000
#: Rows; beyond, senders whom nobody here writes to are forgotten sooner: who has many networks can make many names.
MAX_ROWS = 1_000_000
_DAY = 86_400

Gathered = tuple[tuple[tuple[str, Seen], ...], int, float]
"""What `write` gets: names with what was seen of them, epoch seconds, the half-life in seconds."""


class ExperienceStore:
    """One for each worker. `submit` as of the group commit."""

    def __init__(self, database: Database, submit: Submit | None, clock: Clock) -> None:
        self._database = database
        self._submit = submit
        self._clock = clock
        self._known: Remembered[str, Row] = Remembered(self._read, clock)
        self._gathered: dict[str, Seen] = {}

    async def rows(self, names: Collection[str]) -> list[Row]:
        """What is known of these names, of those of which something is. Raises EstafetaError."""
        found = await self._known.get(names)
        return [found[name] for name in names if name in found]

    def add(self, names: Collection[str], seen: Seen) -> None:
        """Something happened; it is written with the next flush."""
        for name in names:
            before = self._gathered.get(name)
            if before is not None or len(self._gathered) < MAX_GATHERED:
                self._gathered[name] = before.plus(seen) if before is not None else seen

    def flush(self, half_life_days: int) -> None:
        """Have it written; nobody waits for it."""
        if not self._gathered or self._submit is None:
            return
        gathered, self._gathered = tuple(sorted(self._gathered.items())), {}
        payload: Gathered = (gathered, int(self._clock()), half_life_days * float(_DAY))
        self._submit(write, payload, ()).add_done_callback(lambda done: done.exception())

    def _read(self, names: Collection[str]) -> dict[str, Row]:
        with self._database.read() as conn:
            rows = conn.execute(select(*_COLUMNS).where(reputation.c.name.in_(list(names))))
            return {row[0]: Row(*row) for row in rows}


def write(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Operation of the group commit: payloads are `Gathered`."""
    for item in items:
        gathered: Gathered = item.payload
        _write(tx, *gathered)
    return [None] * len(items)


def _write(tx: Transaction, gathered: Sequence[tuple[str, Seen]], now: int, half_life_seconds: float) -> None:
    rows = []
    # In the order of their names: two who write at once wait for each other, and never both.
    for name, seen in gathered:
        found = _ONE.first(tx, name)
        row = Row(*found) if found is not None else Row(name, turned_seconds=now, updated_seconds=now)
        rows.append(tuple(counted(row, seen, now, half_life_seconds)))
    _PUT.many(tx, rows)


def prune(database: Database, now: float) -> int:
    """Forget what is too old to count, and more where there is too much; how many rows that were."""
    with database.write() as tx:
        gone = _OLD.run(tx, before=int(now) - KEPT_DAYS * _DAY)
    for days in _SOONER_DAYS:
        with database.write() as tx:
            if (tx.conn.scalar(select(func.count()).select_from(reputation)) or 0) <= MAX_ROWS:
                break
            gone += _OF_STRANGERS.run(tx, before=int(now) - days * _DAY)
    return gone


_COLUMNS = tuple(reputation.columns)
_ONE = Prepared(select(*_COLUMNS).where(reputation.c.name == bindparam("wanted")).with_for_update(), "wanted")
_PUT = Prepared(
    text(
        "INSERT INTO reputation (name, good, bad, fresh, older, turned_seconds, updated_seconds, wrote_seconds)"
        " VALUES (:name, :good, :bad, :fresh, :older, :turned_seconds, :updated_seconds, :wrote_seconds)"
        " ON CONFLICT (name) DO UPDATE SET good = excluded.good, bad = excluded.bad, fresh = excluded.fresh,"
        " older = excluded.older, turned_seconds = excluded.turned_seconds,"
        " updated_seconds = excluded.updated_seconds, wrote_seconds = excluded.wrote_seconds"
    ),
    *(column.name for column in _COLUMNS),
)
_SOONER_DAYS = (KEPT_DAYS // 2, KEPT_DAYS // 6, 7, 2, 1)
_OF_STRANGERS = Query(
    delete(reputation).where(reputation.c.updated_seconds <= bindparam("before"), reputation.c.wrote_seconds == 0)
)
_OLD = Query(
    delete(reputation).where(
        reputation.c.updated_seconds < bindparam("before"), reputation.c.wrote_seconds < bindparam("before")
    )
)
