"""Scanners for tests: servers on loopback that answer as a test says, and questions asked as sessions ask them."""

import asyncio
import functools
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvloop

from estafeta.directory.model import Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Check, Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.scanners.asking import Asker
from estafeta.policy.scanners.checks import checks
from estafeta.policy.scanners.hook import Hook, Secret
from estafeta.policy.verdict import Verdict

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
LETTER = b"From: ana@there.test\r\nTo: bob@here.test\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n"


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **values: Any) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as a worker has it
            runner.run(test(*args, **values))

    return run


@asynccontextmanager
async def listening(serve: Serve, path: Path | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server; its place as a setting. What it does when a client has gone is nobody's matter."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    if path is not None:
        server = await asyncio.start_unix_server(handle, str(path))
        place = str(path)
    else:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield place
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def in_a_thread(**servers: Serve) -> Iterator[dict[str, str]]:
    """All of these, in a thread of their own, for tests that wait; their places by name."""
    places: dict[str, str] = {}
    ready, loop, done = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for name, server in servers.items():
                places[name] = await stack.enter_async_context(listening(server))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield places
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


def answering(*pieces: bytes, read: int = 1, hang: bool = False) -> Serve:
    """Reads at least `read` octets, says these, and closes, or stays silent with `hang`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(read)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if hang:
            await asyncio.Event().wait()
        # A close with octets unread would reset the connection and lose the answer.
        writer.write_eof()
        while await reader.read(1 << 16):
            pass

    return serve


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Talks as long as anybody listens, and reads nothing."""
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes everything, says nothing."""
    while await reader.read(1 << 16):
        pass
    await asyncio.Event().wait()


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Neither reads nor says anything."""
    await asyncio.Event().wait()


async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes at once."""


HOSTILE: dict[str, Serve] = {
    "endless": endless,
    "silent": silent,
    "deaf": deaf,
    "gone": gone,
    "noise": answering(bytes(range(256)) * 4),
    "empty line": answering(b"\r\n"),
    "1 GB": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + b"x" * 70_000, hang=True),
    "negative": answering(b"SPAMD/1.1 0 EX_OK\r\nContent-length: -5\r\nSpam: True ; nan / inf\r\n\r\n"),
    "half": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"),
}


def facts_of(message: bytes = LETTER, **known: Any) -> Facts:
    facts = Facts("192.0.2.7", now=1_700_000_000.0, helo="mx.there.test", esmtp=True, **known)
    facts.sender = Address("ana", "there.test")
    facts.recipients = [(Address("bob", "here.test"), Resolution(Status.LOCAL))]
    facts.content = Content.of(message)
    return facts


class Asked:
    """The checks of scanners with some settings, asked as a session does."""

    def __init__(
        self,
        asker: Asker | None = None,
        *,
        secret: Secret = lambda host, port: "",
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        **sections: dict[str, Any],
    ) -> None:
        self.settings = Settings.model_validate(sections)
        asker = asker or Asker()
        self.table: tuple[Check, ...] = checks(asker, "mx.here.test", Hook(asker, secret, trust))

    async def verdicts(self, facts: Facts) -> list[Verdict]:
        said = Chain(self.table, self.settings).judge(Stage.CONTENT, facts)
        return said if isinstance(said, list) else await said

    async def verdict(self, message: bytes = LETTER, **known: Any) -> Verdict:
        """That of the only scanner that is asked."""
        [said] = await self.verdicts(facts_of(message, **known))
        return said
