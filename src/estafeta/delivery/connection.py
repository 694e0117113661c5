"""Connections to other servers: made, secured, logged in.

`open_connection` gives a connection that is ready, or raises an AttemptError that says how far it came and why no
farther; no socket is left behind then. It tries one host; which hosts there are, and in what order, is its caller's.
"""

import asyncio
import ssl
from functools import partial
from typing import Final

from estafeta.certificates.binding import end_point_binding
from estafeta.core.errors import EstafetaError
from estafeta.delivery.connection_link import Link
from estafeta.delivery.connection_options import ConnectionOptions, ConnectionTimes, Credentials, Watch
from estafeta.delivery.connection_outcomes import reply_info
from estafeta.delivery.connection_session import Connection, broken
from estafeta.delivery.socks import Socks5
from estafeta.delivery.tlscontexts import TlsContexts, check_peer, explain, server_name, tls_words
from estafeta.delivery.tlsdemand import Level, TlsDemand, TlsFailure, missing_starttls
from estafeta.delivery.values import AttemptError, Endpoint, ErrorKind, ReplyInfo, Stage
from estafeta.protocols.sasl.client import ClientMechanism, choose_mechanism
from estafeta.protocols.smtp.client import Authenticated, Challenge, Event, Ready, Refused, SmtpClient, TlsWanted
from estafeta.protocols.smtp.client_replies import RawReply

__all__ = ["Connection", "ConnectionOptions", "ConnectionTimes", "Credentials", "open_connection"]

# RFC 4954 6: this mechanism is not for this account, or not for this server; another one may be.
_OTHER_MECHANISM: Final = frozenset({432, 504, 534})


async def open_connection(
    endpoint: Endpoint,
    options: ConnectionOptions,
    demand: TlsDemand,
    contexts: TlsContexts,
    credentials: Credentials | None = None,
    watch: Watch | None = None,
) -> Connection:
    """A connection to `endpoint` that meets `demand`. Where TLS fails and the demand lets it, another is made with less
    of it at once (`TlsDemand.fall_back`). Raises AttemptError."""
    failures: list[tuple[TlsDemand, TlsFailure]] = []
    while True:
        opening = _Opening(endpoint, options, demand, contexts, watch)
        try:
            connection = await opening.run(credentials)
        except AttemptError as error:
            opening.abort()
            less = demand.fall_back(error.text) if error.tls_failure is not None else None
            if less is None or error.tls_failure is None:
                raise
            failures.append((demand, error.tls_failure))
            demand = less
        except BaseException:
            opening.abort()
            raise
        else:
            connection.tls_failures = (*failures, *connection.tls_failures)
            return connection


