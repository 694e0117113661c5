"""Settling what came of attempts, for one destination: while one commit is under way the next results gather.

What has happened outside cannot be undone, so results are kept until the store takes them, however often that needs
another try; only then is the work no longer in hand.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat

from sqlalchemy import bindparam, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.notice_values import Due
from estafeta.delivery.results import Verdicts
from estafeta.journal.records import Record
from estafeta.mailboxes.selection import as_json, numbers
from estafeta.mailboxes.service import Submit
from estafeta.queue.settling import settle
from estafeta.queue.tables import recipients
from estafeta.queue.values import Acceptance, Delay, Place, Settle, Trouble, Work
from estafeta.storage.database import Database
from estafeta.storage.prepared import Query
from estafeta.storage.writer import FaultyOperationError

log = logging.getLogger("estafeta.delivery")

_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0)
# So often what the store refuses is offered to it again; where it is only busy, for ever.
_TRIES = 3
_LONG_SECONDS = 30.0
# What cannot be stored is made anew after so long.
_BOUND_MS = 300_000
_NOT_STORED = "what became of it could not be stored: the log has it"
# One commit takes at most so many results.
_TOGETHER = 200


@dataclass(slots=True)
class Settled:
    """Results that wait to be committed. `notices` with their contents. `bound`: they are what the message became (the
    copies of a list, pieces), so that it never leaves the queue without them."""

    work: Work | None = None
    done: Sequence[Place] = ()
    later: Sequence[Delay] = ()
    records: Sequence[Record] = ()
    notices: Sequence[tuple[Acceptance, bytes]] = ()
    trouble: Trouble | None = None
    recovered: bool = False
    bound: bool = False


@dataclass(slots=True)
class Settler:
    """Commits results of one destination. `finished` hears which works are no longer in hand, `keep` says what of the
    records is written."""

    destination_id: int
    holder: str
    submit: Submit
    now_ms: Callable[[], int]
    finished: Callable[[Sequence[Work]], None]
    keep: Callable[[Iterable[Record]], tuple[Record, ...]] = tuple
    database: Database | None = None
    _waiting: list[Settled] = field(default_factory=list)
    _running: asyncio.Task[None] | None = None
    _stored: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether the store does not take results at the moment.
    stuck: bool = False

    async def unstuck(self) -> None:
        """The store takes results again."""
        while self.stuck:
            await self._stored.wait()

    def add(self, settled: Settled) -> None:
        """Have it committed soon."""
        self._waiting.append(settled)
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    def add_verdicts(self, verdicts: Verdicts, due: Due | None = None, *, recovered: bool = False) -> None:
        """What became of one message, and the notices about it."""
        records, notices = list(verdicts.records), []
        if due is not None:
            records.extend(due.records)
            notices = [(made.acceptance, made.content) for made in due.made]
        self.add(Settled(verdicts.work, verdicts.done, verdicts.later, records, notices, recovered=recovered))

    async def drained(self) -> None:
        """Everything that was added is committed."""
        while self._running is not None:
            await asyncio.shield(self._running)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                await self._commit(batch)
                if self.stuck:
                    self.stuck = False
                    self._stored.set()
                self.finished([one.work for one in batch if one.work is not None])
        finally:
            self._running = None

    async def _commit(self, batch: list[Settled], tries: int = _TRIES) -> None:
        contents = [content for one in batch for _, content in one.notices]
        for pause in chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1])):
            try:
                await self._submitted(batch, contents)
            except EstafetaError as error:
                cause = error.private or error.public
                log.error("results not stored, trying again", extra={"to": self.destination_id, "cause": cause})
                self.stuck = True
                self._stored.clear()
                await asyncio.sleep(pause)
                if await self._is_stored(batch):
                    return
                busy = error.kind in (Kind.TEMPORARY, Kind.UNAVAILABLE)
                tries -= not busy or isinstance(error, FaultyOperationError)
                if not tries:
                    await self._commit_apart(batch)
                    return
            except Exception:
                log.exception("results cannot be stored", extra={"to": self.destination_id})
                await self._commit_apart(batch)
                return
            else:
                return

    async def _is_stored(self, batch: list[Settled]) -> bool:
        """Whether a commit went through whose answer was lost: else its notices would be sent twice. All of a batch is
        stored or nothing."""
        done = {place for one in batch for place in one.done}
        warned = {delay.place for one in batch for delay in one.later if delay.warned}
        if self.database is None or not (done or warned):
            return False
        try:
            return await asyncio.to_thread(_is_past, self.database, self.destination_id, done, warned)
        except EstafetaError:
            return False

    async def _commit_apart(self, batch: list[Settled]) -> None:
        """Something in it cannot be stored, now or ever. What was delivered must leave the queue all the same; what was
        only made into something else waits."""
        if len(batch) > 1:
            for one in batch:
                await self._commit([one], tries=1)
            return
        [one] = batch
        if not one.records and not one.notices:
            # Nothing is left to leave out. As long as we hold it nobody sends it again.
            await asyncio.sleep(_LONG_SECONDS)
            await self._commit(batch)
            return
        if one.bound and one.work is not None and one.notices:
            log.error("a message waits, as what it became cannot be stored", extra={"id": f"{one.work.entry_id:x}"})
            due_ms = self.now_ms() + _BOUND_MS
            later = [Delay(waiting.place, due_ms, _NOT_STORED) for waiting in one.work.recipients]
            await self._commit([Settled(one.work, later=later)], tries=1)
            return
        log.error("stored without records and notices", extra={"to": self.destination_id, "notices": len(one.notices)})
        await self._commit([replace(one, records=(), notices=())], tries=1)

    def _submitted(self, batch: list[Settled], contents: list[bytes]) -> Awaitable[object]:
        troubles = [one.trouble for one in batch if one.trouble is not None]
        payload = Settle(
            self.destination_id,
            self.holder,
            self.now_ms(),
            tuple(place for one in batch for place in one.done),
            tuple(delay for one in batch for delay in one.later),
            self.keep(record for one in batch for record in one.records),
            tuple(acceptance for one in batch for acceptance, _ in one.notices),
            troubles[-1] if troubles else None,
            any(one.recovered for one in batch) and not troubles,
        )
        return self.submit(settle, payload, contents)


def _is_past(database: Database, destination_id: int, done: set[Place], warned: set[Place]) -> bool:
    ids = {place.entry_id for place in done | warned}
    with database.read() as conn:
        rows = _WAITING.rows(conn, destination=destination_id, ids=as_json(ids))
    there = {Place(entry_id, number): warn_ms for entry_id, number, warn_ms in rows}
    return done.isdisjoint(there) and not any(there.get(place) for place in warned)


_R = recipients.c
_WAITING = Query(
    select(_R.entry_id, _R.number, _R.warn_ms).where(
        _R.entry_id.in_(numbers("ids")), _R.destination_id == bindparam("destination")
    )
)
