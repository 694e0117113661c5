r"""An IMAP service in one process, without a network: the real session, pump, directory, mailboxes and search over a
SQLite store in a directory of the test, and sessions as text.

    C: a1 NOOP                   a line that the client sends
    S: a1 OK NOOP completed.     a line that the server must say
    S* * OK [UIDVALIDITY         a line that begins like this
    --                           what comes after it is sent once all above has been answered

`House.play` runs such a text whole, byte by byte or split at random places, and returns all that was said. Names in
braces are put in from `values`. Users are ann, bob and carl of example.test; their password is "long secret".
"""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from estafeta.core.ids import INBOX
from estafeta.directory.auth import Authenticator
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_reading import Imap, ImapSecurity
from estafeta.directory.settings_site import Auth
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.feed import ChangeFeed
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.net.pump import Pump
from estafeta.search.service import TextSearch
from estafeta.servers.imap.people import People
from estafeta.servers.imap.service import ImapService, ImapShared
from estafeta.servers.signin import SignIn
from estafeta.storage import migrate
from estafeta.storage.commit import GroupCommit, Operation
from estafeta.storage.database import Database
from estafeta.storage.packs import Location, Packs
from estafeta.storage.space import Space

PASSWORD = "long secret"
USERS = ("ann", "bob", "carl")
NOW_MS = 1_700_000_000_000
_CHEAP = PasswordProfile(memory_kib=64, passes=1)
_PATIENCE_SECONDS = 10.0


