"""What is done every second goes on, whatever fails."""

import asyncio
from typing import Any

from estafeta.app.ticker import Again, Every, Ticker


def fails() -> None:
    raise ValueError("a fault of ours")


def test_one_that_fails_does_not_keep_the_others_from_being_done() -> None:
    done: list[Any] = []
    doing = (Every(1, fails), Every(1, lambda: done.append("sweep")), Every(3, lambda: done.append("poll")))
    loop = asyncio.new_event_loop()
    ticker = Ticker(loop, doing, lambda lag: done.append(lag))
    for lag in (0.1, 0.2, 0.3):
        ticker.tick(lag)
    loop.close()
    assert done == ["sweep", 0.1, "sweep", 0.2, "sweep", "poll", 0.3]


def test_what_is_wanted_while_it_runs_runs_once_more_whatever_fails() -> None:
    runs: list[int] = []

    async def play() -> None:
        async def work() -> None:
            runs.append(len(runs))
            if len(runs) == 1:
                again.soon()
                again.soon()
                raise ValueError("a fault of ours")

        again = Again(asyncio.get_running_loop(), work)
        for _ in range(2):
            again.soon()
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(play())
    assert runs == [0, 1, 2]
