"""An SMTP session that is only played: what would this server say to a client from that address, and why?

The real session, machine, settings, directory, routes and policies decide; only the ends are others: octets come from
a person, and what would be committed is told instead (`estafeta smtp-session`). Nothing is written anywhere. Limits on
numbers of connections are those of a server that serves nobody else.
"""

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from estafeta.app.guard import guard_of
from estafeta.app.node_key import load_node_key
from estafeta.app.rehearsal_parts import ReadingAuthenticator, SmallIntake, Stage, Tell, ToldPlanner, ToldSignIn
from estafeta.app.stores import Site
from estafeta.core.ids import MailboxId
from estafeta.directory.model import LocalTarget, RemoteTarget, Resolution
from estafeta.directory.resolver import Resolver
from estafeta.directory.settings_model import Settings
from estafeta.intake.idents import Idents
from estafeta.journal.records import Code, Record
from estafeta.mail.address import Address
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.values import Arrival, Delivered
from estafeta.net.pump import Pump
from estafeta.net.tls import TlsOffer
from estafeta.policy.checks import Check
from estafeta.policy.facts import Facts
from estafeta.policy.learning import NOBODY, Learner
from estafeta.policy.verdict import Verdict
from estafeta.protocols.smtp.limits import Mode
from estafeta.queue.values import Acceptance, Accepted, NewEntry
from estafeta.routing.table import build_route_table
from estafeta.servers.smtp.service import Addresses, Shared, SmtpService
from estafeta.servers.smtp.session import SmtpSession
from estafeta.storage.packs import Location, Packs
from estafeta.storage.space import Space

_NOBODY = 0
_MOST_TOLD = 20

Hear = Callable[[Check, Verdict], None]
"""Takes what a check said."""


def _hear_nothing(check: Check, verdict: Verdict) -> None:
    """For whom the words are enough."""


