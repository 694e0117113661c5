"""What an idle IMAP connection costs in memory: signed in, INBOX selected, waiting in IDLE.

Measured as the growth of the PSS of all processes of the server (shared pages counted once), divided by the number of
connections. They are spread over 100 users with 20 messages each. Dovecot has fewer connections, as many as it takes as
it ships: with TLS each keeps a sign-in process of its own beside that of the session.
"""

from __future__ import annotations

import operator
import resource
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import imap_corpus
from benchmarks.bench import Bench, Section, Target, judge
from benchmarks.imap_client import ImapClient
from benchmarks.imap_dovecot import DovecotImap
from benchmarks.imap_servers import EstafetaImap, ImapServer, await_indexed, session
from benchmarks.server import PASSWORD

_USERS, _MESSAGES = 100, 20
_AT_ONCE = 50
_MEETINGS = 5
_MOST_KIB = 25
_SECONDS = 60
_SETTLE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class _Idle:
    """PSS in bytes before and with `connections`."""

    server: str
    tls: bool
    connections: int
    before: int
    after: int
    seconds: float

    @property
    def kib(self) -> float:
        return (self.after - self.before) / self.connections / 1024


def run(bench: Bench) -> Section:
    part = 10 if bench.quick else 1
    plans: list[tuple[type[ImapServer], bool, int]] = [
        (EstafetaImap, False, _most(10_000 // part)),
        (EstafetaImap, True, _most(1000 // part)),
        (DovecotImap, False, 200),
        (DovecotImap, True, 90),
    ]
    idles = [_measure(bench, kind, tls, count) for kind, tls, count in plans if bench.available([kind])]
    return Section(
        "imap_idle",
        "Memory of idle IMAP connections (IDLE in INBOX)",
        ["server", "connections", "KiB each", "PSS MiB before", "PSS MiB with them", "connected in s"],
        [_row(idle) for idle in idles],
        [f"PSS of all processes; {_USERS} users with {_MESSAGES} messages each, each known to each worker before."],
        [_target(idles)],
        [asdict(idle) for idle in idles],
    )


def _most(wanted: int) -> int:
    """As many connections as this process and the ports of loopback allow."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return min(wanted, hard - 500, (last - first) * 9 // 10)


def _measure(bench: Bench, kind: type[ImapServer], tls: bool, count: int) -> _Idle:
    with bench.running(kind, _USERS) as server, ExitStack() as stack:
        assert isinstance(server, EstafetaImap | DovecotImap)
        _prepare(bench, server)
        time.sleep(_SETTLE_SECONDS)
        before, begun = server.group.pss_bytes(), time.monotonic()
        for connection in _connect(server, tls, count):
            stack.enter_context(connection)
        seconds = time.monotonic() - begun
        time.sleep(_SETTLE_SECONDS)
        idle = _Idle(server.name, tls, count, before, server.group.pss_bytes(), seconds)
        bench.say(f"  {server.name}: {count:,} connections {'(TLS) ' if tls else ''}{idle.kib:.1f} KiB each")
        return idle


def _prepare(bench: Bench, server: ImapServer) -> None:
    """Fills the mailboxes, and lets every worker meet every user, one connection at a time: what a server keeps of
    users is not counted as connections, and nothing of many connections is there before.
    """
    messages = [imap_corpus.crlf(message) for message in imap_corpus.messages(_MESSAGES)]
    for user in range(_USERS):
        with ImapClient(server.imap_port, server.address(user), room=1 << 20) as client:
            client.ask("APPEND INBOX" + " {}" * len(messages), *messages)
    for number in range(_USERS * _MEETINGS):
        session(server, number % _USERS, room=1 << 20).close()
    await_indexed(bench, server, _USERS - 1, _MESSAGES)


def _connect(server: ImapServer, tls: bool, count: int) -> Iterator[socket.socket]:
    """`count` connections in IDLE, made some at a time. RuntimeError when the server does not let one come so far."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for first in range(0, count, _AT_ONCE):
        made = []
        for _ in range(first, min(first + _AT_ONCE, count)):
            connection = socket.create_connection(("127.0.0.1", _port(server, tls)), timeout=_SECONDS)
            made.append(context.wrap_socket(connection) if tls else connection)
        for number, connection in enumerate(made, first):
            _until(connection, b"* OK")
            commands = f"a LOGIN {server.address(number % _USERS)} {PASSWORD}\r\nb SELECT INBOX\r\nc IDLE\r\n"
            connection.sendall(commands.encode())
        for connection in made:
            _until(connection, b"\r\n+ ")
            yield connection


def _port(server: ImapServer, tls: bool) -> int:
    return server.imaps_port if tls else server.imap_port


def _until(connection: socket.socket, wanted: bytes) -> None:
    text = b""
    while wanted not in text:
        piece = connection.recv(16384)
        if not piece or b"\r\na NO" in text:
            raise RuntimeError(f"no IDLE: {text[-300:]!r}")
        text += piece


def _row(idle: _Idle) -> list[str]:
    kind = f"{idle.connections:,}, {'TLS' if idle.tls else 'clear'}"
    mib = [f"{octets / 2**20:,.0f}" for octets in (idle.before, idle.after)]
    return [idle.server, kind, f"{idle.kib:,.1f}", *mib, f"{idle.seconds:.1f}"]


def _target(idles: list[_Idle]) -> Target:
    ours = next((idle for idle in idles if idle.server == EstafetaImap.name and not idle.tls), None)
    name = f"IMAP: memory of each of {ours.connections if ours else 10_000:,} idle connections"
    measured = f"{ours.kib:.1f} KiB" if ours else "not measured"
    return Target(name, f"at most {_MOST_KIB} KiB", measured, judge(ours.kib if ours else None, _MOST_KIB, operator.le))
