"""The pump between a socket and a protocol machine: bytes in, events to the session, bytes out.

A protocol gives a *machine* (sans-I/O, never raises on input) and a *session* that decides what each event means. The
pump owns everything about the socket: TLS upgrade, back-pressure in both directions, time limits, closing. Events are
handled synchronously; only a handler that must wait returns an awaitable, and the pump goes on when it is done.

An exception out of a session is ours, never the peer's doing: it is logged once and the connection is closed with what
the machine says at shutdown.
"""

import asyncio
import logging
import select
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from estafeta.net.owner import Ends, ends_of
from estafeta.net.peers import address_of

if TYPE_CHECKING:
    from estafeta.net.connections import Connections

log = logging.getLogger("estafeta.net")

#: Called with who says it (`C`, `S`, or `*` for a note) and the octets, for who follows a connection (net.watching).
Watch = Callable[[str, bytes], None]

# Stop reading from a peer once this much of its input waits for us, and stop answering once this much waits for it.
_INPUT_HIGH = 128 << 10
_OUTPUT_HIGH = 256 << 10
# Answers to so many commands go out together: a peer that asks for much at once must not fill our memory.
_FLUSH_EVENTS = 16
# A peer that pipelines a thousand commands does not keep the others waiting for all of them.
_TURN_EVENTS = 256
_TLS_HANDSHAKE_SECONDS = 30.0
# After our last octet a peer has this long to take it before the connection is cut.
LINGER_SECONDS = 10.0


class Machine(Protocol):
    """What the pump needs of a protocol machine."""

    @property
    def closed(self) -> bool:
        """True once the last output was queued and nothing more will be read."""

    @property
    def buffered(self) -> int:
        """Octets fed and not used yet."""

    def feed(self, data: bytes) -> None:
        """Take input; never raises."""

    def next_event(self) -> Any:
        """The next event, or None when input or an answer is missing."""

    def take_output(self) -> bytes:
        """Octets to send now."""

    def timeout(self) -> None:
        """Queue the protocol's words for a peer that took too long, and close."""

    def shutdown(self) -> None:
        """Queue the protocol's words for a server that stops, and close at the next safe point."""


class Session(Protocol):
    """What the pump needs of the one who decides."""

    @property
    def machine(self) -> Machine:
        """The protocol machine; the same from `connected` on."""

    def connected(self, pump: "Pump") -> Awaitable[Any] | None:
        """The connection is there: make the machine, greet or refuse."""

    def handle(self, event: Any) -> Awaitable[Any] | None:
        """Decide about one event; answer through the machine. Return an awaitable only if it must wait."""

    def allowance(self) -> float:
        """Seconds the peer has for its next step, as the state is now."""

    def disconnected(self) -> None:
        """The connection is gone: free what is held."""


