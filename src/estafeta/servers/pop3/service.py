"""One POP3 service of a worker: what its sessions share, and how a connection begins.

A service is one listener, in clear with or without STLS, or in TLS. `use` takes new settings in; sessions that are
under way keep those they began with.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from estafeta.directory.settings_model import Settings
from estafeta.mailboxes.service import Mailboxes
from estafeta.net.connections import Connections
from estafeta.net.pump import Pump
from estafeta.net.tls import TlsOffer
from estafeta.policy.connection import connection_limits
from estafeta.policy.networks import Networks
from estafeta.servers.pop3.commands import HANDLERS
from estafeta.servers.pop3.session import Pop3Session
from estafeta.servers.pop3.settings import pop3_settings
from estafeta.servers.signin import SignIn

# No session lasts longer, however busy it is: its view of the mailbox would only grow older.
_SESSION_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Pop3Shared:
    """What all POP3 services of a worker use together. `locks` is a directory on this machine, for `MaildropLock`."""

    mailboxes: Mailboxes
    sign_in: SignIn
    locks: Path


class Pop3Service:
    """Sessions of one listener. `tls` None: there is no certificate."""

    def __init__(
        self,
        shared: Pop3Shared,
        settings: Settings,
        *,
        hostname: str,
        tls: TlsOffer | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.shared = shared
        self.hostname = hostname
        self.tls = tls
        self.connections = Connections(loop, connection_limits(settings, _SESSION_SECONDS))
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Take new settings for sessions that begin from now on."""
        self.settings = pop3_settings(settings, hostname=self.hostname, tls_available=self.tls is not None)
        self._exempt = Networks(settings.limits.exempt_networks)
        self.connections.limits = connection_limits(settings, _SESSION_SECONDS)

    def __call__(self) -> Pump:
        """A new connection (the protocol factory of the listener)."""
        return Pump(Pop3Session(self, HANDLERS), self.connections)

    def refusal(self, pump: Pump) -> str | None:
        """Why this peer may not even begin, in words; None when it may."""
        return self.connections.crowded(pump, exempt=pump.peer == "local" or pump.peer in self._exempt)
