"""From what the other side said to what becomes of each recipient: done, or waiting for another try, and what is told.

Pure: values in, values out; time and chance are handed in.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from estafeta.core.backoff import RetryRules, Schedule
from estafeta.delivery.notice_values import Fate, Result, result_of
from estafeta.delivery.values import Outcome, OutcomeKind, TransmissionResult
from estafeta.journal.records import Code, Record, detail
from estafeta.queue.values import GIVEN_UP, Delay, Place, Waiting, Work

#: A retry of the first part of a rule is the "first level" of i5/OS.
_FIRST_LEVEL_MS = 2 * 3600 * 1000
_EXPIRED = "5.4.7"
_MOST_TRIES = 1000


@dataclass(slots=True)
class Verdicts:
    """What becomes of the recipients of one message: what `Settle` wants, and what the notifier is told."""

    work: Work
    done: list[Place] = field(default_factory=list)
    later: list[Delay] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether somebody has to hear of it."""
        return any(result.fate in (Fate.FAILED, Fate.EXPIRED, Fate.REMOVED) for result in self.results)


class Judge(NamedTuple):
    """What judging needs: the retry rules, how much retries are spread (percent), whether transitions are recorded and
    all of them, and chance."""

    rules: RetryRules
    jitter_percent: int
    recording: bool
    full: bool
    rand: Callable[[], float] = random.random


def judge(
    work: Work, result: TransmissionResult, judge: Judge, *, host: str, now_ms: int, final: bool = False
) -> Verdicts:
    """What came of a transmission. Recipients of which nothing was said are in none of the lists: they are tried again
    at once. `final`: who took it has put it into mailboxes (LMTP)."""
    verdicts = Verdicts(work)
    for waiting, outcome in zip(work.recipients, result.outcomes, strict=True):
        match outcome.kind:
            case OutcomeKind.DELIVERED:
                _delivered(verdicts, waiting, outcome, result, judge, host, final=final)
            case OutcomeKind.FAILED:
                fail(verdicts, waiting, judge, reason=outcome.reply.words, outcome=outcome, host=host)
            case OutcomeKind.DEFERRED:
                lost = result.lost_after_dot
                defer(verdicts, waiting, judge, outcome.reply.words, outcome.error, now_ms, outcome, host, twice=lost)
            case OutcomeKind.UNTRIED:
                pass
    return verdicts


def fail(
    verdicts: Verdicts,
    waiting: Waiting,
    judge: Judge,
    *,
    reason: str,
    outcome: Outcome | None = None,
    host: str = "",
    status: str = "",
    fate: Fate = Fate.FAILED,
) -> None:
    """A recipient that is given up."""
    verdicts.done.append(waiting.place)
    if waiting.expires_ms == GIVEN_UP:
        fate, reason = Fate.REMOVED, waiting.reason
    reply = outcome.reply if outcome is not None and outcome.reply.code else None
    # What is ours to say has a status and no code (a server without SMTPUTF8, say).
    status = status or (outcome.reply.status if outcome is not None else "")
    verdicts.results.append(result_of(waiting, fate, reply=reply, mta=host, text=reason, status=status))
    if judge.recording:
        words = f"its time is over: {reason}" if fate is Fate.EXPIRED else reason
        verdicts.records.append(
            Record(
                verdicts.work.entry_id,
                Code.UNDELIVERABLE,
                waiting.address,
                host,
                text=words,
                # Attempts at a destination that cannot be reached are not those of this recipient.
                detail=detail(attempt=0 if outcome is None else waiting.attempts + 1, status=status),
            )
        )


def defer(
    verdicts: Verdicts,
    waiting: Waiting,
    judge: Judge,
    reason: str,
    error: str,
    now_ms: int,
    outcome: Outcome | None = None,
    host: str = "",
    *,
    twice: bool = False,
) -> None:
    """A recipient that has to wait, or whose time is over: this was the last try."""
    if now_ms >= waiting.expires_ms:
        fail(verdicts, waiting, judge, reason=reason, outcome=outcome, host=host, status=_EXPIRED, fate=Fate.EXPIRED)
        return
    first_ms = waiting.first_ms or now_ms
    domain = waiting.address.rpartition("@")[2]
    schedule = judge.rules.find(domain, error)
    last_ms = _last_try_ms(schedule, waiting)
    due_ms = schedule.next_ms(first_ms, last_ms, now_ms, judge.jitter_percent, judge.rand, planned_ms=waiting.due_ms)
    due_ms = min(due_ms or waiting.expires_ms, waiting.expires_ms)
    warned = bool(waiting.warn_ms) and now_ms >= waiting.warn_ms
    verdicts.later.append(Delay(waiting.place, due_ms, reason, warned=warned))
    if warned:
        reply = outcome.reply if outcome is not None and outcome.reply.code else None
        verdicts.results.append(result_of(waiting, Fate.DELAYED, reply=reply, mta=host, text=reason))
    if judge.recording:
        code = Code.RETRY_FIRST if now_ms - first_ms < _FIRST_LEVEL_MS else Code.RETRY_SECOND
        values = detail(attempt=waiting.attempts + 1, next_ms=due_ms)
        verdicts.records.append(Record(verdicts.work.entry_id, code, waiting.address, host, text=reason, detail=values))
        if twice:
            words = "the connection was lost after the message and before the reply: it may arrive twice"
            verdicts.records.append(Record(verdicts.work.entry_id, Code.MAYBE_TWICE, waiting.address, host, text=words))


