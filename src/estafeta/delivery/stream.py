"""A stream of messages to one destination of others, over one connection or several.

It begins with one connection; each success makes room for one more, as long as there is work for it (slow start). Hosts
are tried in the order of their preference. Where none can be reached the destination is in trouble, not each message:
one attempt counts for all that waits there, and only those whose time is over are given up after it.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from estafeta.delivery import results
from estafeta.delivery.connection_session import Connection
from estafeta.delivery.content import StoredSource
from estafeta.delivery.dialing import Dialer, NotForThisError, tls_need
from estafeta.delivery.hosts import HostProblem, find_hosts
from estafeta.delivery.notice_values import about_work
from estafeta.delivery.results import Verdicts
from estafeta.delivery.settler import Settled, Settler
from estafeta.delivery.splitting import split_work
from estafeta.delivery.supply import Elsewhere, Load, Supply
from estafeta.delivery.tlsdemand import TlsNeed
from estafeta.delivery.trouble import Failure, in_trouble, nothing, tell_late
from estafeta.delivery.values import (
    AttemptError,
    ErrorKind,
    Outcome,
    OutcomeKind,
    Receiver,
    Transmission,
    TransmissionResult,
)
from estafeta.delivery.xtext import encode_orcpt, encode_xtext
from estafeta.directory.listnames import verp_address
from estafeta.mail.address import parse_address
from estafeta.queue.values import Destination, EntryFlag, Place, Waiting, Work
from estafeta.routing.route import route
from estafeta.routing.table import SourceAddresses
from estafeta.routing.values import HERE, HopKind, NextHop

if TYPE_CHECKING:
    from estafeta.delivery.courier import Courier

log = logging.getLogger("estafeta.delivery")

# So many messages in a row that break off, one after the other, are the host's fault, not theirs.
_MOST_BREAKS = 3
# A connection is kept open for the next message that the rate lets through, so long at most.
_KEEP_SECONDS = 5.0
# Where others wait for a place, a stream makes room after so long.
_SHIFT_SECONDS = 10.0
_MISSING = "the message cannot be read here: run 'estafeta store verify'"


_BREAKS = (ErrorKind.TIMEOUT, ErrorKind.LOST, ErrorKind.PROTOCOL)

Found = TypeVar("Found")

Kind = tuple[TlsNeed, SourceAddresses]
"""What one connection differs in from another: what is asked of TLS, and our own addresses."""


class Stream:
    """Sends what waits for one destination; `run` ends when nothing is left or nothing can be reached."""

    def __init__(self, courier: "Courier", destination: Destination, hop: NextHop) -> None:
        self.destination = destination
        self.sent = 0
        self._courier = courier
        self._outfit = outfit = courier.outfit
        self._hop = hop
        self._bucket = courier.buckets.find(hop.name, courier.ways.rates, time.monotonic())
        self._supply = Supply(
            outfit.mailboxes,
            destination.destination_id,
            outfit.now_ms,
            lambda: courier.ways.lanes,
            courier.ways.max_recipients,
            self._elsewhere,
        )
        self._settler = Settler(
            destination.destination_id,
            courier.name,
            outfit.submit,
            outfit.now_ms,
            self._supply.settled,
            lambda records: courier.ways.recording.keep(records),
            outfit.mailboxes.database,
        )
        self._lines: set[asyncio.Task[None]] = set()
        self._limit = 1
        self._dialer: Dialer | None = None
        self._recovered = False
        self._breaks = 0
        self._failure: Failure | None = None
        self._closing = False
        self._stopped = asyncio.Event()
        self._steps: set[asyncio.Task[Any]] = set()
        self._resting = 0
        self._begun = time.monotonic()

    @property
    def connections(self) -> int:
        """How many there are or are being made; 0 while the rate lets nothing through."""
        return max(len(self._lines), 1) - self._resting

    def more(self) -> None:
        """More came."""
        self._supply.more()

    def stop(self) -> None:
        """End behind the messages that are under way; what has not come to one is broken off."""
        self._closing = True
        self._supply.close()
        self._stopped.set()
        for step in self._steps:
            step.cancel()

    def cut(self) -> None:
        """End at once, in the middle of a message."""
        self.stop()
        for line in self._lines:
            line.cancel()

    async def give_up(self) -> None:
        """Something of ours is broken: try again later."""
        self.cut()
        await self._settler.drained()
        await self._trouble(Failure("internal error: the log has it", ErrorKind.LOCAL))

    async def run(self) -> None:
        """Send until nothing waits. Ends with everything settled."""
        first = await self._next(0)
        if first is None:
            await self._settler.drained()
            return
        self._supply.give_back(first)
        if await self._unless_stopped(self._find()):
            self._new_line()
        while self._lines:
            await asyncio.wait(self._lines, return_when=asyncio.FIRST_COMPLETED)
        await self._settler.drained()
        if self._failure is not None and not self._closing:
            await self._unreachable(self._failure)
        self._supply.close()

    async def _find(self) -> bool:
        """Find out who takes mail for the destination, and what is demanded of TLS; whether there is somebody."""
        outfit = self._outfit
        found = await find_hosts(
            self._hop,
            outfit.resolver,
            outfit.settings.current.delivery,
            own_names=(outfit.hostname, *outfit.settings.current.local.host_names),
            own_addresses=outfit.own_addresses(),
            mail_router=outfit.settings.current.routing.mail_router,
        )
        if isinstance(found, HostProblem):
            self._failure = Failure(found.text, found.error, permanent=found.permanent, status=found.status)
            return False
        self._dialer = Dialer(outfit, self._hop, found, await outfit.policies.find(self._hop), self._courier.broken)
        return True

    async def _unless_stopped(self, step: Coroutine[Any, Any, Found]) -> Found | None:
        """What comes of a step that nothing is lost with; None where the stream was stopped meanwhile."""
        task = asyncio.get_running_loop().create_task(step)
        self._steps.add(task)
        try:
            await asyncio.wait((task,))
            return None if task.cancelled() else task.result()
        finally:
            task.cancel()
            self._steps.discard(task)

    # Connections

    def _new_line(self) -> None:
        task = asyncio.get_running_loop().create_task(self._line())
        self._lines.add(task)
        task.add_done_callback(self._line_ended)

    def _line_ended(self, task: "asyncio.Task[None]") -> None:
        self._lines.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection ended badly", extra={"hop": self.destination.hop}, exc_info=error)
            self._failure = self._failure or Failure("internal error: the log has it", ErrorKind.LOCAL)

    async def _line(self) -> None:
        """One connection after another, as long as there is work."""
        while self._going_on and (load := await self._next(0)) is not None:
            if not await self._turn_has_come():
                self._supply.give_back(load)
                return
            assert self._dialer is not None
            try:
                connection = await self._unless_stopped(self._dialer.connect(load.work))
            except AttemptError as error:
                self._bucket.give_back()
                self._supply.give_back(load)
                self._no_connection(error)
                return
            except NotForThisError as refusal:
                self._bucket.give_back()
                await self._refused(load, refusal)
                continue
            if connection is None:
                return
            self._supply.widen()
            try:
                await self._use(connection, load)
            finally:
                await connection.quit()

    @property
    def _going_on(self) -> bool:
        if self._closing or self._failure is not None or not self._courier.may_send:
            return False
        return not self._makes_room()

    def _makes_room(self) -> bool:
        """Whether a place is better left to another destination: one of several, or after a while the only one."""
        if not self._courier.crowded:
            return False
        return len(self._lines) > 1 or time.monotonic() - self._begun > _SHIFT_SECONDS

    async def _use(self, connection: Connection, load: Load | None) -> None:
        """Send over a connection until it is used up, or there is no work that it may carry. The rate lets the first
        message through."""
        idle = self._courier.ways.idle_seconds
        kind = None if load is None else self._kind_of(load.work)
        first = True
        while load is not None:
            if not self._may_carry(load.work, kind) or not (first or await self._rate_allows()):
                self._supply.give_back(load)
                return
            first = False
            if not await self._send(connection, load) or not connection.usable or not self._going_on:
                return
            load = await self._next(idle)

    def _may_carry(self, work: Work, kind: Kind | None) -> bool:
        return not self._closing and self._courier.may_send and self._kind_of(work) == kind

    def _kind_of(self, work: Work) -> Kind:
        """What a connection for this message has to be."""
        table = self._outfit.routes()
        sender = parse_address(work.sender) if table.sources and work.sender else None
        return tls_need(work), table.find_source(sender)

    async def _turn_has_come(self) -> bool:
        """Wait, without a connection, until the rate lets a message through; whether it does now."""
        seconds = self._bucket.wait_seconds(time.monotonic())
        if seconds:
            self._resting += 1
            try:
                async with asyncio.timeout(seconds):
                    await self._stopped.wait()
            except TimeoutError:
                pass
            finally:
                self._resting -= 1
        return not self._closing

    async def _rate_allows(self) -> bool:
        """Wait with an open connection, if that is not too long."""
        seconds = self._bucket.wait_seconds(time.monotonic())
        if seconds > _KEEP_SECONDS:
            self._bucket.give_back()
            return False
        if seconds:
            await asyncio.sleep(seconds)
        return True

    async def _refused(self, load: Load, refusal: NotForThisError) -> None:
        """No host is good enough for this message."""
        judge = self._courier.ways.judge
        if refusal.permanent:
            await self._judged(results.refused(load.work, judge, refusal.text, refusal.status), load.source)
            return
        now_ms = self._outfit.now_ms()
        await self._judged(results.put_off(load.work, judge, refusal.text, ErrorKind.TLS, now_ms), load.source)

    def _no_connection(self, error: AttemptError) -> None:
        """Fewer connections where some are there; trouble where there is none."""
        others = len(self._lines) - 1
        self._limit = max(1, others)
        if others > 0:
            return
        status = error.reply.status if error.reply is not None else ""
        # A server that took messages a moment ago has not gone for good, nor has one that an operator chose: somebody
        # will mend it.
        permanent = error.permanent and not self.sent and self._hop.kind is HopKind.MX
        self._failure = Failure(error.text, error.rule_word, permanent=permanent, status=status)

    # Messages

    async def _next(self, idle_seconds: float) -> Load | None:
        """The next message that has to go over a connection to this destination."""
        while (load := await self._supply.take(idle_seconds)) is not None:
            if self._settler.stuck:
                # What is sent now might have to be sent again.
                await self._unless_stopped(self._settler.unstuck())
            ready = await self._sort_out(load)
            if ready is not None:
                return ready
        return None

    async def _sort_out(self, load: Load) -> Load | None:
        """Without its recipients that need no connection: given up by an operator, or gone another way since they were
        queued; None when nothing is left, or when it cannot be sent."""
        work, judge, now_ms = load.work, self._courier.ways.judge, self._outfit.now_ms()
        given_up = results.given_up(work, judge)
        if given_up is not None:
            await self._judged(given_up, load.source)
            work = _without(work, [one for one in work.recipients if one.place in given_up.done])
        if load.elsewhere:
            away = [pair for pair in load.elsewhere if pair[0] in work.recipients]
            work = _without(work, [waiting for waiting, _ in away])
            self._settler.add_verdicts(results.moved(load.work, away, now_ms))
        if not work.recipients:
            return None
        if load.source is None:
            await self._judged(results.put_off(work, judge, _MISSING, ErrorKind.LOCAL, now_ms), None)
            return None
        if await self._split(work, load.source):
            return None
        return Load(work, load.source)

    async def _send(self, connection: Connection, load: Load) -> bool:
        """Send one message; whether the connection may be used for another."""
        assert load.source is not None
        usable = True
        parts = await self._parts(load.work)
        for number, part in enumerate(parts):
            result = await connection.send(self._transmission(part, load.source))
            usable = result.connection_usable
            if self._broke_off(connection, result) and len(parts) == 1:
                self._supply.give_back(load)
                return False
            try:
                # Notices go to who sent it first, not to the path that it went out with.
                known = part if part.flags & EntryFlag.VERP else part._replace(sender=load.work.sender)
                await self._note(known, result, connection, load.source)
            except Exception:
                # Ours, whatever it was; what was delivered must not be sent again for it.
                log.exception("results could not be judged", extra={"hop": self.destination.hop})
                self._settler.add(Settled(part, _delivered(part, result)))
            if not usable:
                self._supply.settled(parts[number + 1 :])
                break
        return usable

    async def _parts(self, work: Work) -> list[Work]:
        """One transaction for all recipients, or one for each reverse-path that it goes out with."""
        forwarding = self._outfit.forwarding
        if self._hop.kind is not HopKind.LMTP and forwarding.concerns(work):
            return await forwarding.split(work)
        return _transactions(work)

    def _transmission(self, work: Work, source: StoredSource) -> Transmission:
        receivers = tuple([Receiver(one.address, one.notify, encode_orcpt(one.orcpt)) for one in work.recipients])
        # By LMTP it goes to another part of this site.
        finish = None if self._hop.kind is HopKind.LMTP else self._outfit.signer.finish(work)
        return Transmission(work.sender, receivers, source, work.flags, encode_xtext(work.envid), work.ret, finish)

    def _broke_off(self, connection: Connection, result: TransmissionResult) -> bool:
        """Count connections that end in the middle of a message; whether another host is there to take it."""
        assert self._dialer is not None
        if not all(_is_break(outcome) for outcome in result.outcomes):
            self._breaks = 0
            self._dialer.works(connection)
            return False
        if self._dialer.broke(connection) and not result.lost_after_dot:
            return True
        self._breaks += 1
        if self._breaks >= _MOST_BREAKS:
            last = result.outcomes[-1]
            self._failure = Failure(last.reply.words, last.error, connection.peer.words)
        return False

    async def _note(self, work: Work, result: TransmissionResult, connection: Connection, source: StoredSource) -> None:
        kinds = {outcome.kind for outcome in result.outcomes}
        verdicts = results.judge(
            work,
            result,
            self._courier.ways.judge,
            host=connection.peer.words,
            now_ms=self._outfit.now_ms(),
            final=self._hop.kind is HopKind.LMTP,
        )
        if OutcomeKind.UNTRIED in kinds:
            self._supply.more()
        if OutcomeKind.DELIVERED in kinds:
            self.sent += 1
            self._grow()
        await self._judged(verdicts, source, reached=True)

    def _grow(self) -> None:
        """It goes well: one more connection, if there is work for it."""
        most = self._bucket.rate.connections or self._courier.ways.max_connections
        self._limit = min(most, self._limit + 1)
        if len(self._lines) < self._limit and len(self._supply) > len(self._lines) and self._courier.room > 0:
            self._new_line()

    async def _judged(self, verdicts: Verdicts, source: StoredSource | None, *, reached: bool = False) -> None:
        """Have it settled, with the notices that are due. `reached`: the destination answers."""
        failing = self.destination.failures > 0 or bool(self.destination.error)
        recovered = reached and failing and not self._recovered
        self._recovered = self._recovered or reached
        about = about_work(verdicts.work)
        notifier = self._outfit.notifier
        if not verdicts.results or not notifier.wants(about, verdicts.results):
            self._settler.add_verdicts(verdicts, recovered=recovered)
            return
        read = source.beginning if source is not None else nothing
        due = await asyncio.to_thread(notifier.make, about, verdicts.results, read)
        self._settler.add_verdicts(verdicts, due, recovered=recovered)

    def _elsewhere(self, work: Work) -> Elsewhere:
        """In a thread: recipients whose way has changed since they were queued."""
        table, key = self._outfit.routes(), self.destination.hop
        sender = parse_address(work.sender) if work.sender else None
        found = []
        for waiting in work.recipients:
            now = route(parse_address(waiting.address), table, sender=sender)
            if now.local:
                found.append((waiting, HERE.key))
            elif now.hop is not None and now.hop.key != key:
                found.append((waiting, now.hop.key))
        return tuple(found)

    async def _split(self, work: Work, source: StoredSource) -> bool:
        """Row Q9: have the pieces of a large message queued in its place; whether that was done."""
        most = self._outfit.settings.current.split.max_piece_bytes
        if not most or source.size <= most or self._hop.kind is HopKind.LMTP:
            return False
        content = await source.stored()
        pieces = await asyncio.to_thread(
            split_work,
            work,
            self.destination.hop,
            content,
            most,
            hostname=self._outfit.hostname,
            new_ident=self._outfit.new_ident,
            now_ms=self._outfit.now_ms(),
        )
        if pieces is None:
            return False
        notices = [(made.acceptance, made.content) for made in pieces.made]
        self._settler.add(Settled(work, pieces.done, (), pieces.records, notices, bound=True))
        self._supply.more()
        return True

    # Trouble

    async def _unreachable(self, failure: Failure) -> None:
        """Nothing could be reached: the destination waits, or all that waits there is given up."""
        if failure.permanent:
            await self._refuse_all(failure)
            return
        while (load := self._supply.in_hand()) is not None:
            await self._sort_out(load)
        await self._trouble(failure)
        await tell_late(self._outfit, self._courier.ways.judge, self._settler, failure)

    async def _trouble(self, failure: Failure) -> None:
        judge, now_ms = self._courier.ways.judge, self._outfit.now_ms()
        before = self.destination._replace(failures=0) if self._recovered else self.destination
        self._settler.add(in_trouble(before, self._hop.name, failure, judge, now_ms))
        log.info("destination in trouble", extra={"hop": self.destination.hop, "reason": failure.text})
        await self._settler.drained()

    async def _refuse_all(self, failure: Failure) -> None:
        """There is no such destination, or it takes no mail at all: its final word for all that waits now."""
        judge = self._courier.ways.judge
        self._supply.more()
        while not self._closing and (load := await self._next(0)) is not None:
            verdicts = results.refused(load.work, judge, failure.text, failure.status, host=failure.host)
            await self._judged(verdicts, load.source)
        await self._settler.drained()


def _is_break(outcome: Outcome) -> bool:
    """Whether a recipient waits because the connection ended, or the server as a whole could not go on (421)."""
    if outcome.kind is not OutcomeKind.DEFERRED:
        return False
    return outcome.reply.code == 421 or (not outcome.reply.code and outcome.error in _BREAKS)


def _without(work: Work, gone: Sequence[Waiting]) -> Work:
    return work._replace(recipients=tuple(waiting for waiting in work.recipients if waiting not in gone))


def _transactions(work: Work) -> list[Work]:
    """One for all recipients; with VERP one for each (estafeta.directory.listnames)."""
    if not work.flags & EntryFlag.VERP:
        return [work]
    return [work._replace(sender=verp_address(work.sender, one.address), recipients=(one,)) for one in work.recipients]


def _delivered(work: Work, result: TransmissionResult) -> list[Place]:
    pairs = zip(work.recipients, result.outcomes, strict=False)
    return [waiting.place for waiting, outcome in pairs if outcome.kind is OutcomeKind.DELIVERED]
