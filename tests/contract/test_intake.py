"""The one door: what comes in is in its mailboxes as it was sent, whatever its size, or nowhere at all."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select
from store_kit import Store, problems

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory.model import LocalTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.intake.accept import Intake
from estafeta.intake.conditions import Origin, Recipient
from estafeta.intake.held import HeldFile
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.intake.reception import INLINE_BYTES, SPOOL_BYTES, Inspect, Receipt, Reception
from estafeta.journal.records import Code
from estafeta.journal.tables import journal
from estafeta.mail.address import Address
from estafeta.mailboxes.service import Mailboxes
from estafeta.policy.content import Content
from estafeta.policy.judgement import Judgement, RefusedError, judge
from estafeta.policy.verdict import Verdict, deferred, discarded, quarantined, rejected, scored
from estafeta.queue.quarantinelook import Choice, find_held
from estafeta.routing.table import build_route_table
from estafeta.storage.database import DiskFullError
from estafeta.storage.packwriting import SoloPack
from judge_kit import takes

SENDER = Address("ana", "example.test")
ORIGIN = Origin("ESMTP", "client.example", "192.0.2.1")


def recipient(name: str, *accounts: int, quota: int = 0) -> Recipient:
    return Recipient(Address(name, "example.test"), tuple(LocalTarget(AccountId(a), quota) for a in accounts))


def run(store: Store, scene: Callable[[Callable[..., Reception]], Awaitable[Any]]) -> Any:
    """Play a scene with a function that opens receptions."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()

        def submit(operation: Any, payload: Any, contents: Any = ()) -> asyncio.Future[Any]:
            done: asyncio.Future[Any] = loop.create_future()
            done.set_result(store.group.run(operation, payload, contents))
            return done

        mailboxes = Mailboxes(store.database, store.packs, submit)
        idents = Idents()
        routes = build_route_table(Settings().routing, lambda domain: domain == "example.test")
        planner = Planner(Settings(), routes, "mail.example.test", lambda address: Resolution(Status.UNKNOWN), idents)
        intake = Intake(
            mailboxes,
            store.packs,
            store.database,
            planner=planner,
            idents=idents,
            submit=submit,
            hostname="mail.example.test",
        )

        def open_(
            *recipients: Recipient,
            origin: Origin = ORIGIN,
            max_bytes: int = 0,
            max_hops: int = 50,
            inspect: Inspect = takes,
        ) -> Reception:
            return intake.open(SENDER, recipients, origin, max_bytes=max_bytes, max_hops=max_hops, inspect=inspect)

        return await scene(open_)

    return asyncio.run(main())


async def feed(reception: Reception, content: bytes, piece: int = 60_000) -> Receipt:
    for start in range(0, len(content), piece):
        waiting = reception.write(content[start : start + piece])
        if waiting is not None:
            await waiting
    return reception.receipt(await reception.finish())


def pack_files(store: Store) -> int:
    return sum(1 for _ in store.packs.root.rglob("*.pack"))


@pytest.mark.parametrize("size", [10, INLINE_BYTES - 100, INLINE_BYTES + 1, SPOOL_BYTES, SPOOL_BYTES + 1, 900_000])
def test_a_message_of_any_size_arrives_whole(store: Store, size: int) -> None:
    content = b"Subject: x\r\n\r\n" + os.urandom(size).replace(b"\n", b"-") + b"\r\n"
    receipt = run(store, lambda open_: feed(open_(recipient("bo", 1), recipient("cy", 2, 1)), content))
    assert receipt.failures == (None, None)
    for account in (1, 2):
        (stored,) = store.contents(account)
        assert stored.startswith(b"Return-Path: <ana@example.test>\r\nReceived: from client.example ([192.0.2.1])\r\n")
        assert receipt.ident.encode() in stored
        assert stored.endswith(content)
    assert problems(store) == []


