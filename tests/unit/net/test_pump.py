"""The pump on real loopback sockets: what a peer does, what the session is asked, and that nothing is left over."""

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvloop

from estafeta.certificates.selfsigned import make_self_signed
from estafeta.net.connections import ConnectionLimits, Connections
from estafeta.net.peers import address_of, network_of
from estafeta.net.pump import Pump

LIMITS = ConnectionLimits(most=100, most_per_address=100, most_per_minute=1000, session_seconds=1000.0)


class LineMachine:
    """Events are lines; output is what the session queues."""

    def __init__(self) -> None:
        self.closed = False
        self.input = b""
        self.output = b""

    @property
    def buffered(self) -> int:
        return len(self.input)

    def feed(self, data: bytes) -> None:
        self.input += data

    def next_event(self) -> bytes | None:
        line, found, rest = self.input.partition(b"\n")
        if self.closed or not found:
            return None
        self.input = rest
        return line

    def take_output(self) -> bytes:
        output, self.output = self.output, b""
        return output

    def timeout(self) -> None:
        self.output += b"too slow\n"
        self.closed = True

    def shutdown(self) -> None:
        self.output += b"stopping\n"
        self.closed = True


class EchoSession:
    """Commands: `wait` answers when `go` is set, `big N` queues N octets, `send N` streams, `tls`, `quit`, bugs."""

    def __init__(self, site: "Site") -> None:
        self.site = site
        self.machine = LineMachine()
        self.gone = 0
        self.handled = 0

    def connected(self, pump: Pump) -> Awaitable[None] | None:
        self.pump = pump
        self.machine.output += b"hello\n"
        return None

    def handle(self, event: bytes) -> Awaitable[None] | None:
        self.handled += 1
        word, _, rest = event.partition(b" ")
        handler = getattr(self, f"on_{word.decode()}", None)
        if handler is not None:
            return handler(rest)
        self.machine.output += event + b"\n"
        return None

    def on_wait(self, rest: bytes) -> Awaitable[None]:
        async def wait() -> None:
            self.site.waiting.set()
            await self.site.go.wait()
            self.machine.output += b"waited\n"

        return wait()

    def on_big(self, rest: bytes) -> None:
        self.machine.output += b"x" * int(rest)
        queued = len(self.machine.output) + self.pump.transport.get_write_buffer_size()
        self.site.most_queued = max(self.site.most_queued, queued)

    def on_send(self, rest: bytes) -> Awaitable[None]:
        async def send() -> None:
            for _ in range(int(rest)):
                await self.pump.send(b"y" * 65536)
                self.site.sent += 1

        return send()

    def on_tls(self, rest: bytes) -> Awaitable[None]:
        async def upgrade() -> None:
            self.machine.output += b"go ahead\n"
            self.site.waiting.set()
            if await self.pump.start_tls(self.site.context):
                self.machine.input = b""
                self.machine.output += b"secure\n"

        return upgrade()

    def on_quit(self, rest: bytes) -> None:
        self.machine.output += b"bye\n"
        self.machine.closed = True

    def on_bug(self, rest: bytes) -> None:
        raise ZeroDivisionError

    def on_late_bug(self, rest: bytes) -> Awaitable[None]:
        async def fail() -> None:
            raise ZeroDivisionError

        return fail()

    def allowance(self) -> float:
        return 300.0

    def disconnected(self) -> None:
        self.gone += 1
        self.site.left.append(self)


