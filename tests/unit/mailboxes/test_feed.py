"""The change feed: watchers hear of their mailbox only, from any process, and nobody listens when nobody watches."""

import asyncio
from pathlib import Path

from estafeta.mailboxes.feed import ChangeFeed
from estafeta.net import bus


def test_a_watcher_hears_of_its_mailbox_until_it_stops(tmp_path: Path) -> None:
    async def main() -> None:
        feed = ChangeFeed(asyncio.get_running_loop(), tmp_path, "worker-0")
        assert not list(tmp_path.iterdir())
        mine, other = asyncio.Event(), asyncio.Event()
        stop_mine = await feed.watch(7, 1, mine.set)
        stop_other = await feed.watch(8, 1, other.set)
        sender = bus.Bus(tmp_path)
        async with asyncio.timeout(5):
            sender.publish(["mailbox:7:1", "mailbox:7:2", "directory"])
            await mine.wait()
            assert not other.is_set()
            mine.clear()
            stop_mine()
            stop_mine()
            sender.publish(["mailbox:7:1", "mailbox:8:1"])
            await other.wait()
        assert not mine.is_set()
        stop_other()
        assert not list(tmp_path.iterdir()), "the last watcher takes the ear with it"
        sender.close()
        feed.close()

    asyncio.run(main())


def test_a_watcher_of_an_account_hears_of_all_its_mailboxes(tmp_path: Path) -> None:
    async def main() -> None:
        feed = ChangeFeed(asyncio.get_running_loop(), tmp_path, "worker-0")
        heard: asyncio.Queue[int] = asyncio.Queue()
        stop = await feed.watch_account(7, heard.put_nowait)
        again = await feed.watch_account(7, heard.put_nowait)
        one = asyncio.Event()
        stop_one = await feed.watch(8, 1, one.set)
        sender = bus.Bus(tmp_path)
        async with asyncio.timeout(5):
            sender.publish(["mailbox:77:1", "mailbox:7:12", "mailbox:7:0", "mailbox:x:1", "mailbox:7", "mailbox:7:-1"])
            assert [await heard.get() for _ in range(4)] == [12, 12, 0, 0]
            again()
            sender.publish(["mailbox:7:3", "mailbox:8:1"])
            await one.wait()
            assert heard.get_nowait() == 3
            assert heard.empty()
        stop()
        assert list(tmp_path.iterdir()), "somebody still watches a mailbox"
        stop_one()
        assert not list(tmp_path.iterdir())
        sender.close()
        feed.close()

    asyncio.run(main())
