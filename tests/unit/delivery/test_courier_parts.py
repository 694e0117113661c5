"""Transactions of one recipient each (VERP), LMTP, parts of ourselves that take messages from the queue."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from courier_house import OWN, PATIENCE_SECONDS, CourierHouse

from estafeta.app.lab import Behaviour
from estafeta.routing.values import HopKind

Play = Callable[..., Any]


def waiting_until(house: CourierHouse, seconds: int) -> Any:
    return OWN._replace(release_ms=house.lab.clock.ms() + seconds * 1000)


@pytest.mark.parametrize("per_connection", [2, 100])
def test_verp_sends_to_each_once_over_as_many_connections_as_it_takes(play: Play, per_connection: int) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(recipients={"bo3@*": "450 4.2.0 Later"}))
        to = [f"bo{number}@other.test" for number in range(7)]
        await house.send(*to, conditions=OWN._replace(verp=True), sender="list-bounces@example.test")
        await house.until(lambda: len(site.messages) == 6)
        site.behave(Behaviour())
        await house.jump("15m")
        await house.emptied()
        assert sorted(message.recipients[0][0] for message in site.messages) == to
        assert all(len(message.recipients) == 1 for message in site.messages)
        assert len({message.sender for message in site.messages}) == 7

    limits = {"max_messages_per_connection": per_connection, "max_connections_per_destination": 1}
    play(scene, delivery=limits)


def test_lmtp_says_of_each_recipient_what_became_of_it(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        faults = {"full@*": "452 4.2.2 Full", "gone@*": "550 5.1.1 Unknown"}
        store = await house.lab.remote("store.test", Behaviour(lmtp=True, after_dot=faults))
        house.change(routing={"route_rules": (f"other.test lmtp:store.test:{house.lab.port}",)})
        await house.send("bo@other.test", "full@other.test", "gone@other.test")
        [notice] = await house.until(lambda: house.mailbox("ana@example.test"))
        assert b"gone@other.test" in notice
        await house.until(lambda: [row.address for row in house.waiting()] == ["full@other.test"])
        store.behave(Behaviour(lmtp=True))
        await house.jump("15m")
        await house.emptied()
        assert Counter(address for one in store.messages for address, _ in one.recipients)["full@other.test"] >= 1

    play(scene)


def test_one_message_that_a_part_cannot_handle_holds_up_no_other(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        agent = house.outfit.agents[HopKind.LOCAL]

        def clumsy(work: Any, content: bytes, hop: str) -> Any:
            if work.recipients[0].address.startswith("bo"):
                raise KeyError("bo")
            return agent(work, content, hop)

        house.outfit.agents[HopKind.LOCAL] = clumsy
        for name in ("bo", "cy", "di"):
            await house.send(f"{name}@example.test", conditions=waiting_until(house, 60))
        await house.jump("1m")
        await house.until(lambda: house.mailbox("cy@example.test") and house.mailbox("di@example.test"))
        await house.until(lambda: [row.attempts for row in house.waiting()] == [1])
        house.outfit.agents[HopKind.LOCAL] = agent
        await house.jump("15m")
        await house.until(lambda: house.mailbox("bo@example.test"))
        await house.emptied()
        assert [len(house.mailbox(f"{name}@example.test")) for name in ("bo", "cy", "di")] == [1, 1, 1]

    play(scene)


def test_a_part_with_much_to_do_stops_at_once_and_delivers_once(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        for number in range(60):
            await house.send(f"bo{number}@example.test", conditions=waiting_until(house, 60))
        await house.jump("1m")
        await house.until(lambda: len(house.waiting()) < 58)
        begun = time.monotonic()
        await house.couriers[0].stop()
        assert time.monotonic() - begun < PATIENCE_SECONDS
        assert 0 < len(house.waiting()) < 58
        house.couriers.clear()
        house.hire("node:0")
        await house.emptied()
        assert all(len(house.mailbox(f"bo{number}@example.test")) == 1 for number in range(60))

    play(scene)


def test_many_recipients_of_one_message_go_in_transactions_of_bounded_size(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        await house.send(*(f"bo{number}@other.test" for number in range(450)))
        await house.emptied()
        found = Counter(address for one in site.messages for address, _ in one.recipients)
        assert len(found) == 450
        assert set(found.values()) == {1}
        assert max(len(one.recipients) for one in site.messages) == 100

    play(scene)
