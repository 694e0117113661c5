"""Following connections of a worker, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from estafeta.net.connections import ConnectionLimits, Connections
from estafeta.net.pump import Pump
from estafeta.net.watching import DELIVERY, Tracing, Wanted

LIMITS = ConnectionLimits(most=100, most_per_address=100, most_per_minute=1000, session_seconds=1000.0)


class Machine:
    """Says `250 ok` to every line."""

    closed = False
    buffered = 0

    def __init__(self) -> None:
        self.output = b"220 hello\r\n"
        self.lines: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self.lines += data.splitlines()

    def next_event(self) -> bytes | None:
        return self.lines.pop(0) if self.lines else None

    def take_output(self) -> bytes:
        output, self.output = self.output, b""
        return output


class Session:
    def connected(self, pump: Pump) -> None:
        self.machine = Machine()

    def handle(self, event: bytes) -> None:
        self.machine.output += b"250 ok\r\n"

    def allowance(self) -> float:
        return 100.0

    def disconnected(self) -> None:
        pass


class Site:
    """A service at loopback, its tracing, and the ear of a follower."""

    def __init__(self, directory: Path) -> None:
        loop = asyncio.get_running_loop()
        self.directory = directory
        self.connections = Connections(loop, LIMITS)
        self.tracing = Tracing(loop, directory, "0", lambda: [("smtp", self.connections)])
        self.lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    async def follow(self, wanted: Wanted, name: str = "trace-1.sock") -> None:
        """Listen and announce; returns once the worker has taken the request."""
        joined = asyncio.Event()

        async def ear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writers.append(writer)
            writer.write(wanted.to_json())
            joined.set()
            while line := await reader.readline():
                self.lines.put_nowait(json.loads(line))

        self.ear = await asyncio.start_unix_server(ear, self.directory / name)
        self.tracing.heard(f"trace:{name}")
        self.tracing.heard(f"trace:{name}")  # again and again: once is enough
        await joined.wait()
        await self.settled(followed=True)

    async def settled(self, *, followed: bool) -> None:
        for _ in range(5000):
            if (self.connections.watch is not None) is followed:
                return
            await asyncio.sleep(0.001)
        pytest.fail("nobody came or went")

    async def until(self, text: str) -> list[str]:
        """What is told up to this line, as `C: text`."""
        found: list[str] = []
        async with asyncio.timeout(5):
            while not found or found[-1][3:] != text:
                line = await self.lines.get()
                found.append(f"{line['who']}: {line['text']}")
        return found

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Callable[[bytes], Coroutine[Any, Any, bytes]]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        await reader.readline()

        async def say(data: bytes) -> bytes:
            writer.write(data)
            return await reader.readline()

        yield say
        writer.close()
        await writer.wait_closed()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Pump(Session(), self.connections), "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.tracing.close()
        self.server.close()
        for writer in self.writers:
            writer.close()
        if hasattr(self, "ear"):
            self.ear.close()
        self.connections.abort()
        await asyncio.sleep(0.01)


Test = Callable[[Site], Coroutine[Any, Any, None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Test], None]:
    def runner(test: Test) -> None:
        async def main() -> None:
            site = Site(tmp_path)
            await site.start()
            try:
                await test(site)
            finally:
                await site.close()

        with asyncio.Runner(loop_factory=request.param) as loop:
            loop.run(main())

    return runner


def test_both_directions_are_told(run) -> None:
    async def test(site: Site) -> None:
        await site.follow(Wanted())
        async with site.client() as say:
            await say(b"AUTH PLAIN AGFubgBUT1BTRUNSRVQ=\r\n")
        assert await site.until("closed") == [
            "*: connected", "S: 220 hello", "C: AUTH PLAIN (secret)", "S: 250 ok", "*: closed",
        ]  # fmt: skip

    run(test)


def test_nobody_follows_costs_nothing(run) -> None:
    async def test(site: Site) -> None:
        async with site.client() as say:
            await say(b"NOOP\r\n")
            assert [pump.watching for pump in site.connections.pumps()] == [None]

    run(test)


def test_a_connection_under_way_is_followed(run) -> None:
    async def test(site: Site) -> None:
        async with site.client() as say:
            await say(b"TOPSECRET of some message\r\n")
            await site.follow(Wanted(services=("smtp",)))
            await say(b"who knows what this is\r\n")
            await say(b"NOOP\r\n")
        told = await site.until("closed")
        assert told[1:] == ["C: NOOP", "S: 250 ok", "*: closed"]

    run(test)


@pytest.mark.parametrize(
    "wanted", [Wanted(peers=("192.0.2.0/24",)), Wanted(services=("imap",)), Wanted(user="bob@example.test")]
)
def test_others_are_not_told(run, wanted: Wanted) -> None:
    async def test(site: Site) -> None:
        await site.follow(wanted)
        async with site.client() as say:
            await say(b"AUTH PLAIN AGFubgBUT1BTRUNSRVQ=\r\n")
        assert site.lines.empty()

    run(test)


def test_one_user_is_told_from_the_beginning(run) -> None:
    async def test(site: Site) -> None:
        await site.follow(Wanted(peers=("127.0.0.0/8",), user="ann"))
        async with site.client() as say:
            await say(b"EHLO x\r\n")
            await say(b"AUTH PLAIN AGFubgBUT1BTRUNSRVQ=\r\n")
        assert (await site.until("closed"))[:3] == ["*: connected", "S: 220 hello", "C: EHLO x"]

    run(test)


def test_who_follows_may_go(run) -> None:
    async def test(site: Site) -> None:
        await site.follow(Wanted())
        async with site.client() as say:
            await say(b"NOOP\r\n")
            for writer in site.writers:
                writer.close()
            await site.settled(followed=False)
            assert [pump.watching for pump in site.connections.pumps()] == [None]
            assert await say(b"NOOP\r\n") == b"250 ok\r\n"

    run(test)


def test_deliveries_are_told(run) -> None:
    async def test(site: Site) -> None:
        assert site.tracing.outgoing("127.0.0.1") is None
        await site.follow(Wanted(services=(DELIVERY,)))
        watch = site.tracing.outgoing("127.0.0.1")
        assert watch is not None
        watch("in", b"220 remote\r\n")
        watch("out", b"EHLO us\r\n")
        assert await site.until("EHLO us") == ["S: 220 remote", "C: EHLO us"]

    run(test)


@pytest.mark.parametrize("topic", ["trace:", "trace:../x", "trace:a/b", "trace:nobody.sock", "other"])
def test_topics_that_lead_nowhere(run, topic: str) -> None:
    async def test(site: Site) -> None:
        site.tracing.heard(topic)
        await asyncio.sleep(0.01)

    run(test)


@pytest.mark.parametrize("line", [b"{", b"3", b"[]", b'{"peers": 3}', b"\xff"])
def test_a_request_that_makes_no_sense(line: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        Wanted.from_json(line)


def test_a_request_is_read_as_it_was_written() -> None:
    wanted = Wanted(("192.0.2.1",), ("smtp", "imap"), "ann")
    assert Wanted.from_json(wanted.to_json()) == wanted
