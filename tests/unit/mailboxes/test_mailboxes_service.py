"""Mailboxes as servers use them: on an event loop, every change by way of the writer."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, AccountId, PackId
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes import service
from estafeta.mailboxes.change import Expunge
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.storing import StoreFlags
from estafeta.mailboxes.values import Arrival, Delivery, Flag
from estafeta.storage.commit import GroupCommit, Item
from estafeta.storage.compact import compact
from estafeta.storage.database import Database
from estafeta.storage.packs import DamagedRecordError, Packs
from estafeta.storage.packwriting import SoloPack
from estafeta.storage.writer import Writer, WriterServer

MESSAGE = b"Subject: hello\r\n\r\nWords.\r\n"
ANNA, BEN = AccountId(1), AccountId(2)


def arrival(content: bytes, *accounts: AccountId) -> Arrival:
    scanner = MessageScanner()
    scanner.feed(content)
    return Arrival(scanner.close(), tuple(Delivery(account) for account in accounts), 0, 0)


class WriterThread:
    """The writer process of a node, here a thread."""

    def __init__(self, url: str, root: Path, path: Path) -> None:
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.database = Database(url)
        self.group = GroupCommit(self.database, Packs(root))
        self.server = WriterServer(self.group, self.listener)
        self.thread = threading.Thread(target=self.server.run, args=(lambda: None, 0.02))
        self.thread.start()

    def stop(self) -> None:
        """End it; whoever is connected is cut off, and finds nobody to connect to."""
        self.path.unlink()
        self.server.stopping = True
        for sock in list(self.server._peers):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.group.close()
        self.group.packs.close()
        self.database.close()
        self.listener.close()
        self.server._selector.close()

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(self.path))
        except OSError:
            sock.close()
            raise
        sock.setblocking(False)
        return sock


def broken(tx: object, items: object) -> list[object]:
    """An operation with a bug; here, where a pickle can name it."""
    raise ZeroDivisionError


def wordy(tx: object, items: Sequence[Item]) -> list[bytes]:
    """An operation with much to say."""
    return [b"x" * item.payload for item in items]


@dataclass
class Site:
    mailboxes: Mailboxes
    writer: Writer
    packs: Packs
    process: WriterThread
    again: Callable[[], WriterThread]


@pytest.fixture
def play(sqlite_url: str, tmp_path: Path) -> Callable[[Callable[[Site], Awaitable[None]]], None]:
    def start() -> WriterThread:
        return WriterThread(sqlite_url, tmp_path / "packs", tmp_path / "writer")

    def run(scene: Callable[[Site], Awaitable[None]]) -> None:
        async def main() -> None:
            database, packs = Database(sqlite_url), Packs(tmp_path / "packs")
            process = start()
            writer = Writer(process.connect, asyncio.get_running_loop())
            await writer.start()
            site = Site(Mailboxes(database, packs, writer.submit), writer, packs, process, start)
            try:
                async with asyncio.timeout(20):
                    await scene(site)
                    await writer.stop()
            finally:
                await asyncio.to_thread(site.process.stop)
                packs.close()
                database.close()
            assert writer.waiting == 0

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())

    return run


def test_deliver_and_read(play) -> None:
    async def scene(site: Site) -> None:
        boxes = site.mailboxes
        outcomes = await boxes.deliver(arrival(MESSAGE, ANNA, BEN), MESSAGE)
        assert [outcome.uid for outcome in outcomes] == [1, 1]
        [row] = (await boxes.snapshot(ANNA)).rows
        assert await boxes.read(row.location) == MESSAGE
        assert boxes.read_cached(row.location) in (MESSAGE, None)
        assert [piece async for piece in boxes.chunks(row.location)] == [MESSAGE]
        assert (await boxes.status(BEN)).messages == 1
        assert await boxes.used_bytes(ANNA) == len(MESSAGE)
        assert (await boxes.store_flags(StoreFlags(ANNA, INBOX, ((1, 1),), "add", Flag.SEEN))).modseq > 0
        assert (await boxes.expunge(Expunge(ANNA, INBOX, ((1, 2),)))).ranges == ((1, 1),)
        assert await boxes.used_bytes(ANNA) == 0

    play(scene)


def test_expunging_very_many_takes_turns(play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_EXPUNGED_AT_ONCE", 3)

    async def scene(site: Site) -> None:
        boxes = site.mailboxes
        await asyncio.gather(*(boxes.deliver(arrival(MESSAGE, ANNA), MESSAGE) for _ in range(8)))
        before = (await boxes.status(ANNA)).modseq
        gone = await boxes.expunge(Expunge(ANNA, INBOX, ((2, 99),)))
        assert [uid for low, high in gone.ranges for uid in range(low, high + 1)] == [2, 3, 4, 5, 6, 7, 8]
        assert gone.modseq == before + 3 == (await boxes.status(ANNA)).modseq
        assert [row.uid for row in (await boxes.snapshot(ANNA)).rows] == [1]

    play(scene)


def test_many_at_once_go_together(play) -> None:
    async def scene(site: Site) -> None:
        wanted = [site.mailboxes.deliver(arrival(b"%d" % n, ANNA), b"%d" % n) for n in range(300)]
        outcomes = await asyncio.gather(*wanted)
        assert sorted(outcome[0].uid for outcome in outcomes) == list(range(1, 301))
        rows = (await site.mailboxes.snapshot(ANNA)).rows
        assert [site.packs.read(row.location) for row in rows] == [b"%d" % n for n in range(300)]

    play(scene)


def test_errors_reach_the_one_who_asked(play) -> None:
    async def scene(site: Site) -> None:
        good = site.mailboxes.deliver(arrival(MESSAGE, ANNA), MESSAGE)
        with pytest.raises(EstafetaError) as caught:
            await site.mailboxes.expunge(Expunge(ANNA, 99, ((1, 1),)))  # type: ignore[arg-type]
        assert caught.value.kind is Kind.NOT_FOUND
        assert (await good)[0].uid == 1

    play(scene)


def test_one_who_stops_waiting_disturbs_nobody(play) -> None:
    async def scene(site: Site) -> None:
        first: Any = site.mailboxes.deliver(arrival(MESSAGE, ANNA), MESSAGE)
        first.cancel()
        await site.mailboxes.deliver(arrival(MESSAGE, BEN), MESSAGE)
        assert (await site.mailboxes.status(ANNA)).messages == 1

    play(scene)


def test_what_was_submitted_before_the_stop_is_done(play) -> None:
    async def scene(site: Site) -> None:
        wanted = [site.mailboxes.deliver(arrival(MESSAGE, ANNA), MESSAGE) for _ in range(50)]
        await site.writer.stop()
        assert [future.done() for future in wanted] == [True] * 50

    play(scene)


def test_an_answer_longer_than_a_socket_holds_comes_whole(play) -> None:
    async def scene(site: Site) -> None:
        octets = 8 << 20
        assert await site.writer.submit(wordy, octets) == b"x" * octets

    play(scene)


def test_a_quota_reaches_the_sender(play) -> None:
    """An error within a result, through the socket."""

    async def scene(site: Site) -> None:
        full = Arrival(arrival(MESSAGE).summary, (Delivery(ANNA, quota_bytes=1), Delivery(BEN)), 0, 0)
        refused, good = await site.mailboxes.deliver(full, MESSAGE)
        assert isinstance(refused, EstafetaError)
        assert (refused.kind, good.uid) == (Kind.QUOTA, 1)

    play(scene)


def test_a_writer_that_ends_is_found_again(play, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(site: Site) -> None:
        await site.mailboxes.deliver(arrival(MESSAGE, ANNA), MESSAGE)
        await asyncio.to_thread(site.process.stop)
        while site.writer._transport is not None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        waiting = site.mailboxes.deliver(arrival(MESSAGE, ANNA), MESSAGE)
        site.process = site.again()
        assert (await waiting)[0].uid == 2

    play(scene)
    assert "the writer is gone" in caplog.text


def test_a_bug_in_an_operation_is_its_own(play, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(site: Site) -> None:
        bad = site.writer.submit(broken, None)
        good = site.mailboxes.deliver(arrival(MESSAGE, ANNA), MESSAGE)
        with pytest.raises(EstafetaError) as caught:
            await bad
        assert caught.value.kind is Kind.TEMPORARY
        assert (await good)[0].uid == 1

    play(scene)
    assert "an operation failed" in caplog.text


def test_a_large_message_streams(play) -> None:
    async def scene(site: Site) -> None:
        pack = SoloPack(site.packs, PackId(77))
        content = b"Subject: large\r\n\r\n" + os.urandom(3 << 20)
        for start in range(0, len(content), 100_000):
            pack.write(content[start : start + 100_000])
        location = pack.finish()
        await site.mailboxes.deliver(arrival(content, ANNA, BEN), location)
        pack.close()
        [row] = (await site.mailboxes.snapshot(BEN)).rows
        pieces = [piece async for piece in site.mailboxes.chunks(row.location)]
        assert b"".join(pieces) == content
        assert max(map(len, pieces)) <= 1 << 18
        site.packs.path(PackId(77)).write_bytes(b"damage")
        with pytest.raises(DamagedRecordError):
            await anext(site.mailboxes.chunks(row.location))

    play(scene)


def test_a_content_that_moved_hours_ago_is_found(play) -> None:
    """A session that holds a location for longer than compaction keeps the old file."""

    async def scene(site: Site) -> None:
        site.process.group.seal_bytes = 1
        for number in range(3):
            content = b"%d" % number
            await site.mailboxes.deliver(arrival(content, ANNA), content)
        rows = (await site.mailboxes.snapshot(ANNA)).rows
        compact(site.process.database, site.packs, dead_percent=-1, grace_seconds=0)
        assert not site.packs.path(rows[0].location.pack_id).exists()
        assert await site.mailboxes.read(rows[0].location) == b"0"
        assert [piece async for piece in site.mailboxes.chunks(rows[1].location)] == [b"1"]
        await site.mailboxes.expunge(Expunge(ANNA, INBOX, ((1, 1),)))
        compact(site.process.database, site.packs, dead_percent=-1, grace_seconds=0)
        with pytest.raises(DamagedRecordError):
            await site.mailboxes.read(rows[0].location)

    play(scene)
