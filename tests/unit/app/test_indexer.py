"""The indexer process, turn by turn: finds what changed, hears of it, obeys settings, tells how much waits."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from estafeta.app import indexer as indexer_module
from estafeta.app.config import Node, load_node
from estafeta.app.context import WorkerContext
from estafeta.app.home import Home
from estafeta.app.indexer import Indexer
from estafeta.app.setup import Choices, set_up
from estafeta.app.stores import populate
from estafeta.app.workers import INDEXER
from estafeta.core.ids import INBOX, AccountId
from estafeta.directory.settings import SiteSettings
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.net.bus import Bus
from estafeta.search.service import TextSearch
from estafeta.search.terms import TextField, TextTerm
from estafeta.storage.commit import GroupCommit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

MESSAGE = b"Subject: hello\r\n\r\nwords\r\n"


@dataclass
class Home1:
    """A store with someone who delivers, and the other end of the indexer's line to the supervisor."""

    node: Node
    database: Database
    packs: Packs
    group: GroupCommit
    supervisor: socket.socket
    context: WorkerContext

    def deliver(self, account: int = 1) -> None:
        scanner = MessageScanner()
        scanner.feed(MESSAGE)
        wanted = (Delivery(AccountId(account), INBOX),)
        self.group.run(deliver, Arrival(scanner.close(), wanted, 1, 1), (MESSAGE,))

    def reports(self) -> list[dict[str, int]]:
        told = []
        while True:
            try:
                told.append(json.loads(self.supervisor.recv(16384)))
            except BlockingIOError:
                return told

    def index_file(self, account: int = 1) -> Path:
        return self.node.data / "search" / str(account) / f"{account}.sqlite"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Home1]:
    home = Home.at(tmp_path / "mail")
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(home, choices, lambda node: populate(node, "example.test", {}))
    home.run.mkdir(exist_ok=True)
    node = load_node(home)
    bus = Bus(home.run)
    database, packs = Database(node.database_url, publish=bus.publish), Packs(node.data / "packs")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    group = GroupCommit(database, packs)
    yield Home1(node, database, packs, group, ours, WorkerContext(node, INDEXER, (), theirs))
    group.close()
    packs.close()
    database.close()
    bus.close()
    ours.close()
    theirs.close()


@contextmanager
def started(world: Home1) -> Iterator[Indexer]:
    indexer = Indexer(world.context)
    yield indexer
    indexer.close()


@pytest.fixture
def indexer(world: Home1) -> Iterator[Indexer]:
    with started(world) as made:
        yield made


def idle(indexer: Indexer) -> None:
    """Turn until nothing is under way."""
    indexer.turn()
    while indexer._busy:
        indexer.turn()


def test_what_is_there_at_the_start_is_indexed_at_once(world: Home1) -> None:
    for _ in range(3):
        world.deliver()
    with started(world) as indexer:
        idle(indexer)
        assert indexer._indexing.waiting(1) == 0
    assert world.index_file().exists()
    assert world.reports()[-1]["search_waiting"] == 0
    search = TextSearch(world.database, world.packs, world.node.data / "search")
    with world.database.read() as conn:
        rows = [tuple(row) for row in conn.exec_driver_sql("SELECT uid, content_id FROM messages")]
    assert search.match(1, INBOX, rows, TextTerm(TextField.TEXT, "words")) == {1, 2, 3}
    search.close()


def test_a_word_on_the_bus_is_acted_on_after_some_quiet(
    world: Home1, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(indexer)
    world.deliver()
    indexer.turn()
    assert list(indexer._heard) == [1]
    assert not indexer._busy
    due = indexer._heard[1].due()
    assert 2 < due - time.monotonic() <= 3
    indexer._hear("mailbox:1:1", due + 100)  # more and more words do not put it off for ever
    assert indexer._heard[1].due() == indexer._heard[1].first + 30
    indexer._hear("mailbox:x:1", due)
    indexer._hear("nonsense", due)
    assert list(indexer._heard) == [1]
    monkeypatch.setattr(indexer_module, "_LONGEST_SECONDS", 0.0)
    idle(indexer)
    assert indexer._indexing.waiting(1) == 0


def test_settings_decide(world: Home1) -> None:
    world.deliver()
    settings = SiteSettings(world.database, time.time)
    settings.set_setting("search.enabled", "off", "test")
    with started(world) as indexer:
        idle(indexer)
        assert not world.index_file().exists()
        settings.set_setting("search.enabled", "on", "test")
        settings.set_setting("search.max_text_kib", "64", "test")
        indexer._look_due = 0.0
        idle(indexer)
        assert world.index_file().exists()
        assert indexer._contents.limits.max_characters == 65536


def test_an_error_is_no_end_and_the_supervisors_end_is(world: Home1) -> None:
    world.deliver()
    (world.node.data / "search").write_text("in the way")
    with started(world) as indexer:
        idle(indexer)
        assert indexer._heard[1].due() > time.monotonic() + 30
        assert not indexer.stopping()
        world.supervisor.shutdown(socket.SHUT_RDWR)
        assert indexer.stopping()


def test_it_gives_way(world: Home1) -> None:
    child = os.fork()
    if child == 0:
        indexer_module.give_way()
        os._exit(0 if os.sched_getscheduler(0) == os.SCHED_IDLE and os.getpriority(os.PRIO_PROCESS, 0) == 19 else 1)
    assert os.waitpid(child, 0)[1] == 0
