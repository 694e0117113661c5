"""Pieces that wait: joined when all are there, delivered as they came when their time is over or they are too many."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from courier_house import DOMAIN, HOST, SENDER, CourierHouse, run

from estafeta.app.joined import JoinedInspector, join_agent
from estafeta.core.ids import AccountId
from estafeta.delivery.content import load_sources
from estafeta.delivery.joining import MAX_PIECES, join_hop
from estafeta.delivery.outfit import Agency
from estafeta.directory.model import LocalTarget
from estafeta.intake.conditions import Onward, Origin, Recipient
from estafeta.intake.joining import hold_pieces
from estafeta.intake.posting import Posting
from estafeta.mail.address import parse_address
from estafeta.mail.partial import split_message
from estafeta.policy import filters
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.verdict import deferred
from estafeta.queue.accepting import accept
from estafeta.queue.quarantinelook import Choice, find_held
from estafeta.queue.reading import read_work
from estafeta.queue.settling import settle
from estafeta.queue.tables import destinations
from estafeta.queue.values import Settle, Work

BOB = f"bob@{DOMAIN}"
BODY = b"A line of text.\r\n" * 2000
HEADER = b"From: " + SENDER.encode() + b"\r\nSubject: Plans\r\nMIME-Version: 1.0\r\n\r\n"
PIECES = list(split_message(HEADER + BODY, 10_000, ident="1", hostname="x"))
FRONT = b"Return-Path: <" + SENDER.encode() + b">\r\n"
HOP = join_hop(PIECES[0], SENDER, BOB)


class Scene:
    """A house whose couriers are away: works are given to the agent by hand, and what it says is settled."""

    def __init__(self, house: CourierHouse) -> None:
        self.house = house
        self._posting = Posting(house.planner)
        #: Asked about what is whole.
        self.checks: tuple[Check, ...] = filters.checks()

    async def arrive(self, *numbers: int) -> None:
        for number in numbers:
            content = FRONT + PIECES[number]
            acceptance, _ = self.house.planner.plan(
                content,
                parse_address(SENDER),
                [Recipient(parse_address(BOB), (), (Onward(HOP, BOB),))],
                Origin("ESMTP", "", ""),
                skip=len(FRONT),
            )
            await self.house.submit(accept, (acceptance,), (content,))

    def works(self) -> list[Work]:
        [row] = [row for row in self.house.rows(destinations) if row.hop == HOP]
        with self.house.database.read() as conn:
            return read_work(conn, row.destination_id, 1 << 62, 1000)

    async def look(self, work: Work | None = None) -> Agency:
        """The agent's word on the piece that came last, or on one that was read before."""
        content = FRONT + PIECES[2]
        if work is None:
            work = max(self.works())
            [source] = load_sources(self.house.mailboxes, [(work.content_id, work.skip)])
            assert source is not None
            content = FRONT + source.beginning(True)
        now = self.house.lab.clock
        settings: Any = self.house.settings
        inspect = JoinedInspector(self.checks, settings, self.house.resolve, now, asyncio.get_running_loop())
        joiner = join_agent(self.house.mailboxes, settings, self._posting, inspect, now)
        agency = await asyncio.to_thread(joiner, work, content, HOP)
        [row] = [row for row in self.house.rows(destinations) if row.hop == HOP]
        what = Settle(
            row.destination_id,
            "",
            int(now() * 1000),
            tuple(agency.done),
            records=tuple(agency.records),
            notices=tuple(acceptance for acceptance, _ in agency.made),
        )
        await self.house.submit(settle, what, [content for _, content in agency.made])
        return agency


Play = Callable[[Callable[[Scene], Awaitable[None]]], None]


@pytest.fixture
def play(tmp_path: Path, sqlite_url: str) -> Play:
    def start(scene: Callable[[Scene], Awaitable[None]]) -> None:
        async def alone(house: CourierHouse) -> None:
            for courier in house.couriers:
                await courier.stop()
            await scene(Scene(house))

        run(alone, tmp_path, sqlite_url)

    return start


def test_the_whole_goes_into_the_mailbox_once(play: Play) -> None:
    async def scene(here: Scene) -> None:
        await here.arrive(2, 0, 2, 3)
        agency = await here.look()
        assert [reason for _, reason in agency.put_off] == ["Waits for the other pieces: 3 of 4 are here."]
        assert not here.house.mailbox(BOB)
        stale = here.works()[0]
        await here.arrive(1)
        agency = await here.look()
        assert len(agency.done) == 5
        [whole] = here.house.mailbox(BOB)
        assert whole.startswith(FRONT)
        assert b"Subject: Plans\r\n" in whole
        assert b"message/partial" not in whole
        assert whole.endswith(b"\r\n\r\n" + BODY)
        assert not here.works()
        assert len(here.house.story("BJ")) == 5
        # One that a courier had in hand meanwhile.
        again = await here.look(stale)
        assert not again.made
        assert list(again.done) == [stale.recipients[0].place]

    play(scene)


