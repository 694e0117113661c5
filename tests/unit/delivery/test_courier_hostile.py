"""Remote servers that misbehave at any stage: each attempt ends and is recorded with its reason, another follows, and
nobody else waits for it."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from courier_house import TEXT, CourierHouse

from estafeta.app.lab import Behaviour

Play = Callable[..., Any]

FAULTS = ["hang", "drop", "reset", "drip", "endless", "giant", "garbage", "early", "goodbye"]
STAGES = ["connect", "greeting", "ehlo", "starttls", "mail", "rcpt", "data", "content", "dot", "quit"]
CASES = [(stage, fault) for stage in STAGES for fault in FAULTS if stage != "connect" or fault in ("drop", "reset")]
PATIENCE = 0.25


def tried(house: CourierHouse, hop: str) -> bool:
    row = house.destination(hop)
    return (row is not None and row.failures > 0) or any(one.attempts for one in house.waiting())


@pytest.mark.parametrize(("stage", "fault"), CASES)
def test_a_fault_at_a_stage_ends_in_an_attempt_that_is_recorded(play: Play, stage: str, fault: str) -> None:
    async def scene(house: CourierHouse) -> None:
        bad = await house.lab.site("bad.test", Behaviour(at={stage: fault}, tls="none", without=("CHUNKING",)))
        if stage == "starttls":
            bad.behave(Behaviour(at={stage: fault}))
        good = await house.lab.site("good.test")
        await house.send("bo@bad.test")
        await house.send("bo@good.test")
        await good.received(1)
        hop = "mx:bad.test"
        await house.until(lambda: tried(house, hop) or bad.messages)
        await house.at_rest()
        if tried(house, hop):
            assert not house.story("83")
            records = house.story("8C")
            assert records, (stage, fault)
            assert all(record.text for record in records)
            due = max([row.due_ms for row in house.waiting()] + [house.destination(hop).due_ms])
            assert due > house.lab.clock.ms()
        bad.behave(Behaviour())
        await house.jump("15m")
        await bad.received(1)
        await house.emptied()
        assert house.mailbox("ana@example.test") == []
        await house.at_rest()

    play(scene, patience=PATIENCE)


def test_a_lost_reply_means_a_second_try_and_is_told(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(at={"dot": "lost"}, without=("CHUNKING",)))
        await house.send("bo@other.test")
        await house.until(lambda: house.story("8T"))
        assert len(site.messages) == 1
        [row] = house.waiting()
        assert row.attempts == 1
        site.behave(Behaviour())
        await house.jump("15m")
        await site.received(2)
        await house.emptied()
        assert site.messages[0].content == site.messages[1].content

    play(scene)


def test_many_messages_for_a_host_that_breaks_off_cost_few_connections(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("bad.test", Behaviour(at={"mail": "drop"}))
        house.change(queue={"hold_normal": True})
        for number in range(50):
            await house.send(f"bo{number}@bad.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: (row := house.destination("mx:bad.test")) and row.failures)
        await house.at_rest()
        assert site.connections <= 4
        assert len(house.waiting()) == 50
        site.behave(Behaviour())
        await house.jump("15m")
        await site.received(50)
        await house.emptied()
        assert len(site.messages) == 50

    play(scene)


def test_a_giant_reply_takes_no_memory(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.lab.site("bad.test", Behaviour(at={"ehlo": "giant"}))
        tracemalloc.start()
        try:
            await house.send("bo@bad.test")
            await house.until(lambda: tried(house, "mx:bad.test"))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 16 << 20

    play(scene, patience=1.0)


def test_hanging_hosts_hold_up_nobody_else(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        for number in range(6):
            await house.lab.black_hole(f"mx.bad{number}.test")
            house.lab.names.add(f"bad{number}.test", mx=[(10, f"mx.bad{number}.test")])
            await house.send(f"bo@bad{number}.test")
        good = await house.lab.site("good.test")
        await house.until(lambda: house.couriers[0].active == 6)
        for number in range(20):
            await house.send(f"bo{number}@good.test")
        await good.received(20)
        assert house.couriers[0].active >= 6

    play(scene, patience=60.0)


def test_a_large_content_that_nobody_reads_any_more(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("bad.test", Behaviour(at={"content": "drop"}))
        content = TEXT + b"x" * 76 + b"\r\n"
        content += (b"y" * 76 + b"\r\n") * 20_000
        await house.send("bo@bad.test", content=content)
        await house.until(lambda: tried(house, "mx:bad.test"))
        site.behave(Behaviour())
        await house.jump("15m")
        [message] = await site.received(1)
        assert message.content.endswith(content)
        await house.emptied()

    play(scene, patience=10.0)
