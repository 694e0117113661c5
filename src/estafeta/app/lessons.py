"""Learning from what people showed, in the background: one worker of all, by lease, little by little.

A word on the bus begins it (`heard`), or a look at the queue of lessons every ten seconds, since words may be lost.
What is learnt is committed with its row of that queue (estafeta.policy.bayes_learning), so that a worker that dies on
the way has lost nothing and counted nothing twice, and two that learn at once do not either.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import compress

from estafeta.app.jobs import DAY, claim
from estafeta.core.errors import EstafetaError
from estafeta.directory.settings import SiteSettings
from estafeta.mailboxes.lessons import TOPIC, Lesson
from estafeta.mailboxes.service import Mailboxes, Submit
from estafeta.policy.bayes_learning import Taught, learn
from estafeta.policy.bayes_lessons import any_waiting, content_of, drop_lessons, next_lessons
from estafeta.policy.content import Content

log = logging.getLogger("estafeta.lessons")

_LOOK_TICKS = 10
#: Learnt in one commit: some 4,000 rows, which others who write wait for 20 to 30 ms.
PORTION = 5
_LEASE = "lessons"
# Renewed well before its end; when its worker dies, another goes on after this.
_LEASE_SECONDS = 20
_RENEW_SECONDS = 5.0


class Lessons:
    """This worker's share. `tick` and `heard` belong on the event loop. `taught` is told of each message that somebody
    said something new of."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        submit: Submit,
        settings: SiteSettings,
        holder: str,
        clock: Callable[[], float] = time.time,
        taught: Callable[[Content, Lesson], None] = lambda content, lesson: None,
    ) -> None:
        self._mailboxes = mailboxes
        self._submit = submit
        self._settings = settings
        self._holder = holder
        self._clock = clock
        self._taught = taught
        self._ticks = 0
        self._again = False
        self._stopping = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def heard(self, topic: str) -> None:
        """A topic of the bus."""
        if topic == TOPIC:
            self.begin()

    def tick(self) -> None:
        """Every second."""
        self._ticks += 1
        if self._ticks % _LOOK_TICKS == 1:
            self.begin()

    def begin(self) -> None:
        """Learn what waits, unless this worker or another does."""
        self._again = True
        if not self._stopping.is_set() and (self._work is None or self._work.done()):
            self._work = asyncio.get_running_loop().create_task(self._run())

    async def finished(self) -> None:
        """Wait until nothing is under way."""
        if self._work is not None:
            await self._work

    async def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()
        await self.finished()

    async def _run(self) -> None:
        try:
            while self._again and not self._stopping.is_set():
                self._again = False
                if await asyncio.to_thread(any_waiting, self._mailboxes.database):
                    await self._learn_all()
        except EstafetaError as error:
            log.warning("not learnt now", extra={"cause": error.private or error.public})
        except Exception:
            log.exception("not learnt now")

    async def _learn_all(self) -> None:
        number, claimed = 0, -_RENEW_SECONDS
        while not self._stopping.is_set():
            begun = time.monotonic()
            if begun - claimed >= _RENEW_SECONDS:
                claimed = begun
                if not await asyncio.to_thread(self._claim):
                    return
            if not self._settings.current.bayes.learn_from_users:
                await asyncio.to_thread(drop_lessons, self._mailboxes.database)
                return
            lessons = await asyncio.to_thread(self._next)
            if not lessons:
                break
            changed = await asyncio.gather(*[self._submit(learn, one, ()) for one in lessons])
            learnt = list(compress(lessons, changed))
            for content, lesson in await asyncio.to_thread(self._contents, learnt):
                self._taught(content, lesson)
            number += len(lessons)
            await self._rest(begun, len(lessons))
        log.info("learnt", extra={"lessons": number})

    def _contents(self, learnt: list[Taught]) -> list[tuple[Content, Lesson]]:
        """For who learns of senders; of messages that are still there, and say something."""
        said = [one for one in learnt if one.lesson is not Lesson.FORGET and one.buckets is not None]
        found = [(content_of(self._mailboxes, one.content_id), one.lesson) for one in said]
        return [(content, lesson) for content, lesson in found if content is not None]

    async def _rest(self, begun: float, number: int) -> None:
        """So long that there are not more in a minute than the settings say."""
        seconds = number * 60 / self._settings.current.bayes.messages_per_minute - (time.monotonic() - begun)
        if seconds > 0:
            try:
                await asyncio.wait_for(self._stopping.wait(), seconds)
            except TimeoutError:
                return

    def _claim(self) -> bool:
        return claim(self._mailboxes.database, _LEASE, self._holder, _LEASE_SECONDS)

    def _next(self) -> list[Taught]:
        bayes = self._settings.current.bayes
        return next_lessons(
            self._mailboxes,
            PORTION,
            day=int(self._clock() // DAY),
            site_most=bayes.site_lessons_per_user,
            pairs=bayes.pairs,
        )