@pytest.mark.parametrize("size", [10, 50_000, 600_000])
def test_a_loop_and_a_size_too_large_leave_nothing(store: Store, size: int) -> None:
    content = b"Received: x\r\n" * 9 + b"\r\n" + b"x" * size + b"\r\n"
    for limits, kind in (({"max_hops": 9}, Kind.LIMIT), ({"max_bytes": size}, Kind.TOO_BIG)):
        with pytest.raises(EstafetaError) as caught:
            run(store, lambda open_, limits=limits: feed(open_(recipient("bo", 1), **limits), content))
        assert caught.value.kind is kind
    assert store.snapshot(1).rows == ()


def test_missing_fields_are_added_for_submission_only(store: Store) -> None:
    for repair in (True, False):
        origin = Origin("ESMTPSA", "c", "192.0.2.1", repair=repair)
        run(
            store,
            lambda open_, origin=origin: feed(open_(recipient("bo", 1), origin=origin), b"Subject: x\r\n\r\ny\r\n"),
        )
    repaired, plain = store.contents(1)
    for field in (b"\r\nDate: ", b"\r\nMessage-ID: <", b"\r\nFrom: ana@example.test\r\n"):
        assert field in repaired
        assert field not in plain


def test_the_quota_binds_where_one_recipient_means_one_mailbox(store: Store) -> None:
    small = recipient("bo", 1, quota=100)
    content = b"Subject: x\r\n\r\n" + b"x" * 200 + b"\r\n"
    receipt = run(store, lambda open_: feed(open_(small), content))
    assert [failure.kind for failure in receipt.failures] == [Kind.QUOTA]
    shared = run(store, lambda open_: feed(open_(small, recipient("cy", 2)), content))
    assert shared.failures == (None, None), "one reply for both: nobody's copy is lost (ADR 3)"


def test_a_peer_that_goes_while_its_message_is_spooled_leaves_no_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.deliver(b"Subject: first\r\n\r\n")
    files = set(os.listdir(store.packs.root)), pack_files(store)
    writing = asyncio.Event()
    write = HeldFile.write

    async def scene(open_: Callable[..., Reception]) -> None:
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()

        def slow(held: HeldFile, piece: bytes) -> None:
            loop.call_soon_threadsafe(writing.set)
            asyncio.run_coroutine_threadsafe(gone.wait(), loop).result(20)
            write(held, piece)

        monkeypatch.setattr(HeldFile, "write", slow)
        reception = open_(recipient("bo", 1))
        spooling = asyncio.ensure_future(reception.write(b"x" * (SPOOL_BYTES + 1)))
        await writing.wait()
        leaving = asyncio.ensure_future(reception.abandon())
        await asyncio.sleep(0)
        assert not leaving.done(), "the thread still has the file"
        gone.set()
        await spooling
        await leaving

    run(store, scene)
    assert (set(os.listdir(store.packs.root)), pack_files(store)) == files
    assert problems(store) == []


@pytest.mark.parametrize("file", [HeldFile, SoloPack])
def test_a_full_disk_while_spooling_is_told_at_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch, file: type[Any]
) -> None:
    def full(file: Any, piece: bytes) -> None:
        raise DiskFullError("no room")

    monkeypatch.setattr(file, "write", full)
    with pytest.raises(DiskFullError):
        run(store, lambda open_: feed(open_(recipient("bo", 1)), b"x" * 900_000))
    assert store.snapshot(1).rows == ()
    assert pack_files(store) == 0


def looks(seen: list[bytes], *verdicts: Verdict, **changes: Any) -> Inspect:
    """An inspection that keeps what it was shown, and says this."""

    async def inspect(content: Content) -> Judgement:
        seen.append(content.header + b"\r\n" + b"".join(content.pieces()))
        return judge(verdicts, Settings().policy)._replace(**changes)

    return inspect


SIZES = [10, INLINE_BYTES + 1, SPOOL_BYTES + 1, 900_000]
FORGED = b"Authentication-Results: mail.example.test; spf=pass\r\n"


def letter(size: int, header: bytes = b"") -> bytes:
    return header + b"Subject: x\r\n\r\n" + os.urandom(size).replace(b"\n", b"-") + b"\r\n"


