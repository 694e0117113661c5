"""A wire without a network, and a directory and mailboxes without a store, for tests of the POP3 session."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, ContentId, PackId
from estafeta.directory.model import ALL_SERVICES, Account
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_reading import Pop3
from estafeta.directory.settings_site import Auth, Limits
from estafeta.mailboxes.change import Expunge
from estafeta.mailboxes.noting import NoteRead
from estafeta.mailboxes.values import Expunged, Snapshot, SnapshotRow, ranges_of
from estafeta.net.pump import Pump
from estafeta.protocols.sasl import ScramKeys, make_scram_keys
from estafeta.servers.pop3 import Pop3Service, Pop3Shared
from estafeta.servers.signin import SignIn
from estafeta.storage.packs import Location

JANE = Account(AccountId(7), "jane@example.test", "Jane", "es", ALL_SERVICES)
PASSWORDS = {"jane@example.test": "correct horse", "slow@example.test": "slow"}
KEYS = make_scram_keys("correct horse", b"0123456789abcdef", 4096)


class FakeDirectory:
    """One user; `slow@` is known to `check` only."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, str]] = []

    def check_cached(self, login: str, password: str, service: str) -> Account | None:
        return JANE if login == JANE.address and password == PASSWORDS[login] else None

    def check(self, login: str, password: str, service: str, peer: str) -> Account:
        if login == "down@example.test":
            raise EstafetaError(Kind.TEMPORARY, "The directory cannot be asked now.", "why not")
        if login == "eager@example.test":
            raise EstafetaError(Kind.LIMIT, "Too many wrong passwords; wait 4 seconds.")
        if PASSWORDS.get(login) != password:
            raise EstafetaError(Kind.PERMISSION, "The name or the password is wrong.")
        return JANE

    def scram_keys(self, login: str, peer: str) -> ScramKeys | None:
        return KEYS if login == JANE.address else None

    def apop_secret(self, login: str, peer: str) -> str | None:
        return "tanstaaf" if login == JANE.address else None

    def confirm(self, login: str, service: str, peer: str) -> Account:
        return JANE

    def failed(self, login: str, peer: str) -> None:
        self.failures.append((login, peer))

    async def told(self, count: int) -> list[tuple[str, str]]:
        """The failures, which are counted in threads."""
        async with asyncio.timeout(10):
            while len(self.failures) < count:  # noqa: ASYNC110 - by threads
                await asyncio.sleep(0)
        return self.failures

    def delay(self, login: str, peer: str) -> float:
        return 0.0