def _last_try_ms(schedule: Schedule, waiting: Waiting) -> int:
    """When the try before this one was, as far as the rule's growing intervals need it. Only the first try is kept, so
    it is the step of the rule nearest to when this one was planned that tells the interval. 0: this is the first."""
    first_ms, due_ms = waiting.first_ms, waiting.due_ms
    at_ms = schedule.next_ms(first_ms, 0, first_ms) if first_ms else None
    if at_ms is None or all(part.letter == "F" for part in schedule.parts):
        return first_ms
    before_ms = first_ms
    for _ in range(_MOST_TRIES):
        # Tries are never early: what is planned for a cut-off comes behind it.
        after_ms = schedule.next_ms(first_ms, before_ms, at_ms + 1)
        if after_ms is None or after_ms - due_ms >= abs(due_ms - at_ms):
            break
        before_ms, at_ms = at_ms, after_ms
    return due_ms - (at_ms - before_ms)


def late(work: Work, judge: Judge, reason: str, now_ms: int, *, host: str = "") -> Verdicts:
    """Recipients of a destination that cannot be reached, after a try: those whose time is over are given up, of others
    the sender hears that they are late. They keep their times: the destination's own counts."""
    verdicts = Verdicts(work)
    for waiting in work.recipients:
        if now_ms >= waiting.expires_ms:
            fail(verdicts, waiting, judge, reason=reason, host=host, status=_EXPIRED, fate=Fate.EXPIRED)
        elif waiting.warn_ms and now_ms >= waiting.warn_ms:
            verdicts.later.append(Delay(waiting.place, waiting.due_ms, reason, warned=True))
            verdicts.results.append(result_of(waiting, Fate.DELAYED, mta=host, text=reason))
    return verdicts


def refused(work: Work, judge: Judge, reason: str, status: str, *, host: str = "") -> Verdicts:
    """All recipients are given up: the destination's final word, or ours."""
    verdicts = Verdicts(work)
    for waiting in work.recipients:
        fail(verdicts, waiting, judge, reason=reason, status=status, host=host)
    return verdicts


def given_up(work: Work, judge: Judge) -> Verdicts | None:
    """Recipients that an operator gave up, without another try; None when there are none."""
    gone = tuple(waiting for waiting in work.recipients if waiting.expires_ms == GIVEN_UP)
    verdicts = Verdicts(work._replace(recipients=gone))
    for waiting in gone:
        fail(verdicts, waiting, judge, reason=waiting.reason)
    return verdicts if verdicts.done else None


def put_off(work: Work, judge: Judge, reason: str, error: str, now_ms: int, *, host: str = "") -> Verdicts:
    """All recipients have to wait: something about this message, not about the destination."""
    verdicts = Verdicts(work)
    for waiting in work.recipients:
        defer(verdicts, waiting, judge, reason, error, now_ms, host=host)
    return verdicts


def moved(work: Work, hops: Sequence[tuple[Waiting, str]], now_ms: int) -> Verdicts:
    """Recipients that go another way since routing changed."""
    verdicts = Verdicts(work._replace(recipients=tuple(waiting for waiting, _ in hops)))
    verdicts.later.extend(Delay(waiting.place, now_ms, "routing has changed", hop=hop) for waiting, hop in hops)
    return verdicts


def _delivered(
    verdicts: Verdicts,
    waiting: Waiting,
    outcome: Outcome,
    result: TransmissionResult,
    judge: Judge,
    host: str,
    *,
    final: bool,
) -> None:
    verdicts.done.append(waiting.place)
    if "SUCCESS" in waiting.notify and not result.relayed_dsn:
        # RFC 3461 5.2.2: the other side will not confirm it, so we say that it was relayed.
        fate = Fate.DELIVERED if final else Fate.RELAYED
        verdicts.results.append(result_of(waiting, fate, reply=outcome.reply, mta=outcome.mta))
    if judge.recording:
        values = detail(
            tls=result.tls,
            seconds=round(result.seconds, 3),
            attempt=waiting.attempts + 1,
            signed=result.signed,
            sealed=result.sealed,
        )
        verdicts.records.append(
            Record(
                verdicts.work.entry_id,
                Code.SENT,
                waiting.address,
                host,
                verdicts.work.size - verdicts.work.skip,
                outcome.reply.words,
                values,
            )
        )
