"""The server stops in the middle, an operator takes out what is in hand: nothing is lost, nothing doubled."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from courier_house import OWN, PATIENCE_SECONDS, CourierHouse

from estafeta.app.lab import Behaviour
from estafeta.delivery import courier as courier_module
from estafeta.delivery import settler as settler_module
from estafeta.delivery import supply as supply_module
from estafeta.queue.operating import Action, DestinationAction, DestinationChange, change_destinations
from estafeta.queue.tables import destinations

Play = Callable[..., Any]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler_module, "_RETRY_SECONDS", (0.05,))
    monkeypatch.setattr(courier_module, "_LOOK_SECONDS", 0.05)


def counted(site: Any) -> Counter[str]:
    return Counter(address for message in site.messages for address, _ in message.recipients)


def test_a_server_that_stops_settles_all_and_holds_nothing(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        slow = Behaviour(delay_seconds=0.01, without=("PIPELINING", "CHUNKING"))
        sites = [await house.lab.site(f"s{number}.test", slow) for number in range(3)]
        for number in range(90):
            await house.send(f"bo{number}@s{number % 3}.test")
        await house.until(lambda: sum(len(site.messages) for site in sites) > 10)
        begun = time.monotonic()
        await house.couriers[0].stop()
        assert time.monotonic() - begun < PATIENCE_SECONDS
        sent = sum(len(site.messages) for site in sites)
        assert sent < 90
        assert len(house.waiting()) == 90 - sent
        assert all(row.holder == "" for row in house.rows(destinations))
        house.couriers.clear()
        house.hire("node:0")
        await house.emptied()
        assert all(set(counted(site).values()) == {1} for site in sites)
        assert sum(len(site.messages) for site in sites) == 90

    play(scene)


@pytest.mark.parametrize("stage", ["connect", "greeting", "ehlo", "dns"])
def test_a_server_that_stops_waits_for_nobody_who_has_not_begun(play: Play, stage: str) -> None:
    async def scene(house: CourierHouse) -> None:
        if stage == "dns":
            house.lab.names.fault("other.test", "timeout")
        elif stage == "connect":
            await house.lab.black_hole("mx.other.test")
            house.lab.names.add("other.test", mx=[(10, "mx.other.test")])
        else:
            await house.lab.site("other.test", Behaviour(at={stage: "hang"}))
        await house.send("bo@other.test")
        await house.until(lambda: house.couriers[0].active == 1)
        begun = time.monotonic()
        await house.couriers[0].stop()
        assert time.monotonic() - begun < PATIENCE_SECONDS
        [row] = house.waiting()
        assert row.attempts == 0
        assert (house.destination("mx:other.test").holder, house.destination("mx:other.test").failures) == ("", 0)

    play(scene)


def test_a_message_that_takes_too_long_is_broken_off(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(at={"rcpt": "hang"}, without=("PIPELINING",)))
        await house.send("bo@other.test")
        await house.until(lambda: any("RCPT" in line for line in site.commands()))
        begun = time.monotonic()
        await house.couriers[0].stop(grace_seconds=0.2)
        assert time.monotonic() - begun < PATIENCE_SECONDS
        assert len(house.waiting()) == 1
        assert house.destination("mx:other.test").holder == ""

    play(scene)


@pytest.mark.parametrize("action", [Action.REMOVE, Action.HOLD])
def test_what_an_operator_takes_out_of_a_slow_queue_is_not_sent(
    play: Play, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply_module, "_FRESH_SECONDS", 0.0)

    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(delay_seconds=0.005, without=("PIPELINING",)))
        house.change(queue={"hold_normal": True})
        for number in range(40):
            await house.send(f"{'cy' if number % 2 else 'bo'}{number}@other.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: len(site.messages) > 3)
        await house.operate(action, "cy*")
        before = counted(site)
        await house.until(lambda: not any(row.address.startswith("bo") for row in house.waiting()))
        await house.at_rest()
        late = [address for address in counted(site) if address.startswith("cy") and address not in before]
        assert len(late) <= 1
        assert len([address for address in counted(site) if address.startswith("bo")]) == 20
        await house.operate(Action.RELEASE)
        await house.emptied()
        assert set(counted(site).values()) == {1}
        assert len(counted(site)) == 40 or action is Action.REMOVE

    play(scene, delivery={"max_connections_per_destination": 1})


def test_a_destination_that_is_held_ends_at_once(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(delay_seconds=0.005, without=("PIPELINING",)))
        house.change(queue={"hold_normal": True})
        for number in range(60):
            await house.send(f"bo{number}@other.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: len(site.messages) > 3)
        hold = DestinationChange(DestinationAction.HOLD, ("mx:other.test",), house.lab.clock.ms())
        await house.submit(change_destinations, hold)
        await house.at_rest()
        assert len(site.messages) < 40
        assert len(house.waiting()) == 60 - len(site.messages)
        await house.submit(change_destinations, hold._replace(action=DestinationAction.RELEASE))
        await site.received(60)
        await house.emptied()
        assert set(counted(site).values()) == {1}

    play(scene, delivery={"max_connections_per_destination": 1})


def test_a_claim_that_is_under_way_when_the_server_stops_is_given_back(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.lab.site("other.test")
        [courier] = house.couriers
        async with house._commits:
            house.change(queue={"hold_normal": True})
            sending = asyncio.ensure_future(house.send("bo@other.test"))
            house.change(queue={"hold_normal": False})
            stopping = asyncio.ensure_future(courier.stop())
        await asyncio.gather(sending, stopping)
        assert all(row.holder == "" for row in house.rows(destinations))
        assert courier.active == 0

    play(scene)


def test_what_an_operator_gives_up_goes_back_without_a_try(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(recipients={"*": "450 4.2.0 Later"}))
        await house.send("bo@other.test", "cy@other.test")
        await house.send("cy@example.test", conditions=OWN._replace(release_ms=house.lab.clock.ms() + 3600_000))
        await house.until(lambda: sum(row.attempts for row in house.waiting()) == 2)
        await house.at_rest()
        before = site.connections
        await house.operate(Action.BOUNCE, "cy@*")
        notices = await house.until(lambda: len(found := house.mailbox("ana@example.test")) == 2 and found)
        assert all(b"cy@" in notice and b"operator" in notice for notice in notices)
        assert house.mailbox("cy@example.test") == []
        assert [row.address for row in house.waiting()] == ["bo@other.test"]
        await house.at_rest()
        assert site.connections == before

    play(scene)
