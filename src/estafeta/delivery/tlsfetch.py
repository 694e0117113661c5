"""Fetching an MTA-STS policy by HTTPS (RFC 8461 3.3). Synchronous: it belongs in a thread.

The address comes from our own resolver. The certificate must be valid for `mta-sts.DOMAIN`; redirections are not
followed; the answer must be 200 with text/plain; time and octets are limited as a whole, whatever the server does.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from estafeta.delivery.tlscontexts import explain
from estafeta.trust.mtasts import MAX_POLICY_BYTES
from estafeta.trust.results import ResultType, TlsFailure

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: RFC 8461 3.3 suggests a minute; mail waits for it, so half.
FETCH_SECONDS = 30.0
_PATH = "/.well-known/mta-sts.txt"
# Connections that are not taken leave time for the next address.
_CONNECT_SECONDS = 8.0


class FetchError(Exception):
    """No policy; `failure` says why."""

    def __init__(self, failure: TlsFailure) -> None:
        super().__init__(failure.words)
        self.failure = failure


class Source(NamedTuple):
    """Where a policy is: its host, the addresses of that, and the port."""

    host: str
    addresses: tuple[str, ...]
    port: int


def fetch_policy(source: Source, context: ssl.SSLContext, seconds: float = FETCH_SECONDS) -> bytes:
    """The document. Raises FetchError."""
    deadline = time.monotonic() + seconds
    try:
        with _connect(source, deadline) as plain, _secure(plain, source.host, context, deadline) as sock:
            return _ask(sock, source.host, deadline)
    except ssl.SSLCertVerificationError as error:
        raise FetchError(TlsFailure(ResultType.STS_WEBPKI_INVALID, _words(source, explain(error).words))) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(TlsFailure(ResultType.STS_FETCH_ERROR, _words(source, _reason(error)))) from None


def _words(source: Source, why: str) -> str:
    return f"the MTA-STS policy could not be fetched from {source.host}: {why}"


def _reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "it took too long"
        case ssl.SSLEOFError() | http.client.RemoteDisconnected() | http.client.IncompleteRead():
            return "the connection ended too early"
        case ssl.SSLError(reason="UNEXPECTED_EOF_WHILE_READING"):
            return "the connection ended too early"
        case ssl.SSLError():
            return explain(error).words
        case OSError(strerror=str(words)):
            return words.lower()
        case _:
            return (str(error) or type(error).__name__)[:200]


def _connect(source: Source, deadline: float) -> socket.socket:
    problem: OSError = OSError("the host has no address")
    for address in source.addresses:
        try:
            return socket.create_connection((address, source.port), min(_CONNECT_SECONDS, _left(deadline)))
        except OSError as error:
            problem = error
    raise problem


def _secure(plain: socket.socket, host: str, context: ssl.SSLContext, deadline: float) -> ssl.SSLSocket:
    plain.settimeout(_left(deadline))
    # An end without TLS's own word for it may be somebody cutting the policy short (RFC 8446 6.1).
    # An answer without a length ends with the connection: an end that TLS does not vouch for may be anybody's.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context.wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)


def _ask(sock: ssl.SSLSocket, host: str, deadline: float) -> bytes:
    request = f"GET {_PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Estafeta\r\nAccept: text/plain\r\n"
    sock.settimeout(_left(deadline))
    sock.sendall((request + "Connection: close\r\n\r\n").encode("ascii"))
    answer = http.client.HTTPResponse(cast(socket.socket, _Timed(sock, deadline)), method="GET")
    try:
        answer.begin()
        # RFC 8461 3.3: no redirections, and nothing but 200.
        if answer.status != http.client.OK:
            raise ValueError(f"the web server answered {answer.status}")
        if answer.headers.get_content_type() != "text/plain":
            raise ValueError(f"its content type is {answer.headers.get_content_type()[:60]}, not text/plain")
        content = answer.read(MAX_POLICY_BYTES + 1)
        cut = answer.length
    finally:
        answer.close()
    if cut and len(content) <= MAX_POLICY_BYTES:
        raise ValueError("it ended before its length")
    if len(content) > MAX_POLICY_BYTES:
        raise ValueError("it is longer than 64 KiB")
    return content


class _Timed(io.RawIOBase):
    """Reads a socket until a deadline; as `http.client` wants a socket: `makefile` gives what it reads from."""

    def __init__(self, sock: ssl.SSLSocket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """The reader; `mode` is always "rb"."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """At least one octet, or 0 at the end; TimeoutError after the deadline."""
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def usable_addresses(answers: Sequence[Sequence[str]], most: int = 4) -> tuple[str, ...]:
    """Some of the addresses that the resolver gave, families in turn."""
    longest = max(map(len, answers), default=0)
    return tuple(records[index] for index in range(longest) for records in answers if index < len(records))[:most]
