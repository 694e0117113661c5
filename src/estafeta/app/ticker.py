"""What a worker does every second, and every so many: the heartbeat of everything that waits for a time.

One that fails is logged and does not keep the others from being done: without the sweep no session would time out.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

log = logging.getLogger("estafeta.worker")

_TICK_SECONDS = 1.0


class Every(NamedTuple):
    """`do` is called every `ticks` seconds; it returns at once."""

    ticks: int
    do: Callable[[], object]


class Ticker:
    """`report` gets how late the event loop was, in seconds, behind all else."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, doing: Sequence[Every], report: Callable[[float], None]
    ) -> None:
        self._loop = loop
        self._doing = doing
        self._report = report
        self._count = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on, until `stop`."""
        self._task = self._loop.create_task(self._run())

    def stop(self) -> None:
        """No more."""
        if self._task is not None:
            self._task.cancel()

    def tick(self, lag: float) -> None:
        """One second."""
        self._count += 1
        for one in self._doing:
            if self._count % one.ticks == 0:
                _do(one.do)
        _do(lambda: self._report(lag))

    async def _run(self) -> None:
        while True:
            due = self._loop.time() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            self.tick(self._loop.time() - due)


class Again:
    """Runs `work` in a task, one at a time. Wanted while it runs, it runs once more: what is announced while it looks
    may have come too late to be seen."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[None]]) -> None:
        self._loop = loop
        self._work = work
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def soon(self) -> None:
        """Have it done; returns at once."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await self._work()
            except Exception:  # nobody waits for it who could be told
                log.exception("what was wanted soon failed")


def _do(what: Callable[[], object]) -> None:
    try:
        what()
    except Exception:  # see above
        log.exception("what is done every second failed")