class Rehearsal:
    """One session. `feed` takes what the client says and gives what the server answers; `tell` hears every check in
    words, `hear` its verdicts, `learner` what they came to."""

    def __init__(
        self,
        site: Site,
        tell: Tell,
        *,
        peer: str,
        mode: Mode = Mode.SMTP,
        tls: bool = False,
        user: str = "",
        hear: Hear = _hear_nothing,
        learner: Learner = NOBODY,
    ) -> None:
        self._site = site
        self._tell = tell
        self._settings = settings = site.settings.current
        self._user = user
        self._hear = hear
        self._learner = learner
        self._directory = tempfile.TemporaryDirectory(prefix="estafeta-rehearsal-")
        self._pump = Stage(peer, tls, tell)
        clock = site.node.make_clock()
        offer = TlsOffer(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), lambda _: {})
        self._service = SmtpService(
            self._shared(settings),
            settings,
            mode=mode,
            hostname=site.node.config.hostname,
            tls=offer,
            loop=asyncio.get_running_loop(),
            clock=clock,
        )
        self._session = SmtpSession(self._service)

    async def begin(self) -> bytes:
        """The client connects; the greeting."""
        self._tell_connection()
        waiting = self._session.connected(cast("Pump", self._pump))
        if waiting is not None:
            await waiting
        return await self._turn()

    async def feed(self, data: bytes) -> bytes:
        """Octets of the client; the answer. Raises EstafetaError for more than a rehearsal takes."""
        self._session.machine.feed(data)
        return await self._turn()

    def sign_in_line(self) -> bytes:
        """The command by which the user signs in whom the rehearsal was given."""
        return b"AUTH PLAIN " + base64.b64encode(f"\0{self._user}\0-".encode()) + b"\r\n"

    @property
    def closed(self) -> bool:
        """Whether the server has closed the session."""
        return self._session.machine.closed

    def end(self) -> None:
        """The client is gone."""
        self._session.disconnected()
        self._directory.cleanup()

    async def _turn(self) -> bytes:
        machine = self._session.machine
        said = b""
        while (event := machine.next_event()) is not None:
            waiting = self._session.handle(event)
            said += machine.take_output()
            if isinstance(waiting, asyncio.Future):
                # How it ended is told by the callback that the session added; let that run.
                await asyncio.wait([waiting])
                await asyncio.sleep(0)
            elif waiting is not None:
                await waiting
        return said + machine.take_output()

    # what is checked

    def _tell_connection(self) -> None:
        service, peer = self._service, self._pump.peer
        offered = service.session_settings(peer, tls=self._pump.tls is not None)
        within = [
            words
            for words, yes in (
                ("relay.networks: may relay", service.restrictions.trusts(peer)),
                ("limits.exempt_networks: no limits on connections", peer in service.exempt),
            )
            if yes
        ]
        self._tell(f"{peer} is in {'; '.join(within) or 'no network of the settings'}")
        self._tell(f"STARTTLS is {'offered' if offered.tls_available else 'not offered'} to it")
        mechanisms = ", ".join(offered.auth_mechanisms) or "nothing, as the connection is now"
        self._tell(f"AUTH is offered with {mechanisms}{'; it is required' if offered.require_auth else ''}")

    def _resolve(self, address: Address) -> Resolution:
        resolution = self._resolver.resolve(address)
        words = f"directory: <{address}> is {resolution.status}"
        if resolution.targets:
            words += f", leads to {', '.join(_target(target) for target in resolution.targets[:_MOST_TOLD])}"
        self._tell(words + (f" ({resolution.reason})" if resolution.reason else ""))
        return resolution

    def _note(self, record: Record) -> None:
        self._tell(f"journal: {record.code} {Code(record.code).name.lower()} {record.address} {record.text}".rstrip())

    def _submit(self, operation: object, payload: Any, contents: Sequence[bytes | Location]) -> "asyncio.Future[Any]":
        """Instead of a commit: say what would be committed, and that it was done."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if isinstance(payload, Arrival):
            self._tell_arrival(payload, contents[0])
            done.set_result(_outcomes(payload))
        else:
            acceptances = cast("Sequence[Acceptance]", payload)
            for acceptance, content in zip(acceptances, contents, strict=True):
                self._tell_acceptance(acceptance, content)
            done.set_result(tuple(Accepted(tuple(_outcomes(each.arrival))) for each in acceptances))
        return done

    def _tell_acceptance(self, acceptance: Acceptance, content: bytes | Location) -> None:
        if acceptance.arrival is not None:
            self._tell_arrival(acceptance.arrival, content)
        if acceptance.entry is not None:
            self._tell_entry(acceptance.entry)

    def _tell_arrival(self, arrival: Arrival, content: bytes | Location) -> None:
        size = len(content) if isinstance(content, bytes) else content.size
        for delivery in arrival.deliveries[:_MOST_TOLD]:
            limit = f", quota {delivery.quota_bytes} octets" if delivery.quota_bytes else ""
            self._tell(f"would be stored: {size} octets for <{delivery.address}>, mailbox {delivery.account_id}{limit}")

    def _tell_entry(self, entry: NewEntry) -> None:
        if entry.hold is not None:
            self._tell(f"would be held in quarantine: {entry.hold.reason}")
            return
        for recipient in entry.recipients[:_MOST_TOLD]:
            self._tell(f"would be queued: <{recipient.address}> to {recipient.hop}, from <{entry.sender}>")

    # what the service is made of

    def _shared(self, settings: Settings) -> Shared:
        site, node = self._site, self._site.node
        self._resolver = Resolver(site.database, site.settings, clock=node.make_clock())
        self._resolver.poll_version()
        key = load_node_key(node.home)
        clock = node.make_clock()
        idents = Idents()
        routes = build_route_table(settings.routing, self._resolver.is_local)
        planner = ToldPlanner(settings, routes, node.config.hostname, self._resolve, idents, clock)
        planner.tell = self._tell
        mailboxes = Mailboxes(site.database, Packs(Path(self._directory.name)), self._submit)
        intake = SmallIntake(
            mailboxes,
            mailboxes.packs,
            site.database,
            planner=planner,
            idents=idents,
            submit=self._submit,
            hostname=node.config.hostname,
            clock=clock,
        )
        authenticator = ReadingAuthenticator(site.database, clock, site.settings, node_key=key)
        sign_in = ToldSignIn(authenticator, secret=key, parallel=1, iterations=settings.auth.scram_iterations)
        sign_in.tell, sign_in.user = self._tell, self._user
        return Shared(
            Addresses(lambda address: None, self._resolve),
            sign_in,
            intake,
            planner,
            Space(node.data, settings.store.minimum_free_mib << 20),
            mailboxes.usage,
            self._note,
            self._start_queue,
            site.directory.check_post,
            self._checks(settings),
            self._learner,
        )

    def _checks(self, settings: Settings) -> tuple[Check, ...]:
        """Those of a server, which tell what they say."""
        checks = guard_of(self._site, settings).checks
        return tuple(check._replace(judge=partial(self._judge_aloud, check)) for check in checks)

    def _judge_aloud(self, check: Check, facts: Facts, settings: Settings) -> Sequence[Verdict]:
        verdicts = check.judge(facts, settings)
        for verdict in verdicts:
            self._hear(check, verdict)
            points = f" {verdict.score:+.1f}" if verdict.score else ""
            self._tell(f"{check.stage} {check.name}: {verdict.action.name.lower()}{points} {verdict.reason}")
        return verdicts

    async def _start_queue(self, name: str) -> int:
        self._tell(f"what waits for {name} would be sent now")
        return 1


def _outcomes(arrival: Arrival | None) -> list[Delivered]:
    deliveries = arrival.deliveries if arrival is not None else ()
    return [Delivered(delivery.account_id, MailboxId(_NOBODY), 0, 0) for delivery in deliveries]


def _target(target: object) -> str:
    if isinstance(target, LocalTarget):
        return f"mailbox {target.account_id}"
    return f"<{target.address}>" if isinstance(target, RemoteTarget) else str(getattr(target, "key", target))
