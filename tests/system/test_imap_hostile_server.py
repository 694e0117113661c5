"""A real server and clients that mean harm or have no luck: its memory and its files stay its own, others are served.

The `server` fixture looks into its log at the end: a traceback anywhere fails these tests.
"""

import contextlib
import os
import re
import signal
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import PASSWORD, Server, wait_until

SECONDS = 20
MIB = 1 << 20


class Peer:
    """A connection in clear: octets out, lines in."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port(143)), timeout=SECONDS)
        self.stream = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)

    def until(self, tag: bytes) -> bytes:
        """All up to the line that begins with this tag, or to the end."""
        said = b""
        with contextlib.suppress(ConnectionError):
            while line := self.stream.readline():
                said += line
                if line.startswith(tag + b" "):
                    break
        return said

    def ask(self, command: bytes) -> bytes:
        self.send(b"q " + command + b"\r\n")
        return self.until(b"q")

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


@contextmanager
def peer(server: Server) -> Iterator[Peer]:
    one = Peer(server)
    assert one.stream.readline().startswith(b"* OK")
    try:
        yield one
    finally:
        one.close()


def login(name: str) -> bytes:
    return f'l LOGIN {name}@example.test "{PASSWORD}"\r\n'.encode()


@contextmanager
def signed_in(server: Server, name: str) -> Iterator[Peer]:
    with peer(server) as one:
        one.send(login(name))
        assert b"l OK" in one.until(b"l")
        yield one


@pytest.fixture(scope="module", autouse=True)
def clear_text(server: Server) -> None:
    for name, value in (("imap.security", "both"), ("auth.clear_text_networks", "127.0.0.0/8")):
        assert server.run("config", "set", name, value).returncode == 0
    wait_until(lambda: b"LOGINDISABLED" not in _greeting(server))


def _greeting(server: Server) -> bytes:
    one = Peer(server)
    try:
        return one.stream.readline()
    finally:
        one.close()


def workers(server: Server) -> list[int]:
    shown = server.run("status").stdout
    return [int(pid) for pid in re.findall(r"^worker \d+ +(\d+)", shown, re.MULTILINE)]


def open_files(pids: Sequence[int]) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def resident(pids: Sequence[int]) -> int:
    """The largest memory of these processes, in octets."""
    statm = [Path(f"/proc/{pid}/statm").read_text().split() for pid in pids]
    return max(int(words[1]) for words in statm) * os.sysconf("SC_PAGE_SIZE")


def deflated(data: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH)


COMPRESS = login("alice") + b"c COMPRESS DEFLATE\r\n"
NONSENSE = {
    "zeros": b"\0" * 100_000,
    "no lines": b"x" * 500_000,
    "empty lines": b"\r\n" * 50_000,
    "TLS": b"\x16\x03\x01\x02\x00" + bytes(range(256)),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "literal that never comes": b"a LOGIN {8192}\r\n",
    "literals before sign-in": (b"a LOGIN {8193+}\r\n" + b"x" * 8193 + b" x\r\n") * 30,
    "a literal without end": b"a LOGIN {99999999999+}\r\n" + b"x" * 300_000,
    "an exchange without end": b"a AUTHENTICATE PLAIN\r\n" + b"A" * 300_000,
    "exchanges given up": b"a AUTHENTICATE PLAIN\r\n*\r\n" * 30,
    "behind STARTTLS": b"a STARTTLS\r\nb NOOP\r\n" + login("alice"),
    "no deflate": COMPRESS + b"this is not compressed" * 100,
    "a bomb": COMPRESS + deflated(b"x" * (200 * MIB)),
    "a bomb of commands": COMPRESS + deflated(b"a NOOP\r\n" * (4 * MIB)),
    "IDLE and other things": login("alice") + b"a IDLE\r\n" + b"x" * 300_000 + b"\r\nDONE\r\n",
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense(server: Server, data: bytes) -> None:
    with peer(server) as one, signed_in(server, "bob") as other:
        one.send(data)
        assert b"q OK" in other.ask(b"NOOP")
        assert b"q OK" in other.ask(b"STATUS INBOX (MESSAGES)")


def _can_sign_in(server: Server, name: str) -> bool:
    with peer(server) as one:
        one.send(login(name))
        return b"l OK" in one.until(b"l")


UNFINISHED = {
    "signing in": login("carol"),
    "idle": login("carol") + b"a SELECT INBOX\r\nb IDLE\r\n",
    "notify": login("carol") + b"a NOTIFY SET STATUS (personal (MessageNew MessageExpunge))\r\n",
    "append": login("carol") + b"a APPEND INBOX {9000000+}\r\n" + b"x" * 400_000,
}


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED.keys())
def test_two_hundred_that_hang_up(server: Server, data: bytes) -> None:
    pids = workers(server)
    before = open_files(pids)
    for _ in range(4):
        with contextlib.ExitStack() as stack:
            for one in [stack.enter_context(peer(server)) for _ in range(50)]:
                one.send(data)
    # That was more than one user may have at once: whoever has gone is soon not counted any more.
    wait_until(lambda: _can_sign_in(server, "carol"))
    # A process keeps a few more files than before: of its threads, and those that it has read from.
    wait_until(lambda: open_files(pids) <= before + 40)
    packs = [path.stat().st_size for path in (server.home / "data" / "packs").rglob("*.pack")]
    assert sum(packs) < 20 * MIB
    assert workers(server) == pids


def test_who_asks_for_everything_and_reads_nothing_costs_little(server: Server) -> None:
    letter = b"Subject: large\r\n\r\n" + os.urandom(100_000).hex().encode()
    with signed_in(server, "alice") as one:
        assert b"q OK" in one.ask(
            b"APPEND INBOX" + b"".join(b" {%d+}\r\n%b" % (len(letter), letter) for _ in range(50))
        )
        items = b" ".join(b"BODY.PEEK[]<0.%d>" % (900_000 + at) for at in range(100))
        pids = workers(server)
        before = resident(pids)
        with contextlib.ExitStack() as stack:
            for turn in range(20):
                greedy = stack.enter_context(signed_in(server, "alice"))
                what = b"BODY.PEEK[]" if turn % 2 else b"(" + items + b")"
                greedy.send(b"s SELECT INBOX\r\n" + b"g FETCH 1:* " + what + b"\r\n" + b"h FETCH 1:* BODY[]\r\n" * 500)
            for _ in range(10):
                assert b"q OK" in one.ask(b"FETCH 1:* FLAGS") or b"q OK" in one.ask(b"SELECT INBOX")
            # 20 times 200 MiB of answers are owed.
            assert resident(pids) < before + 120 * MIB
    assert workers(server) == pids


def _killed(server: Server, name: str) -> int:
    shown = server.run("status").stdout
    found = re.search(rf"^{name} +(\d+)", shown, re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("name", ["writer", "indexer"])
def test_a_process_dies_under_sessions(server: Server, name: str) -> None:
    pid = _killed(server, name)
    with signed_in(server, "bob") as one:
        assert b"q OK" in one.ask(b"SELECT INBOX")
        os.kill(pid, signal.SIGKILL)

        def works(command: bytes) -> Callable[[], bool]:
            def check() -> bool:
                said = one.ask(command)
                assert b"q OK" in said or b"q NO [UNAVAILABLE]" in said
                return b"q OK" in said

            return check

        wait_until(works(b"APPEND INBOX {15+}\r\nSubject: x\r\n\r\nx"))
        wait_until(works(b"STORE 1 +FLAGS (\\Flagged)"))
        wait_until(works(b"SEARCH TEXT x"))
    wait_until(lambda: _killed(server, name) != pid)
