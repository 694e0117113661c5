"""One SMTP service of a worker: what its sessions share, and how a session is set up for its peer.

A service is one of SMTP, submission or LMTP on one listener. `use` takes new settings in. What a session that is under
way was offered, and the checks it began with, stay; who may relay, and limits, hold for it as they are now.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from estafeta.core.ids import AccountId
from estafeta.directory.model import Resolution
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_restrictions import Authentication
from estafeta.intake.accept import Intake
from estafeta.intake.planning import Planner
from estafeta.journal.records import Record
from estafeta.mail.address import Address
from estafeta.net.connections import Connections
from estafeta.net.pump import Pump
from estafeta.net.tls import TlsOffer
from estafeta.policy.brake import Brake
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Check
from estafeta.policy.connection import connection_limits
from estafeta.policy.facts import Facts
from estafeta.policy.learning import NOBODY, Learner
from estafeta.policy.networks import Networks
from estafeta.policy.restrictions import Restrictions
from estafeta.policy.verdict import Verdict, deferred
from estafeta.protocols.sasl import MECHANISMS
from estafeta.protocols.smtp.limits import BareLf, Mode, SmtpSettings
from estafeta.servers.signin import SignIn
from estafeta.servers.smtp.session import SmtpSession
from estafeta.storage.space import Space

# What may be offered changes with the hour (FUTURERELEASE); in each there are a few kinds of clients.
_MOST_MADE = 64
_NOT_BY_LMTP = deferred("LMTP is not for you", "lmtp.networks", 421, "4.7.0")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Looking addresses up: `cached` never waits, `resolve` may ask the database and runs in a thread."""

    cached: Callable[[Address], Resolution | None]
    resolve: Callable[[Address], Resolution]


@dataclass(frozen=True, slots=True)
class Shared:
    """What all services of a worker use together."""

    addresses: Addresses
    sign_in: SignIn
    intake: Intake
    planner: Planner
    space: Space
    usage: Callable[[AccountId], Awaitable[tuple[int, int]]]
    #: Records of the journal that belong to no commit.
    note: Callable[[Record], None]
    #: Has what waits for a domain (or all below `@domain`) sent now; how many destinations that are.
    start_queue: Callable[[str], Awaitable[int]]
    #: Why a sender may not post to the list with this address; "" when it may. Asks the database: for a thread.
    check_post: Callable[[str, Address | None], str]
    #: The checks of policy, in their order.
    checks: tuple[Check, ...] = ()
    #: What learns from what they said.
    learner: Learner = NOBODY
    #: What counts and holds the mail of users; None where nothing is written.
    brake: Brake | None = None