RULE = '[[filter]]\nname = "plans"\naction = "{action}"\nsubject = "Plans"\n{more}'


@pytest.mark.parametrize(("action", "more"), [("keep", ""), ("reject", 'text = "No plans"\n')])
def test_the_whole_is_looked_at_and_held(play: Play, action: str, more: str) -> None:
    async def scene(here: Scene) -> None:
        here.house.change(filters={"rules": RULE.format(action=action, more=more)})
        await here.arrive(0, 1, 2, 3)
        await here.look()
        assert not here.works()
        assert not here.house.mailbox(BOB)
        with here.house.database.read() as conn:
            [held] = find_held(conn, Choice(everything=True))
        assert (held.subject, held.author, [one.address for one in held.recipients]) == ("Plans", SENDER, [BOB])
        assert held.reason == "filter plans: subject like 'Plans'"
        assert held.rule == {"keep": "plans", "reject": "filters"}[action]

    play(scene)


def test_the_whole_is_dropped(play: Play) -> None:
    async def scene(here: Scene) -> None:
        here.house.change(filters={"rules": RULE.format(action="discard", more="")})
        await here.arrive(0, 1, 2, 3)
        await here.look()
        assert not here.works()
        assert not here.house.mailbox(BOB)
        [record] = here.house.story("OW")
        assert record.text == "filter plans: subject like 'Plans'"

    play(scene)


def test_pieces_wait_while_the_whole_cannot_be_looked_at(play: Play) -> None:
    async def scene(here: Scene) -> None:
        later = Check("clamav", Stage.CONTENT, "", lambda facts, settings: [deferred("Try again later", "away")])
        here.checks = (later._replace(who=Who.EVERYBODY),)
        await here.arrive(0, 1, 2, 3)
        agency = await here.look()
        assert [reason for _, reason in agency.put_off] == ["Try again later"]
        assert len(here.works()) == 4
        here.checks = ()
        await here.look()
        assert not here.works()
        assert len(here.house.mailbox(BOB)) == 1

    play(scene)


def test_time_is_over(play: Play) -> None:
    async def scene(here: Scene) -> None:
        await here.arrive(0, 2)
        here.house.lab.clock.jump("8d")
        await here.look()
        await here.look()
        assert not here.works()
        assert sorted(content[len(FRONT) :] for content in here.house.mailbox(BOB)) == sorted([PIECES[0], PIECES[2]])

    play(scene)


def test_too_much(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(here: Scene) -> None:
        monkeypatch.setattr("estafeta.delivery.joining.MAX_BYTES", 15_000)
        await here.arrive(0, 1)
        await here.look()
        assert len(here.works()) == 1
        assert len(here.house.mailbox(BOB)) == 1

    play(scene)


def test_where_pieces_wait() -> None:
    assert HOP.startswith("join:")
    assert {join_hop(content, SENDER, BOB) for content in PIECES} == {HOP}
    assert join_hop(PIECES[0], SENDER, f"eve@{DOMAIN}") != HOP
    assert join_hop(PIECES[0], "", BOB) != HOP


@pytest.mark.parametrize("parameters", ["number=1; total=1", f"number=1; total={MAX_PIECES + 1}", "number=0; total=2"])
def test_not_worth_waiting(parameters: str) -> None:
    assert join_hop(f"Content-Type: message/partial; id=x; {parameters}\r\n\r\n".encode(), SENDER, BOB) == ""
    assert join_hop(HEADER + BODY, SENDER, HOST) == ""


def test_pieces_are_held_where_a_mailbox_is_here() -> None:
    bob, eve = parse_address(BOB), parse_address("eve@other.test")
    here = Recipient(bob, (LocalTarget(AccountId(1), 0),), notify="NEVER")
    away = Recipient(eve, (), (Onward("mx:other.test", str(eve)),))
    sender = parse_address(SENDER)
    assert hold_pieces([here, away], PIECES[0], sender) == [
        Recipient(bob, (), (Onward(HOP, BOB),), notify="NEVER"),
        away,
    ]
    assert hold_pieces([here, away], HEADER, sender) == [here, away]