class Site:
    """A server on a free port and a way to connect to it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.go, self.waiting = asyncio.Event(), asyncio.Event()
        self.left: list[EchoSession] = []
        self.most_queued = 0
        self.sent = 0
        self.connections = Connections(asyncio.get_running_loop(), LIMITS)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: Pump(EchoSession(self), self.connections),
            "127.0.0.1",
            0,  # type: ignore[arg-type]
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 26)
        assert await reader.readline() == b"hello\n"
        return reader, writer

    async def ended(self) -> None:
        """Every connection is gone, and each session was told once."""
        async with asyncio.timeout(5):
            await self.connections.drained()
        assert all(session.gone == 1 for session in self.left)
        assert self.connections._per_address == {}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = make_self_signed(["localhost"], datetime.now(UTC))
    path.write_bytes(made.certificate + made.key)
    return path


@pytest.fixture
def play(pair: Path) -> Callable[[Callable[[Site], Coroutine[Any, Any, None]]], None]:
    """Run a scene against a fresh server on uvloop, as production does."""

    def run(scene: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair)
            site = Site(context)
            await site.start()
            try:
                async with asyncio.timeout(20):
                    await scene(site)
            finally:
                site.connections.abort()
                site.server.close()
                await asyncio.sleep(0)
            await site.ended()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())

    return run


async def finish(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()


def test_lines_whole_split_and_together(play) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"one\ntw")
        assert await reader.readline() == b"one\n"
        writer.write(b"o\nthree\nquit\nnever\n")
        assert await reader.read() == b"two\nthree\nbye\n"
        await finish(writer)
        await site.ended()

    play(scene)


def test_events_wait_while_one_is_under_way(play) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"wait\nafter\n")
        await site.waiting.wait()
        writer.write(b"more\n")
        site.go.set()
        assert await reader.readexactly(18) == b"waited\nafter\nmore\n"
        await finish(writer)
        await site.ended()

    play(scene)


def test_a_peer_that_leaves_while_one_is_under_way(play) -> None:
    async def scene(site: Site) -> None:
        _, writer = await site.connect()
        writer.write(b"wait\n")
        await site.waiting.wait()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        await site.ended()
        site.go.set()
        await asyncio.sleep(0)

    play(scene)


def test_a_peer_that_says_all_and_then_eof(play) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"wait\nafter\n")
        writer.write_eof()
        await site.waiting.wait()
        site.go.set()
        assert await reader.read() == b"waited\nafter\n"
        await site.ended()
        await finish(writer)

    play(scene)


def test_many_large_answers_are_not_piled_up(play) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"big 100000\n" * 300 + b"quit\n")
        total = 0
        while data := await reader.read(1 << 20):
            total += len(data)
        assert total == 300 * 100_000 + 4
        assert site.most_queued < 40 * 100_000, "the rest waits until the peer took this"
        await finish(writer)

    play(scene)


def test_a_peer_that_does_not_read_stops_our_work(play) -> None:
    async def scene(site: Site) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", site.port))
        sock.sendall(b"send 1000\n")
        previous = -1
        while site.sent != previous or not site.sent:
            previous = site.sent
            for _ in range(200):
                await asyncio.sleep(0)
        assert site.sent < 200
        [pump] = site.connections.pumps()
        pump.overdue(0.0)
        await site.ended()
        sock.close()

    play(scene)


def test_a_long_answer_to_a_slow_peer_arrives_whole(play) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"send 100\nend\n")
        assert await reader.readexactly(100 * 65536) == b"y" * 100 * 65536
        assert await reader.readline() == b"end\n"
        await finish(writer)

    play(scene)


@pytest.mark.parametrize("command", [b"bug\n", b"late_bug\n"])
def test_a_bug_ends_its_connection_only(play, caplog: pytest.LogCaptureFixture, command: bytes) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        other = await site.connect()
        writer.write(command)
        assert await reader.read() == b"stopping\n"
        other[1].write(b"fine\n")
        assert await other[0].readline() == b"fine\n"
        await finish(writer)
        await finish(other[1])

    play(scene)
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1


def test_a_peer_that_is_overdue(play) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        [pump] = site.connections.pumps()
        assert pump.deadline > site.connections.loop.time() + 200
        pump.deadline = 0.001
        site.connections.sweep()
        assert await reader.read() == b"too slow\n"
        await finish(writer)
        await site.ended()

    play(scene)


def test_stopping_waits_for_what_is_under_way(play) -> None:
    async def scene(site: Site) -> None:
        busy, idle = await site.connect(), await site.connect()
        busy[1].write(b"wait\n")
        await site.waiting.wait()
        site.connections.stop()
        assert await idle[0].read() == b"stopping\n"
        site.go.set()
        assert b"waited\n" in await busy[0].read()
        await finish(busy[1])
        await finish(idle[1])
        await site.ended()

    play(scene)


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_start_tls(play) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"tls\n")
        assert await reader.readline() == b"go ahead\n"
        await writer.start_tls(client_context())
        writer.write(b"inside\n")
        answer = await reader.readline()
        assert answer == b"secure\n"
        assert await reader.readline() == b"inside\n"
        writer.write(b"quit\n")
        assert await reader.readline() == b"bye\n"
        await finish(writer)
        await site.ended()

    play(scene)


@pytest.mark.parametrize(
    "instead", [b"this is no TLS\r\n" * 10, b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\x40\x00", b""]
)
def test_a_handshake_that_fails_leaves_nothing(play, instead: bytes) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"tls\n")
        assert await reader.readline() == b"go ahead\n"
        writer.write(instead)
        await writer.drain()
        if not instead.startswith(b"this"):
            writer.close()
        await site.ended()
        await finish(writer)

    play(scene)


def test_a_peer_that_resets_instead_of_a_handshake_leaves_nothing(play) -> None:
    async def scene(site: Site) -> None:
        for _ in range(5):
            _, writer = await site.connect()
            writer.write(b"tls\n")
            await site.waiting.wait()
            site.waiting.clear()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        await site.ended()

    play(scene)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        (("192.0.2.1", 25), "192.0.2.1"),
        (("::ffff:192.0.2.1", 25, 0, 0), "192.0.2.1"),
        (("2001:db8::1", 25, 0, 0), "2001:db8::1"),
        ("", "local"),
        (None, "local"),
        (b"\0abstract", "local"),
    ],
)
def test_address_of(name: object, address: str) -> None:
    assert address_of(name) == address


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("local", "local"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_network_of(peer: str, network: str) -> None:
    assert network_of(peer) == network
