"""What one worker knows of the words that were learnt: the site's in memory, a user's own read for each message.

The site's are read when first asked for, and what changed in them when a change was announced (at most every
`REFRESH_SECONDS`), or after `LOOK_SECONDS` all the same, since announcements may be lost. Meanwhile what is known
counts on. Of a user's own the totals are remembered, so that for those who taught nothing the database is not asked;
the counts of a message's words are a few hundred rows by their key.

Nothing is kept in memory of a site that has not learnt enough to judge.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, bindparam, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

from estafeta.core.errors import EstafetaError
from estafeta.mailboxes.selection import as_json
from estafeta.policy.bayes import SiteWords, Totals, UserWords
from estafeta.policy.bayes_learning import SITE, TOPIC, unpack
from estafeta.policy.bayes_tables import bayes_changes, bayes_counts, bayes_totals
from estafeta.storage.database import Database
from estafeta.storage.prepared import Query

log = logging.getLogger("estafeta.policy")

REFRESH_SECONDS = 2.0
LOOK_SECONDS = 60.0
#: How long the totals of a user are believed without an announcement.
TOTALS_SECONDS = 300.0
#: Users whose totals are remembered: some 200 octets each.
MOST_TOTALS = 20_000
# Totals that grew by this share since all was read make every word's share another: read all again.
_DRIFT = 1 / 16


class BayesStore:
    """One for each worker. Its methods belong on the event loop; reads go to threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._site: SiteWords | None = None
        self._least = (0, 0)
        self._changed = True
        self._looked = -LOOK_SECONDS
        self._reading: asyncio.Task[None] | None = None
        self._totals: OrderedDict[int, tuple[Totals, float]] = OrderedDict()

    def heard(self, topic: str) -> None:
        """A topic of the bus: `bayes:ACCOUNT`."""
        name, _, account = topic.partition(":")
        if name != TOPIC:
            return
        if account == str(SITE):
            self._changed = True
        elif account.isdecimal():
            self._totals.pop(int(account), None)

    async def site(self, least_ham: int, least_spam: int) -> SiteWords | None:
        """The site's words as they were a moment ago; None as long as it has learnt less than this.

        Waits for the database the first time only, and raises EstafetaError if that fails."""
        now = self._clock()
        known = self._looked > -LOOK_SECONDS and self._least == (least_ham, least_spam)
        due = now - self._looked >= (REFRESH_SECONDS if self._changed else LOOK_SECONDS)
        if (due or not known) and (self._reading is None or self._reading.done()):
            self._changed, self._looked, self._least = False, now, (least_ham, least_spam)
            self._reading = asyncio.get_running_loop().create_task(self._read(known=known))
        if not known and self._reading is not None:
            await asyncio.shield(self._reading)
        return self._site

    async def teachers(self, accounts: Sequence[int], least_ham: int, least_spam: int) -> list[int]:
        """Which of these accounts taught at least so much."""
        now = self._clock()
        missing = [one for one in accounts if self._totals.get(one, (None, -TOTALS_SECONDS))[1] <= now - TOTALS_SECONDS]
        if missing:
            found = await asyncio.to_thread(self._read_totals, missing)
            self._totals.update((one, (found.get(one, Totals()), now)) for one in missing)
            while len(self._totals) > MOST_TOTALS:
                self._totals.popitem(last=False)
        return [one for one in accounts if self._totals_of(one).enough(least_ham, least_spam)]

    async def own(self, accounts: Sequence[int], buckets: Sequence[int]) -> dict[int, UserWords]:
        """What each of these accounts knows of these buckets."""
        counts = await asyncio.to_thread(self._read_counts, accounts, buckets)
        return {one: UserWords(self._totals_of(one), counts.get(one, {})) for one in accounts}

    def _totals_of(self, account: int) -> Totals:
        return self._totals.get(account, (Totals(), 0.0))[0]

    async def _read(self, *, known: bool) -> None:
        try:
            self._site = await asyncio.to_thread(read_site, self._database, self._site, *self._least)
        except EstafetaError as error:
            self._changed = True
            if not known:
                self._looked = -LOOK_SECONDS
                raise
            log.warning("words of the site were not read", extra={"cause": error.private or error.public})

    def _read_totals(self, accounts: Sequence[int]) -> dict[int, Totals]:
        with self._database.read() as conn:
            return read_totals(conn, accounts)

    def _read_counts(self, accounts: Sequence[int], buckets: Sequence[int]) -> dict[int, dict[int, tuple[int, int]]]:
        found: dict[int, dict[int, tuple[int, int]]] = {}
        with self._database.read() as conn:
            for account, bucket, ham, spam in read_counts(conn, accounts, buckets):
                found.setdefault(account, {})[bucket] = (ham, spam)
        return found