class Pump(asyncio.Protocol):
    """One connection. `deadline` is swept by the `Connections` it belongs to."""

    __slots__ = (
        "_connections",
        "_early",
        "_ended",
        "_full",
        "_interjection",
        "_judged",
        "_loop",
        "_lost",
        "_machine",
        "_paused",
        "_task",
        "_upgrading",
        "_writable",
        "_yielding",
        "deadline",
        "expires",
        "peer",
        "session",
        "tls",
        "transport",
        "watching",
    )

    def __init__(self, session: Session, connections: "Connections") -> None:
        self.session = session
        self._connections = connections
        self._loop = connections.loop
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        self.tls: ssl.SSLObject | None = None
        self.deadline = 0.0
        self.expires = 0.0
        self._task: asyncio.Future[Any] | None = None
        self._judged = False
        self._yielding = False
        self._writable: asyncio.Event | None = None
        self._full = False
        self._paused = False
        self._upgrading = False
        self._lost = False
        # The peer has sent its last octet, and what it asked for before is still being done.
        self._ended = False
        # What the session wants to say unasked, once nothing else is under way.
        self._interjection: Callable[[], Awaitable[Any]] | None = None
        # What came inside TLS before `start_tls` returned: a client sends its first command with its Finished.
        self._early = b""
        #: Who follows this connection, if anybody does.
        self.watching: Watch | None = None

    @property
    def ends(self) -> Ends | None:
        """Both ends of a connection from this machine, by which its program can be found."""
        return None if self.transport is None else ends_of(self.transport)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer connected, or its TLS handshake is done."""
        # uvloop's transports are not subclasses of asyncio's, but keep its contract.
        self.transport = cast("asyncio.Transport", transport)
        self.tls = transport.get_extra_info("ssl_object")
        if self._upgrading:
            return
        self.peer = address_of(transport.get_extra_info("peername"))
        self.transport.set_write_buffer_limits(high=_OUTPUT_HIGH)
        log.debug("connected peer=%s tls=%s", self.peer, self.tls is not None)
        self.expires = self._connections.now + self._connections.limits.session_seconds
        self._connections.add(self)
        if self._connections.watch is not None:
            self.watching = self._connections.watch(self)
        waiting = self.session.connected(self)
        self._machine = self.session.machine
        self._start(waiting)

    def data_received(self, data: bytes) -> None:
        """Input from the peer."""
        if self.watching is not None:
            self.watching("C", data)
        if self._upgrading or self._early:
            self._early += data
            return
        self._machine.feed(data)
        if self._task is None:
            self._drive()
        elif self._machine.buffered > _INPUT_HIGH:
            self._pause()

    def eof_received(self) -> bool:
        """The peer sends no more: finish what it asked for, then close."""
        busy = self._task is not None or self._full or self._yielding
        self._ended = busy and self.tls is None and not self._upgrading
        return self._ended

    def pause_writing(self) -> None:
        """The peer does not take what we send: stop working for it."""
        self._full = True
        self._pause()

    def resume_writing(self) -> None:
        """The peer took it."""
        self._full = False
        if self._writable is not None:
            self._writable.set()
        if self._task is None and not self._lost:
            self._drive()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        if self._lost:
            return
        self._lost = True
        if self.watching is not None:
            self.watching("*", b"closed" if exc is None else f"closed: {exc}".encode())
        log.debug("disconnected peer=%s cause=%r", self.peer, exc)
        self._connections.remove(self)
        if self._writable is not None:
            self._writable.set()
        self.session.disconnected()
        # Sessions know their pump: without this, each would wait for the collector of cycles.
        del self.session

    # for sessions

    async def send(self, *pieces: bytes) -> None:
        """Send a part of a long answer; waits while the peer is slow. Raises ConnectionResetError when it is gone."""
        if self._lost or self.transport is None or self.transport.is_closing():
            raise ConnectionResetError
        if self.watching is not None:
            self.watching("S", b"".join(pieces))
        if self.tls is None:
            self.transport.writelines(pieces)
        else:
            # TLS would make a record of each piece.
            self.transport.write(b"".join(pieces))
        self.touch()
        if self._full:
            self._writable = asyncio.Event()
            await self._writable.wait()
            self._writable = None
            if self._lost:
                raise ConnectionResetError
            self.touch()

    async def start_tls(self, context: ssl.SSLContext) -> bool:
        """Send what is queued, then take the TLS handshake. False: it failed and the connection is closed."""
        transport = self.transport
        if self._lost or transport is None or transport.is_closing():
            return False
        transport.pause_reading()
        self._flush()
        self._upgrading = True
        try:
            upgraded = await self._loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=_TLS_HANDSHAKE_SECONDS
            )
        except (OSError, ssl.SSLError) as error:
            log.info("tls handshake failed peer=%s cause=%r", self.peer, str(error))
            self.abort()
            # Who goes during the handshake is lost by the TLS layer, which does not always pass that on.
            self._loop.call_soon(self.connection_lost, error)
            return False
        finally:
            self._upgrading = False
        if upgraded is None:
            return False
        upgraded.set_write_buffer_limits(high=_OUTPUT_HIGH)
        self.transport = upgraded
        self.tls = upgraded.get_extra_info("ssl_object")
        if self.watching is not None and self.tls is not None:
            self.watching("*", f"TLS: {self.tls.version()}".encode())
        return True

    def has_input(self) -> bool:
        """Whether octets of the peer have come that were not read yet: while a connection is new, it did not wait to be
        greeted."""
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        if sock is None or sock.fileno() < 0:
            return False
        waiting = select.poll()
        waiting.register(sock.fileno(), select.POLLIN)
        return any(event & select.POLLIN for _, event in waiting.poll(0))

    def interject(self, speak: Callable[[], Awaitable[Any]]) -> None:
        """Let the session say something unasked: now, or when what is under way is done. One at a time."""
        if self._lost:
            return
        self._interjection = speak
        if self._task is None and not self._full:
            self._interject()

    def touch(self) -> None:
        """The peer did something: it has its allowance again."""
        deadline = self._connections.now + self.session.allowance()
        self.deadline = deadline if deadline < self.expires else self.expires

    def abort(self) -> None:
        """Cut the connection at once."""
        if self.transport is not None and not self._lost:
            self.transport.abort()

    def overdue(self, now: float) -> None:
        """Called by the sweep when `deadline` has passed."""
        log.debug("overdue peer=%s busy=%s", self.peer, self._task is not None)
        if self._machine.closed or self._task is not None or self._full:
            self.abort()
            return
        self._machine.timeout()
        self._flush()
        self._close()

    def stop(self) -> None:
        """The server stops: close at the next safe point."""
        self._machine.shutdown()
        if self._task is None:
            self._drive()

    # inside

    def _interject(self) -> None:
        speak, self._interjection = self._interjection, None
        if speak is not None:
            self._start(speak())

    def _drive(self) -> None:
        """Handle events until input or an answer is missing."""
        if self._interjection is not None:
            self._interject()
            return
        machine = self._machine
        handled = 0
        try:
            while not self._full:
                event = machine.next_event()
                if event is None:
                    break
                waiting = self.session.handle(event)
                if waiting is not None:
                    self._flush()
                    self._start(waiting)
                    return
                handled += 1
                if not handled % _FLUSH_EVENTS:
                    self._flush()
                if handled == _TURN_EVENTS:
                    self._yielding = True
                    self._loop.call_soon(self._go_on)
                    return
        except Exception:  # noqa: BLE001 - whatever a session does wrong must not reach the event loop
            self._failed()
            return
        self._flush()
        if machine.closed or (self._ended and not self._full and not self._yielding):
            self._close()
            return
        if self._paused and not self._full:
            self._resume()
        self.touch()

    def _go_on(self) -> None:
        """After the others had their turn."""
        self._yielding = False
        if self._task is None and not self._lost:
            self._drive()

    def _start(self, waiting: Awaitable[Any] | None) -> None:
        if waiting is None:
            self._drive()
            return
        self.touch()
        # A future needs no task. How it ends is its session's to answer, whose callback was added before ours.
        self._judged = isinstance(waiting, asyncio.Future)
        self._task = waiting if isinstance(waiting, asyncio.Future) else self._loop.create_task(_run(waiting))
        self._task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Future[Any]") -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if self._lost:
            return
        if self._early:
            self._machine.feed(self._early)
            self._early = b""
        if error is None or self._judged:
            self._drive()
        elif isinstance(error, ConnectionError):
            self.abort()
        else:
            log.error("session failed peer=%s", self.peer, exc_info=error)
            self._give_up()

    def _failed(self) -> None:
        log.exception("session failed peer=%s", self.peer)
        self._give_up()

    def _give_up(self) -> None:
        self._machine.shutdown()
        self._flush()
        self._close()

    def _flush(self) -> None:
        data = self._machine.take_output()
        # One that was cut off a moment ago may be closed before it is known as lost.
        if data and self.transport is not None and not self.transport.is_closing():
            if self.watching is not None:
                self.watching("S", data)
            self.transport.write(data)

    def _close(self) -> None:
        self.deadline = self._loop.time() + LINGER_SECONDS
        if self.transport is not None:
            self.transport.close()

    def _pause(self) -> None:
        if not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()


async def _run(waiting: Awaitable[Any]) -> None:
    await waiting
