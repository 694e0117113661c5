"""Everything of a worker that has to do with mail for others: built, kept current, stopped.

`Outward` is made before the services, since they ask it where recipients go; `start` begins delivery.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from estafeta.app.batches import TOPIC as BATCH_TOPIC
from estafeta.app.batches import Batches
from estafeta.app.context import WorkerContext
from estafeta.app.heldletters import letters_job
from estafeta.app.jobs import DAY, Job
from estafeta.app.notes import Notes
from estafeta.app.reports import brake_message, report_message
from estafeta.app.signing import key_job
from estafeta.certificates.store import CertificateStore
from estafeta.core.clock import LabClock
from estafeta.core.errors import EstafetaError
from estafeta.delivery.connection_options import Credentials
from estafeta.delivery.courier import Courier
from estafeta.delivery.forwarding import Forwarding
from estafeta.delivery.heldletters import HeldLetters
from estafeta.delivery.heldletters import Means as LetterMeans
from estafeta.delivery.keyring import KeyRing
from estafeta.delivery.notices import Notifier
from estafeta.delivery.outfit import Outfit
from estafeta.delivery.ownaddresses import OwnAddresses
from estafeta.delivery.signing import Signer
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlspolicy import TlsPolicies
from estafeta.delivery.tlsreports import TlsReporter
from estafeta.delivery.tlsresults import TlsResults
from estafeta.directory.hostcredentials import HostCredentials
from estafeta.directory.model import Account, Resolution
from estafeta.directory.resolver import Resolver
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.directory.signingkeys import TOPIC as KEYS_TOPIC
from estafeta.directory.signingkeys import SigningKeys
from estafeta.dns.resolver import DnsResolver
from estafeta.intake.accept import Intake
from estafeta.intake.conditions import owner_of
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.intake.posting import ListPost, Posting, confirmations
from estafeta.journal.daily import daily_report
from estafeta.journal.filtering import Recording
from estafeta.lists.agent import ListAgent
from estafeta.lists.moderating import moderate, remove_expired
from estafeta.lists.values import Made, Moderated
from estafeta.mail.address import Address, parse_address
from estafeta.mailboxes.service import Mailboxes, Submit
from estafeta.net.pump import Watch
from estafeta.queue.accepting import accept
from estafeta.queue.choosing import Choice, find
from estafeta.queue.destinations import TOPIC
from estafeta.queue.operating import Action, Change, change
from estafeta.queue.values import EntryFlag, Place
from estafeta.routing.rewriterules import Field
from estafeta.routing.table import RouteTable, build_route_table
from estafeta.routing.values import HopKind
from estafeta.storage.commit import next_number

log = logging.getLogger("estafeta.outward")

_FLUSH_TICKS = 60
_REFRESH_TICKS = 3600
# So many recipients are changed in one commit.
_PORTION = 500
_SENT_ELSEWHERE = ("mx:", "host:", "lmtp:")


class Outward:
    """Mail for others, in one worker."""

    def __init__(
        self,
        context: WorkerContext,
        mailboxes: Mailboxes,
        submit: Submit,
        resolver: Resolver,
        directory: Directory,
        settings: SiteSettings,
        node_key: bytes,
        watch: Callable[[str], Watch | None],
    ) -> None:
        self._context = context
        self._settings = settings
        self._resolver = resolver
        self._directory = directory
        self._submit = submit
        self._database = mailboxes.database
        self.clock = context.node.make_clock()
        hostname = context.config.hostname
        current = settings.current
        self.notes = Notes(submit, Recording(current.journal.level))
        # Each worker that was ever started has a number, so two that live at once share none, on whatever node.
        self.idents = Idents(next_number(mailboxes.database, "worker") % 255)
        self._routes = self._build_routes()
        self.planner = Planner(current, self._routes, hostname, self._resolve, self.idents, self.clock)
        posting = Posting(self.planner)
        self.notifier = Notifier(
            hostname=hostname,
            settings=lambda: settings.current.notices,
            plan=posting.notice,
            new_ident=self._new_ident,
            clock=self.clock,
            language_of=self._language_of,
            is_list_bounce=directory.is_list_bounce,
        )
        self.intake = Intake(
            mailboxes,
            mailboxes.packs,
            mailboxes.database,
            planner=self.planner,
            idents=self.idents,
            submit=submit,
            confirm=partial(confirmations, self.notifier),
            hostname=hostname,
            clock=self.clock,
        )
        self.dns = DnsResolver()
        self.dns.use(current.dns, current.routing.host_table)
        contexts = TlsContexts(CertificateStore(context.home.certificates), settings)
        self._contexts = contexts
        self.policies = TlsPolicies(mailboxes.database, submit, self.dns, settings, self.clock, contexts)
        self.tls_results = TlsResults(submit, settings, self.clock)
        self._credentials = HostCredentials(mailboxes.database, node_key, self.clock)
        self._signing_keys = SigningKeys(mailboxes.database, node_key, self.clock)
        self._signer = Signer(KeyRing(self._signing_keys), settings, hostname, self.clock)
        agent = ListAgent(
            directory=directory,
            settings=settings,
            hostname=lambda: hostname,
            plan=posting.letter,
            new_ident=self._new_ident,
            clock=self.clock,
            own_base=lambda: self.web_base,
        )
        #: For the pages of lists.
        self.list_means = agent.means
        #: Where this server's own pages are, as `https://HOSTNAME`; empty: it has none that links could lead to.
        self.web_base = ""
        self.outfit = Outfit(
            mailboxes=mailboxes,
            submit=submit,
            resolver=self.dns,
            policies=self.policies,
            contexts=contexts,
            tls_results=self.tls_results,
            notifier=self.notifier,
            routes=lambda: self._routes,
            credentials=self._find_credentials,
            agents={
                HopKind.LOCAL: posting.relocate,
                HopKind.LIST: ListPost(agent, self._moderate),
            },
            settings=settings,
            hostname=hostname,
            own_addresses=self._own_addresses,
            new_ident=self._new_ident,
            clock=self.clock,
            watch=watch,
            signer=self._signer,
            forwarding=Forwarding(mailboxes.database, settings, self._resolver.is_local, hostname, self.clock),
        )
        self.courier = Courier(self.outfit, f"{hostname}:{context.index}")
        self.batches = Batches(self.courier, f"{hostname}:{context.index}")
        self.posting = posting
        self._tls_reporter = TlsReporter(
            mailboxes.database,
            submit,
            self.dns,
            self.post,
            settings,
            hostname=hostname,
            contact=f"postmaster@{hostname}",
        )
        self._ticks = 0
        self._fetching = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def rewrite_address(self, address: Address, field: Field) -> Address:
        """What rewriting makes of an address, by the rules of now."""
        return self.planner.rewriter.rewrite_address(address, field)

    def start(self) -> None:
        """Begin delivery."""
        self.courier.start()

    async def halt(self, grace_seconds: float) -> None:
        """Finish sending what is under way; what takes longer is broken off, to be sent again."""
        await self.batches.stop()
        await self.courier.stop(grace_seconds)

    async def stop(self) -> None:
        """After `halt`: keep what is still in memory, and let go."""
        for task in self._tasks:
            task.cancel()
        self.notes.flush()
        self.policies.close()
        self.dns.close()
        try:
            await self.tls_results.flush()
        except EstafetaError as error:
            log.warning("results of TLS were not kept", extra={"cause": error.private or error.public})

    def use(self) -> None:
        """The settings changed, or the directory: routes know which domains are ours."""
        current = self._settings.current
        self._routes = self._build_routes()
        self.planner.use(current, self._routes)
        self.dns.use(current.dns, current.routing.host_table)
        self.notes.recording = Recording(current.journal.level)
        self._signer.forget()
        self.batches.use()
        self.courier.use()

    def forget_directory(self) -> None:
        """The directory changed."""
        self._routes = self._build_routes()
        self.planner.routes = self._routes
        self._signer.forget()

    def reload(self) -> None:
        """Certificates may have changed."""
        self._contexts.forget()

    def heard(self, topic: str) -> None:
        """A topic of the bus."""
        if topic == TOPIC:
            self._look_at_clock()
            self.courier.wake()
        elif topic.startswith("queue:"):
            self.courier.more_for(int(topic.removeprefix("queue:")))
        elif topic == BATCH_TOPIC:
            self.batches.begin()
        elif topic == KEYS_TOPIC:
            self._signer.forget()

    def tick(self) -> None:
        """Every second."""
        self._ticks += 1
        self.notes.flush()
        self._look_at_clock()
        self.batches.tick()
        if self._ticks % _FLUSH_TICKS == 0:
            self._background(self.tls_results.flush(), "results of TLS")
        if self._ticks % _REFRESH_TICKS == 0:
            self._background(self.policies.refresh(), "policies of MTA-STS")

    async def post(self, sender: str, recipients: Sequence[str], content: bytes) -> None:
        """Send a message of the server's own: a report. Durable when this returns."""
        make = partial(
            self.posting.letter,
            content,
            sender,
            recipients,
            flags=EntryFlag.NOTICE,
            owner=owner_of("reports"),
            parent=0,
            language="",
        )
        made = await asyncio.to_thread(make)
        await self._submit(accept, (made.acceptance,), (made.content,))

    async def tell_of_brake(self, account: Account, reason: str, to: str) -> None:
        """A letter to an operator: a user's mail is held."""
        hostname = self._context.config.hostname
        content = brake_message(account.address, reason, to, hostname, self._new_ident(), self.clock())
        await self.post("", (to,), content)

    def chores(self, loop: asyncio.AbstractEventLoop, stopping: Callable[[], bool]) -> list[Job]:
        """Work of every day that sends mail, or decides how it is sent. Each runs in a thread."""

        def statistics() -> None:
            to = self._settings.current.journal.report_to
            if to:
                hostname = self._context.config.hostname
                report = daily_report(self._database, self.clock(), hostname=hostname)
                content = report_message(report, to, hostname, self._new_ident(), self.clock())
                asyncio.run_coroutine_threadsafe(self.post("", (to,), content), loop).result()

        def tls_reports() -> None:
            asyncio.run_coroutine_threadsafe(self._tls_reporter.send(self.clock()), loop).result()

        def held_posts() -> None:
            remove_expired(self._database, self.clock())

        return [
            Job("daily-report", DAY, statistics),
            Job("tls-reports", DAY, tls_reports),
            Job("held-posts", DAY, held_posts),
            key_job(self._signing_keys, self._settings, self.clock, stopping),
            letters_job(HeldLetters(self._letter_means()), self._submit, self._settings, loop, stopping),
        ]

    def _letter_means(self) -> LetterMeans:
        """What letters about held mail need."""

        def make(content: bytes, to: str, language: str) -> Made:
            owner = owner_of("reports")
            flags = EntryFlag.NOTICE
            return self.posting.letter(content, "", [to], flags=flags, owner=owner, parent=0, language=language)

        return LetterMeans(
            self._database,
            self._settings,
            self._context.config.hostname,
            self.clock,
            self._new_ident,
            lambda: self.web_base,
            self._resolver.resolve,
            self._language_of,
            make,
        )

    def _look_at_clock(self) -> None:
        if isinstance(self.clock, LabClock) and self.clock.jumped():
            self.courier.look_again()

    async def start_queue(self, name: str) -> int:
        """ETRN (RFC 1985): what waits for a domain, with `@` also for all below it, goes now; how much that is. Not
        what is to be released later (RFC 4865), which waits for ourselves."""
        domain = name.removeprefix("@")
        domains = (domain, f"*.{domain}") if name.startswith("@") else (domain,)
        # One at a time: anybody may ask, and all that waits is looked at.
        async with self._fetching:
            places = await asyncio.to_thread(self._find_places, domains)
            for begin in range(0, len(places), _PORTION):
                portion = tuple(places[begin : begin + _PORTION])
                await self._submit(change, Change(Action.RETRY, portion, self._now_ms(), "ETRN"), ())
        return len(places)

    def _find_places(self, domains: Sequence[str]) -> list[Place]:
        with self._database.read() as conn:
            return [one for domain in domains for one in places_elsewhere(conn, domain)]

    def _moderate(self, decisions: Sequence[Moderated]) -> None:
        moderate(self._database, decisions, clock=self.clock)

    def _now_ms(self) -> int:
        return int(self.clock() * 1000)

    def _background(self, work: Coroutine[Any, Any, object], what: str) -> None:
        task = asyncio.get_running_loop().create_task(_logged(work, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _build_routes(self) -> RouteTable:
        return build_route_table(self._settings.current.routing, self._resolver.is_local)

    def _new_ident(self) -> int:
        return self.idents.number(self.clock())

    def _resolve(self, address: Address) -> Resolution:
        return self._resolver.cached(address) or self._resolver.resolve(address)

    def _language_of(self, sender: str) -> str:
        """The language of one of our users, for notices; "" for others. Asks the directory."""
        if self._resolver.resolve(parse_address(sender)).account_id is None:
            return ""
        return self._directory.get_user(sender).language

    async def _find_credentials(self, host: str, port: int) -> Credentials | None:
        found = await asyncio.to_thread(self._credentials.find_credentials, host, port)
        return None if found is None else Credentials(found.user, found.password)

    def _own_addresses(self) -> OwnAddresses:
        """IP addresses that are ours, so that mail never goes round in circles: those of the settings and listeners."""
        bound = {sock.getsockname()[0] for _, sock in self._context.sockets if sock.family != socket.AF_UNIX}
        return OwnAddresses((*self._settings.current.local.addresses, *bound))


def places_elsewhere(conn: Connection, domain: str) -> Iterator[Place]:
    """What waits for a domain (a pattern) at servers of others, as ETRN wants it."""
    return (one.place for one in find(conn, Choice(domain=domain)) if one.hop.startswith(_SENT_ELSEWHERE))


async def _logged(work: Coroutine[Any, Any, object], what: str) -> None:
    """Work that nobody waits for: what went wrong is in the log."""
    try:
        await work
    except EstafetaError as error:
        log.warning("not done", extra={"what": what, "cause": error.private or error.public})
    except Exception:
        log.exception("not done", extra={"what": what})
