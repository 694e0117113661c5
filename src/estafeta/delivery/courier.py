"""The courier of a worker: takes destinations that are due, and has a stream for each until nothing waits there.

Claims go by name and are fenced without wall clocks (docs/internals/queue.md): every courier raises its beat; who sees
another's beat stand still for `PATIENCE_SECONDS` of its own monotonic time takes its destinations over; a courier that
could not raise its own for `SILENCE_SECONDS` begins no transaction. A new worker of the same name takes over at once.
"""

import asyncio
import contextlib
import logging
import time

from estafeta.core.errors import EstafetaError
from estafeta.delivery.agents import AgentStream
from estafeta.delivery.dialing import Broken
from estafeta.delivery.outfit import Outfit, Ways
from estafeta.delivery.rates import Buckets
from estafeta.delivery.stream import Stream
from estafeta.queue.courier_ops import Beat, Claim, Release, beat, claim, release
from estafeta.queue.reading import couriers, held_by
from estafeta.queue.values import Destination, Lane
from estafeta.routing.values import NextHop, parse_hop

log = logging.getLogger("estafeta.delivery")

BEAT_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
SILENCE_SECONDS = 20.0
# Announcements may be lost, and destinations come due by themselves: a look costs one small transaction. They are fewer
# while there is nothing to do: times of retries are minutes.
_LOOK_SECONDS = 1.0
_QUIET_SECONDS = 5.0
# Destinations whose rate lets nothing through for now take no place, but memory.
_MOST_RESTING = 4
_GRACE_SECONDS = 20.0
_CUT_SECONDS = 5.0


