"""The bus: topics reach every listener of the directory, and nothing that goes wrong reaches the publisher."""

import asyncio
from pathlib import Path

from estafeta.net import bus


def hear(tmp_path: Path, publish, wanted: int, channel: bus.Channel = bus.Channel.SITE) -> list[str]:
    """What a listener hears of `publish(Bus)`."""

    async def main() -> list[str]:
        heard: list[str] = []
        done = asyncio.Event()

        def listener(topic: str) -> None:
            heard.append(topic)
            if len(heard) >= wanted:
                done.set()

        transport = await bus.listen(asyncio.get_running_loop(), bus.bind(tmp_path, "worker-0", channel), listener)
        sender = bus.Bus(tmp_path)
        publish(sender)
        async with asyncio.timeout(5):
            await done.wait()
        sender.close()
        transport.close()
        return heard

    return asyncio.run(main())


def test_topics_arrive_in_order(tmp_path: Path) -> None:
    topics = ["directory", "settings", "other"]
    assert hear(tmp_path, lambda sender: sender.publish(topics), 3) == topics


def test_many_topics_take_several_datagrams(tmp_path: Path) -> None:
    topics = [f"mailbox:{number}:1" for number in range(2000)]
    assert hear(tmp_path, lambda sender: sender.publish(topics), 2000, bus.Channel.MAILBOX) == topics


def test_dead_and_missing_listeners_are_no_error(tmp_path: Path) -> None:
    bus.bind(tmp_path, "worker-9").close()
    (tmp_path / "worker-8.site.bus").write_text("no socket")

    def publish(sender: bus.Bus) -> None:
        sender.publish(["one"])
        sender.publish(["two"])
        assert len(sender._peers[bus.Channel.SITE]) == 1, "dead ones are not tried again at once"

    assert hear(tmp_path, publish, 2) == ["one", "two"]


def test_a_listener_that_does_not_listen_blocks_nobody(tmp_path: Path) -> None:
    full = bus.bind(tmp_path, "worker-1")
    sender = bus.Bus(tmp_path)
    for _ in range(2000):
        sender.publish(["x" * 4000])
    assert sender._peers[bus.Channel.SITE], "it is only slow"
    sender.close()
    full.close()


def test_no_directory(tmp_path: Path) -> None:
    sender = bus.Bus(tmp_path / "missing")
    sender.publish(["directory"])
    sender.close()


def test_a_socket_left_by_a_dead_worker_is_replaced(tmp_path: Path) -> None:
    bus.bind(tmp_path, "worker-0").close()
    assert hear(tmp_path, lambda sender: sender.publish(["x"]), 1) == ["x"]


def test_datagrams_of_garbage_are_no_error() -> None:
    heard: list[str] = []
    bus.BusListener(heard.append).datagram_received(b"\xff\xfe\nok\n\n", None)
    assert "ok" in heard


def test_mailboxes_are_announced_only_to_who_watches(tmp_path: Path) -> None:
    topics = ["mailbox:7:1", "directory", "mailbox:8:1"]
    assert hear(tmp_path, lambda sender: sender.publish(topics), 1) == ["directory"]
    assert hear(tmp_path, lambda sender: sender.publish(topics), 2, bus.Channel.MAILBOX) == [
        "mailbox:7:1",
        "mailbox:8:1",
    ]


def test_a_deep_home_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    assert hear(deep, lambda sender: sender.publish(["directory"]), 1) == ["directory"]
