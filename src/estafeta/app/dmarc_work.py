"""A worker's part in reports on DMARC besides checking: counting, keeping, and once a day sending and forgetting.

Reports on single messages are sent as they come, a second later."""

import asyncio
import logging
from collections.abc import Callable

from estafeta.app.jobs import DAY, Job
from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.mailboxes.service import Submit
from estafeta.policy.dmarc_counts import DmarcCounts
from estafeta.policy.dmarc_failures import FailureReporter
from estafeta.policy.dmarc_inbox import keeping
from estafeta.policy.dmarc_learning import counting
from estafeta.policy.dmarc_received import Expired, forget_received
from estafeta.policy.dmarc_reports import DmarcReporter, Post
from estafeta.policy.dmarc_results import forget_others
from estafeta.policy.learning import Learner
from estafeta.storage.database import Database
from estafeta.trust.lookups import Lookups
from estafeta.trust.tlsrpt import day_of

log = logging.getLogger("estafeta.policy")

_FLUSH_TICKS = 60


class DmarcWork:
    """Of one worker. `contact` gives the address that reports come from where the settings name none."""

    def __init__(
        self,
        database: Database,
        submit: Submit,
        resolver: Lookups,
        post: Post,
        settings: SettingsSource,
        *,
        hostname: str,
        contact: Callable[[], str],
        clock: Clock,
    ) -> None:
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._contact = contact
        self._counts = DmarcCounts(submit, settings, clock)
        self._failures = FailureReporter(resolver, post, settings, hostname=hostname, contact=self._from, clock=clock)
        self.learners: tuple[Learner, ...] = (
            counting(self._counts, settings),
            keeping(submit),
            self._failures.learner,
        )
        self._reporter = DmarcReporter(
            database, submit, resolver, post, settings, hostname=hostname, contact=self._from, clock=clock
        )
        self._ticks = 0
        self._flushing: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None

    def tick(self) -> None:
        """Every second."""
        self._ticks += 1
        if self._ticks % _FLUSH_TICKS == 0 and (self._flushing is None or self._flushing.done()):
            self._flushing = asyncio.get_running_loop().create_task(self._flush())
        if self._failures.waiting and (self._telling is None or self._telling.done()):
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def stop(self) -> None:
        """Keep what is in memory, while there is somebody who commits it."""
        self._reporter.stop()
        if self._telling is not None:
            # Name servers may take long; failure reports that wait are given up.
            self._telling.cancel()
            await asyncio.wait([self._telling])
        if self._flushing is not None:
            await self._flushing
        await self._flush()

    def jobs(self, loop: asyncio.AbstractEventLoop) -> list[Job]:
        """Daily work; each runs in a thread, and in one worker of all."""

        def send() -> None:
            asyncio.run_coroutine_threadsafe(self.run(), loop).result()

        return [Job("dmarc-reports", DAY, send)]

    async def run(self) -> int:
        """Send what is to be sent, then forget what is old; how many reports went out."""
        sent = await self._reporter.send()
        while await self._submit(forget_others, day_of(self._clock()), ()):
            pass
        expired = Expired(int(self._clock()), self._settings.current.dmarc.keep_reports_days)
        while await self._submit(forget_received, expired, ()):
            pass
        return sent

    def _from(self) -> str:
        return self._settings.current.dmarc.reports_from or self._contact()

    async def _tell(self) -> None:
        try:
            await self._failures.send()
        except Exception:
            log.exception("DMARC failure reports were not sent")

    async def _flush(self) -> None:
        try:
            await self._counts.flush()
        except EstafetaError as error:
            log.warning("counts of DMARC were not kept", extra={"cause": error.private or error.public})
        except Exception:
            log.exception("counts of DMARC were not kept")
