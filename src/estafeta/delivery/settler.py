"""Settling what came of attempts, for one destination: while one commit is under way the next results gather.

What has happened outside cannot be undone, so results are kept until the store takes them, however often that needs
another try; only then is the work no longer in hand.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from estafeta.core.errors import EstafetaError
from estafeta.delivery.notices import Due
from estafeta.delivery.results import Verdicts
from estafeta.journal.records import Record
from estafeta.mailboxes.service import Submit
from estafeta.queue.settling import settle
from estafeta.queue.values import Acceptance, Delay, Place, Settle, Trouble, Work

log = logging.getLogger("estafeta.delivery")

_RETRY_SECONDS = 1.0
# One commit takes at most so many results.
_TOGETHER = 200


@dataclass(slots=True)
class Settled:
    """Results that wait to be committed. `notices` with their contents."""

    work: Work | None = None
    done: Sequence[Place] = ()
    later: Sequence[Delay] = ()
    records: Sequence[Record] = ()
    notices: Sequence[tuple[Acceptance, bytes]] = ()
    trouble: Trouble | None = None
    recovered: bool = False


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
    _waiting: list[Settled] = field(default_factory=list)
    _running: asyncio.Task[None] | None = None

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
                self.finished([one.work for one in batch if one.work is not None])
        finally:
            self._running = None

    async def _commit(self, batch: list[Settled]) -> None:
        contents = [content for one in batch for _, content in one.notices]
        while True:
            try:
                await self._submitted(batch, contents)
            except EstafetaError as error:
                cause = error.private or error.public
                log.error("results not stored, trying again", extra={"to": self.destination_id, "cause": cause})
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

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
            any(one.recovered for one in batch),
        )
        return self.submit(settle, payload, contents)
