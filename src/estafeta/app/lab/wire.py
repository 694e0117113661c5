"""One connection of a lab server: octets in and out, TLS in the middle of it, and the ways to misbehave with it.

`serve` runs a coroutine for each connection. Whatever ends a connection ends its coroutine with `GoneError`, which is
no error; the lab cancels what is left when it closes.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from estafeta.net.peers import address_of

_READ_HIGH = 1 << 20
_WRITE_HIGH = 1 << 18
_HANDSHAKE_SECONDS = 10.0


class GoneError(Exception):
    """The other side is gone, or never said what was waited for."""


class Wire(asyncio.Protocol):
    """A connection that is read by one coroutine."""

    def __init__(self, lab: "Wires", handle: Callable[["Wire"], Awaitable[None]]) -> None:
        self._wires = lab
        self._handle = handle
        self._data = bytearray()
        self._ended = False
        self._wake = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._lost = False
        self._upgrading = False
        self._paused = False
        self.transport: asyncio.Transport | None = None
        self.tls: ssl.SSLObject | None = None
        self.peer = ""
        self.host = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there, or TLS is."""
        self.transport = cast("asyncio.Transport", transport)
        self.tls = transport.get_extra_info("ssl_object")
        if self._upgrading:
            return
        self.transport.set_write_buffer_limits(high=_WRITE_HIGH)
        self.peer = address_of(transport.get_extra_info("peername"))
        self.host = address_of(transport.get_extra_info("sockname"))
        self._wires.begin(self, self._handle)

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        self._data += data
        self._wake.set()
        if len(self._data) > _READ_HIGH and self.transport is not None and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more."""
        self._ended = True
        self._wake.set()
        return self.tls is None

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._ended = self._lost = True
        self._wake.set()
        self._may_write.set()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """It goes on."""
        self._may_write.set()

    @property
    def tls_words(self) -> str:
        """Version and cipher, or nothing."""
        cipher = self.tls.cipher() if self.tls is not None else None
        return f"{self.tls.version()} {cipher[0]}" if self.tls is not None and cipher else ""

    @property
    def waiting(self) -> int:
        """Octets that came and were not read yet."""
        return len(self._data)

    async def line(self, limit: int = 65_536) -> bytes:
        """The next line without its end. Raises GoneError."""
        return (await self.until(b"\n", limit)).rstrip(b"\r\n")

    async def until(self, mark: bytes, limit: int) -> bytes:
        """Everything up to the mark and with it."""
        start = 0
        while (at := self._data.find(mark, start)) < 0:
            if len(self._data) > limit:
                raise GoneError
            start = max(0, len(self._data) - len(mark))
            await self._more()
        return self._take(at + len(mark))

    async def starts(self, mark: bytes) -> bool:
        """Whether what comes next is the mark; nothing is taken."""
        while len(self._data) < len(mark) and mark.startswith(self._data):
            await self._more()
        return self._data.startswith(mark)

    async def exactly(self, count: int) -> bytes:
        """So many octets."""
        while len(self._data) < count:
            await self._more()
        return self._take(count)

    async def some(self) -> bytes:
        """What there is, at least one octet."""
        while not self._data:
            await self._more()
        return self._take(len(self._data))

    async def send(self, data: bytes) -> None:
        """Send, and wait while the client is slow."""
        # TLS's transport does not say that the one below it is gone.
        if self._lost or self.transport is None or self.transport.is_closing():
            raise GoneError
        self.transport.write(data)
        await self._may_write.wait()
        await asyncio.sleep(0)

    async def start_tls(self, context: ssl.SSLContext) -> bool:
        """The handshake as the server. False: it failed, and the connection is gone."""
        assert self.transport is not None  # connection_made came first
        self._data.clear()
        self._upgrading = True
        try:
            loop = asyncio.get_running_loop()
            upgraded = await loop.start_tls(
                self.transport, self, context, server_side=True, ssl_handshake_timeout=_HANDSHAKE_SECONDS
            )
        except (OSError, ssl.SSLError):
            self.abort()
            return False
        finally:
            self._upgrading = False
        if upgraded is None:
            return False
        self.transport = upgraded
        self.tls = upgraded.get_extra_info("ssl_object")
        return True

    async def hang(self) -> None:
        """Take what comes and say nothing until the client goes. Ends with GoneError."""
        while True:
            await self.some()

    def close(self) -> None:
        """Close after what was written."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            # In TLS asyncio forgets whom to tell once a transport was closed twice (up to Python 3.11): it has ended.
            with suppress(AttributeError):
                self.transport.abort()

    def reset(self) -> None:
        """Cut with RST, so that the client's next read or write fails."""
        if self.transport is None:
            return
        sock = self.transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def _more(self) -> None:
        if self._ended:
            raise GoneError
        self._resume()
        self._wake.clear()
        await self._wake.wait()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._data[:count])
        del self._data[:count]
        if len(self._data) <= _READ_HIGH:
            self._resume()
        return taken

    def _resume(self) -> None:
        if self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()


class Wires:
    """All listeners and connections of a lab."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], Wire] = {}
        self._servers: list[asyncio.Server] = []

    def begin(self, wire: Wire, handle: Callable[[Wire], Awaitable[None]]) -> None:
        """Run the coroutine of a connection."""
        task = asyncio.get_running_loop().create_task(_run(wire, handle))
        self._tasks[task] = wire
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def listen(
        self,
        handle: Callable[[Wire], Awaitable[None]],
        address: str,
        port: int,
        context: ssl.SSLContext | None = None,
    ) -> asyncio.Server:
        """Serve at an address of loopback."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Wire(self, handle), address, port, ssl=context, backlog=512)
        self._servers.append(server)
        return server

    async def listen_unix(self, handle: Callable[[Wire], Awaitable[None]], path: Path) -> asyncio.Server:
        """Serve at a Unix socket."""
        server = await asyncio.get_running_loop().create_unix_server(lambda: Wire(self, handle), str(path))
        self._servers.append(server)
        return server

    async def close(self) -> None:
        """End everything."""
        for server in self._servers:
            server.close()
        tasks = dict(self._tasks)
        for task, wire in tasks.items():
            wire.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Transports tell their protocols in the loop's next turns that they are gone, TLS after the one below it.
        for _ in range(5):
            await asyncio.sleep(0)


async def _run(wire: Wire, handle: Callable[[Wire], Awaitable[None]]) -> None:
    try:
        with suppress(GoneError, ConnectionError):
            await handle(wire)
    finally:
        wire.close()