class SmtpService:
    """Sessions of one listener. `software` is said in the greeting; empty says nothing."""

    def __init__(
        self,
        shared: Shared,
        settings: Settings,
        *,
        mode: Mode,
        hostname: str,
        tls: TlsOffer | None,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.note = shared.note
        self.shared = shared
        self.mode = mode
        self.hostname = hostname
        self.tls = tls
        self.connections = Connections(loop, connection_limits(settings, settings.smtp.session_seconds))
        self.messages = 0
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Take new settings for sessions that begin from now on."""
        self.settings = settings
        self.chain = Chain(self.shared.checks, settings)
        self.restrictions = Restrictions(settings)
        self.exempt = Networks(settings.limits.exempt_networks)
        self._lmtp = Networks(settings.lmtp.networks)
        self._clear = Networks(settings.auth.clear_text_networks)
        self._offer_auth = Networks(settings.smtp.advertise_auth_networks)
        self._offer_tls = Networks(settings.smtp.advertise_tls_networks)
        self._made: dict[tuple[object, ...], SmtpSettings] = {}
        self._served = frozenset(settings.batch.serve_domains)
        self.connections.limits = connection_limits(settings, settings.smtp.session_seconds)

    def __call__(self) -> Pump:
        """A new connection (the protocol factory of the listener)."""
        return Pump(SmtpSession(self), self.connections)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to its end what outlives its session."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def refusal(self, pump: Pump, facts: Facts) -> Verdict | None:
        """Why this peer may not even begin; None when it may."""
        if self.mode is Mode.LMTP and pump.peer not in self._lmtp and pump.peer != "local":
            return _NOT_BY_LMTP
        if (refusal := self.restrictions.refusal_at_once(facts)) is not None:
            return refusal
        crowd = self.connections.crowded(pump, exempt=pump.peer == "local" or pump.peer in self.exempt)
        return None if crowd is None else deferred(crowd, "crowded", 421, "4.7.0")

    def facts(self, peer: str, *, tls: bool) -> Facts:
        """What is known of a client that has just connected."""
        trusted = self.mode is not Mode.LMTP and self.restrictions.trusts(peer)
        return Facts(peer, self.mode, self.clock(), tls=tls, trusted=trusted)

    def session_settings(self, peer: str, *, tls: bool) -> SmtpSettings:
        """What the machine may offer this peer, in or out of TLS."""
        offer_tls = self.tls is not None and peer in self._offer_tls
        may_auth = (tls or peer in self._clear) and self._auth_here(peer)
        key = (tls, offer_tls, may_auth, self._must_auth(peer), self._last_release())
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _MOST_MADE:
                self._made.clear()
            made = self._made[key] = self._make(*key)
        return made

    def _auth_here(self, peer: str) -> bool:
        if self.settings.restrict.authentication is Authentication.NONE:
            return False
        if self.mode is Mode.SUBMISSION:
            return True
        return self.mode is Mode.SMTP and self.settings.smtp.auth and peer in self._offer_auth

    def _must_auth(self, peer: str) -> bool:
        settings = self.settings
        wanted = settings.submission.require_auth and settings.restrict.authentication is not Authentication.NONE
        return self.mode is Mode.SUBMISSION and wanted and not self.restrictions.trusts(peer)

    def serves(self, name: str) -> bool:
        """Whether ETRN may ask for this: a registered domain, or `@` and one of them or a domain above them."""
        domain = name.removeprefix("@")
        if name.startswith("@"):
            return any(served == domain or served.endswith(f".{domain}") for served in self._served)
        return domain in self._served

    def _last_release(self) -> str:
        """The parameters of FUTURERELEASE (RFC 4865 4), to the hour: for submission only."""
        most = self.settings.queue.max_release_seconds
        if self.mode is not Mode.SUBMISSION or not most:
            return ""
        until = datetime.fromtimestamp((self.clock() + most) // 3600 * 3600 + 3600, UTC)
        return f"{most} {until:%Y-%m-%dT%H:%M:%SZ}"

    def _make(self, tls: bool, offer_tls: bool, may_auth: bool, must_auth: bool, future_release: str) -> SmtpSettings:
        settings = self.settings
        smtp = settings.smtp
        submission = self.mode is Mode.SUBMISSION
        most = {Mode.LMTP: settings.lmtp.max_recipients, Mode.SUBMISSION: settings.submission.max_recipients}
        per_session = settings.submission.max_messages_per_session if submission else smtp.max_messages_per_session
        return SmtpSettings(
            hostname=self.hostname,
            mode=self.mode,
            software=smtp.banner,
            max_message_bytes=smtp.max_message_bytes,
            tls_available=offer_tls,
            require_tls=must_auth and not may_auth and offer_tls,
            auth_mechanisms=self.mechanisms(tls=tls) if may_auth else (),
            require_auth=must_auth,
            chunking=smtp.chunking,
            smtputf8=smtp.smtputf8,
            dsn=settings.notices.dsn,
            requiretls=True,
            future_release=future_release,
            etrn=bool(self._served) and self.mode is Mode.SMTP,
            expn=smtp.expn,
            bare_lf=BareLf(smtp.bare_lf.value),
            max_line=smtp.max_command_bytes,
            max_recipients=most.get(self.mode, smtp.max_recipients),
            max_bad_commands=smtp.max_bad_commands,
            max_idle_commands=smtp.max_commands_between_messages,
            max_transactions=0 if self.mode is Mode.LMTP else per_session,
            max_auth_failures=settings.auth.max_attempts_per_session,
        )

    def mechanisms(self, *, tls: bool) -> tuple[str, ...]:
        """SASL mechanisms as offered: -PLUS needs TLS to bind to, SCRAM needs stored keys."""
        scram = self.settings.auth.scram
        return tuple(
            name
            for name in MECHANISMS
            if (scram or not name.startswith("SCRAM")) and (tls or not name.endswith("-PLUS"))
        )
