"""Which host of a destination is called, with what demands on TLS, and which ones are passed over for now.

Hosts are tried in their order (RFC 5321 5.1). One that could not be reached, or that broke off in the middle of a
message, is passed over as long as there are others.
"""

import logging
import time
from collections.abc import Sequence

from estafeta.core.errors import EstafetaError
from estafeta.delivery.connection import open_connection
from estafeta.delivery.connection_session import Connection
from estafeta.delivery.hosts import Host, Hosts
from estafeta.delivery.outfit import Outfit, connection_options
from estafeta.delivery.tlsdemand import Level, TlsDemand, TlsFailure, TlsNeed, TlsRefusal
from estafeta.delivery.tlspolicy import DestinationPolicy
from estafeta.delivery.values import AttemptError, ErrorKind, ReplyInfo, Stage
from estafeta.mail.address import parse_address
from estafeta.queue.values import EntryFlag, Work
from estafeta.routing.values import HopKind, NextHop
from estafeta.trust.results import ResultType

log = logging.getLogger("estafeta.delivery")

# RFC 8689 5: no host of the destination can keep what the sender demands.
_REQUIRE_TLS_STATUS = "5.7.30"
_BROKEN_SECONDS = 3600.0
# One try of a destination takes no longer, but two hosts always have their chance.
_MOST_SECONDS = 600.0
_LEAST_TRIED = 2
_MOST_BROKEN = 1000


class NotForThisError(Exception):
    """No connection that this message may use; others might. `permanent`: nor will there be one."""

    def __init__(self, text: str, status: str, *, permanent: bool) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.permanent = permanent


def tls_need(work: Work) -> TlsNeed:
    """What a message says about TLS (RFC 8689)."""
    if work.flags & EntryFlag.REQUIRE_TLS:
        return TlsNeed.REQUIRED
    return TlsNeed.OPTIONAL if work.flags & EntryFlag.TLS_OPTIONAL else TlsNeed.USUAL


