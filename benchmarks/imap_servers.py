"""The servers whose IMAP is measured, and the same messages in each.

INBOXes are filled by each server's own import from one Maildir, which is made once in a run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import imap_corpus, maildir
from benchmarks.bench import Bench
from benchmarks.dovecot import UID
from benchmarks.estafeta_server import Estafeta, command
from benchmarks.fill import count_indexed
from benchmarks.imap_client import ImapClient
from benchmarks.imap_dovecot import DovecotImap, DovecotMdbox
from benchmarks.processes import Group
from benchmarks.server import DOMAIN, await_greeting

# Sign-in in clear text from loopback, as in the private Dovecots, and room for all that connect.
_SETTINGS = {"imap.security": "both", "limits.max_connections": "20000", "imap.max_sessions_per_user": "1000"}
_INDEX_SECONDS = 300


class EstafetaImap(Estafeta):
    """Estafeta, read by IMAP."""

    def install(self) -> None:
        super().install()
        assert Estafeta.template is not None
        self.imap_port = Estafeta.template.port_base + 143
        self.imaps_port = Estafeta.template.port_base + 993
        for key, value in _SETTINGS.items():
            command(self.directory, "config", "set", key, value)

    def start(self, *options: str) -> None:
        super().start(*options)
        await_greeting(self.imap_port, self.group)

    def address(self, user: int) -> str:
        return f"u{user:02d}@{DOMAIN}"

    def fill(self, user: int, source: Path) -> None:
        command(self.directory, "import", "maildir", str(source), self.address(user))

    def make_cold(self, user: int) -> None:
        """A restart: what the processes remembered is gone."""
        self.group.end()
        self.group = Group()
        self.start()


ImapServer = EstafetaImap | DovecotImap
KINDS: tuple[type[ImapServer], ...] = (EstafetaImap, DovecotImap, DovecotMdbox)
DOVECOTS = (DovecotImap.name, DovecotMdbox.name)


@contextmanager
def running(bench: Bench, kinds: Sequence[type[ImapServer]], users: int) -> Iterator[list[ImapServer]]:
    """All of `kinds` that can be had, up at once."""
    with ExitStack() as stack:
        servers = []
        for kind in bench.available(kinds):
            server = stack.enter_context(bench.running(kind, users))
            assert isinstance(server, EstafetaImap | DovecotImap)
            servers.append(server)
        yield servers


def fill(bench: Bench, server: ImapServer, user: int, count: int) -> None:
    """Puts `count` messages of the corpus into the INBOX of `user`."""
    source = bench.root / f"corpus-{count}"
    if not source.exists():
        _write(source, imap_corpus.messages(count))
    begun = time.monotonic()
    server.fill(user, source)
    bench.say(f"  {server.name}: {count:,} messages brought in, {time.monotonic() - begun:.1f} s")


def fill_large(bench: Bench, server: ImapServer, user: int, octets: int) -> None:
    """Puts one message of about `octets` into the INBOX of `user`."""
    source = bench.root / f"large-{octets}"
    if not source.exists():
        _write(source, [imap_corpus.large_message(octets)])
    server.fill(user, source)


def _write(path: Path, messages: Iterable[bytes]) -> None:
    maildir.make(path, UID)
    maildir.fill(path, messages, UID, "cur")


def session(server: ImapServer, user: int = 0, room: int = 64 << 20) -> ImapClient:
    """A new session with INBOX selected, for answers of at most `room`."""
    client = ImapClient(server.imap_port, server.address(user), room)
    client.ask("SELECT INBOX")
    return client


def await_indexed(bench: Bench, server: ImapServer, user: int, count: int) -> None:
    """Waits until the texts of `count` messages are in the index, which is made beside the delivery of mail.

    RuntimeError when it takes too long. Dovecot as it ships has no such index.
    """
    if not isinstance(server, EstafetaImap):
        return
    begun = time.monotonic()
    while (indexed := count_indexed(server.directory, server.address(user))) < count:
        if time.monotonic() - begun > _INDEX_SECONDS:
            raise RuntimeError(f"{indexed:,} of {count:,} messages indexed within {_INDEX_SECONDS} s")
        time.sleep(0.2)
    bench.say(f"  {server.name}: all {count:,} indexed {time.monotonic() - begun:.1f} s later")
