"""A server to connect to, which says what a test wants it to say."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from estafeta.delivery.connection import Connection, open_connection
from estafeta.delivery.connection_options import ConnectionOptions, ConnectionTimes, Credentials, Watch
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlsdemand import Level, TlsDemand
from estafeta.delivery.values import Endpoint, MemorySource, Receiver, Transmission
from estafeta.queue.values import EntryFlag

HANG = "hang"
CLOSE = "close"
CLEAR = TlsDemand(Level.NONE)
TIMES = ConnectionTimes(connect=5, greeting=5, tls=5, command=5, data_block=5, data=5, quit=1)
SHORT = ConnectionTimes(connect=0.1, greeting=0.1, tls=0.1, command=0.1, data_block=0.1, data=0.1, quit=0.1)
CONTENT = b"Subject: x\r\n\r\n.dot\r\n"


class Mx:
    """One server. `replies` by verb, in order, the last one again and again; `final` is the reply after a content. A
    reply is text, octets (for ever), HANG or CLOSE. `heard` are the lines that came, `contents` the contents."""

    def __init__(self, *extensions: str, tls: ssl.SSLContext | None = None, **replies: object) -> None:
        self.extensions = extensions
        self.heard: list[str] = []
        self.contents: list[bytes] = []
        self.peers: list[str] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._replies = {
            verb.strip("_"): reply if isinstance(reply, list) else [reply] for verb, reply in replies.items()
        }
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.clients: list[Connection] = []

    async def start(self, path: str = "") -> "Mx":
        if path:
            self._server = await asyncio.start_unix_server(self._serve, path)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        for link in self.clients:
            link.abort()
        for writer in self._writers:
            # Python before 3.11.4 raises where the connection is gone already.
            with contextlib.suppress(AttributeError):
                writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def close_all(self) -> None:
        """Close every connection from this side."""
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def say(self, text: str) -> None:
        """Say something that nobody asked for."""
        self._writers[-1].write(text.encode())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.append(asyncio.current_task())
        self._writers.append(writer)
        name = writer.get_extra_info("peername")
        self.peers.append(name[0] if isinstance(name, tuple) else "local")
        with suppress(OSError, EOFError, ssl.SSLError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._answer(writer, "220", "220 mx.test"):
            return
        accepted = 0
        while line := (await reader.readline()).decode():
            verb = line[:4].strip().upper()
            self.heard.append(line.rstrip())
            if verb in ("EHLO", "LHLO"):
                usual = "\r\n".join(f"250-{word}" for word in ("mx.test", *self.extensions)) + "\r\n250 HELP"
            elif verb == "BDAT":
                if HANG in self._replies.get("BDAT", ()):
                    await asyncio.Event().wait()
                self.contents.append(await reader.readexactly(int(line.split()[1])))
                verb = "."
                usual = "250 2.0.0 queued"
            else:
                usual = {"DATA": "354 go on", "QUIT": "221 bye", "STAR": "220 go", "AUTH": "235 in"}.get(verb, "250 ok")
            if not await self._answer(writer, verb, usual):
                return
            if verb == "MAIL":
                accepted = 0
            if verb == "DATA" and self.last.startswith("354"):
                self.contents.append(await read_content(reader))
                for _ in range(accepted if "lmtp" in self.extensions else 1):
                    if not await self._answer(writer, ".", "250 2.0.0 queued"):
                        return
            accepted += verb == "RCPT" and self.last.startswith("25")
            if verb == "STAR" and self.last.startswith("220") and self._tls is not None:
                await writer.start_tls(self._tls)

    async def _answer(self, writer: asyncio.StreamWriter, verb: str, usual: str) -> bool:
        known = self._replies.get({"220": "greeting", ".": "final"}.get(verb, verb))
        reply = usual if known is None else known.pop(0) if len(known) > 1 else known[0]
        self.last = reply if isinstance(reply, str) else ""
        if reply == HANG:
            await asyncio.Event().wait()
        if reply == CLOSE:
            return False
        if isinstance(reply, bytes):
            while True:
                writer.write(reply)
                await writer.drain()
        writer.write(f"{reply}\r\n".encode())
        return True


async def read_content(reader: asyncio.StreamReader) -> bytes:
    lines = []
    while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
        lines.append(line.removeprefix(b"."))
    return b"".join(lines)


def options(**changes: object) -> ConnectionOptions:
    return ConnectionOptions(**{"hello_name": "me.test", "times": TIMES, **changes})


async def connect(
    mx: Mx,
    demand: TlsDemand = CLEAR,
    credentials: Credentials | None = None,
    watch: Watch | None = None,
    *,
    lmtp: bool = False,
    path: str = "",
    **changes: object,
) -> Connection:
    endpoint = Endpoint("mx.test", "" if path else "127.0.0.1", mx.port, lmtp, path)
    made = await open_connection(endpoint, options(**changes), demand, TlsContexts(), credentials, watch)
    mx.clients.append(made)
    return made


def message(count: int = 1, content: object = CONTENT, flags: EntryFlag = EntryFlag.NONE) -> Transmission:
    receivers = tuple(Receiver(f"{number}@b.test") for number in range(1, count + 1))
    source = MemorySource(content) if isinstance(content, bytes) else content
    return Transmission("a@b.test", receivers, source, flags)


class Pieces:
    """A content that is not in memory."""

    def __init__(self, piece: bytes, count: int, size: int = -1, error: Exception | None = None) -> None:
        self._piece, self._count, self._error = piece, count, error
        self.size = len(piece) * count if size < 0 else size
        self.given = 0

    def whole(self) -> bytes | None:
        return None

    async def pieces(self):
        for _ in range(self._count):
            self.given += 1
            yield self._piece
        if self._error is not None:
            raise self._error


async def wait_until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds."""
    while not condition():  # noqa: ASYNC110 - what happens here is not ours to announce
        await asyncio.sleep(0)


def at(
    mx: Mx, test: Callable[[Mx], object], path: Path | None = None, run: Callable[..., object] = asyncio.run
) -> None:
    """Run `test` against `mx`, and leave nothing behind."""

    async def main() -> None:
        await mx.start(str(path) if path else "")
        try:
            await asyncio.wait_for(test(mx), 20)
        finally:
            await mx.stop()

    run(main())
