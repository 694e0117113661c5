"""Asking a scanner within its time, and not asking one that is known to be away.

Whatever goes wrong becomes `Absent` with a reason; a check's judge then applies what the operator chose. Nobody waits
for a scanner that does not listen: after a connection that failed, or after `_MOST_FAILURES` questions in a row that it
let wait or broke off, it is left alone for `AWAY_SECONDS`; then one question tries again, and the others follow when
that was answered. An answer that cannot be used is a matter of its message: whoever sends three that a scanner stumbles
over must not get a fourth one past it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from estafeta.core.errors import EstafetaError
from estafeta.directory.settings_scanners import Away
from estafeta.policy.scanners.wire import UnreachableError
from estafeta.policy.verdict import Verdict, deferred, passed, rejected
from estafeta.protocols.scanners.words import AnswerError

log = logging.getLogger("estafeta.policy.scanners")

#: How long a scanner that is away is left alone: a restart takes as long.
AWAY_SECONDS = 15.0
_MOST_FAILURES = 3
#: Questions to one scanner at the same time, of one worker: clamd has 12 threads, spamd 5 children.
MAX_PARALLEL = 16
# Places asked since the start; settings have some, and change seldom.
_MOST_PLACES = 100

Answer = TypeVar("Answer")
Clock = Callable[[], float]


class Absent(NamedTuple):
    """There is no answer, and why: words that follow the name of the scanner."""

    reason: str


@dataclass(slots=True)
class _State:
    """What is known of one place."""

    room: asyncio.Semaphore
    failures: int = 0
    away: str = ""
    again: float = 0.0


class Asker:
    """For all scanners of a worker. `clock` is monotonic."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._places: dict[str, _State] = {}

    async def ask(
        self, name: str, place: str, seconds: float, question: Callable[[], Awaitable[Answer]]
    ) -> Answer | Absent:
        """Its answer, or why there is none. Never raises."""
        state = self._state(place)
        if state.away:
            if self._clock() < state.again:
                return Absent(f"{state.away} (found a moment ago)")
            # This question tries; the others wait for what comes of it.
            state.again = self._clock() + max(AWAY_SECONDS, seconds)
        try:
            async with asyncio.timeout(seconds), state.room:
                answer = await question()
        except Exception as error:  # noqa: BLE001 - nothing that a scanner does may end a session
            return self._failed(name, place, state, error, seconds)
        if state.away:
            log.info("a scanner answers again", extra={"scanner": name, "place": place})
        state.failures, state.away = 0, ""
        return answer

    def _state(self, place: str) -> _State:
        state = self._places.get(place)
        if state is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.pop(next(iter(self._places)))
            state = self._places[place] = _State(asyncio.Semaphore(MAX_PARALLEL))
        return state

    def _failed(self, name: str, place: str, state: _State, error: Exception, seconds: float) -> Absent:
        words = _words(name, error, seconds)
        if not isinstance(error, AnswerError):
            state.failures += 1
        if state.away or isinstance(error, UnreachableError) or state.failures >= _MOST_FAILURES:
            if not state.away:
                log.warning("a scanner is away", extra={"scanner": name, "place": place, "reason": words})
            state.away, state.again = words, self._clock() + AWAY_SECONDS
        else:
            log.warning("a scanner failed", extra={"scanner": name, "place": place, "reason": words})
        return Absent(words)


def judge_absent(name: str, absent: Absent, away: Away) -> Verdict:
    """What the operator wants done without an answer."""
    reason = f"{name} did not judge it: {absent.reason}"
    if away is Away.DEFER:
        return deferred("The message could not be examined; try again later", reason, 451, "4.7.1")
    if away is Away.REJECT:
        return rejected("The message could not be examined", reason, 554, "5.7.1")
    return passed(reason)


def _words(name: str, error: Exception, seconds: float) -> str:
    match error:
        case UnreachableError() | AnswerError():
            return str(error)
        case TimeoutError():
            return f"no answer within {seconds:g} seconds"
        case EstafetaError():
            return error.public.rstrip(".")
        case OSError():
            return f"the connection was lost: {(error.strerror or str(error) or type(error).__name__).lower()[:200]}"
        case _:
            log.error("asking a scanner failed", extra={"scanner": name}, exc_info=error)
            return "asking it failed: the log has it"
