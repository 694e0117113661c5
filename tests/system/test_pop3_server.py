"""poplib and curl read mail from a POP3 server on a real store, in clear, by STLS and in TLS."""

import asyncio
import contextlib
import hashlib
import poplib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvloop

from estafeta.certificates.selfsigned import make_self_signed
from estafeta.certificates.store import CertificateStore
from estafeta.certificates.tls import ListenerTls, TlsCertificates
from estafeta.core.ids import INBOX, AccountId
from estafeta.directory.auth import Authenticator
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_reading import Pop3
from estafeta.directory.settings_site import Auth
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.change import Expunge
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.values import Arrival, Delivery, ranges_of
from estafeta.servers.pop3 import Pop3Service, Pop3Shared
from estafeta.servers.signin import SignIn
from estafeta.storage import migrate
from estafeta.storage.commit import GroupCommit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

JANE, PASSWORD = "jane@example.test", "correct horse battery"
CHEAP = PasswordProfile(memory_kib=8, passes=1)
KEY = b"0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Fixed:
    """A source of settings that never change."""

    current: Settings


@dataclass(frozen=True)
class Offer:
    """TLS as the worker offers it."""

    tls: ListenerTls

    @property
    def context(self) -> ssl.SSLContext:
        return self.tls.context

    def bindings(self, session: ssl.SSLObject) -> Mapping[str, bytes]:
        return {"tls-server-end-point": self.tls.end_point(session)}


class Server:
    """A POP3 server in a thread, on free ports of loopback."""

    def __init__(self, home: Path, new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop) -> None:
        self.home = home
        self.settings = Settings(
            pop3=Pop3(security="both", apop=True),
            auth=Auth(clear_text_networks=("127.0.0.1/32",), min_password_length=8),
        )
        self._loop = new_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self.errors: list[dict[str, Any]] = []

    def __enter__(self) -> "Server":
        self._thread.start()
        assert self._ready.wait(20)
        assert self._thread.is_alive(), "the server did not start"
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()
        assert self.errors == []

    def deliver(self, *contents: bytes) -> None:
        """Put messages into Jane's INBOX."""
        for content in contents:
            asyncio.run_coroutine_threadsafe(self._deliver(content), self._loop).result(30)

    def empty(self) -> None:
        """Remove all of Jane's mail."""
        asyncio.run_coroutine_threadsafe(self._empty(), self._loop).result(30)

    async def _deliver(self, content: bytes) -> None:
        scanner = MessageScanner()
        scanner.feed(content)
        now = int(time.time() * 1000)
        await self.mailboxes.deliver(Arrival(scanner.close(), (Delivery(self.account_id),), now, now), content)

    async def _empty(self) -> None:
        rows = (await self.mailboxes.snapshot(self.account_id)).rows
        await self.mailboxes.expunge(Expunge(self.account_id, INBOX, ranges_of(row.uid for row in rows)))

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop.set_exception_handler(lambda loop, context: self.errors.append(context))
        url = f"sqlite:///{self.home / 'estafeta.db'}"
        migrate.upgrade(url)
        database, packs = Database(url), Packs(self.home / "packs")
        source = Fixed(self.settings)
        self.account_id = self._add_jane(Directory(database, time.time, source, profile=CHEAP, node_key=KEY))
        group = GroupCommit(database, packs)

        def submit(operation: Any, payload: Any, contents: Any = ()) -> asyncio.Future[Any]:
            done: asyncio.Future[Any] = self._loop.create_future()
            done.set_result(group.run(operation, payload, contents))
            return done

        self.mailboxes = Mailboxes(database, packs, submit)
        directory = Authenticator(database, time.time, source, profile=CHEAP, node_key=KEY)
        sign_in = SignIn(directory, secret=KEY, parallel=2, iterations=4096)
        servers = await self._listen(Pop3Shared(self.mailboxes, sign_in, self.home / "run" / "locks"))
        self._ready.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        for service in self.services:
            service.connections.abort()
        group.close()
        packs.close()
        database.close()

    def _add_jane(self, directory: Directory) -> AccountId:
        directory.add_domain("example.test")
        directory.add_user(JANE, password=PASSWORD)
        self.apop_secret = directory.make_apop_secret(JANE)
        return directory.get_user(JANE).account_id

    async def _listen(self, shared: Pop3Shared) -> list[asyncio.Server]:
        store = CertificateStore(self.home / "certificates")
        store.save("default", make_self_signed(["localhost", "127.0.0.1"], datetime.now(UTC)))
        tls = ListenerTls(TlsCertificates.load(store, ["default"]), "default")
        self.services = [
            Pop3Service(shared, self.settings, hostname="localhost", tls=Offer(tls), loop=self._loop) for _ in range(2)
        ]
        clear = await self._loop.create_server(self.services[0], "127.0.0.1", 0)
        inside = await self._loop.create_server(self.services[1], "127.0.0.1", 0, ssl=tls.context)
        self.port, self.tls_port = (server.sockets[0].getsockname()[1] for server in (clear, inside))
        return [clear, inside]

    @property
    def certificate(self) -> Path:
        return self.home / "certificates" / "default.crt"

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("pop3")) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.empty()
    return shared_server


@contextlib.contextmanager
def signed_in(server: Server) -> Iterator[poplib.POP3]:
    client = poplib.POP3("127.0.0.1", server.port, timeout=20)
    client.user(JANE)
    client.pass_(PASSWORD)
    try:
        yield client
    finally:
        client.quit()