class LocalFeed(ChangeFeed):
    """A feed that hears its own process, without sockets."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, Path(), "test")

    async def _open(self) -> None:
        pass

    def _hang_up(self) -> None:
        pass

    def publish(self, topics: Sequence[str]) -> None:
        for topic in topics:
            self._loop.call_soon_threadsafe(self._heard, topic)


class Wire(asyncio.Transport):
    """The client's end: keeps what the server writes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str = "127.0.0.1") -> None:
        super().__init__({"peername": (peer, 4711)})
        self._loop = loop
        self.said = bytearray()
        self.closed = False
        self.spoke = asyncio.Event()
        self.pump: Pump

    def write(self, data: Any) -> None:
        self.said += data
        self.spoke.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.spoke.set()
            self._loop.call_soon(self.pump.connection_lost, None)

    abort = close

    async def expect(self, wanted: bytes) -> bytes:
        """Wait until the server has said `wanted`; what it said so far, which is then forgotten."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while wanted not in self.said and not self.closed:
                    self.spoke.clear()
                    await self.spoke.wait()
        assert wanted in self.said, bytes(self.said).decode("utf-8", "replace")
        said = bytes(self.said)
        self.said.clear()
        return said


class House:
    """The service and what it stands on."""

    def __init__(self, root: Path, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        url = f"sqlite:///{root / 'store.sqlite'}"
        migrate.upgrade(url)
        self.loop = loop
        self.feed = LocalFeed(loop)
        self.database = Database(url, publish=self.feed.publish)
        self.packs = Packs(root / "packs")
        self.group = GroupCommit(self.database, self.packs)
        self._writer = ThreadPoolExecutor(1)
        self._threads = ThreadPoolExecutor(2)
        self.mailboxes = Mailboxes(self.database, self.packs, self.submit)
        site = SiteSettings(self.database, time.time)
        site.reload()
        self.directory = Directory(self.database, time.time, site, profile=_CHEAP)
        self.directory.add_domain("example.test")
        self.accounts = {
            name: self.directory.add_user(f"{name}@example.test", password=PASSWORD).account_id for name in USERS
        }
        sign_in = SignIn(
            Authenticator(self.database, time.time, site, profile=_CHEAP), secret=b"k" * 32, parallel=2, iterations=4096
        )
        self.search = TextSearch(self.database, self.packs, root / "search")
        self.shared = ImapShared(
            self.mailboxes,
            sign_in,
            self.feed,
            self.search,
            People(self.directory),
            Space(root, 0),
            self._threads,
        )
        imap = {"security": ImapSecurity.BOTH, "default_folders": (), **settings}
        self.service = ImapService(
            self.shared,
            Settings(imap=Imap(**imap), auth=Auth(clear_text_networks=("127.0.0.0/8",))),
            hostname="mail.example.test",
            tls=None,
            loop=loop,
        )

    def close(self) -> None:
        self._writer.shutdown()
        self._threads.shutdown()
        self.search.close()
        self.group.close()
        self.packs.close()
        self.database.close()

    def submit(
        self, operation: Operation, payload: Any, contents: Sequence[bytes | Location] = ()
    ) -> "asyncio.Future[Any]":
        """What the writer process does, in a thread."""
        return asyncio.ensure_future(
            self.loop.run_in_executor(self._writer, self.group.run, operation, payload, contents)
        )

    def deliver(self, user: str, *contents: bytes, flags: int = 0, mailbox: int = INBOX) -> None:
        """Put messages into a mailbox, as SMTP does."""
        for content in contents:
            scanner = MessageScanner()
            scanner.feed(content)
            delivery = Delivery(self.accounts[user], mailbox, flags)
            self.group.run(deliver, Arrival(scanner.close(), (delivery,), NOW_MS, NOW_MS), (content,))

    def connect(self) -> Wire:
        """A new connection; the greeting has been said."""
        wire = Wire(self.loop)
        wire.pump = self.service()
        wire.pump.connection_made(wire)
        return wire

    async def sign_in(self, user: str = "ann", *lines: str) -> Wire:
        """A connection of a user, after `lines` were answered."""
        wire = self.connect()
        assert b"OK" in await self.ask(wire, f'LOGIN {user}@example.test "{PASSWORD}"')
        for line in lines:
            await self.ask(wire, line)
        return wire

    async def ask(self, wire: Wire, command: str | bytes) -> bytes:
        """Send a command (its tag is made up) and wait for its reply; what was said meanwhile."""
        tag = b"t%d" % random.randrange(10**9)
        data = command.encode() if isinstance(command, str) else command
        wire.said.clear()
        wire.pump.data_received(b"%b %b\r\n" % (tag, data))
        said = await wire.expect(b"%b " % tag)
        return said.replace(tag, b"t")

    async def play(
        self, text: str, *, user: str = "ann", how: str = "whole", before: Sequence[str] = (), **values: object
    ) -> str:
        """Run a session as text, after the commands `before`; the lines that the server said."""
        wire = await self.sign_in(user, *before)
        wire.said.clear()
        all_said = ""
        for part in _parts(text, values):
            await send_lines(wire, part.sent, how)
            said = (await _answered(wire, part)).decode("utf-8", "replace")
            all_said += said
            _compare(part.expected, said)
        wire.close()
        await asyncio.sleep(0)
        return all_said


class _Part:
    def __init__(self, lines: Sequence[str]) -> None:
        self.sent = b"".join(line[3:].encode() + b"\r\n" for line in lines if line.startswith("C:"))
        self.expected = [line for line in lines if line[:2] in ("S:", "S*", "S~")]


def _parts(text: str, values: dict[str, object]) -> Iterator[_Part]:
    lines: list[str] = []
    for raw in text.strip().splitlines():
        line = raw.strip()
        for name, value in values.items():
            line = line.replace("{" + name + "}", str(value))
        if line == "--":
            yield _Part(lines)
            lines = []
        elif line:
            lines.append(line)
    yield _Part(lines)


async def send_lines(wire: Wire, data: bytes, how: str) -> None:
    if how == "whole":
        wire.pump.data_received(data)
        return
    chance = random.Random(len(data))
    at = 0
    while at < len(data):
        size = 1 if how == "bytes" else chance.randint(1, 40)
        wire.pump.data_received(data[at : at + size])
        at += size
        await asyncio.sleep(0)


async def _answered(wire: Wire, part: _Part) -> bytes:
    """Everything up to the last line that is expected."""
    last = part.expected[-1][3:].strip().encode() if part.expected else b""
    return await wire.expect(last)


def _compare(expected: Sequence[str], said: str) -> None:
    """Every line that is expected was said, in this order, and none else."""
    lines = said.split("\r\n")[:-1]
    for at, wanted in enumerate(expected):
        assert at < len(lines), f"missing: {wanted!r} after\n" + said
        kind, text = wanted[:2], wanted[3:].strip()
        if kind == "S~":
            matches = re.fullmatch(text, lines[at]) is not None
        else:
            matches = lines[at].startswith(text) if kind == "S*" else lines[at] == text
        assert matches, f"expected {text!r}, said {lines[at]!r} in\n" + said
    assert len(lines) == len(expected), f"more than expected: {lines[len(expected) :]}"


@contextmanager
def house(root: Path, loop: asyncio.AbstractEventLoop, **settings: Any) -> Iterator[House]:
    """A house for one test."""
    made = House(root, loop, **settings)
    try:
        yield made
    finally:
        made.close()


def message(subject: str = "hello", body: str = "words", **fields: str) -> bytes:
    """A message; `fields` with underscores for hyphens."""
    head = {"From": "Ann <ann@example.test>", "To": "bob@example.test", "Subject": subject} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }
    lines = [f"{name}: {value}" for name, value in head.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body + "\r\n").encode()
