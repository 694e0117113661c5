"""Whose turn it is: nobody waits for the masses of somebody else; rates and numbers of connections are kept."""

import time
from collections.abc import Callable
from typing import Any

from courier_house import OWN, PATIENCE_SECONDS, CourierHouse

from estafeta.app.lab import Behaviour
from estafeta.queue.accepting import accept
from estafeta.queue.values import EntryFlag

Play = Callable[..., Any]
SLOW = Behaviour(delay_seconds=0.005, without=("PIPELINING", "CHUNKING"), keep_contents=False)
QUIET = {"journal": {"level": "reduced"}}


def addresses(site: Any) -> list[str]:
    return [address for message in site.messages for address, _ in message.recipients]


def test_masses_of_one_owner_do_not_hold_up_another_at_the_same_destination(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", SLOW)
        house.change(queue={"hold_normal": True})
        for number in range(300):
            await house.send(f"bo{number}@other.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: len(site.messages) > 5)
        await house.send("cy@other.test", conditions=OWN._replace(owner=2))
        before = len(site.messages)
        await house.until(lambda: "cy@other.test" in addresses(site))
        assert addresses(site).index("cy@other.test") <= before + 25
        assert len(site.messages) < 150

    play(scene, **QUIET, delivery={"max_connections_per_destination": 1})


def test_nor_at_a_slow_rate(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        house.change(queue={"hold_normal": True})
        for number in range(150):
            await house.send(f"bo{number}@other.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: len(site.messages) > 5)
        await house.send("cy@other.test", conditions=OWN._replace(owner=2))
        before = len(site.messages)
        await house.until(lambda: "cy@other.test" in addresses(site))
        assert addresses(site).index("cy@other.test") <= before + 10

    play(scene, **QUIET, delivery={"rate_rules": ("other.test 40/s 1",)})


def test_many_destinations_of_one_owner_do_not_hold_up_one_of_another(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        many = await house.lab.remote("mx.many.test", SLOW)
        one = await house.lab.site("one.test")
        house.change(queue={"hold_normal": True})
        for number in range(300):
            house.lab.names.add(f"d{number}.test", mx=[(10, "mx.many.test")])
            await house.send(f"bo@d{number}.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: len(many.messages) > 5)
        await house.send("cy@one.test", conditions=OWN._replace(owner=2))
        await one.received(1)
        assert len(many.messages) < 150
        assert many.open <= 6

    play(scene, **QUIET, delivery={"max_connections": 5})


def test_a_few_destinations_with_very_much_leave_room(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        sites = [await house.lab.site(f"s{number}.test", SLOW) for number in range(2)]
        one = await house.lab.site("one.test")
        house.change(queue={"hold_normal": True})
        for number in range(400):
            await house.send(f"bo{number}@s{number % 2}.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: sum(site.open for site in sites) == 4)
        await house.send("cy@one.test", conditions=OWN._replace(owner=2))
        await one.received(1)
        assert sum(len(site.messages) for site in sites) < 380

    play(scene, **QUIET, delivery={"max_connections": 4})


def test_connections_are_kept_below_their_number_in_all(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        remote = await house.lab.remote("mx.many.test", SLOW)
        house.change(queue={"hold_normal": True})
        for number in range(200):
            house.lab.names.add(f"d{number % 5}.test", mx=[(10, "mx.many.test")])
            await house.send(f"bo{number}@d{number % 5}.test")
        house.change(queue={"hold_normal": False})
        most = 0
        while len(remote.messages) < 200:
            most = max(most, remote.open)
            await remote.received(min(200, len(remote.messages) + 1))
        assert 5 < most <= 9

    play(scene, **QUIET, delivery={"max_connections": 8})


def test_a_rate_is_kept_by_streams_that_come_and_go(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        begun = time.monotonic()
        for number in range(12):
            await house.send(f"bo{number}@other.test")
            if number < 3:
                await site.received(number + 1)
                await house.at_rest()
        await site.received(12)
        # Ten in a second; what may go at once is a second's worth.
        assert time.monotonic() - begun > 0.1
        assert len(site.messages) == 12

    play(scene, **QUIET, delivery={"rate_rules": ("other.test 10/s 1",)})


def test_a_slow_rate_keeps_no_connection_and_ends_at_once_when_the_server_stops(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        other = await house.lab.site("good.test")
        for number in range(3):
            await house.send(f"bo{number}@other.test")
        await site.received(1)
        await house.until(lambda: site.open == 0)
        await house.send("bo@good.test")
        await other.received(1)
        assert len(site.messages) == 1
        begun = time.monotonic()
        await house.couriers[0].stop()
        assert time.monotonic() - begun < PATIENCE_SECONDS
        assert len(house.waiting()) == 2
        assert house.destination("mx:other.test").holder == ""

    play(scene, **QUIET, delivery={"rate_rules": ("other.test 1/h",), "max_connections": 1})


def test_rates_and_lanes_change_while_it_runs(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", SLOW)
        for number in range(60):
            await house.send(f"bo{number}@other.test")
        house.change(queue={"hold_normal": True})
        await house.at_rest()
        sent = len(site.messages)
        assert sent < 60
        await house.send("cy@other.test", conditions=OWN._replace(notice=True))
        house.change(queue={"hold_normal": False})
        await site.received(61)

    play(scene, **QUIET, delivery={"max_connections_per_destination": 1})


def test_high_goes_before_normal(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", SLOW)
        house.change(queue={"hold_normal": True})
        for number in range(100):
            await house.send(f"bo{number}@other.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: len(site.messages) > 3)
        # A notice goes by the high lane.
        await house.outfit.submit(*notice_to(house, "zoe@other.test"))
        await house.until(lambda: "zoe@other.test" in addresses(site))
        assert len(site.messages) < 60
        house.change(queue={"hold_high": True})
        await house.outfit.submit(*notice_to(house, "yui@other.test"))
        await site.received(101)
        await house.at_rest()
        assert "yui@other.test" not in addresses(site)
        house.change(queue={"hold_high": False})
        await house.until(lambda: "yui@other.test" in addresses(site))

    play(scene, **QUIET, delivery={"max_connections_per_destination": 1})


def notice_to(house: CourierHouse, address: str) -> tuple[Any, Any, Any]:
    made = house.posting.letter(
        b"From: <>\r\nSubject: Urgent\r\n\r\nNow.\r\n",
        "",
        [address],
        flags=EntryFlag.NOTICE,
        owner=9,
        parent=0,
        language="",
    )
    return accept, (made.acceptance,), (made.content,)