class FakeMailboxes:
    """Contents by UID; `cold` ones are not in memory, `damaged` ones cannot be read, or not beyond the first piece."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self.contents = dict(enumerate(contents, 1))
        self.cold: set[int] = set()
        self.damaged: set[int] = set()
        self.expunged: list[list[int]] = []
        self.noted: list[NoteRead] = []
        self.full = False
        self.pieces_read = 0

    async def snapshot(self, account_id: AccountId, mailbox_id: int) -> Snapshot:
        await asyncio.sleep(0)
        rows = (
            SnapshotRow(uid, len(data), Location(ContentId(uid), PackId(1), uid, 1, len(data)), 0)
            for uid, data in self.contents.items()
        )
        return Snapshot(1234567890, tuple(rows))

    async def expunge(self, wanted: Expunge) -> Expunged:
        await asyncio.sleep(0)
        if self.full:
            raise EstafetaError(Kind.TEMPORARY, "The disk is full; try again later.")
        uids = [uid for first, last in wanted.ranges for uid in range(first, last + 1)]
        self.expunged.append(uids)
        if wanted.reading is not None:
            self.noted.append(wanted.reading)
        return Expunged(1, ranges_of([uid for uid in uids if self.contents.pop(uid, None) is not None]))

    def note_read(self, wanted: NoteRead) -> "asyncio.Future[int]":
        self.noted.append(wanted)
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        done.set_result(1)
        return done

    def read_cached(self, location: Location) -> bytes | None:
        uid = location.content_id
        if uid in self.damaged:
            raise EstafetaError(Kind.UNAVAILABLE, "This message is damaged.", "pack 1")
        return None if uid in self.cold else self.contents[uid]

    async def read(self, location: Location) -> bytes:
        await asyncio.sleep(0)
        return self.contents[location.content_id]

    async def chunks(self, location: Location) -> AsyncIterator[bytes]:
        data = self.contents[location.content_id]
        for start in range(0, len(data), 100_000):
            await asyncio.sleep(0)
            if start and location.content_id in self.damaged:
                raise EstafetaError(Kind.UNAVAILABLE, "This message is damaged.", "pack 1")
            self.pieces_read += 1
            yield data[start : start + 100_000]


class Wire(asyncio.Transport):
    """Keeps what is written. `slow` makes it a peer that takes nothing until `take`."""

    def __init__(self, peer: str = "192.0.2.9") -> None:
        super().__init__()
        self.peer = peer
        self.writes: list[bytes] = []
        self.pump: Pump | None = None
        self.closed = self.aborted = self.paused = self.slow = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self.peer, 4000), "sockname": ("192.0.2.1", 110)}.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: Any) -> None:
        if not data:
            return
        assert not self.closed, "written after the end"
        self.writes.append(bytes(data))
        if self.slow and self.pump is not None:
            self.pump.pause_writing()

    def take(self) -> bytes:
        said = b"".join(self.writes)
        self.writes.clear()
        return said

    def close(self) -> None:
        self._end()

    def abort(self) -> None:
        self.aborted = True
        self._end()

    def _end(self) -> None:
        if not self.closed:
            self.closed = True
            assert self.pump is not None
            self.pump.connection_lost(None)

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Client:
    """A client at the other end of a `Wire`."""

    def __init__(self, service: Pop3Service, peer: str = "192.0.2.9") -> None:
        self.wire = Wire(peer)
        self.pump = service()
        self.wire.pump = self.pump
        self.pump.connection_made(self.wire)

    async def settle(self) -> None:
        """Until the server has nothing more to do."""
        while self.pump._task is not None and not self.pump._full:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0)

    async def say(self, *lines: str) -> bytes:
        """Send lines, in one piece, and get all that is said."""
        self.pump.data_received("".join(f"{line}\r\n" for line in lines).encode())
        await self.settle()
        return self.wire.take()

    async def sign_in(self) -> None:
        self.wire.take()
        assert b"+OK Signed in" in await self.say("USER jane@example.test", "PASS correct horse")


class Site:
    """A service with one maildrop."""

    def __init__(self, locks: Path, *contents: bytes, tls: Any = None, **pop3: Any) -> None:
        auth = {"clear_text_networks": ("192.0.2.0/24",)} | pop3.pop("auth", {})
        self.settings = Settings(
            pop3=Pop3(**({"security": "both"} | pop3)), auth=Auth(**auth), limits=Limits(max_connections_per_address=3)
        )
        self.directory = FakeDirectory()
        self.mailboxes = FakeMailboxes(contents)
        sign_in = SignIn(self.directory, secret=b"salt", parallel=2, iterations=4096)  # type: ignore[arg-type]
        self.shared = Pop3Shared(self.mailboxes, sign_in, locks)  # type: ignore[arg-type]
        self.service = Pop3Service(
            self.shared, self.settings, hostname="mail.example.test", tls=tls, loop=asyncio.get_running_loop()
        )

    def client(self, peer: str = "192.0.2.9") -> Client:
        return Client(self.service, peer)


def apop_digest(greeting: bytes, secret: str) -> str:
    timestamp = greeting[greeting.index(b"<") : greeting.index(b">") + 1]
    return hashlib.md5(timestamp + secret.encode(), usedforsecurity=False).hexdigest()


@contextmanager
def slow(client: Client) -> Iterator[None]:
    """While the client takes nothing."""
    client.wire.slow = True
    yield
    client.wire.slow = False
    client.pump.resume_writing()
