"""Work of one destination, read from the queue ahead of those who send it.

The holder of a destination reads its due rows without writing anything, and leaves out what it has in hand. Rows of an
owner are read in the order of their times, so as a rule the last one in hand says where to go on; but a message that
was committed late has an earlier time than others that were read before it, so now and then all is looked at. Where
sending is slow, owners who have nothing in hand need not wait until all that is in hand has gone.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy import bindparam, select

from estafeta.delivery.content import StoredSource, load_sources
from estafeta.delivery.turns import Turns
from estafeta.mailboxes.service import Mailboxes
from estafeta.queue.reading import find_destination, read_work
from estafeta.queue.tables import recipients
from estafeta.queue.values import Lane, Place, Waiting, Work
from estafeta.storage.prepared import Query

# So many messages are read at once, and again when no more than a quarter of them are left; one, until somebody is
# there to take it: a thousand hosts that are down do not fill the memory with what waits for them.
_AHEAD = 100
_LOOK_AT_ALL_SECONDS = 0.5
# With more than that in hand only owners are looked for who have nothing there, so often and up to so many messages.
_LOOK_FOR_OTHERS_SECONDS = 0.1
_MOST_IN_HAND = 4 * _AHEAD
_BEHIND_ALL = (1 << 62, 0, 0)
# What has been in hand for longer is looked up once more before it is sent.
_FRESH_SECONDS = 2.0

Elsewhere = tuple[tuple[Waiting, str], ...]
"""Recipients that go to another next hop now."""


class Load(NamedTuple):
    """A message to send, with its content (None where the store has none: damage), and recipients whose way has changed
    since they were queued."""

    work: Work
    source: StoredSource | None
    elsewhere: Elsewhere = ()
    read_at: float = 0.0
    """Monotonic seconds."""


class Supply:
    """What waits for one destination."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        destination_id: int,
        now_ms: Callable[[], int],
        lanes: Callable[[], tuple[Lane, ...]],
        max_recipients: int,
        examine: Callable[[Work], Elsewhere] = lambda work: (),
    ) -> None:
        self._examine = examine
        self._mailboxes = mailboxes
        self._destination_id = destination_id
        self._now_ms = now_ms
        self._lanes = lanes
        self._max_recipients = max_recipients
        self._ahead = 1
        self._hand: Turns[Load] = Turns()
        self._open = tuple(lanes())
        self._after: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._in_hand: dict[tuple[int, int], int] = {}
        self._places: set[Place] = set()
        self._looked_at_all = 0.0
        self._looked_for_others = 0.0
        self._others = False
        self._exhausted = False
        self._closed = False
        self._turn = -1
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._hand)

    def more(self) -> None:
        """Something was added to the queue for this destination."""
        self._exhausted = self._closed
        self._others = True
        self._news.set()

    def widen(self) -> None:
        """Somebody takes what waits: read ahead."""
        self._ahead = _AHEAD

    def close(self) -> None:
        """Nothing more is wanted."""
        self._hand.clear()
        self._closed = self._exhausted = True
        self._news.set()

    async def take(self, idle_seconds: float) -> Load | None:
        """The next message; None when there is none for so long. Raises EstafetaError when the queue cannot be read."""
        while not self._closed:
            self._heed_lanes()
            if self._reading is None and self._wants_reading():
                self._reading = asyncio.get_running_loop().create_task(self._read())
                self._reading.add_done_callback(_look_at)
            load = self._hand.take()
            if load is not None:
                if time.monotonic() - load.read_at > _FRESH_SECONDS:
                    load = await self._looked_up(load)
                if load is not None:
                    return load
                continue
            if self._reading is not None:
                await asyncio.shield(self._reading)
                continue
            if not await self._anything_new(idle_seconds):
                return None
        return None

    async def _looked_up(self, load: Load) -> Load | None:
        """A message that was in hand for long as it is in the queue now: an operator may have changed or removed it."""
        work = load.work
        known = await asyncio.to_thread(self._look_up_now, work)
        kept = tuple(one for one in work.recipients if known.get(one.place) == (work.lane, one.due_ms, one.expires_ms))
        if len(kept) < len(work.recipients):
            self._let_go(work._replace(recipients=tuple(one for one in work.recipients if one not in kept)))
        if not kept:
            return None
        left = tuple(pair for pair in load.elsewhere if pair[0] in kept)
        return load._replace(work=work._replace(recipients=kept), elsewhere=left, read_at=time.monotonic())

    def _look_up_now(self, work: Work) -> dict[Place, tuple[int, int, int]]:
        with self._mailboxes.database.read() as conn:
            rows = _AS_IT_IS.rows(conn, destination=self._destination_id, entry=work.entry_id)
        return {Place(work.entry_id, number): (lane, due, expires) for number, lane, due, expires in rows}

    def in_hand(self) -> Load | None:
        """The next message of those that were read already."""
        return self._hand.take()

    def settled(self, works: Iterable[Work]) -> None:
        """These are no longer in hand: what is left of them in the queue may be read again."""
        for work in works:
            self._let_go(work)

    def give_back(self, load: Load) -> None:
        """Nothing was done with it: it is first again."""
        self._hand.put_back(load)
        self._news.set()

    def _heed_lanes(self) -> None:
        """What is in hand of a lane that is held now is not sent."""
        lanes = tuple(self._lanes())
        if lanes != self._open:
            self._open = lanes
            for load in self._hand.without(lanes):
                self._let_go(load.work)
            self.more()

    def _wants_reading(self) -> bool:
        if self._exhausted:
            return False
        if len(self._hand) <= self._ahead // 4:
            return True
        quiet = time.monotonic() - self._looked_for_others
        return self._others and quiet > _LOOK_FOR_OTHERS_SECONDS and len(self._hand) < _MOST_IN_HAND

    async def _anything_new(self, seconds: float) -> bool:
        self._news.clear()
        if not self._exhausted:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return not self._closed and (bool(self._hand) or not self._exhausted)

    async def _read(self) -> None:
        try:
            # Set first: what is announced while we read is read next time.
            self._exhausted, self._others = True, False
            now = time.monotonic()
            after = dict(self._after)
            others = len(self._hand) > self._ahead // 4
            if others:
                self._looked_for_others = now
                after = dict.fromkeys(self._in_hand, _BEHIND_ALL)
            elif now - self._looked_at_all > _LOOK_AT_ALL_SECONDS:
                self._looked_at_all, after = now, {}
            loads = await asyncio.to_thread(self._read_now, after, frozenset(self._places))
            if loads is None:
                self.close()
                return
            if self._closed:
                return
            self._exhausted = self._exhausted and not loads and not others
            for load in loads:
                self._take_in_hand(load.work)
                self._turn = load.work.owner
                self._hand.put(load)
        finally:
            self._reading = None
            self._news.set()

    def _read_now(
        self, after: dict[tuple[int, int], tuple[int, int, int]], known: frozenset[Place]
    ) -> list[Load] | None:
        """None: an operator holds the destination."""
        with self._mailboxes.database.read() as conn:
            destination = find_destination(conn, self._destination_id)
            if destination is None or destination.held:
                return None
            works = read_work(
                conn,
                self._destination_id,
                self._now_ms(),
                self._ahead if after else self._ahead + len(known),
                after=after,
                lanes=self._lanes(),
                max_recipients=self._max_recipients,
                turn=self._turn,
            )
        if known:
            works = [work for one in works if (work := _unknown(one, known)).recipients]
        sources = load_sources(self._mailboxes, [(work.content_id, work.skip) for work in works])
        now = time.monotonic()
        return [Load(work, source, self._examine(work), now) for work, source in zip(works, sources, strict=True)]

    def _take_in_hand(self, work: Work) -> None:
        key = (work.lane, work.owner)
        last = work.recipients[-1]
        place = (last.due_ms, work.entry_id, last.place.number)
        self._after[key] = max(self._after.get(key, place), place)
        self._in_hand[key] = self._in_hand.get(key, 0) + len(work.recipients)
        self._places.update([one.place for one in work.recipients])

    def _let_go(self, work: Work) -> None:
        key = (work.lane, work.owner)
        gone = [one.place for one in work.recipients if one.place in self._places]
        self._places.difference_update(gone)
        left = self._in_hand.get(key, 0) - len(gone)
        if left > 0:
            self._in_hand[key] = left
            return
        self._in_hand.pop(key, None)
        self._after.pop(key, None)
        self.more()


_R = recipients.c
_AS_IT_IS = Query(
    select(_R.number, _R.lane, _R.due_ms, _R.expires_ms).where(
        _R.entry_id == bindparam("entry"), _R.destination_id == bindparam("destination")
    )
)


def _look_at(task: "asyncio.Task[None]") -> None:
    """Who waits for it hears what went wrong; when nobody does the next one will."""
    if not task.cancelled():
        task.exception()


def _unknown(work: Work, known: frozenset[Place]) -> Work:
    """The recipients that nobody has in hand."""
    if known.isdisjoint([one.place for one in work.recipients]):
        return work
    return work._replace(recipients=tuple(one for one in work.recipients if one.place not in known))
