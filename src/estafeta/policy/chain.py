"""Asking the checks of a stage: lookups at the same time and within a time, then verdicts in the order of the table."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple, cast

from estafeta.core.errors import EstafetaError
from estafeta.directory.settings_model import Settings
from estafeta.policy.checks import Check, Find, Stage, Who
from estafeta.policy.facts import Facts
from estafeta.policy.together import resumed
from estafeta.policy.verdict import Verdict
from estafeta.protocols.smtp.limits import Mode

log = logging.getLogger("estafeta.policy")


class Lost(NamedTuple):
    """In `Facts.found`: the lookup failed, and why."""

    reason: str


class Wanted(NamedTuple):
    """What is asked of somebody at a stage, and which of it looks something up."""

    checks: tuple[Check, ...]
    lookups: tuple[tuple[Check, Find], ...]

    @classmethod
    def of(cls, checks: Sequence[Check]) -> "Wanted":
        return cls(tuple(checks), tuple((check, check.find) for check in checks if check.find is not None))


class Chain:
    """The checks that the settings want, by stage and by who is asked. Made anew when settings change."""

    def __init__(self, checks: Sequence[Check], settings: Settings) -> None:
        self.checks = tuple(_for_whom(check, settings) for check in checks if check.on(settings))
        self.settings = settings
        self._seconds = settings.policy.lookup_seconds
        self._found_at = {
            stage: [check.name for check in self.checks if check.stage is stage and check.find] for stage in Stage
        }
        self._of_others = {who: frozenset(one.name for one in self.checks if who not in one.who) for who in Who}
        self._looking = {check.name for check in self.checks if check.find}
        self._rows = {
            (stage, who): Wanted.of([one for one in self.checks if one.stage is stage and who in one.who])
            for stage in Stage
            for who in Who
        }

    def wanted(self, stage: Stage, facts: Facts) -> Wanted:
        """What is asked at a stage."""
        return self._rows[stage, who_is(facts)]

    def concerning(self, verdicts: Sequence[Verdict], facts: Facts) -> list[Verdict]:
        """Of what was said, what holds for who the client is by now: it may have signed in since."""
        others = self._of_others[who_is(facts)]
        return [verdict for verdict in verdicts if verdict.check not in others]

    def is_at_once(self, verdict: Verdict) -> bool:
        """Whether it came of a check that looks nothing up."""
        return verdict.check not in self._looking

    def forget(self, stage: Stage, facts: Facts) -> None:
        """What was found at a stage is of another message."""
        for name in self._found_at[stage]:
            facts.found.pop(name, None)

    def judge(
        self, stage: Stage, facts: Facts, *, aside: bool = False
    ) -> list[Verdict] | Coroutine[Any, Any, list[Verdict]]:
        """The verdicts of a stage: at once where nothing has to be waited for. `aside`: judges run in a thread, since
        there is much to be read."""
        checks, lookups = self.wanted(stage, facts)
        if not checks:
            return []
        waiting: list[tuple[Check, Coroutine[Any, Any, Any]]] = []
        for check, find in lookups:
            work = cast("Coroutine[Any, Any, Any]", find(facts, self.settings))
            begun = _begin(check, work, facts) if check.light else work
            if begun is not None:
                waiting.append((check, begun))
        if waiting or aside:
            return self._wait(checks, waiting, facts, aside)
        return self._verdicts(checks, facts)

    async def _wait(
        self,
        checks: Sequence[Check],
        waiting: Sequence[tuple[Check, Coroutine[Any, Any, Any]]],
        facts: Facts,
        aside: bool,
    ) -> list[Verdict]:
        if waiting:
            await self._look_up(waiting, facts)
        if aside:
            return await asyncio.to_thread(self._verdicts, checks, facts)
        return self._verdicts(checks, facts)

    async def _look_up(self, waiting: Sequence[tuple[Check, Coroutine[Any, Any, Any]]], facts: Facts) -> None:
        loop = asyncio.get_running_loop()
        tasks = [(check, loop.create_task(work)) for check, work in waiting]
        try:
            await self._wait_for(tasks)
        finally:
            for _, task in tasks:
                task.cancel()
        for check, task in tasks:
            _keep(facts, check, _result(check, task))

    async def _wait_for(self, tasks: Sequence[tuple[Check, "asyncio.Task[Any]"]]) -> None:
        """Each within its time, which for all of them began now."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        quick = [task for check, task in tasks if check.seconds is None]
        if quick:
            await asyncio.wait(quick, timeout=self._seconds)
        for check, task in tasks:
            if check.seconds is not None and not task.done():
                await asyncio.wait([task], timeout=max(0.0, began + check.seconds(self.settings) - loop.time()))

    def _verdicts(self, checks: Sequence[Check], facts: Facts) -> list[Verdict]:
        said: list[Verdict] = []
        for check in checks:
            found = facts.found.get(check.name)
            if isinstance(found, Lost):
                said.append(check.lost(found.reason).of(check.name))
            elif verdicts := self._judged(check, facts):
                said += [verdict.of(check.name) for verdict in verdicts]
        return said

    def _judged(self, check: Check, facts: Facts) -> Sequence[Verdict]:
        try:
            return check.judge(facts, self.settings)
        except Exception:  # a fault of ours must not cost a message, nor let a session end
            log.exception("a check failed", extra={"check": check.name})
            return (check.lost("it failed: the log has it"),)


def _for_whom(check: Check, settings: Settings) -> Check:
    return check if check.whom is None else check._replace(who=check.whom(settings), whom=None)


def who_is(facts: Facts) -> Who:
    """Which of the four the client is."""
    if facts.mode is Mode.LMTP:
        return Who.LMTP
    if facts.account is not None:
        return Who.USERS
    return Who.NETWORKS if facts.trusted else Who.STRANGERS


def _begin(check: Check, work: Coroutine[Any, Any, Any], facts: Facts) -> Coroutine[Any, Any, Any] | None:
    """Go as far as answers are remembered: None when that was the end, else what is left of it."""
    try:
        first = work.send(None)
    except StopIteration as end:
        _keep(facts, check, end.value)
        return None
    except Exception as error:  # noqa: BLE001 - as of a task
        _keep(facts, check, _lost(check, error))
        return None
    return resumed(work, first)


def _keep(facts: Facts, check: Check, found: Any) -> None:
    """Nothing found is not kept: of whom nothing is looked up, `found` stays empty."""
    if found is None:
        facts.found.pop(check.name, None)
    else:
        facts.found[check.name] = found


def _result(check: Check, task: "asyncio.Task[Any]") -> Any:
    if not task.done() or task.cancelled():
        return Lost("no answer in time")
    error = task.exception()
    return task.result() if error is None else _lost(check, error)


def _lost(check: Check, error: BaseException) -> Lost:
    if isinstance(error, EstafetaError):
        return Lost(error.public.rstrip("."))
    if isinstance(error, OSError | TimeoutError):
        return Lost(str(error) or type(error).__name__)
    log.error("a lookup failed", extra={"check": check.name}, exc_info=error)
    return Lost("it failed: the log has it")