@pytest.mark.parametrize("size", SIZES)
def test_policy_sees_the_message_as_it_came_and_its_fields_stand_in_front(store: Store, size: int) -> None:
    seen: list[bytes] = []
    plain = letter(size)
    came = FORGED + plain
    cleaned = {"front": b"X-Told: yes\r\n", "header": (b"Subject: x\r\n", len(FORGED + b"Subject: x\r\n"))}
    inspect = looks(seen, scored(1.0, "some reason"), **cleaned)
    run(store, lambda open_: feed(open_(recipient("bo", 1), inspect=inspect), came))
    assert seen == [came]
    [stored] = store.contents(1)
    assert stored.endswith(b"\r\nX-Told: yes\r\n" + plain)
    assert FORGED not in stored
    assert problems(store) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("verdict", [rejected("No", "why"), deferred("Later", "why")])
def test_what_policy_does_not_take_is_nowhere(store: Store, size: int, verdict: Verdict) -> None:
    store.deliver(b"Subject: first\r\n\r\n")
    files, held = pack_files(store), set(os.listdir(store.packs.root))
    with pytest.raises(RefusedError) as caught:
        run(store, lambda open_: feed(open_(recipient("bo", 2), inspect=looks([], verdict)), letter(size)))
    assert caught.value.verdict is verdict
    assert caught.value.records
    assert store.snapshot(2).rows == ()
    assert (pack_files(store), set(os.listdir(store.packs.root))) == (files, held)


@pytest.mark.parametrize("size", SIZES)
def test_what_policy_drops_is_acknowledged_told_and_kept_from_everybody(store: Store, size: int) -> None:
    inspect = looks([], discarded("a worm"))
    receipt = run(store, lambda open_: feed(open_(recipient("bo", 1), inspect=inspect), letter(size)))
    assert receipt.failures == (None,)
    assert store.snapshot(1).rows == ()
    with store.database.read() as conn:
        told = conn.execute(select(journal.c.code, journal.c.text)).all()
    assert (Code.FILTERED, "a worm") in told


@pytest.mark.parametrize("size", SIZES)
def test_a_fault_while_policy_looks_leaves_nothing_and_is_no_acknowledgement(store: Store, size: int) -> None:
    async def fail(content: Content) -> Judgement:
        raise EstafetaError(Kind.TEMPORARY, "The disk could not be read.")

    with pytest.raises(EstafetaError, match="could not be read"):
        run(store, lambda open_: feed(open_(recipient("bo", 1), inspect=fail), letter(size)))
    assert store.snapshot(1).rows == ()


@pytest.mark.parametrize("size", SIZES)
def test_what_policy_holds_is_acknowledged_and_waits_in_quarantine(store: Store, size: int) -> None:
    inspect = looks([], quarantined("a filter", "scripts", by_users=True))
    body = letter(size, b"From: =?utf-8?Q?Ana=C3=AFs?= <x@y.test>\r\n")
    group = recipient("bo", 1)._replace(notify="SUCCESS")
    receipt = run(store, lambda open_: feed(open_(group, recipient("all", 1, 2), inspect=inspect), body))
    assert receipt.failures == (None, None)
    assert store.snapshot(1).rows == ()
    with store.database.read() as conn:
        [held] = find_held(conn, Choice(everything=True))
        rows = conn.execute(select(journal.c.code, journal.c.address, journal.c.detail)).all()
    assert held.ident == receipt.ident
    assert (held.rule, held.reason, held.by_users) == ("scripts", "a filter", True)
    assert (held.sender, held.author, held.subject) == ("ana@example.test", "Anaïs <x@y.test>", "x")
    assert [one.address for one in held.recipients] == ["bo@example.test", "all@example.test"]
    kept = [(row.address, row.detail) for row in rows if row.code == Code.FILTERED]
    assert kept == [("bo@example.test", '{"kept":1}'), ("all@example.test", '{"kept":1}')]
    # Nobody is told that it arrived before it has.
    assert Code.CONFIRMATION not in {row.code for row in rows}
    assert problems(store) == []