def read_site(database: Database, known: SiteWords | None, least_ham: int, least_spam: int) -> SiteWords | None:
    """The site's words as they are now: what is known already, with what changed since; None for too few lessons.

    For a thread. `known` is changed in place where little changed."""
    with database.read() as conn:
        row = next(iter(_SITE.rows(conn)), None)
        if row is None:
            return None
        totals, version = Totals(row[0], row[1]), row[2]
        if not totals.enough(least_ham, least_spam):
            return None
        if known is not None and known.version <= version and not _drifted(known.begun, totals):
            if known.version == version:
                return known
            changes = _CHANGES.rows(conn, since=known.version)
            if len(changes) == version - known.version:
                return _changed(conn, known, totals, version, {one for (said,) in changes for one in unpack(said)})
        made = SiteWords(totals, version=version)
        for rows in _ALL.portions(conn):
            made.put(rows)
        return made


def read_totals(conn: Connection, accounts: Iterable[int]) -> dict[int, Totals]:
    """What accounts learnt; those that learnt nothing are not in it."""
    return {row[0]: Totals(row[1], row[2]) for row in _TOTALS.rows(conn, accounts=as_json(accounts))}


def read_counts(conn: Connection, accounts: Iterable[int], buckets: Iterable[int]) -> list[tuple[int, int, int, int]]:
    """Account, bucket, good messages with it, spam: of those that have any."""
    found: list[tuple[int, int, int, int]] = _COUNTS.rows(conn, accounts=as_json(accounts), buckets=as_json(buckets))
    return found


def count_words(conn: Connection, account: int) -> int:
    """How many words an account knows."""
    wanted = select(func.count()).where(bayes_counts.c.account_id == account)
    return int(conn.execute(wanted).scalar_one())


def _changed(conn: Connection, known: SiteWords, totals: Totals, version: int, buckets: set[int]) -> SiteWords:
    counts: Mapping[int, tuple[int, int]] = {
        bucket: (ham, spam) for _, bucket, ham, spam in read_counts(conn, [SITE], sorted(buckets))
    }
    known.totals = totals
    known.put((bucket, *counts.get(bucket, (0, 0))) for bucket in buckets)
    known.version = version
    return known


def _drifted(before: Totals, now: Totals) -> bool:
    """Whether the shares of words that did not change are others by now."""
    return any(abs(new - old) > old * _DRIFT for old, new in zip(before, now, strict=True))


class _Among(FunctionElement[Any]):
    """Whether a number is in a JSON array, so that each of them is a search in the key. A subquery in `IN` is planned
    as a join by PostgreSQL, which then reads the whole table; and so does SQLite where SQLAlchemy, which must not know
    that this is a truth value, adds `= 1` to it."""

    type: TypeEngine[Any] = NullType()
    name = "among"
    inherit_cache = True


@compiles(_Among, "sqlite")
def _among_sqlite(element: Any, compiler: Any, **how: Any) -> str:
    number, array = (compiler.process(clause, **how) for clause in element.clauses)
    return f"{number} IN (SELECT value FROM json_each({array}))"  # noqa: S608 - parameters


@compiles(_Among, "postgresql")
def _among_postgresql(element: Any, compiler: Any, **how: Any) -> str:
    number, array = (compiler.process(clause, **how) for clause in element.clauses)
    return f"{number} = ANY (CAST(translate({array}, '[]', '{{}}') AS bigint[]))"


def _among(number: ColumnElement[int], parameter: str) -> ColumnElement[Any]:
    return _Among(number, bindparam(parameter, type_=Text))


_t, _c = bayes_totals.c, bayes_counts.c
_SITE = Query(select(_t.ham, _t.spam, _t.version).where(_t.account_id == SITE))
_TOTALS = Query(select(_t.account_id, _t.ham, _t.spam).where(_among(_t.account_id, "accounts")))
_COUNTS = Query(
    select(_c.account_id, _c.bucket, _c.ham, _c.spam).where(
        _among(_c.account_id, "accounts"), _among(_c.bucket, "buckets")
    )
)
_ALL = Query(select(_c.bucket, _c.ham, _c.spam).where(_c.account_id == SITE))
_CHANGES = Query(select(bayes_changes.c.buckets).where(bayes_changes.c.version > bindparam("since")))