class _Opening:
    """One connection on its way to be ready."""

    def __init__(
        self,
        endpoint: Endpoint,
        options: ConnectionOptions,
        demand: TlsDemand,
        contexts: TlsContexts,
        watch: Watch | None,
    ) -> None:
        self._endpoint = endpoint
        self._options = options
        self._times = options.times
        self._demand = demand
        self._contexts = contexts
        self._machine = SmtpClient(
            options.hello_name, lmtp=endpoint.lmtp, pipelining=options.pipelining, chunking=options.chunking
        )
        self._link = Link(asyncio.get_running_loop(), self._machine, options.times, watch)
        self._session: ssl.SSLObject | None = None
        self._tls_words = ""
        self._tls_failures: tuple[tuple[TlsDemand, TlsFailure], ...] = ()

    async def run(self, credentials: Credentials | None) -> Connection:
        """All steps. Raises AttemptError."""
        await self._connect()
        await self._greet()
        await self._secure()
        if self._demand.require_tls and not self._machine.extensions.require_tls:
            raise self._lacks_require_tls()
        if credentials is not None:
            await self._log_in(credentials)
        connection = Connection(self._endpoint, self._options, self._demand, self._link)
        connection.tls_words = self._tls_words
        connection.tls_failures = self._tls_failures
        return connection

    def abort(self) -> None:
        """Leave no socket behind."""
        self._link.abort()

    # The socket

    async def _connect(self) -> None:
        where = self._endpoint.words
        try:
            async with asyncio.timeout(self._times.connect):
                await self._make_socket()
                problem = await self._link.open_proxy()
        except TimeoutError:
            text = f"{where} did not answer within {self._times.connect:.0f} seconds."
            raise AttemptError(Stage.CONNECT, ErrorKind.TIMEOUT, text) from None
        except OSError as error:
            reason = (error.strerror or str(error) or "connection refused").lower()
            text = f"{where} could not be reached: {reason}."
            raise AttemptError(Stage.CONNECT, ErrorKind.REFUSED, text) from error
        if problem:
            text = f"{where} could not be reached through the SOCKS proxy: {problem}."
            raise AttemptError(Stage.PROXY, ErrorKind.REFUSED, text)

    async def _make_socket(self) -> None:
        endpoint, options, link = self._endpoint, self._options, self._link
        loop = asyncio.get_running_loop()
        if endpoint.path:
            await loop.create_unix_connection(lambda: link, endpoint.path)
            return
        if options.proxy is not None:
            link.proxy = Socks5(endpoint.ip, endpoint.port)
            await loop.create_connection(lambda: link, *options.proxy)
            return
        source = options.source_ipv6 if ":" in endpoint.ip else options.source_ipv4
        local = (source, 0) if source else None
        await loop.create_connection(lambda: link, endpoint.ip, endpoint.port, local_addr=local)

    # The session

    async def _greet(self) -> None:
        event = await self._link.wait(self._times.greeting)
        if isinstance(event, Ready):
            return
        if isinstance(event, Refused):
            greeting = event.reply is self._machine.greeting
            stage, command = (Stage.GREETING, "CONNECT") if greeting else (Stage.HELLO, "EHLO")
            raise self._said(stage, ErrorKind.REPLY, event.reply, command, permanent=event.reply.code >= 500)
        heard = self._machine.greeting is not None
        raise self._broken(Stage.HELLO if heard else Stage.GREETING, "EHLO" if heard else "CONNECT")

    async def _secure(self) -> None:
        demand = self._demand
        if not demand.used:
            return
        if self._machine.extensions.starttls:
            self._machine.start_tls()
            event = await self._link.wait(self._times.command)
            if isinstance(event, TlsWanted):
                await self._handshake()
                return
            if not isinstance(event, Refused):
                raise self._broken(Stage.TLS, "STARTTLS")
        # Not offered, or refused: then the demand decides whether it goes on in clear.
        failure = missing_starttls(demand)
        self._tls_failures = ((demand, failure),)
        if demand.mandatory:
            raise self._tls_error(failure)

    async def _handshake(self) -> None:
        demand, machine = self._demand, self._machine
        if machine.closed:
            raise self._broken(Stage.TLS, "STARTTLS")
        try:
            context = await self._contexts.find(demand)
        except EstafetaError as error:
            raise AttemptError(Stage.TLS, ErrorKind.LOCAL, error.public) from error
        try:
            name = server_name(demand, self._endpoint.host)
            session = await self._link.start_tls(context, name, self._times.tls)
        except (OSError, TimeoutError, ValueError) as error:
            raise self._tls_error(explain(error)) from error
        if session is None or self._link.lost:
            raise self._tls_error(explain(ConnectionResetError()))
        failure = check_peer(demand, session)
        if failure is not None:
            raise self._tls_error(failure)
        self._session = session
        self._tls_words = tls_words(demand, session)
        machine.tls_started()
        await self._greet()

    def _tls_error(self, failure: TlsFailure) -> AttemptError:
        text = f"No safe connection to {self._endpoint.words}: {failure.words}."
        return AttemptError(Stage.TLS, ErrorKind.TLS, text, tls_failure=failure)

    def _lacks_require_tls(self) -> AttemptError:
        # RFC 8689 4.2.1 and 5: 5.7.30 when no host of the destination offers it.
        text = f"The sender demands REQUIRETLS, which {self._endpoint.words} does not offer."
        return AttemptError(Stage.TLS, ErrorKind.TLS, text, permanent=True, reply=ReplyInfo(0, "5.7.30", text, "EHLO"))

    # AUTH

    async def _log_in(self, credentials: Credentials) -> None:
        offered = set(self._machine.extensions.auth)
        while True:
            mechanism = self._choose(offered, credentials)
            if mechanism is None:
                raise self._no_mechanism(refused=offered != set(self._machine.extensions.auth))
            event = await self._exchange(mechanism)
            if isinstance(event, Authenticated) and mechanism.proved:
                return
            if isinstance(event, Authenticated):
                text = f"{self._endpoint.words} could not prove that it knows our password: it may not be who it says."
                raise AttemptError(Stage.AUTH, ErrorKind.AUTH, text)
            if not isinstance(event, Refused):
                raise self._broken(Stage.AUTH, "AUTH")
            if event.reply.code not in _OTHER_MECHANISM:
                # Our operator's mistake, as a rule, which is no reason to send mail back.
                raise self._said(Stage.AUTH, ErrorKind.AUTH, event.reply, "AUTH")
            offered.discard(mechanism.name)

    def _choose(self, offered: set[str], credentials: Credentials) -> ClientMechanism | None:
        tls = self._machine.tls
        binding = b""
        if self._session is not None and any(name.startswith("SCRAM-") for name in offered):
            binding = _binding(self._session)
        # Clear text that the operator decided on; not what is left when TLS fails, which anybody can bring about.
        decided = self._demand.level is Level.NONE and not self._demand.fallen
        clear = tls or decided or self._options.auth_in_clear or bool(self._endpoint.path)
        return choose_mechanism(offered, credentials.user, credentials.password, tls=tls, clear=clear, binding=binding)

    def _no_mechanism(self, *, refused: bool) -> AttemptError:
        where, offered = self._endpoint.words, self._machine.extensions.auth
        if not offered:
            text = f"{where} does not offer AUTH, and there are credentials for it."
        elif refused:
            text = f"{where} refuses every mechanism of AUTH that it offers."
        elif not self._machine.tls:
            text = f"{where} offers no way to log in that keeps the password safe without TLS."
        else:
            text = f"{where} offers no mechanism of AUTH that is known here: {' '.join(offered)[:200]}."
        return AttemptError(Stage.AUTH, ErrorKind.AUTH, text)

    async def _exchange(self, mechanism: ClientMechanism) -> Event:
        """AUTH with one mechanism, to its end."""
        self._machine.authenticate(mechanism.name, mechanism.initial())
        while True:
            event = await self._link.wait(self._times.command)
            if not isinstance(event, Challenge):
                return event
            # PBKDF2 takes milliseconds, as many as the server likes.
            response = await asyncio.to_thread(partial(mechanism.respond, event.data))
            self._machine.respond(response)

    # Errors

    def _said(
        self, stage: Stage, kind: ErrorKind, raw: RawReply, command: str, *, permanent: bool = False
    ) -> AttemptError:
        reply = reply_info(raw, command)
        text = f"{self._endpoint.words} said: {reply.words}"
        return AttemptError(stage, kind, text, permanent=permanent, reply=reply)

    def _broken(self, stage: Stage, command: str) -> AttemptError:
        return broken(self._endpoint, stage, command, self._machine)


def _binding(session: ssl.SSLObject) -> bytes:
    """tls-server-end-point of the other side (RFC 5929 4.1); b"" where there is none."""
    certificate = session.getpeercert(binary_form=True)
    try:
        return end_point_binding(certificate) if certificate else b""
    except ValueError:
        return b""