HELLO = b"From: a@example.test\r\nSubject: hello\r\n\r\nfirst\r\n.second\r\n"


def test_poplib_in_clear(server: Server) -> None:
    server.deliver(HELLO, b"Subject: two\r\n\r\n2\r\n")
    with signed_in(server) as client:
        assert client.stat() == (2, len(HELLO) + 19)
        lines = client.retr(1)[1]
        assert b"\r\n".join([*lines, b""]) == HELLO
        assert client.top(1, 0)[1] == [b"From: a@example.test", b"Subject: hello", b""]
        ids = client.uidl()[1]
        assert len(set(ids)) == 2
        client.dele(1)
    with signed_in(server) as client:
        assert [line.split()[1] for line in client.uidl()[1]] == [ids[1].split()[1]]


def test_poplib_by_stls_with_language_and_utf8(server: Server) -> None:
    server.deliver(HELLO)
    client = poplib.POP3("127.0.0.1", server.port, timeout=20)
    assert "STLS" in client.capa()
    client.stls(server.client_context())
    capabilities = client.capa()
    assert "STLS" not in capabilities
    assert capabilities["SASL"] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
    client.utf8()
    assert client._shortcmd("LANG ja").decode() == "+OK ja 言語を変更しました"
    client.user(JANE)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        client.pass_("wrong")
    client.user(JANE)
    client.pass_(PASSWORD)
    assert client.retr(1)[2] == len(HELLO)
    client.quit()


def test_poplib_in_tls(server: Server) -> None:
    server.deliver(HELLO)
    client = poplib.POP3_SSL("127.0.0.1", server.tls_port, context=server.client_context(), timeout=20)
    client.user(JANE)
    client.pass_(PASSWORD)
    assert client.stat() == (1, len(HELLO))
    client.quit()


def test_poplib_apop(server: Server) -> None:
    client = poplib.POP3("127.0.0.1", server.port, timeout=20)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        client.apop(JANE, "wrong")
    client.apop(JANE, server.apop_secret)
    assert client.stat() == (0, 0)
    client.quit()


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_the_first_command_comes_with_the_handshake(tmp_path: Path, new_loop: Any) -> None:
    """A client may send its first command in one packet with its last handshake message (RFC 8446 2)."""
    with Server(tmp_path, new_loop) as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        stream = raw.makefile("rb")
        stream.readline()
        raw.sendall(b"STLS\r\n")
        assert stream.readline().startswith(b"+OK")
        stream.close()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        shake_hands(tls, raw, incoming, outgoing)
        tls.write(b"CAPA\r\n")
        raw.sendall(outgoing.read())
        answer = b""
        while not answer.endswith(b"\r\n.\r\n"):
            incoming.write(raw.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                while piece := tls.read(65536):
                    answer += piece
    assert answer.startswith(b"+OK Capability")


def shake_hands(tls: ssl.SSLObject, raw: socket.socket, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
    """The client's side, with its last message left in `outgoing`."""
    while True:
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            return
        raw.sendall(outgoing.read())
        incoming.write(raw.recv(65536))


def test_octets_behind_stls_are_thrown_away(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(b"STLS\r\nUSER intruder\r\n")
        stream = raw.makefile("rb")
        assert [stream.readline()[:3] for _ in range(2)] == [b"+OK", b"+OK"]
        tls = server.client_context().wrap_socket(raw, server_hostname="localhost")
        tls.sendall(b"PASS x\r\n")
        assert tls.recv(100) == b"-ERR Send USER first\r\n"
        tls.close()


def test_in_use(server: Server) -> None:
    with signed_in(server):
        client = poplib.POP3("127.0.0.1", server.port, timeout=20)
        client.user(JANE)
        with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
            client.pass_(PASSWORD)
        client.quit()


def test_mail_that_arrives_is_for_the_next_session(server: Server) -> None:
    server.deliver(HELLO)
    with signed_in(server) as client:
        server.deliver(HELLO)
        assert client.stat()[0] == 1
    with signed_in(server) as client:
        assert client.stat()[0] == 2


def test_a_large_message(server: Server) -> None:
    content = b"Subject: large\r\n\r\n" + b"".join(b".%d line of text\r\n" % number for number in range(200_000))
    server.deliver(content)
    with signed_in(server) as client:
        received = b"\r\n".join([*client.retr(1)[1], b""])
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()


def curl(server: Server, *arguments: str) -> bytes:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")
    command = [program, "--silent", "--show-error", "--max-time", "30", "--cacert", str(server.certificate)]
    done = subprocess.run([*command, "--user", f"{JANE}:{PASSWORD}", *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("login", ["", ";AUTH=PLAIN", ";AUTH=LOGIN"])
def test_curl(server: Server, login: str) -> None:
    server.deliver(HELLO)
    name = JANE.replace("@", "%40")
    assert curl(server, "--ssl-reqd", f"pop3://{name}{login}@localhost:{server.port}/1") == HELLO
    assert curl(server, f"pop3s://{name}{login}@localhost:{server.tls_port}/") == b"1 %d\r\n" % len(HELLO)
    assert curl(server, "--list-only", f"pop3s://localhost:{server.tls_port}/").startswith(b"1 ")
