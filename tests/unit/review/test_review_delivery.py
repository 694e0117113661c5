"""What a review found on the way out: our own addresses, hosts that hold up, notices of REQUIRETLS, leases, ETRN."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from estafeta.app.jobs import claim
from estafeta.core.errors import EstafetaError
from estafeta.delivery import dialing
from estafeta.delivery.connection_session import Connection
from estafeta.delivery.dialing import Broken, Dialer
from estafeta.delivery.hosts import Host, Hosts
from estafeta.delivery.notice_values import About, Fate, Made, Result
from estafeta.delivery.notices import Notifier
from estafeta.delivery.ownaddresses import OwnAddresses
from estafeta.delivery.settler import Settled, Settler
from estafeta.delivery.tlsdemand import TlsNeed
from estafeta.delivery.tlspolicy import DestinationPolicy
from estafeta.delivery.values import AttemptError, ErrorKind, Stage
from estafeta.directory.settings_outward import Notices
from estafeta.mail.scan import MessageScanner
from estafeta.queue.values import Acceptance, EntryFlag, NewEntry, Place, Settle, Waiting, Work
from estafeta.routing.values import HopKind, NextHop
from estafeta.storage.database import Database
from estafeta.storage.migrate import upgrade
from estafeta.storage.tables import leases
from estafeta.storage.writer import FaultyOperationError, Writer

WAITING = Waiting(Place(1, 0), "x@far.test", 0, 1 << 60, 0, "", "", 0, 0)


@pytest.mark.parametrize(
    ("named", "address", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("0.0.0.0", "127.0.0.2", True),
        ("::", "::1", True),
        ("::", "192.0.2.1", False),
    ],
)
def test_who_listens_everywhere_is_at_every_loopback_address(named: str, address: str, expected: bool) -> None:
    assert (address in OwnAddresses([named])) is expected


class Tarpits(Dialer):
    """Every host takes five minutes to say nothing."""

    tried: int = 0
    now: float = 0.0

    async def _open(self, host: Host, work: Work, need: TlsNeed) -> Connection:
        self.tried += 1
        self.now += 300
        raise AttemptError(Stage.GREETING, ErrorKind.TIMEOUT, "silence")


@pytest.mark.parametrize(("hosts", "tried"), [(1, 1), (2, 2), (100, 3)])
def test_a_domain_with_many_tarpits_holds_us_up_for_minutes_only(
    hosts: int, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = tuple(Host(f"mx{n}.test", f"192.0.2.{n}", 25) for n in range(hosts))
    hop = NextHop(HopKind.MX, "tar.test")
    outfit: Any = None
    dialer = Tarpits(outfit, hop, Hosts(candidates), DestinationPolicy(hop), Broken())
    monkeypatch.setattr(dialing.time, "monotonic", lambda: dialer.now)
    work = Work(1, 1, "", 1, 1, EntryFlag.NONE, 1, 0, 0, "", "", "", "", ())
    with pytest.raises(AttemptError, match="silence"):
        asyncio.run(dialer.connect(work))
    assert dialer.tried == tried


@pytest.mark.parametrize("flag", [EntryFlag.NONE, EntryFlag.REQUIRE_TLS])
def test_notices_of_messages_with_requiretls_have_it_too(flag: EntryFlag) -> None:
    flags: list[EntryFlag] = []

    def plan(content: bytes, sender: str, recipients: tuple[str, ...], **how: Any) -> Made:
        flags.append(how["flags"])
        scanner = MessageScanner()
        scanner.feed(content)
        return Made(Acceptance(scanner.close(), entry=NewEntry(2, "", 0, (), 1, 0)), content)

    notifier = Notifier(
        hostname="mx.test", settings=Notices, plan=plan, new_ident=lambda: 2, clock=lambda: 1_800_000_000.0
    )
    about = About(1, "ana@here.test", 1_800_000_000_000, flags=flag)
    notifier.make(about, [Result("x@far.test", Fate.FAILED, text="no")], lambda whole: b"Subject: x\r\n\r\n")
    assert flags == [EntryFlag.NOTICE | flag]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    found = Database(url)
    yield found
    found.close()


def test_a_lease_from_a_clock_that_was_wrong_does_not_count(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [2_000_000_000.0]
    monkeypatch.setattr("estafeta.app.jobs.time.time", lambda: now[0])
    assert claim(database, "job", "one", 3600)
    assert not claim(database, "job", "two", 3600)
    now[0] -= 1_000_000
    assert claim(database, "job", "two", 3600)
    assert not claim(database, "job", "one", 3600)
    with database.read() as conn:
        [row] = conn.execute(select(leases)).all()
    assert (row.holder, row.until_seconds) == ("two", 1_999_003_600)


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("error", [ValueError("no database takes this"), FaultyOperationError("nor this")])
def test_a_message_never_leaves_without_what_it_became(
    bound: bool, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("estafeta.delivery.settler._RETRY_SECONDS", (0.0,))
    stored: list[Settle] = []

    def submit(operation: Any, payload: Settle, contents: Any) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if payload.notices:
            done.set_exception(error)
        else:
            stored.append(payload)
            done.set_result(())
        return done

    scanner = MessageScanner()
    made = (Acceptance(scanner.close(), entry=NewEntry(2, "", 0, (), 1, 0)), b"")
    work = Work(1, 1, "", 1, 1, EntryFlag.NONE, 1, 0, 0, "", "", "", "", (WAITING,))

    async def main() -> list[Work]:
        finished: list[Work] = []
        settler = Settler(7, "c", submit, lambda: 1000, finished.extend)
        settler.add(Settled(work, [WAITING.place], notices=[made], bound=bound))
        await settler.drained()
        return finished

    assert asyncio.run(main()) == [work]
    [payload] = stored
    assert payload.done == (() if bound else (WAITING.place,))
    assert [delay.place for delay in payload.later] == ([WAITING.place] if bound else [])


def test_what_comes_too_late_at_the_end_of_a_worker_is_told_so() -> None:
    async def main() -> None:
        nowhere: Any = None
        writer = Writer(nowhere, asyncio.get_running_loop())
        await writer.stop()
        with pytest.raises(EstafetaError, match="being stopped"):
            await writer.submit(nowhere, None)

    asyncio.run(main())
