"""A home of Estafeta with as long a queue as is wanted, for destinations that do not answer.

One message comes in by SMTP; the others are rows beside it (`queue_scale.Filled`), each with a content of its own whose
octets are those of the first.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.clients import Plan
from benchmarks.estafeta_server import Estafeta, command
from benchmarks.nameserver import NameServer
from benchmarks.server import free_port
from estafeta.core.ids import ContentId, PackId
from estafeta.storage.packs import Location

#: The domain of the first message.
FIRST = "first.example"
_LOCATION = 'select content_id, pack_id, "offset", length, size from contents'
_WAIT_SECONDS = 30.0


class QueueHome:
    """A server that is not running, with one message in its queue. `location` is that message's content."""

    def __init__(self, bench: Bench, settings: Mapping[str, str]) -> None:
        self.names = NameServer()
        self.server = Estafeta(bench.new_directory(), 1)
        self.server.install()
        nowhere = {"dns.servers": f"127.0.0.1:{self.names.port}", "delivery.port": str(free_port())}
        for key, value in (nowhere | dict(settings)).items():
            command(self.server.directory, "config", "set", key, value)
        self.server.start()
        bench.clients.load(self.server.smtp_port, Plan(1, 1, many=False, users=1, domain=FIRST))
        self._await_first_try()
        self.pause()
        [(content_id, pack_id, offset, length, size)] = self.ask(_LOCATION)
        self.location = Location(ContentId(content_id), PackId(pack_id), offset, length, size)

    @property
    def database(self) -> Path:
        return self.server.directory / "data/estafeta.sqlite"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.database}"

    def ask(self, query: str) -> list[tuple[int, ...]]:
        """Rows of the database, whether the server runs or not."""
        with closing(sqlite3.connect(self.database, timeout=30)) as db:
            return db.execute(query).fetchall()

    def pause(self) -> None:
        """End the server; `resume` starts another on the same home."""
        self.server.stop()
        self.server = Estafeta(self.server.home, 1)
        assert Estafeta.template is not None  # a server was installed
        self.server.smtp_port = Estafeta.template.port_base + 25

    def resume(self) -> None:
        self.server.start()

    def close(self) -> None:
        self.server.stop()
        self.names.close()

    def _await_first_try(self) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not self.ask("select 1 from queue_destinations where failures > 0 and holder = ''"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no try to send to {FIRST}. {self.server.last_words()}")
            time.sleep(0.05)


@contextmanager
def queue_home(bench: Bench, settings: Mapping[str, str] | None = None) -> Iterator[QueueHome]:
    """A home that is ended afterwards."""
    home = QueueHome(bench, settings or {})
    try:
        yield home
    finally:
        home.close()
