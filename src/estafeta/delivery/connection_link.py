"""The asyncio side of a connection outward: a socket, a client machine, one waiter, one timer.

Whatever happens to the socket becomes an event of the machine; `wait` gives it. Time limits hold for a whole reply, so
a server that drips octets gains nothing by it. No task is made, and one future for each wait.
"""

import asyncio
import ssl
from collections import deque
from typing import cast

from estafeta.delivery.connection_options import ConnectionTimes, Watch
from estafeta.delivery.socks import Socks5
from estafeta.protocols.smtp.client import Broken, ClientState, Event, SmtpClient
from estafeta.protocols.smtp.client_transaction import Problem

_CLOSE_SECONDS = 5.0


class Link(asyncio.Protocol):
    """One socket. `proxy`: SOCKS5 goes first, and `opened` is set when the way is open."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, machine: SmtpClient, times: ConnectionTimes, watch: Watch | None
    ) -> None:
        self.machine = machine
        self.times = times
        self.transport: asyncio.Transport | None = None
        self.proxy: Socks5 | None = None
        self.lost = False
        self.last = loop.time()
        """When something was heard last."""
        self._loop = loop
        self._watch = watch
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[Event] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = 0.0
        self._deadline = 0.0
        self._replies = 0

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self.transport = cast("asyncio.Transport", transport)
        if self.proxy is not None:
            self.transport.write(self.proxy.take_output())

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        if self.proxy is not None:
            self._through_proxy(self.proxy, data)
            return
        if self._watch is not None:
            self._watch("in", data)
        machine = self.machine
        machine.feed(data)
        self._drive()

    def eof_received(self) -> bool:
        """The other side says no more: then neither do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.lost = True
        self._cancel_timer()
        self.machine.lost(Problem.LOST)
        self._drive()
        for waiting in (self._room, self._opened):
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """It reads again."""
        self._paused = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # What a connection calls

    async def wait(self, seconds: float) -> Event:
        """The next event. `seconds` are the time for each reply until it comes, those after a content have their own;
        when it is over, so is the session."""
        self.flush()
        if self._events:
            return self._events.popleft()
        event = self.machine.next_event()
        if event is not None:
            return event
        if self.machine.closed:
            return Broken(self.machine.state, self.machine.problem or Problem.LOST)
        self._seconds = seconds
        self.set_limit(self._reply_seconds())
        self._waiter = self._loop.create_future()
        return await self._waiter

    def set_limit(self, seconds: float) -> None:
        """Time from now until something has to happen."""
        deadline = self._deadline = self._loop.time() + seconds
        timer = self._timer
        if timer is not None and timer.when() > deadline:
            timer.cancel()
            timer = None
        if timer is None:
            self._timer = self._loop.call_at(deadline, self._overdue)

    def flush(self) -> None:
        """Send what the machine has to say."""
        data = self.machine.take_output()
        if data and self.transport is not None and not self.lost:
            if self._watch is not None:
                self._watch("out", _masked(data) if self.machine.state is ClientState.AUTH else data)
            self.transport.write(data)

    async def room(self, seconds: float) -> None:
        """Wait until the other side has taken most of what was written. Ends the session when it takes too long."""
        if self._paused and not self.lost:
            self.set_limit(seconds)
            self._room = self._loop.create_future()
            await self._room

    async def open_proxy(self) -> str:
        """Wait for the proxy. What went wrong, "" for nothing."""
        if self.proxy is not None and not self.proxy.error:
            self._opened = self._loop.create_future()
            await self._opened
        if self.proxy is None:
            return ""
        return self.proxy.error or "the proxy closed the connection"

    async def start_tls(self, context: ssl.SSLContext, name: str, seconds: float) -> ssl.SSLObject | None:
        """The handshake. Raises OSError (ssl.SSLError among them) and TimeoutError. None: the socket was gone."""
        if self.transport is None or self.lost:
            return None
        self._cancel_timer()
        async with asyncio.timeout(seconds):
            transport = await self._loop.start_tls(
                self.transport,
                self,
                context,
                server_hostname=name,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=_CLOSE_SECONDS,
            )
        if transport is None or self.lost:
            return None
        self.transport = transport
        session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        return session

    def close(self) -> None:
        """Close after what was written has gone out."""
        self._cancel_timer()
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._cancel_timer()
        if self.transport is not None:
            self.transport.abort()

    # Inside

    def _drive(self) -> None:
        machine = self.machine
        event = machine.next_event()
        if event is None:
            self.flush()
            if machine.replies != self._replies:
                self._replies = machine.replies
                self._deadline = self._loop.time() + self._reply_seconds()
            return
        self._replies = machine.replies
        self.last = self._loop.time()
        while event is not None:
            self._deliver(event)
            event = machine.next_event()
        if machine.state is not ClientState.READY:
            self.flush()

    def _reply_seconds(self) -> float:
        # RFC 5321 4.5.3.2.6: the reply after the content takes longer than others.
        transaction = self.machine.transaction
        return self.times.data if transaction is not None and transaction.content_ended else self._seconds

    def _deliver(self, event: Event) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            self._waiter = None
            waiter.set_result(event)
        else:
            self._events.append(event)

    def _through_proxy(self, proxy: Socks5, data: bytes) -> None:
        proxy.feed(data)
        if proxy.done:
            self.proxy = None
        elif not proxy.error:
            if self.transport is not None:
                self.transport.write(proxy.take_output())
            return
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)
        if proxy.rest:
            self.data_received(proxy.rest)

    def _overdue(self) -> None:
        self._timer = None
        waiting = self._waiter if self._waiter is not None else self._room
        if waiting is None or waiting.done():
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._overdue)
            return
        self.machine.lost(Problem.TIMEOUT)
        self._drive()
        self.abort()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _masked(data: bytes) -> bytes:
    """What goes out in AUTH, without secrets: the mechanism stays."""
    words = data.split()
    if len(words) > 1 and words[0] == b"AUTH":
        return b"AUTH " + words[1] + (b" ***\r\n" if len(words) > 2 else b"\r\n")
    return b"***\r\n"
