"""What couriers work with: everything that is handed to them, and what they make of the settings."""

from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass
from typing import Protocol

from estafeta.core.backoff import parse_retry_rules
from estafeta.delivery.connection_options import ConnectionOptions, ConnectionTimes, Credentials, Watch
from estafeta.delivery.forwarding import Forwarding
from estafeta.delivery.notices import Notifier
from estafeta.delivery.rates import RateRule, parse_rate_rule
from estafeta.delivery.results import Judge
from estafeta.delivery.signing import Signer
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlspolicy import TlsPolicies
from estafeta.delivery.tlsresults import TlsResults
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_outward import JournalLevel
from estafeta.directory.settings_source import SettingsSource
from estafeta.dns.values import Resolver
from estafeta.journal.filtering import Recording
from estafeta.journal.records import Record
from estafeta.mailboxes.service import Mailboxes, Submit
from estafeta.queue.values import Acceptance, Lane, Place, Work
from estafeta.routing.table import RouteTable

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Agency:
    """What an agent made of a message that goes to a part of ourselves (a list, an address that is looked up anew):
    committed together. `failed`: recipients that are given up, with a status and a reason; `put_off` likewise, for now;
    `after`: done when it is committed."""

    made: Sequence[tuple[Acceptance, bytes]] = ()
    done: Sequence[Place] = ()
    failed: Sequence[tuple[Place, str, str]] = ()
    put_off: Sequence[tuple[Place, str]] = ()
    records: Sequence[Record] = ()
    after: Callable[[], None] | None = None


class Agent(Protocol):
    """A part of ourselves that takes messages from the queue. Called in a thread; may ask the database."""

    def __call__(self, work: Work, content: bytes, hop: str) -> Agency: ...


@dataclass(slots=True)
class Outfit:
    """Handed to every courier of a worker. `agents` by the kind of next hop; `routes` as they are now."""

    mailboxes: Mailboxes
    submit: Submit
    resolver: Resolver
    policies: TlsPolicies
    contexts: TlsContexts
    tls_results: TlsResults
    notifier: Notifier
    routes: Callable[[], RouteTable]
    credentials: Callable[[str, int], Awaitable[Credentials | None]]
    agents: dict[str, Agent]
    settings: SettingsSource
    hostname: str
    own_addresses: Callable[[], Container[str]]
    new_ident: Callable[[], int]
    clock: Clock
    watch: Callable[[str], Watch | None]
    signer: Signer
    forwarding: Forwarding

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return int(self.clock() * 1000)


@dataclass(frozen=True, slots=True)
class Ways:
    """The settings as couriers use them; made anew when they change."""

    judge: Judge
    rates: tuple[RateRule, ...]
    lanes: tuple[Lane, ...]
    max_streams: int
    max_connections: int
    max_recipients: int
    idle_seconds: float
    recording: Recording

    @classmethod
    def of(cls, settings: Settings) -> "Ways":
        """From the settings of the site."""
        queue, delivery, level = settings.queue, settings.delivery, settings.journal.level
        held = {Lane.HIGH: queue.hold_high, Lane.NORMAL: queue.hold_normal}
        return cls(
            Judge(
                parse_retry_rules(queue.retry_rules),
                queue.jitter_percent,
                level is not JournalLevel.OFF,
                level is JournalLevel.FULL,
            ),
            tuple(parse_rate_rule(line) for line in delivery.rate_rules),
            tuple(lane for lane, holding in held.items() if not holding),
            delivery.max_connections,
            delivery.max_connections_per_destination,
            delivery.max_recipients,
            delivery.idle_seconds,
            Recording(level, settings.journal.subjects),
        )


def connection_options(settings: Settings, hostname: str, sources: tuple[str, str]) -> ConnectionOptions:
    """How connections are made, out of the settings. `sources`: our IPv4 and IPv6 address, "" for any."""
    delivery = settings.delivery
    host, _, port = delivery.socks_proxy.rpartition(":")
    return ConnectionOptions(
        hello_name=delivery.hello_name or hostname,
        times=ConnectionTimes(
            connect=delivery.connect_seconds,
            greeting=delivery.greeting_seconds,
            command=delivery.command_seconds,
            data=delivery.data_seconds,
        ),
        proxy=(host.strip("[]"), int(port)) if host and port.isdecimal() else None,
        source_ipv4=sources[0],
        source_ipv6=sources[1],
        pipelining=delivery.pipelining,
        chunking=delivery.chunking,
        max_messages=delivery.max_messages_per_connection,
    )
