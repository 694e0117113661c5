"""A worker: one event loop that serves every protocol on the listeners it shares with the other workers.

`run` builds everything, tells the supervisor that it is ready, and serves until SIGTERM or until the supervisor is
gone. Then it takes no more connections, lets sessions finish what is under way, and commits what was submitted.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import uvloop

from estafeta.app import logging as app_logging
from estafeta.app.chores import make_jobs
from estafeta.app.config import WEB, ListenerConfig, load_node
from estafeta.app.config import Service as ServiceName
from estafeta.app.context import WorkerContext
from estafeta.app.dmarc_work import DmarcWork
from estafeta.app.guard import Guard, secret_of_hook
from estafeta.app.jobs import Jobs
from estafeta.app.joined import JoinedInspector, join_agent
from estafeta.app.lessons import Lessons
from estafeta.app.listening import BACKLOG
from estafeta.app.node_key import load_node_key
from estafeta.app.outward import Outward
from estafeta.app.ticker import Again, Every, Ticker
from estafeta.app.webbase import own_web_base
from estafeta.app.workertls import WorkerTls
from estafeta.app.writer import connect_writer
from estafeta.certificates.store import CertificateStore
from estafeta.certificates.tls import TlsCertificates
from estafeta.core.errors import EstafetaError
from estafeta.directory.auth import Authenticator
from estafeta.directory.resolver import Resolver
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.mailboxes.feed import ChangeFeed
from estafeta.mailboxes.service import Mailboxes
from estafeta.net import bus
from estafeta.net.connections import Connections
from estafeta.net.watching import Tracing
from estafeta.policy.brake import Brake
from estafeta.protocols.smtp.limits import Mode
from estafeta.routing.values import HopKind
from estafeta.search.service import TextSearch, limits_of
from estafeta.servers.imap.people import People
from estafeta.servers.imap.service import ImapService, ImapShared
from estafeta.servers.pop3.service import Pop3Service, Pop3Shared
from estafeta.servers.signin import SignIn
from estafeta.servers.smtp.service import Addresses, Shared, SmtpService
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs
from estafeta.storage.space import Space
from estafeta.storage.steps import crash_at, nothing
from estafeta.storage.writer import Writer

log = logging.getLogger("estafeta.worker")

_MODES = {
    ServiceName.SMTP: Mode.SMTP,
    ServiceName.SUBMISSION: Mode.SUBMISSION,
    ServiceName.SUBMISSIONS: Mode.SUBMISSION,
    ServiceName.LMTP: Mode.LMTP,
}
#: Announcements may be lost (estafeta.net.bus): versions in the database are asked this often.
_POLL_TICKS = 5
_FEED_TICKS = 20

#: A thread that parses something huge gives way to the event loop this often (Python's default is 5 ms).
_SWITCH_SECONDS = 0.001
#: Sessions come and go by reference counting; cycles are rare, so the collector looks seldom.
_GC_NET_ALLOCATIONS = 20_000

_IMAP = frozenset({ServiceName.IMAP, ServiceName.IMAPS})
#: Threads for searches and the like; what is short has asyncio's own.
_LONG_WORK = 2


if TYPE_CHECKING:
    from estafeta.app.web import Web
    from estafeta.servers.http.service import HttpService

AnyService: TypeAlias = "SmtpService | Pop3Service | ImapService | HttpService"


def run(context: WorkerContext) -> int:
    """Serve until told to stop; returns the exit status."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(context))


async def _serve(context: WorkerContext) -> int:
    worker = Worker(context, asyncio.get_running_loop())
    await worker.start()
    await worker.stopped.wait()
    await worker.stop()
    return 0


