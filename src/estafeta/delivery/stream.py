"""A stream of messages to one destination of others, over one connection or several.

It begins with one connection; each success makes room for one more, as long as there is work for it (slow start). Hosts
are tried in the order of their preference. Where none can be reached the destination is in trouble, not each message:
one attempt counts for all that waits there, and only those whose time is over are given up after it.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from estafeta.core.errors import EstafetaError
from estafeta.delivery import results
from estafeta.delivery.connection import open_connection
from estafeta.delivery.connection_session import Connection
from estafeta.delivery.content import StoredSource, load_sources
from estafeta.delivery.hosts import Host, HostProblem, Hosts, find_hosts
from estafeta.delivery.notices import Due, about_work
from estafeta.delivery.outfit import connection_options
from estafeta.delivery.rates import Bucket, find_rate
from estafeta.delivery.results import Verdicts
from estafeta.delivery.settler import Settled, Settler
from estafeta.delivery.splitting import split_work
from estafeta.delivery.supply import Elsewhere, Load, Supply
from estafeta.delivery.tlsdemand import TlsDemand, TlsFailure, TlsNeed, TlsRefusal
from estafeta.delivery.tlspolicy import DestinationPolicy
from estafeta.delivery.values import (
    AttemptError,
    ErrorKind,
    OutcomeKind,
    Receiver,
    ReplyInfo,
    Stage,
    Transmission,
    TransmissionResult,
)
from estafeta.delivery.xtext import encode_orcpt, encode_xtext
from estafeta.directory.listnames import verp_address
from estafeta.journal.records import Code, Record, detail
from estafeta.mail.address import parse_address
from estafeta.queue.reading import late as read_late
from estafeta.queue.values import Destination, EntryFlag, Place, Trouble, Waiting, Work
from estafeta.routing.route import route
from estafeta.routing.values import HERE, HopKind, NextHop
from estafeta.trust.results import ResultType

if TYPE_CHECKING:
    from estafeta.delivery.courier import Courier

log = logging.getLogger("estafeta.delivery")

_LATE_AT_ONCE = 200
_FIRST_LEVEL_MS = 2 * 3600 * 1000
# A destination whose rules have nothing more to say, while messages for it still have time.
_LAST_RESORT_MS = 4 * 3600 * 1000
_MISSING = "the message cannot be read here: run 'estafeta store verify'"


class Failure(NamedTuple):
    """Why nothing could be reached: in words, what chooses the retry rule, the host, and whether it is final."""

    text: str
    error: str
    host: str = ""
    permanent: bool = False
    status: str = ""


class Stream:
    """Sends what waits for one destination; `run` ends when nothing is left or nothing can be reached."""

    def __init__(self, courier: "Courier", destination: Destination, hop: NextHop) -> None:
        self.destination = destination
        self.sent = 0
        self._courier = courier
        self._outfit = outfit = courier.outfit
        self._hop = hop
        self._rate = find_rate(courier.ways.rates, hop.name)
        self._bucket = Bucket(self._rate, time.monotonic())
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
        )
        self._lines: set[asyncio.Task[None]] = set()
        self._limit = 1
        self._hosts: Hosts | None = None
        self._policy: DestinationPolicy | None = None
        self._bad: set[str] = set()
        self._error = destination.error
        self._recovered = False
        self._failure: Failure | None = None
        self._closing = False

    def more(self) -> None:
        """More came."""
        self._supply.more()

    def stop(self) -> None:
        """End behind the messages that are under way."""
        self._closing = True
        self._supply.close()

    async def give_up(self) -> None:
        """Something of ours is broken: try again later."""
        self.stop()
        for line in self._lines:
            line.cancel()
        await self._trouble(Failure("internal error: the log has it", ErrorKind.LOCAL))

    async def run(self) -> None:
        """Send until nothing waits. Ends with everything settled."""
        first = await self._supply.take(0)
        if first is None:
            return
        self._supply.give_back(first)
        found = await find_hosts(
            self._hop,
            self._outfit.resolver,
            self._outfit.settings.current.delivery,
            own_names=(self._outfit.hostname,),
            own_addresses=self._outfit.own_addresses(),
            mail_router=self._outfit.settings.current.routing.mail_router,
        )
        if isinstance(found, HostProblem):
            self._failure = Failure(found.text, found.error, permanent=found.permanent, status=found.status)
        else:
            self._hosts = found
            self._policy = await self._outfit.policies.find(self._hop)
            self._new_line()
            while self._lines:
                await asyncio.wait(self._lines, return_when=asyncio.FIRST_COMPLETED)
        await self._settler.drained()
        if self._failure is not None and not self._closing:
            await self._unreachable(self._failure)
        self._supply.close()

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
        while not self._closing and self._failure is None:
            load = await self._supply.take(0)
            if load is None:
                return
            need = _need(load.work)
            try:
                connection = await self._connect(load.work, need)
            except AttemptError as error:
                self._supply.give_back(load)
                self._no_connection(error)
                return
            except _NotForThisError as refusal:
                await self._judged(refusal.verdicts, load.source)
                continue
            try:
                await self._use(connection, load, need)
            finally:
                await connection.quit()

    async def _use(self, connection: Connection, load: Load | None, need: TlsNeed) -> None:
        """Send over a connection until it is used up, or there is no work that it may carry."""
        idle = self._courier.ways.idle_seconds
        while load is not None:
            if not self._may_carry(load.work, need):
                self._supply.give_back(load)
                return
            if not await self._send(connection, load) or not connection.usable:
                return
            load = await self._supply.take(idle)

    def _may_carry(self, work: Work, need: TlsNeed) -> bool:
        return not self._closing and self._courier.may_send and _need(work) is need

    async def _connect(self, work: Work, need: TlsNeed) -> Connection:
        """Connect to the first host that answers. Raises the last AttemptError, or _NotForThisError."""
        assert self._hosts is not None
        problem: AttemptError | None = None
        refusal: TlsRefusal | None = None
        hosts = [host for host in self._hosts.candidates if host.endpoint.words not in self._bad]
        for host in hosts or self._hosts.candidates:
            try:
                connection = await self._open(host, work, need)
            except AttemptError as error:
                self._bad.add(host.endpoint.words)
                problem = error
                log.info("no connection", extra={"host": host.endpoint.words, "reason": error.text})
                continue
            if isinstance(connection, Connection):
                return connection
            refusal = connection
        if problem is None and refusal is not None:
            raise self._refused(refusal, work, need)
        raise problem or AttemptError(Stage.CONNECT, ErrorKind.DNS, f"{self._hop.name} has no host that could be tried")

    async def _open(self, host: Host, work: Work, need: TlsNeed) -> Connection | TlsRefusal:
        outfit = self._outfit
        assert self._policy is not None
        endpoint = host.endpoint
        demand = await outfit.policies.demand(self._policy, host.name, endpoint.port, secure=host.secure, need=need)
        if isinstance(demand, TlsRefusal):
            outfit.tls_results.refused(demand, host=host.name)
            return demand
        sender = parse_address(work.sender) if work.sender else None
        ipv4, ipv6 = outfit.routes().find_source(sender)
        options = connection_options(outfit.settings.current, outfit.hostname, (ipv4, ipv6))
        credentials = None
        if self._hop.kind is not HopKind.MX:
            credentials = await outfit.credentials(host.name, endpoint.port)
        try:
            connection = await open_connection(
                endpoint, options, demand, outfit.contexts, credentials, outfit.watch(endpoint.ip)
            )
        except AttemptError as error:
            if error.tls_failure is not None:
                self._note_tls(host, ((demand, error.tls_failure),))
            raise
        except EstafetaError as error:
            raise AttemptError(Stage.TLS, ErrorKind.LOCAL, error.public) from error
        self._note_tls(host, connection.tls_failures or ((connection.demand, None),))
        return connection

    def _note_tls(self, host: Host, sessions: Sequence[tuple[TlsDemand, TlsFailure | None]]) -> None:
        """For the reports, and so that a host whose TLS is broken is not asked for it each time."""
        for demand, failure in sessions:
            self._outfit.tls_results.note(demand, failure, host=host.name, ip=host.ip)
            if failure is not None and failure.result is not ResultType.STARTTLS_NOT_SUPPORTED:
                self._outfit.policies.handshake_failed(demand, host.name, failure.words)

    def _refused(self, refusal: TlsRefusal, work: Work, need: TlsNeed) -> Exception:
        """No host meets what TLS has to be: of this message alone where it asked for more than usual."""
        if need is TlsNeed.REQUIRED:
            judge, now_ms = self._courier.ways.judge, self._outfit.now_ms()
            if refusal.permanent:
                return _NotForThisError(results.refused(work, judge, refusal.text, refusal.status))
            return _NotForThisError(results.put_off(work, judge, refusal.text, ErrorKind.TLS, now_ms))
        reply = ReplyInfo(0, refusal.status, refusal.text, "STARTTLS")
        kind = ErrorKind.DNS if refusal.dns else ErrorKind.TLS
        return AttemptError(Stage.TLS, kind, refusal.text, permanent=refusal.permanent, reply=reply)

    def _no_connection(self, error: AttemptError) -> None:
        """Fewer connections where some are there; trouble where there is none."""
        others = len(self._lines) - 1
        self._limit = max(1, others)
        if others > 0:
            return
        status = error.reply.status if error.reply is not None else ""
        self._failure = Failure(error.text, error.rule_word, permanent=error.permanent, status=status)

    # Messages

    async def _send(self, connection: Connection, load: Load) -> bool:
        """Send one message; whether the connection may be used for another."""
        work, now_ms = load.work, self._outfit.now_ms()
        judge = self._courier.ways.judge
        if load.source is None:
            await self._judged(results.put_off(work, judge, _MISSING, ErrorKind.LOCAL, now_ms), None)
            return True
        given_up = results.given_up(work, judge)
        if given_up is not None:
            await self._judged(given_up, load.source)
            work = work._replace(recipients=tuple(one for one in work.recipients if one.place not in given_up.done))
            if not work.recipients:
                return True
        if load.elsewhere:
            work = _without(work, [waiting for waiting, _ in load.elsewhere])
            self._settler.add_verdicts(results.moved(work, load.elsewhere, now_ms))
            if not work.recipients:
                return True
        if await self._split(work, load.source):
            return True
        await self._wait_for_rate()
        usable = True
        for part in _transactions(work):
            result = await connection.send(_transmission(part, load.source))
            usable = result.connection_usable
            try:
                await self._note(part, result, connection, load.source)
            except Exception:
                # Ours, whatever it was; what was delivered must not be sent again for it.
                log.exception("results could not be judged", extra={"hop": self.destination.hop})
                self._settler.add(Settled(part, _delivered(part, result)))
            if not usable:
                break
        return usable

    async def _note(self, work: Work, result: TransmissionResult, connection: Connection, source: StoredSource) -> None:
        kinds = {outcome.kind for outcome in result.outcomes}
        verdicts = results.judge(
            work, result, self._courier.ways.judge, host=connection.peer.words, now_ms=self._outfit.now_ms()
        )
        if OutcomeKind.UNTRIED in kinds:
            self._supply.more()
        if OutcomeKind.DELIVERED in kinds:
            self.sent += 1
            self._grow()
        await self._judged(verdicts, source)

    def _grow(self) -> None:
        """It goes well: one more connection, if there is work for it."""
        most = self._rate.connections or self._courier.ways.max_connections
        self._limit = min(most, self._limit + 1)
        if len(self._lines) < self._limit and len(self._supply) > len(self._lines):
            self._new_line()

    async def _judged(self, verdicts: Verdicts, source: StoredSource | None) -> None:
        """Have it settled, with the notices that are due."""
        recovered = not self._recovered and (self.destination.failures > 0 or bool(self.destination.error))
        self._recovered = True
        about = about_work(verdicts.work)
        notifier = self._outfit.notifier
        if not verdicts.results or not notifier.wants(about, verdicts.results):
            self._settler.add_verdicts(verdicts, recovered=recovered)
            return
        read = source.beginning if source is not None else _nothing
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
        self._settler.add(Settled(work, pieces.done, (), pieces.records, notices))
        self._supply.more()
        return True

    async def _wait_for_rate(self) -> None:
        seconds = self._bucket.wait_seconds(time.monotonic())
        if seconds:
            await asyncio.sleep(seconds)

    # Trouble

    async def _unreachable(self, failure: Failure) -> None:
        """Nothing could be reached: the destination waits, or all that waits there is given up."""
        if failure.permanent:
            await self._refuse_all(failure)
            return
        await self._trouble(failure)
        await self._tell_late(failure)
        await self._settler.drained()

    async def _trouble(self, failure: Failure) -> None:
        now_ms = self._outfit.now_ms()
        before, judge = self.destination, self._courier.ways.judge
        first_ms = before.first_failed_ms if before.failures and not self._recovered else now_ms
        schedule = judge.rules.find(self._hop.name, failure.error)
        due_ms = schedule.next_ms(
            first_ms,
            before.last_tried_ms if first_ms != now_ms else 0,
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
            ident = -self.destination.destination_id
            records = [Record(ident, code, self.destination.hop, failure.host, text=failure.text, detail=values)]
        self._settler.add(Settled(records=records, trouble=Trouble(due_ms, failure.text)))
        log.info("destination in trouble", extra={"hop": self.destination.hop, "reason": failure.text})
        await self._settler.drained()

    async def _tell_late(self, failure: Failure) -> None:
        """After a try that reached nobody: notices for those whose time is over, or who are late."""
        judge = self._courier.ways.judge
        while True:
            now_ms = self._outfit.now_ms()
            works = await asyncio.to_thread(self._late_now, now_ms)
            for work in works:
                await self._judged_late(results.late(work, judge, failure.text, now_ms, host=failure.host))
            await self._settler.drained()
            if len(works) < _LATE_AT_ONCE:
                return

    async def _refuse_all(self, failure: Failure) -> None:
        """There is no such destination, or it takes no mail at all: its final word for all that waits now."""
        judge = self._courier.ways.judge
        self._supply.more()
        while not self._closing and (load := await self._supply.take(0)) is not None:
            verdicts = results.refused(load.work, judge, failure.text, failure.status, host=failure.host)
            await self._judged(verdicts, load.source)
        await self._settler.drained()

    def _late_now(self, now_ms: int) -> Sequence[Work]:
        with self._outfit.mailboxes.database.read() as conn:
            return read_late(conn, self.destination.destination_id, now_ms, _LATE_AT_ONCE)

    async def _judged_late(self, verdicts: Verdicts) -> None:
        work = verdicts.work
        about = about_work(work)
        if not self._outfit.notifier.wants(about, verdicts.results):
            self._settler.add(Settled(None, verdicts.done, verdicts.later, verdicts.records))
            return
        due = await asyncio.to_thread(self._make_late, verdicts)
        notices = [(made.acceptance, made.content) for made in due.made]
        self._settler.add(Settled(None, verdicts.done, verdicts.later, [*verdicts.records, *due.records], notices))

    def _make_late(self, verdicts: Verdicts) -> Due:
        work = verdicts.work
        [source] = load_sources(self._outfit.mailboxes, [(work.content_id, work.skip)])
        read = source.beginning if source is not None else _nothing
        return self._outfit.notifier.make(about_work(work), verdicts.results, read)


class _NotForThisError(Exception):
    """No connection that this message may use; others might."""

    def __init__(self, verdicts: Verdicts) -> None:
        super().__init__()
        self.verdicts = verdicts


def _need(work: Work) -> TlsNeed:
    if work.flags & EntryFlag.REQUIRE_TLS:
        return TlsNeed.REQUIRED
    return TlsNeed.OPTIONAL if work.flags & EntryFlag.TLS_OPTIONAL else TlsNeed.USUAL


def _without(work: Work, gone: Sequence[Waiting]) -> Work:
    return work._replace(recipients=tuple(waiting for waiting in work.recipients if waiting not in gone))


def _transactions(work: Work) -> list[Work]:
    """One for all recipients; with VERP one for each (estafeta.directory.listnames)."""
    if not work.flags & EntryFlag.VERP:
        return [work]
    return [work._replace(sender=verp_address(work.sender, one.address), recipients=(one,)) for one in work.recipients]


def _transmission(work: Work, source: StoredSource) -> Transmission:
    receivers = tuple([Receiver(one.address, one.notify, encode_orcpt(one.orcpt)) for one in work.recipients])
    return Transmission(work.sender, receivers, source, work.flags, encode_xtext(work.envid), work.ret)


def _delivered(work: Work, result: TransmissionResult) -> list[Place]:
    pairs = zip(work.recipients, result.outcomes, strict=False)
    return [waiting.place for waiting, outcome in pairs if outcome.kind is OutcomeKind.DELIVERED]


def _nothing(whole: bool) -> bytes:
    return b""
