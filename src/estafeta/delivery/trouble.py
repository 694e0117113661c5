"""After an attempt at which nothing of a destination could be reached: when it is tried again, and who hears of it.

One attempt counts for all that waits there. Only those whose time is over are given up after it.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from estafeta.delivery import results
from estafeta.delivery.content import load_sources
from estafeta.delivery.notice_values import Due, about_work
from estafeta.delivery.outfit import Outfit
from estafeta.delivery.results import Judge, Verdicts
from estafeta.delivery.settler import Settled, Settler
from estafeta.journal.records import Code, Record, detail
from estafeta.queue.reading import late as read_late
from estafeta.queue.values import HELD_LANES, Destination, Trouble, Work

_LATE_AT_ONCE = 200
_FIRST_LEVEL_MS = 2 * 3600 * 1000
# A destination whose rules have nothing more to say, while messages for it still have time.
_LAST_RESORT_MS = 4 * 3600 * 1000


class Failure(NamedTuple):
    """Why nothing could be reached: in words, what chooses the retry rule, the host, and whether it is final."""

    text: str
    error: str
    host: str = ""
    permanent: bool = False
    status: str = ""


def in_trouble(before: Destination, name: str, failure: Failure, judge: Judge, now_ms: int) -> Settled:
    """What is kept of a failed attempt. `before`: the destination as it was, `failures` 0 where it has answered
    since; `name` chooses the retry rule."""
    first_ms = before.first_failed_ms if before.failures else now_ms
    schedule = judge.rules.find(name, failure.error)
    due_ms = schedule.next_ms(
        first_ms,
        before.last_tried_ms if before.failures else 0,
        now_ms,
        judge.jitter_percent,
        judge.rand,
        planned_ms=before.due_ms,
        beyond=True,
    )
    due_ms = due_ms or now_ms + _LAST_RESORT_MS
    records: list[Record] = []
    if judge.recording:
        code = Code.RETRY_FIRST if now_ms - first_ms < _FIRST_LEVEL_MS else Code.RETRY_SECOND
        values = detail(next_ms=due_ms, attempt=before.failures + 1)
        # Of the destination, not of one message: its story is told with those of all that waits for it.
        records = [Record(-before.destination_id, code, before.hop, failure.host, text=failure.text, detail=values)]
    return Settled(records=records, trouble=Trouble(due_ms, failure.text))


async def tell_late(outfit: Outfit, judge: Judge, settler: Settler, failure: Failure) -> None:
    """After a try that reached nobody: notices for those whose time is over, or who are late. All of it settled."""
    after: tuple[int, ...] | None = None
    works: Sequence[Work] = ()
    while works or after is None:
        now_ms = outfit.now_ms()
        works = await asyncio.to_thread(_read, outfit, settler.destination_id, now_ms, after)
        # What is held waits for whoever holds it, however late that is.
        works = [work for work in works if work.lane not in HELD_LANES]
        for work in works:
            await _settle(outfit, settler, results.late(work, judge, failure.text, now_ms, host=failure.host))
        await settler.drained()
        after = _behind(works[-1]) if works else ()


def _read(outfit: Outfit, destination_id: int, now_ms: int, after: tuple[int, ...] | None) -> Sequence[Work]:
    with outfit.mailboxes.database.read() as conn:
        return read_late(conn, destination_id, now_ms, _LATE_AT_ONCE, after=after)


def _behind(work: Work) -> tuple[int, ...]:
    last = work.recipients[-1]
    return work.lane, work.owner, last.due_ms, work.entry_id, last.place.number


async def _settle(outfit: Outfit, settler: Settler, verdicts: Verdicts) -> None:
    if not outfit.notifier.wants(about_work(verdicts.work), verdicts.results):
        settler.add(Settled(None, verdicts.done, verdicts.later, verdicts.records))
        return
    due = await asyncio.to_thread(_make, outfit, verdicts)
    notices = [(made.acceptance, made.content) for made in due.made]
    settler.add(Settled(None, verdicts.done, verdicts.later, [*verdicts.records, *due.records], notices))


def _make(outfit: Outfit, verdicts: Verdicts) -> Due:
    work = verdicts.work
    [source] = load_sources(outfit.mailboxes, [(work.content_id, work.skip)])
    read = source.beginning if source is not None else nothing
    return outfit.notifier.make(about_work(work), verdicts.results, read)


def nothing(whole: bool) -> bytes:
    """The content of a message that cannot be read."""
    return b""
