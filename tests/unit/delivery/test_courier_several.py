"""Several couriers on one store, and one that dies: everything goes out once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from courier_house import OWN, CourierHouse, run

from estafeta.app.lab import Behaviour
from estafeta.delivery import courier as courier_module
from estafeta.queue.tables import destinations

Play = Callable[..., Any]


class Monotonic:
    """The monotonic clock of couriers, which a test moves."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(courier_module, "time", SimpleNamespace(monotonic=lambda: self.now))
        patch.setattr(courier_module, "BEAT_SECONDS", 0.02)
        patch.setattr(courier_module, "_LOOK_SECONDS", 0.02)


def counted(*sites: Any) -> Counter[str]:
    return Counter(address for site in sites for message in site.messages for address, _ in message.recipients)


@pytest.mark.parametrize("couriers", [2, 3])
def test_several_couriers_send_everything_once(play: Play, couriers: int) -> None:
    async def scene(house: CourierHouse) -> None:
        sites = [await house.lab.site(f"s{number}.test") for number in range(20)]
        house.change(queue={"hold_normal": True})
        for number in range(500):
            await house.send(f"bo{number}@s{number % 20}.test", conditions=OWN._replace(owner=1 + number % 7))
        house.change(queue={"hold_normal": False})
        await house.emptied()
        await house.at_rest()
        found = counted(*sites)
        assert len(found) == 500
        assert set(found.values()) == {1}
        assert sum(courier.sent for courier in house.couriers) == 500
        assert sum(courier.sent > 0 for courier in house.couriers) == couriers

    play(scene, couriers=couriers, journal={"level": "reduced"}, delivery={"max_connections": 4})


def test_couriers_of_several_nodes_send_everything_once(postgres_url: str, tmp_path: Path) -> None:
    async def scene(house: CourierHouse) -> None:
        faults = {"gone*": "550 5.1.1 Unknown", "full*": "452 4.2.2 Full"}
        sites = [await house.lab.site(f"s{number}.test", Behaviour(recipients=faults)) for number in range(8)]
        names = ["gone" if number % 9 == 4 else "full" if number % 9 == 7 else "bo" for number in range(160)]
        for number, name in enumerate(names):
            await house.send(f"{name}{number}@s{number % 8}.test", conditions=OWN._replace(owner=1 + number % 7))
        await house.until(
            lambda: len(house.waiting()) == names.count("full") and all(r.attempts for r in house.waiting())
        )
        for site in sites:
            site.behave(Behaviour())
        await house.jump("15m")
        await house.emptied()
        await house.at_rest()
        found = counted(*sites)
        assert len(found) == 160 - names.count("gone")
        assert set(found.values()) == {1}
        assert len(house.mailbox("ana@example.test")) == names.count("gone")
        assert sum(courier.sent > 0 for courier in house.couriers) > 1

    run(scene, tmp_path, postgres_url, couriers=3, apart=True, delivery={"max_connections": 3})


def test_who_takes_over_from_a_dead_courier_loses_nothing(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Monotonic(monkeypatch)

    async def scene(house: CourierHouse) -> None:
        slow = Behaviour(delay_seconds=0.05, without=("PIPELINING", "CHUNKING"))
        sites = [await house.lab.site(f"s{number}.test", slow) for number in range(4)]
        for number in range(40):
            await house.send(f"bo{number}@s{number % 4}.test")
        [first] = house.couriers
        await house.until(lambda: sum(len(site.messages) for site in sites) > 4)
        second = house.hire()
        await house.kill(first)
        before = counted(*sites)
        for site in sites:
            site.behave(Behaviour())
        await house.until(lambda: first.name in second._seen)
        held = [row for row in house.rows(destinations) if row.holder == first.name]
        assert held
        clock.now += 29
        await house.until(lambda: second._beaten == clock.now)
        assert {row.holder for row in house.rows(destinations) if row.holder} == {first.name}
        clock.now += 2
        await house.emptied()
        found = counted(*sites)
        assert len(found) == 40
        # A message that was under way when its courier died may come twice; others not.
        twice = [address for address, count in found.items() if count > 1]
        assert set(twice) <= set(before)
        assert len(twice) <= len(sites)

    play(scene)


def test_a_successor_of_the_same_name_takes_over_at_once(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(at={"rcpt": "hang"}, without=("PIPELINING",)))
        await house.send("bo@other.test")
        await house.until(lambda: any("RCPT" in line for line in site.commands()))
        await house.kill(house.couriers[0])
        site.behave(Behaviour())
        house.hire("node:0")
        await site.received(1)
        await house.emptied()
        assert len(site.messages) == 1

    play(scene)


def test_a_courier_that_was_taken_for_dead_stops_and_begins_anew(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Monotonic(monkeypatch)

    async def scene(house: CourierHouse) -> None:
        slow = Behaviour(delay_seconds=0.02, without=("PIPELINING", "CHUNKING"))
        site = await house.lab.site("other.test", slow)
        for number in range(40):
            await house.send(f"bo{number}@other.test")
        [first] = house.couriers
        await house.until(lambda: len(site.messages) > 2)
        # Its beats come to a standstill, as in a process that is stopped by a signal.
        beating, _ = first._loops
        beating.cancel()
        second = house.hire()
        await house.until(lambda: first.name in second._seen)
        clock.now += 25
        await house.until(lambda: not first.may_send)
        await house.until(lambda: first.active == 0)
        taken = len(site.messages)
        assert taken < 40
        clock.now += 10
        await house.emptied()
        assert set(counted(site).values()) == {1}
        assert len(site.messages) == 40

    play(scene)


def test_one_that_comes_back_after_it_was_taken_for_dead_holds_nothing(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Monotonic(monkeypatch)

    async def scene(house: CourierHouse) -> None:
        await house.lab.site("other.test", Behaviour(at={"rcpt": "hang"}, without=("PIPELINING",)))
        await house.send("bo@other.test")
        [first] = house.couriers
        await house.until(lambda: first.active == 1)
        beating, claiming = first._loops
        beating.cancel()
        second = house.hire()
        await house.until(lambda: first.name in second._seen)
        clock.now += 31
        await house.until(lambda: second.active == 1)
        # It beats again: it learns that it holds nothing, and stops what it was at.
        first._loops = [house._loop.create_task(first._beat_always(fresh=False)), claiming]
        await house.until(lambda: all(stream._closing for stream in first._streams.values()))
        assert second.active == 1
        assert house.destination("mx:other.test").holder == second.name

    play(scene, patience=0.5)
