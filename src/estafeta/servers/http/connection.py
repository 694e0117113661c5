"""One HTTP connection: uvicorn's h11 protocol under the limits that all our services have.

Limits: `Connections` counts it and sweeps it; a request, its head and its body, has REQUEST_SECONDS from the end of the
one before, so that a peer who sends an octet now and then gains nothing; a head has at most MAX_HEAD_BYTES. What is
wrong below HTTP is answered with a status and a sentence in plain text, and the connection is closed. Nothing of a
request is ever logged: addresses hold tokens.
"""

import asyncio
import contextlib
import sys
from http import HTTPStatus
from typing import cast

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from estafeta.net.connections import Connections
from estafeta.net.peers import address_of
from estafeta.net.pump import LINGER_SECONDS
from estafeta.policy.networks import Networks

MAX_HEAD_BYTES = 16_384
REQUEST_SECONDS = 30.0
#: A connection without a request is kept so long for the next one.
IDLE_SECONDS = 10

_SENTENCES = {
    HTTPStatus.BAD_REQUEST: "This is not a request of HTTP/1.1.",
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The request has a larger head than this server takes.",
}


class HttpConnection(H11Protocol):
    """A connection of a service. `exempt` are networks that the limits per address do not count."""

    def __init__(self, config: Config, state: ServerState, connections: Connections, exempt: Networks) -> None:
        super().__init__(config, state, {}, _loop=connections.loop)
        self._guests = connections
        self._exempt = exempt
        self._ended = False
        self.peer = ""
        self.deadline = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer connected; one too many is told so."""
        # uvloop's transports are not subclasses of asyncio's, but keep its contract.
        super().connection_made(cast("asyncio.Transport", transport))
        self.peer = address_of(transport.get_extra_info("peername"))
        self._guests.add(self)
        self.deadline = self._guests.now + REQUEST_SECONDS
        crowded = self._guests.crowded(self, exempt=self.peer == "local" or self.peer in self._exempt)
        if crowded is not None:
            self._end(HTTPStatus.SERVICE_UNAVAILABLE, f"{crowded}.")

    def data_received(self, data: bytes) -> None:
        """Input; what comes after the end is not even parsed."""
        if not self._ended and not self.transport.is_closing():
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._guests.remove(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """A request is answered: the next one has its time."""
        self.deadline = self._guests.now + REQUEST_SECONDS
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Called while h11's error is handled: it knows the status best."""
        hint = getattr(sys.exc_info()[1], "error_status_hint", HTTPStatus.BAD_REQUEST)
        self._end(HTTPStatus(hint))

    # for `Connections`

    def overdue(self, now: float) -> None:
        """The time is up."""
        if self._ended or self.transport.is_closing():
            self.abort()
        elif self.conn.our_state is h11.IDLE and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self._end(None)
        elif self._answering():
            self._end(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._end(HTTPStatus.REQUEST_TIMEOUT)

    def stop(self) -> None:
        """The server stops: after the answer that is under way, if there is one."""
        with contextlib.suppress(h11.LocalProtocolError):
            self.shutdown()

    def abort(self) -> None:
        """Cut it."""
        self.transport.abort()

    def _answering(self) -> bool:
        """The request is there, and its answer is not."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _end(self, status: HTTPStatus | None, sentence: str = "") -> None:
        """Say why, unless an answer has begun, and close."""
        self._ended = True
        self._unset_keepalive_if_required()
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if status is not None and not (answering and cycle.response_started):
            self.transport.write(_plain(status, sentence or _SENTENCES.get(status, status.description)))
        if answering:
            cycle.disconnected = True
            cycle.message_event.set()
        self.deadline = self._guests.now + LINGER_SECONDS
        self.transport.close()


def _plain(status: HTTPStatus, sentence: str) -> bytes:
    body = f"{sentence}\n".encode()
    retry = "Retry-After: 60\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nX-Content-Type-Options: nosniff\r\n{retry}Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