class Worker:
    """Everything that one worker process consists of."""

    def __init__(self, context: WorkerContext, loop: asyncio.AbstractEventLoop) -> None:
        self.context = context
        self.loop = loop
        self.stopped = asyncio.Event()
        self._bus = bus.Bus(context.home.run)
        self.database = Database(context.node.database_url, publish=self._bus.publish)
        self.packs = Packs(context.node.data / "packs")
        self.settings = SiteSettings(self.database, time.time)
        settings = self.settings.reload()
        crash = os.environ.get("ESTAFETA_CRASH_AT", "")
        self.writer = Writer(partial(connect_writer, context.home), loop, crash_at(crash) if crash else nothing)
        self.mailboxes = Mailboxes(self.database, self.packs, self.writer.submit)
        self.resolver = Resolver(self.database, self.settings, clock=context.node.make_clock())
        self.resolver.poll_version()
        key = load_node_key(context.home)
        self.authenticator = Authenticator(self.database, time.time, self.settings, node_key=key)
        self.space = Space(context.node.data, settings.store.minimum_free_mib << 20)
        self.sign_in = sign_in = SignIn(
            self.authenticator,
            secret=key,
            parallel=settings.auth.max_parallel_hashes,
            iterations=settings.auth.scram_iterations,
        )
        self.pop3_shared = Pop3Shared(self.mailboxes, sign_in, context.home.run / "locks")
        self.directory = Directory(self.database, time.time, self.settings)
        self.tracing = Tracing(loop, context.home.run, str(context.index), self._traceable)
        self.outward = Outward(
            context,
            self.mailboxes,
            self.writer.submit,
            self.resolver,
            self.directory,
            self.settings,
            key,
            self.tracing.outgoing,
        )
        self.dmarc = DmarcWork(
            self.database,
            self.writer.submit,
            self.outward.dns,
            self.outward.post,
            self.settings,
            hostname=context.config.hostname,
            contact=self._postmaster,
            clock=self.outward.clock,
        )
        self.guard = Guard(
            self.outward.dns,
            context.config.hostname,
            self.database,
            self.outward.clock,
            addresses=self.resolver,
            settings=self.settings,
            submit=self.writer.submit,
            rewrite=self.outward.rewrite_address,
            hook_secret=secret_of_hook(self.database, key),
            learners=self.dmarc.learners,
        )
        sign_in.reading = self.guard.readers.entered
        inspect = JoinedInspector(self.guard.checks, self.settings, self.resolver.resolve, self.outward.clock, loop)
        self.outward.outfit.agents[HopKind.JOIN] = join_agent(
            self.mailboxes, self.settings, self.outward.posting, inspect, self.outward.clock
        )
        self.shared = Shared(
            Addresses(self.resolver.cached, self.resolver.resolve),
            sign_in,
            self.outward.intake,
            self.outward.planner,
            self.space,
            self.mailboxes.usage,
            self.outward.notes.add,
            self.outward.start_queue,
            self.directory.check_post,
            self.guard.checks,
            self.guard.learner,
            Brake(self.writer.submit, self.settings, self.outward.clock, self.outward.tell_of_brake),
        )
        self.feed = ChangeFeed(loop, context.home.run, f"worker-{context.index}")
        self.long_work = ThreadPoolExecutor(_LONG_WORK, thread_name_prefix="long")
        self.search = TextSearch(self.database, self.packs, context.node.data / "search", limits_of(settings.search))
        self.imap_shared = ImapShared(
            self.mailboxes, sign_in, self.feed, self.search, People(self.directory), self.space, self.long_work
        )
        self._ending = threading.Event()
        chores = make_jobs(context.node, self.database, self.packs, self.settings, self._ending.is_set)
        chores += self.outward.chores(loop, self._ending.is_set) + self.dmarc.jobs(loop)
        holder = f"{context.config.hostname}:{os.getpid()}"
        self.jobs = Jobs(self.database, chores, holder=holder)
        self.lessons = Lessons(self.mailboxes, self.writer.submit, self.settings, holder, taught=self.guard.taught)
        names = (listener.certificate for listener, _ in context.sockets)
        self.tls = WorkerTls(CertificateStore(context.home.certificates), names, self.settings, self._use_base)
        self._web: Web | None = None
        self.services = [(listener, sock, self._service(listener)) for listener, sock in context.sockets]
        self._servers: list[asyncio.Server] = []
        self._polling, self._looking = Again(loop, self._poll), Again(loop, self._look_again)
        parts = (self.outward, self.dmarc, self.lessons, self.guard)
        often = (self._sweep, self.space.look, self.jobs.look, *(part.tick for part in parts))
        seldom = (Every(_POLL_TICKS, self._polling.soon), Every(_FEED_TICKS, self._looking.soon))
        self._ticker = Ticker(loop, (*(Every(1, do) for do in often), *seldom), self._report)
        self._ear: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Listen, and tell the supervisor."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        await self.writer.start()
        self._ear = await bus.listen(
            self.loop, bus.bind(self.context.home.run, f"worker-{self.context.index}"), self._heard
        )
        for listener, sock, service in self.services:
            self._servers.append(await self._listen(listener, sock, service))
        self.loop.add_signal_handler(signal.SIGTERM, self.stopped.set)
        self.loop.add_signal_handler(signal.SIGHUP, self._reload)
        self.loop.add_reader(self.context.control, self.stopped.set)
        self._ticker.start()
        self.outward.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_NET_ALLOCATIONS, 10, 50)
        self.context.ready()

    async def stop(self) -> None:
        """Finish what is under way, then let go of everything."""
        self.loop.remove_reader(self.context.control)
        for server in self._servers:
            server.close()
        everyone = [service.connections for _, _, service in self.services]
        for connections in everyone:
            connections.stop()
        await asyncio.gather(self._drained(everyone), self.outward.halt(self.context.config.grace_seconds))
        self._ticker.stop()
        for connections in everyone:
            connections.abort()
        self.tracing.close()
        await self.dmarc.stop()
        await self.lessons.stop()
        await self.outward.stop()
        await self.writer.stop()
        self._ending.set()
        await asyncio.to_thread(self.jobs.stop)
        self.feed.close()
        self.long_work.shutdown(cancel_futures=True)
        self.search.close()
        if self._ear is not None:
            self._ear.close()
        self._bus.close()
        self.packs.close()
        self.database.close()

    async def _drained(self, everyone: list[Connections]) -> None:
        """Wait until sessions are gone, or the grace of the node file is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.context.config.grace_seconds):
                for connections in everyone:
                    await connections.drained()

    async def _listen(self, listener: ListenerConfig, sock: socket.socket, service: AnyService) -> asyncio.Server:
        if listener.path:
            return await self.loop.create_unix_server(service, sock=sock, backlog=BACKLOG)
        if not listener.implicit_tls:
            return await self.loop.create_server(service, sock=sock, backlog=BACKLOG)
        seconds = self.settings.current.tls.handshake_seconds
        context = self.tls.context(listener.certificate)
        return await self.loop.create_server(
            service, sock=sock, backlog=BACKLOG, ssl=context, ssl_handshake_timeout=seconds
        )

    def _service(self, listener: ListenerConfig) -> AnyService:
        offer = self.tls.offer(listener.certificate)
        hostname = listener.domain or self.context.config.hostname
        settings, loop = self.settings.current, self.loop
        if listener.service in WEB:
            return self._get_web().service(listener, hostname)
        if listener.service in _IMAP:
            return ImapService(self.imap_shared, settings, hostname=hostname, tls=offer, loop=loop)
        mode = _MODES.get(listener.service)
        if mode is None:
            return Pop3Service(self.pop3_shared, settings, hostname=hostname, tls=offer, loop=loop)
        clock = self.outward.clock
        return SmtpService(self.shared, settings, mode=mode, hostname=hostname, tls=offer, loop=loop, clock=clock)

    def _get_web(self) -> "Web":
        """Made for the first listener that needs it: a worker without one is smaller and starts sooner."""
        from estafeta.app.web import Web

        if self._web is None:
            self._web = Web(self.context, self.outward, self.writer.submit, self.settings, self.loop)
        return self._web

    def _use_base(self, certificates: TlsCertificates) -> None:
        self.outward.web_base = own_web_base(self.context.config, certificates)

    def _heard(self, topic: str) -> None:
        """Something changed, in this process or another."""
        if topic == "directory":
            self._forget_directory()
        elif topic == "settings":
            self._polling.soon()
        else:
            for hear in (self.tracing.heard, self.outward.heard, self.guard.heard, self.lessons.heard):
                hear(topic)

    def _traceable(self) -> list[tuple[str, Connections]]:
        """What `estafeta trace` may follow."""
        return [(listener.service, service.connections) for listener, _, service in self.services]

    def _postmaster(self) -> str:
        """Who answers for this site to others. Asks the directory."""
        try:
            return str(self.directory.qualify("postmaster"))
        except EstafetaError:  # no domain is ours
            return f"postmaster@{self.context.config.hostname}"

    def _forget_directory(self) -> None:
        """What is remembered of people may be wrong now."""
        self.resolver.forget()
        self.outward.forget_directory()
        self.directory.forget()
        self.authenticator.forget()

    async def _poll(self) -> None:
        """Take in settings and directory as they are now."""
        try:
            changed = await asyncio.to_thread(self.settings.poll_version)
            if await asyncio.to_thread(self.resolver.poll_version):
                self._forget_directory()
        except EstafetaError as error:
            log.warning("settings could not be read", extra={"cause": error.private or error.public})
            return
        if changed:
            self._use_settings()

    def _use_settings(self) -> None:
        settings = self.settings.current
        self._forget_directory()
        self.space.minimum_free_bytes = settings.store.minimum_free_mib << 20
        self.sign_in.use(parallel=settings.auth.max_parallel_hashes, iterations=settings.auth.scram_iterations)
        self.search.use(limits_of(settings.search))
        self.outward.use()
        for _, _, service in self.services:
            service.use(settings)
        self.tls.reload()
        log.info("settings taken in")

    def _reload(self) -> None:
        """SIGHUP: certificates and settings anew; sessions under way keep what they have."""
        try:
            app_logging.configure(load_node(self.context.home), f"worker={self.context.index}")
        except (EstafetaError, OSError) as error:
            log.error("reload: kept what was there", extra={"reason": str(error)})
            return
        self.tls.reload()
        self.outward.reload()
        self._polling.soon()
        log.info("reloaded")

    def _sweep(self) -> None:
        for _, _, service in self.services:
            service.connections.sweep()

    async def _look_again(self) -> None:
        """Announcements may be lost: see whether a mailbox that somebody watches changed all the same."""
        try:
            await self.feed.look_again(self.database)
        except EstafetaError as error:
            log.warning("mailboxes could not be looked at", extra={"cause": error.private or error.public})

    def _report(self, lag: float) -> None:
        services = [service for _, _, service in self.services]
        self.context.report(
            connections=sum(len(service.connections) for service in services),
            accepted=sum(service.messages for service in services if isinstance(service, SmtpService)),
            sent=self.outward.courier.sent,
            sending_to=self.outward.courier.active,
            loop_lag_ms=round(lag * 1000, 1),
            threads=threading.active_count(),
            waiting=self.writer.waiting,
        )