class Courier:
    """Sends what waits in the queue. `name` is that of the worker on its node, the same after it was replaced."""

    def __init__(self, outfit: Outfit, name: str) -> None:
        self.outfit = outfit
        self.name = name
        self.ways = Ways.of(outfit.settings.current)
        #: While it is closed nothing is taken but what goes to parts of ourselves (a batch site between sessions).
        self.gate_open = True
        self.sent = 0
        self.buckets = Buckets()
        self.broken = Broken()
        #: Whether there is no place for all that is due.
        self.crowded = False
        self._streams: dict[int, Stream | AgentStream] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._in_doubt = False
        self._beaten = 0.0
        self._seen: dict[str, tuple[int, float]] = {}
        self._loops: list[asyncio.Task[None]] = []

    @property
    def active(self) -> int:
        """Destinations that are being sent to."""
        return len(self._streams)

    @property
    def room(self) -> int:
        """How many more connections there may be."""
        connections = sum(stream.connections for stream in self._streams.values())
        return min(self.ways.max_streams - connections, _MOST_RESTING * self.ways.max_streams - len(self._streams))

    @property
    def may_send(self) -> bool:
        """Whether our claims still hold for sure."""
        return time.monotonic() - self._beaten < SILENCE_SECONDS

    def start(self) -> None:
        """Begin, in the running loop."""
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._beat_always()), loop.create_task(self._claim_always())]

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Finish what is under way, settle it, and give the destinations back. A message that takes longer than the
        time of grace (20 seconds) is broken off, to be sent again."""
        self._stopping = True
        self.wake()
        for stream in self._streams.values():
            stream.stop()
        if not self._loops:
            return
        beating, claiming = self._loops
        await self._ended([claiming, *self._tasks.values()], _GRACE_SECONDS if grace_seconds is None else grace_seconds)
        if self._in_doubt:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CUT_SECONDS):
                    await self._give_back(await asyncio.to_thread(self._held_by_nobody, frozenset(self._streams)))
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating

    async def _ended(self, tasks: list[asyncio.Task[None]], grace_seconds: float) -> None:
        """Wait for tasks; after the time of grace messages are broken off, a little later everything is."""
        _, late = await asyncio.wait(tasks, timeout=grace_seconds)
        for stream in self._streams.values():
            stream.cut()
        if late:
            _, late = await asyncio.wait(late, timeout=_CUT_SECONDS)
        for task in late:
            log.error("delivery did not end: the next courier of this name takes over")
            task.cancel()

    def use(self) -> None:
        """The settings changed."""
        self.ways = Ways.of(self.outfit.settings.current)
        self.wake()

    def wake(self) -> None:
        """Something may be due that nobody holds (the bus topic `queue`)."""
        self._wake.set()

    def look_again(self) -> None:
        """The time of day has jumped (in a lab): all that waits looks at the clock anew."""
        self.wake()
        for stream in self._streams.values():
            stream.more()

    def more_for(self, destination_id: int) -> None:
        """More came for a destination that may be ours (the bus topic `queue:ID`)."""
        stream = self._streams.get(destination_id)
        if stream is not None:
            stream.more()

    # Claims

    async def _claim_always(self) -> None:
        pause = _LOOK_SECONDS
        while not self._stopping:
            self._wake.clear()
            try:
                more = await self._claim()
            except EstafetaError as error:
                log.warning("nothing could be taken from the queue", extra={"cause": error.private or error.public})
                more = False
            except Exception:
                # Ours, whatever it was: a courier that claims no more would be a silent end of delivery.
                log.exception("nothing could be taken from the queue")
                more = False
            if not more:
                busy = self._streams or not self.may_send
                pause = _LOOK_SECONDS if busy else min(pause * 1.5, _QUIET_SECONDS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                        pause = _LOOK_SECONDS

    async def _claim(self) -> bool:
        """Take what is due, as far as there is room; whether there may be more."""
        room = self.room
        self.crowded = room <= 0
        if room <= 0 or not self.may_send:
            return False
        high, normal = (lane not in self.ways.lanes for lane in (Lane.HIGH, Lane.NORMAL))
        if self._in_doubt:
            await self._give_back(await asyncio.to_thread(self._held_by_nobody, frozenset(self._streams)))
            self._in_doubt = False
        wanted = Claim(self.name, self.outfit.now_ms(), room, high, normal, inward=not self.gate_open)
        # Until the answer is there: a claim may go through although nobody hears of it.
        self._in_doubt = True
        found: tuple[Destination, ...] = await self.outfit.submit(claim, wanted, ())
        self._in_doubt = False
        if self._stopping:
            await self._give_back(tuple(one.destination_id for one in found))
            return False
        for destination in found:
            self._begin(destination)
        self.crowded = len(found) == room
        return self.crowded

    def _held_by_nobody(self, active: frozenset[int]) -> tuple[int, ...]:
        """In a thread: what stands in our name and is not being sent to."""
        with self.outfit.mailboxes.database.read() as conn:
            return tuple(sorted(held_by(conn, self.name) - active))

    def _begin(self, destination: Destination) -> None:
        # One that was taken from us and came back while its stream still ends: it is given back behind that.
        if destination.destination_id in self._streams:
            return
        hop = parse_hop(destination.hop)
        stream = self._stream(destination, hop)
        self._streams[destination.destination_id] = stream
        self._tasks[destination.destination_id] = asyncio.get_running_loop().create_task(
            self._run(destination.destination_id, stream)
        )

    def _stream(self, destination: Destination, hop: NextHop) -> Stream | AgentStream:
        if hop.kind in self.outfit.agents:
            return AgentStream(self, destination, hop)
        return Stream(self, destination, hop)

    async def _run(self, destination_id: int, stream: Stream | AgentStream) -> None:
        try:
            await stream.run()
        except EstafetaError as error:
            log.error(
                "delivery interrupted", extra={"hop": stream.destination.hop, "cause": error.private or error.public}
            )
            await asyncio.sleep(_LOOK_SECONDS)
        except Exception:
            # Ours, whatever it was: the destination is not tried again at once, and others go on.
            log.exception("delivery failed", extra={"hop": stream.destination.hop})
            await self._give_up(stream)
        finally:
            self.sent += stream.sent
            await self._release(destination_id)

    async def _give_up(self, stream: Stream | AgentStream) -> None:
        try:
            await stream.give_up()
        except Exception:
            log.exception("nor could that be stored", extra={"hop": stream.destination.hop})
            await asyncio.sleep(_LOOK_SECONDS)

    async def _give_back(self, destination_ids: tuple[int, ...]) -> None:
        """Until the store takes it: nobody else sends there before."""
        while destination_ids:
            try:
                await self.outfit.submit(release, Release(self.name, destination_ids, self.outfit.now_ms()), ())
            except EstafetaError as error:
                log.warning("destinations could not be given back", extra={"cause": error.private or error.public})
                await asyncio.sleep(_LOOK_SECONDS)
            except Exception:
                log.exception("destinations could not be given back")
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return

    async def _release(self, destination_id: int) -> None:
        await self._give_back((destination_id,))
        self._streams.pop(destination_id, None)
        self._tasks.pop(destination_id, None)
        self.wake()

    # Beats

    async def _beat_always(self, *, fresh: bool = True) -> None:
        while True:
            begun = time.monotonic()
            try:
                dead = await asyncio.to_thread(self._dead)
                number = await self.outfit.submit(beat, Beat(self.name, fresh, dead), ())
            except EstafetaError as error:
                log.warning("the queue could not be told that we live", extra={"cause": error.private or error.public})
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            except Exception:
                log.exception("the queue could not be told that we live")
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            self._beaten = begun
            if number == 1 and not fresh:
                self._lost_everything()
            if fresh or dead:
                self.wake()
            fresh = False
            await asyncio.sleep(BEAT_SECONDS)

    def _lost_everything(self) -> None:
        """Others took us for dead and have our destinations: stop before the next transaction."""
        log.error("other couriers took this one for dead; it begins anew")
        for stream in self._streams.values():
            stream.stop()

    def _dead(self) -> tuple[str, ...]:
        """In a thread: the couriers whose beat has stood still for too long."""
        with self.outfit.mailboxes.database.read() as conn:
            now_known = couriers(conn)
        now = time.monotonic()
        self._seen = {
            name: old if (old := self._seen.get(name)) is not None and old[0] == count else (count, now)
            for name, count in now_known.items()
            if name != self.name
        }
        return tuple(name for name, (_, since) in self._seen.items() if now - since > PATIENCE_SECONDS)