class Broken:
    """Hosts that broke off in the middle of a message of late: they are tried behind others, by all streams. Else one
    that answers and then takes nothing would be the first again each time."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def add(self, words: str, now: float) -> None:
        """It broke off; `now` is monotonic seconds."""
        if len(self._since) >= _MOST_BROKEN:
            self._since = {key: since for key, since in self._since.items() if now - since < _BROKEN_SECONDS}
        if len(self._since) < _MOST_BROKEN:
            self._since[words] = now

    def discard(self, words: str) -> None:
        """It works."""
        self._since.pop(words, None)

    def __call__(self, words: str, now: float) -> bool:
        """Whether it broke off of late."""
        since = self._since.get(words)
        return since is not None and now - since < _BROKEN_SECONDS


class Dialer:
    """Makes the connections of one stream."""

    def __init__(self, outfit: Outfit, hop: NextHop, hosts: Hosts, policy: DestinationPolicy, broken: Broken) -> None:
        self._outfit = outfit
        self._hop = hop
        self._policy = policy
        self._broken = broken
        self._bad: set[str] = set()
        now = time.monotonic()
        self._hosts = sorted(hosts.candidates, key=lambda host: broken(host.endpoint.words, now))

    def broke(self, connection: Connection) -> bool:
        """A connection broke off in the middle of a message; whether there is another host to try."""
        self._bad.add(connection.peer.words)
        self._broken.add(connection.peer.words, time.monotonic())
        return any(host.endpoint.words not in self._bad for host in self._hosts)

    def works(self, connection: Connection) -> None:
        """Messages go through there."""
        self._bad.discard(connection.peer.words)
        self._broken.discard(connection.peer.words)

    async def connect(self, work: Work) -> Connection:
        """Connect to the first host that answers. Raises AttemptError, or NotForThisError where other messages, which
        demand less, may find a host."""
        need = tls_need(work)
        problems: list[AttemptError] = []
        refusals: list[AttemptError] = []
        hosts = [host for host in self._hosts if host.endpoint.words not in self._bad]
        until = time.monotonic() + _MOST_SECONDS
        for host in hosts or self._hosts:
            # RFC 5321 5.1: at least two are tried. A domain may have dozens that hold us up for minutes each.
            if len(problems) + len(refusals) >= _LEAST_TRIED and time.monotonic() > until:
                break
            try:
                return await self._open(host, work, need)
            except AttemptError as error:
                log.info("no connection", extra={"host": host.endpoint.words, "reason": error.text})
                if need is TlsNeed.REQUIRED and error.stage is Stage.TLS:
                    refusals.append(error)
                else:
                    self._bad.add(host.endpoint.words)
                    problems.append(error)
        if refusals:
            raise _not_for_this(refusals, permanent=not problems)
        # What one host says for good does not count while another could not be asked.
        passing = [error for error in problems if not error.permanent]
        no_host = AttemptError(Stage.CONNECT, ErrorKind.DNS, f"{self._hop.name} has no host that could be tried")
        raise (passing or problems or [no_host])[-1]

    async def _open(self, host: Host, work: Work, need: TlsNeed) -> Connection:
        outfit, endpoint = self._outfit, host.endpoint
        demand = await outfit.policies.demand(self._policy, host.name, endpoint.port, secure=host.secure, need=need)
        if isinstance(demand, TlsRefusal):
            outfit.tls_results.refused(demand, host=host.name)
            raise _refused(demand)
        sender = parse_address(work.sender) if work.sender else None
        options = connection_options(outfit.settings.current, outfit.hostname, outfit.routes().find_source(sender))
        try:
            credentials = None
            if self._hop.kind is not HopKind.MX:
                credentials = await outfit.credentials(host.name, endpoint.port)
            if credentials is not None and demand.level is Level.MAY:
                # A password goes to nobody who cannot show who they are; a rule of delivery.tls_rules can say else.
                demand = demand._replace(level=Level.VERIFY, names=(host.name,), source="the password for this host")
            connection = await open_connection(
                endpoint, options, demand, outfit.contexts, credentials, outfit.watch(endpoint.ip)
            )
        except AttemptError as error:
            if error.tls_failure is not None:
                self._note_tls(host, ((demand, error.tls_failure),))
            raise
        except EstafetaError as error:
            raise AttemptError(Stage.CONNECT, ErrorKind.LOCAL, error.public) from error
        self._note_tls(host, connection.tls_failures or ((connection.demand, None),))
        return connection

    def _note_tls(self, host: Host, sessions: Sequence[tuple[TlsDemand, TlsFailure | None]]) -> None:
        """For the reports, and so that a host whose TLS is broken is not asked for it each time."""
        for demand, failure in sessions:
            self._outfit.tls_results.note(demand, failure, host=host.name, ip=host.ip)
            if failure is not None and failure.result is not ResultType.STARTTLS_NOT_SUPPORTED:
                self._outfit.policies.handshake_failed(demand, host.name, failure.words)


def _refused(refusal: TlsRefusal) -> AttemptError:
    reply = ReplyInfo(0, refusal.status, refusal.text, "STARTTLS")
    kind = ErrorKind.DNS if refusal.dns else ErrorKind.TLS
    return AttemptError(Stage.TLS, kind, refusal.text, permanent=refusal.permanent, reply=reply)


def _not_for_this(refusals: Sequence[AttemptError], *, permanent: bool) -> NotForThisError:
    """Hosts were there, but none that a message with REQUIRETLS may be given to."""
    last = refusals[-1]
    final = permanent and all(one.permanent or _lacks_starttls(one) for one in refusals)
    status = last.reply.status if last.reply is not None and last.reply.status else _REQUIRE_TLS_STATUS
    return NotForThisError(last.text, status if final else "", permanent=final)


def _lacks_starttls(error: AttemptError) -> bool:
    return error.tls_failure is not None and error.tls_failure.result is ResultType.STARTTLS_NOT_SUPPORTED
