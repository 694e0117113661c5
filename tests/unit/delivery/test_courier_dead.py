"""Destinations that cannot be reached: what an attempt costs, who waits, who is told at once."""

from collections.abc import Callable
from typing import Any

import pytest
from courier_house import CourierHouse

from estafeta.app.lab import Behaviour
from estafeta.queue.operating import Action

Play = Callable[..., Any]
DEAD = Behaviour(at={"connect": "drop"})


def failures(house: CourierHouse, hop: str = "mx:other.test") -> int:
    row = house.destination(hop)
    return 0 if row is None else row.failures


def test_a_thousand_messages_to_a_dead_host_cost_one_connection_each_time(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", DEAD)
        await house.send("bo@other.test")
        await house.until(lambda: failures(house) == 1)
        for number in range(999):
            await house.send(f"bo{number}@other.test")
        assert site.connections == 1
        await house.jump("15m")
        await house.until(lambda: failures(house) == 2)
        await house.at_rest()
        assert site.connections == 2
        assert all(row.attempts == 0 for row in house.waiting())
        site.behave(Behaviour())
        await house.jump("15m")
        await site.received(1000)
        await house.emptied()
        assert len({message.recipients[0][0] for message in site.messages}) == len(site.messages) == 1000
        await house.until(lambda: house.destination("mx:other.test") is None)
        assert site.connections < 40

    play(scene, journal={"level": "reduced"})


def test_new_mail_waits_for_a_destination_that_is_down(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", DEAD)
        other = await house.lab.site("good.test")
        await house.send("bo@other.test")
        await house.until(lambda: failures(house) == 1)
        await house.jump("10m")
        await house.send("cy@other.test")
        await house.send("cy@good.test")
        await other.received(1)
        await house.at_rest()
        assert site.connections == 1
        site.behave(Behaviour())
        await house.jump("5m")
        await site.received(2)

    play(scene)


@pytest.mark.parametrize("first", ["dead", "drop", "554 5.3.2 No mail here", "421 4.3.2 Busy", "hang", "mail-drop"])
def test_the_next_mx_takes_what_the_first_does_not(play: Play, first: str) -> None:
    async def scene(house: CourierHouse) -> None:
        lab = house.lab
        if first == "dead":
            lab.names.add("mx1.other.test", a=[lab.dead_address()])
        else:
            stage = "mail" if first == "mail-drop" else "greeting"
            await lab.remote("mx1.other.test", Behaviour(at={stage: first.removeprefix("mail-")}))
        good = await lab.remote("mx2.other.test")
        lab.names.add("other.test", mx=[(10, "mx1.other.test"), (20, "mx2.other.test")])
        for number in range(5):
            await house.send(f"bo{number}@other.test")
        if first == "mail-drop":
            # The content was on its way with the commands: the first message may have arrived, and is not sent again
            # at once; then the other host goes first.
            await good.received(4)
            await house.until(lambda: any(row.attempts for row in house.waiting()))
            await house.jump("15m")
        await good.received(5)
        await house.emptied()
        assert all(row.code != "83" for row in house.story())

    play(scene, patience=0.3)


def test_all_mx_dead_is_one_attempt(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        first = await house.lab.remote("mx1.other.test", DEAD)
        second = await house.lab.remote("mx2.other.test", Behaviour(at={"greeting": "554 5.3.2 Closed"}))
        house.lab.names.add("other.test", mx=[(10, "mx1.other.test"), (20, "mx2.other.test")])
        await house.send("bo@other.test")
        await house.until(lambda: failures(house) == 1)
        await house.at_rest()
        # One says for good that it takes nothing; the other may yet.
        assert len(house.waiting()) == 1
        assert (first.connections, second.connections) == (1, 1)
        [record] = house.story("8C")
        assert record.text

    play(scene)


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ({"mx": [(0, "")]}, b"5.1.10"),
        ({"mx": [(0, ".")]}, b"5.1.10"),
        (None, b"5.1.2"),
        ({"mx": [(10, "mail.example.test")]}, b"5.4.6"),
    ],
    ids=["null-mx", "null-mx-dot", "nxdomain", "ourselves"],
)
def test_what_will_never_be_reached_goes_back_at_once(play: Play, records: Any, status: bytes) -> None:
    async def scene(house: CourierHouse) -> None:
        if records is not None:
            house.lab.names.add("other.test", **records)
        house.lab.names.add("mail.example.test", a=["127.77.0.99"])
        await house.send("bo@other.test", "cy@other.test")
        await house.send("di@other.test")
        notices = await house.until(lambda: len(found := house.mailbox("ana@example.test")) == 2 and found)
        assert all(b"Action: failed" in notice for notice in notices)
        assert all(b"Status: " + status in notice for notice in notices), notices[0]
        await house.emptied()
        await house.until(lambda: house.destination("mx:other.test") is None)

    play(scene)


@pytest.mark.parametrize("fault", ["servfail", "refused", "garbage"])
def test_dns_that_does_not_answer_is_no_reason_to_give_up(play: Play, fault: str) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        house.lab.names.fault("other.test", fault)
        await house.send("bo@other.test")
        await house.until(lambda: failures(house) == 1)
        assert len(house.waiting()) == 1
        house.lab.names.fault("other.test", "")
        house.dns.forget()
        await house.jump("15m")
        await site.received(1)
        await house.emptied()

    play(scene, dns={"timeout_seconds": 1})


def test_expired_only_by_a_try_after_their_time_and_what_is_held_is_left_alone(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", DEAD)
        await house.send("bo@other.test")
        await house.until(lambda: failures(house) == 1)
        await house.at_rest()
        await house.operate(Action.HOLD)
        await house.send("cy@other.test")
        await house.jump("5d")
        await house.until(lambda: failures(house) == 2)
        await house.at_rest()
        assert site.connections == 2
        [held] = house.waiting()
        assert held.address == "bo@other.test"
        [notice] = house.mailbox("ana@example.test")
        assert b"cy@other.test" in notice

    play(scene)
