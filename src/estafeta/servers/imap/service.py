"""One IMAP service of a worker: what its sessions share, and how a connection begins.

A service is one listener, in clear with or without STARTTLS, or in TLS. `use` takes new settings in; sessions that are
under way keep those they began with.
"""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from estafeta.core.ids import AccountId
from estafeta.directory.settings_model import Settings
from estafeta.mailboxes.feed import ChangeFeed
from estafeta.mailboxes.service import Mailboxes
from estafeta.net.connections import Connections
from estafeta.net.pump import Pump
from estafeta.net.tls import TlsOffer
from estafeta.policy.connection import connection_limits
from estafeta.policy.networks import Networks
from estafeta.search.service import TextSearch
from estafeta.servers.imap.capability import capabilities
from estafeta.servers.imap.commands import HANDLERS
from estafeta.servers.imap.contentkeys import ContentKeys
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.settings import imap_settings
from estafeta.servers.signin import SignIn
from estafeta.storage.space import Space

if TYPE_CHECKING:
    from estafeta.servers.imap.people import People

# No session lasts longer, however busy it is.
_SESSION_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class ImapShared:
    """What all IMAP services of a worker use together."""

    mailboxes: Mailboxes
    sign_in: SignIn
    feed: ChangeFeed
    search: TextSearch
    people: "People"
    space: Space
    long_work: Executor
    """Threads for what may take long: never all those that the others need."""
    turns: WeakValueDictionary[AccountId, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """Whose turn it is, of each user that has long work under way."""
    keys: ContentKeys = field(default_factory=ContentKeys)
    """What SORT and THREAD remember of messages."""
    looks: WeakValueDictionary[AccountId, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """The same for NOTIFY, which looks at all mailboxes of a user."""
    sessions: dict[AccountId, int] = field(default_factory=dict)
    """How many sessions each signed-in account has in this worker."""


class ImapService:
    """Sessions of one listener. `tls` None: there is no certificate."""

    def __init__(
        self,
        shared: ImapShared,
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
        self.settings = imap_settings(settings, hostname=self.hostname, tls_available=self.tls is not None)
        self._exempt = Networks(settings.limits.exempt_networks)
        self.connections.limits = connection_limits(settings, _SESSION_SECONDS)

    def __call__(self) -> Pump:
        """A new connection (the protocol factory of the listener)."""
        return Pump(ImapSession(self, HANDLERS), self.connections)

    def refusal(self, pump: Pump) -> str | None:
        """Why this peer may not even begin, in words; None when it may."""
        return self.connections.crowded(pump, exempt=pump.peer == "local" or pump.peer in self._exempt)

    def capabilities(self, session: ImapSession) -> bytes:
        """What is offered to this session now."""
        return capabilities(session)

    def entered(self, account_id: AccountId, most: int) -> bool:
        """Count a session of a user; False when there are too many."""
        count = self.shared.sessions.get(account_id, 0)
        if count >= most:
            return False
        self.shared.sessions[account_id] = count + 1
        return True

    def left(self, account_id: AccountId) -> None:
        """A session of a user has ended."""
        left = self.shared.sessions.get(account_id, 0) - 1
        if left > 0:
            self.shared.sessions[account_id] = left
        else:
            self.shared.sessions.pop(account_id, None)
