"""Everything at once, by chance: servers that come and go, a store that fails, couriers that are replaced, operators,
leaps of time. In the end every recipient has the message once, or its sender has a notice that says so."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from courier_house import OWN, TEXT, CourierHouse

from estafeta.app.lab import Behaviour
from estafeta.delivery import courier as courier_module
from estafeta.delivery import settler as settler_module
from estafeta.queue.operating import Action

Play = Callable[..., Any]
STEPS = 120
# None of these leaves in doubt whether a message was taken.
FAULTS = [
    {},
    {},
    {"connect": "drop"},
    {"greeting": "421 4.3.2 Busy"},
    {"greeting": "garbage"},
    {"ehlo": "drop"},
    {"mail": "451 4.3.0 Later"},
    {"rcpt": ["accept", "450 4.2.0 Later", "550 5.1.1 Unknown"]},
    {"dot": ["451 4.3.0 Later", "accept"]},
    {"data": "421 4.3.2 Goodbye"},
]


class Storm:
    """A scene whose steps are drawn by a seed."""

    def __init__(self, house: CourierHouse, seed: int) -> None:
        self.house = house
        self.chance = random.Random(seed)
        self.sites: list[Any] = []
        self.sent: set[str] = set()

    async def run(self) -> None:
        for number in range(6):
            self.sites.append(await self.house.lab.site(f"s{number}.test"))
        steps = (
            [self.send] * 8 + [self.fault] * 3 + [self.leap] * 2 + [self.replace, self.fail, self.operate, self.lanes]
        )
        for _ in range(STEPS):
            await self.chance.choice(steps)()
        await self.calm()

    async def send(self) -> None:
        for _ in range(self.chance.randrange(1, 4)):
            number = len(self.sent)
            places = self.chance.sample(range(7), self.chance.randrange(1, 4))
            to = [f"r{number}x{place}@{'example.test' if place == 6 else f's{place}.test'}" for place in places]
            self.sent.update(to)
            release = self.chance.choice((0, 0, 0, self.house.lab.clock.ms() + 1800_000))
            conditions = OWN._replace(owner=self.chance.randrange(1, 4), release_ms=release)
            await self.house.send(*to, content=TEXT, conditions=conditions)

    async def fault(self) -> None:
        acts: Any = self.chance.choice(FAULTS)
        without = self.chance.choice(((), ("PIPELINING", "CHUNKING"), ("CHUNKING",)))
        self.chance.choice(self.sites).behave(Behaviour(at=acts, without=without))

    async def leap(self) -> None:
        await self.house.jump(self.chance.choice(("5m", "15m", "2h")))
        await asyncio.sleep(0)

    async def replace(self) -> None:
        courier = self.chance.choice(self.house.couriers)
        await courier.stop()
        self.house.couriers.remove(courier)
        self.house.hire(courier.name)

    async def fail(self) -> None:
        self.house.broken = self.chance.choice(("before", "behind"))
        before = self.house.commits
        await self.house.until(lambda: self.house.commits > before)
        self.house.broken = ""

    async def operate(self) -> None:
        action = self.chance.choice((Action.HOLD, Action.RELEASE, Action.RETRY, Action.HIGH))
        await self.house.operate(action, f"*@s{self.chance.randrange(6)}.test")

    async def lanes(self) -> None:
        self.house.change(queue={"hold_normal": self.chance.random() < 0.4})

    async def calm(self) -> None:
        self.house.change(queue={"hold_normal": False})
        for site in self.sites:
            site.behave(Behaviour())
        for _ in range(20):
            await self.house.operate(Action.RELEASE)
            await self.house.jump("9h")
            await self.house.at_rest()
            if not self.house.waiting():
                return
        raise AssertionError(self.house.waiting())

    def check(self) -> None:
        got: Counter[str] = Counter(
            address for site in self.sites for one in site.messages for address, _ in one.recipients
        )
        for address in self.house.accounts:
            if address.startswith("r"):
                got[address] += len(self.house.mailbox(address))
        failed: Counter[str] = Counter()
        for notice in self.house.mailbox("ana@example.test"):
            for part in notice.split(b"Final-Recipient:")[1:]:
                if b"Action: failed" in part.split(b"Final-Recipient:")[0]:
                    failed[re.search(rb"r\d+x\d@[a-z0-9.]+", part)[0].decode()] += 1  # type: ignore[index]
        fates = {address: (got[address], failed[address]) for address in self.sent}
        assert set(fates.values()) <= {(1, 0), (0, 1)}, [
            pair for pair in fates.items() if pair[1] not in ((1, 0), (0, 1))
        ]
        assert sum(count for count, _ in fates.values()) > len(self.sent) / 2


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_and_nothing_doubled(play: Play, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler_module, "_RETRY_SECONDS", (0.02,))
    monkeypatch.setattr(courier_module, "_LOOK_SECONDS", 0.05)

    async def scene(house: CourierHouse) -> None:
        storm = Storm(house, seed)
        await storm.run()
        storm.check()

    play(scene, couriers=2, delivery={"max_connections": 4}, queue={"warn_after_seconds": 0})
