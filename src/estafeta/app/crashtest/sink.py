"""The servers of others in the crash test: what they took with 250 is remembered, message by message and recipient.

A small SMTP server of asyncio (RFC 5321) in a thread, at several ports, each the next hop of one domain. Now and then
it does what others do: refuses a recipient for now, or breaks off instead of answering the final dot, after which it
has nothing. It trusts its client, which is a server that this program started on this machine.
"""

import asyncio
import hashlib
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from estafeta.app.crashtest.messages import find_number, sent_part
from estafeta.core.errors import EstafetaError, Kind

_START_SECONDS = 10.0
_BUFFER_BYTES = 1 << 20
#: Of recipients and of messages: enough that every run has some, so few that all is soon done.
_REFUSED, _BROKEN = 0.02, 0.01


@dataclass(slots=True)
class Taken:
    """What was taken with 250. `unlike`: what was found wrong with them."""

    times: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By address and number of the message."""
    digests: dict[int, set[bytes]] = field(default_factory=dict)
    """By number, of what came of the message as it was sent (`messages.sent_part`)."""
    unlike: list[str] = field(default_factory=list)

    def add(self, addresses: Sequence[str], content: bytes) -> None:
        """One message."""
        number = find_number(content)
        if number is None:
            self.unlike.append(f"a message to {', '.join(addresses)} without a number came out")
            return
        self.digests.setdefault(number, set()).add(digest(sent_part(content)))
        self.times.update((address, number) for address in addresses)


class Sink:
    """`servers` ports of 127.0.0.1. It runs from `start` to `stop`, whatever becomes of the server under test."""

    def __init__(self, servers: int, seed: int) -> None:
        self.taken = Taken()
        self.ports: list[int] = []
        self._servers = servers
        self._dice = random.Random(seed)  # noqa: S311 - not a secret
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Returns once it listens. EstafetaError UNAVAILABLE when it does not."""
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or len(self.ports) < self._servers:
            raise EstafetaError(Kind.UNAVAILABLE, "The crash test cannot listen for what the server sends.")

    def stop(self) -> None:
        """Close. Nothing is taken any more when this returns."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._done.set)
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            servers = [
                await asyncio.start_server(self._session, "127.0.0.1", 0, limit=_BUFFER_BYTES)
                for _ in range(self._servers)
            ]
            self.ports = [server.sockets[0].getsockname()[1] for server in servers]
        finally:
            self._ready.set()
        await self._done.wait()
        for server in servers:
            server.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Session(self.taken, self._dice, reader, writer).run()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the server under test was killed
        finally:
            writer.close()


class _Session:
    """One connection."""

    def __init__(
        self, taken: Taken, dice: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._taken = taken
        self._dice = dice
        self._reader = reader
        self._writer = writer
        self._addresses: list[str] = []

    async def run(self) -> None:
        """Until the client quits, or all is broken off."""
        self._say("220 sink.crash.test ESMTP")
        while (line := await self._line()).upper() != "QUIT":
            verb = line[:4].upper()
            if verb == "EHLO":
                self._say("250-sink.crash.test", "250-PIPELINING", "250 8BITMIME")
            elif verb == "RCPT":
                self._recipient(line)
            elif verb == "DATA":
                if not await self._data():
                    return
            else:
                self._addresses.clear()
                self._say("250 2.0.0 Ok")
        self._say("221 2.0.0 Bye")

    def _recipient(self, line: str) -> None:
        if self._dice.random() < _REFUSED:
            self._say("451 4.3.0 Later")
            return
        self._addresses.append(line.partition("<")[2].partition(">")[0])
        self._say("250 2.1.5 Ok")

    async def _data(self) -> bool:
        """A content; false where the connection is to break."""
        if not self._addresses:
            self._say("554 5.5.1 No valid recipients")
            return True
        self._say("354 Go on")
        content = b"\r\n" + await self._reader_until_dot()
        if self._dice.random() < _BROKEN:
            return False
        self._taken.add(self._addresses, content.replace(b"\r\n.", b"\r\n")[2:])
        self._addresses.clear()
        self._say("250 2.0.0 Taken")
        return True

    async def _reader_until_dot(self) -> bytes:
        """Up to the CRLF before the final dot, which belongs to the content (RFC 5321 4.1.1.4)."""
        pieces = [await self._reader.readuntil(b"\r\n")]
        while pieces[-1] != b".\r\n":
            pieces.append(await self._reader.readuntil(b"\r\n"))
        return b"".join(pieces[:-1])

    async def _line(self) -> str:
        line = await self._reader.readuntil(b"\r\n")
        return line[:-2].decode("ascii", "replace")

    def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())


def digest(content: bytes) -> bytes:
    """Of what was sent, for comparing."""
    return hashlib.sha256(content).digest()
