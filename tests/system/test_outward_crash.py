"""A worker is killed, and the server stopped, while it relays: nothing is lost, and hardly anything goes twice."""

import os
import re
import signal
import smtplib
from collections import Counter
from collections.abc import Iterator

import pytest
from outward_site import Node, running_node
from running import wait_until
from sqlalchemy import select

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab import Behaviour, LabThread, Remote
from estafeta.app.report import find_live
from estafeta.queue.tables import destinations

COUNT = 300
# Slow enough to be caught in the middle.
SLOW = Behaviour(tls="none", delay_seconds=0.01)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def node(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    home = tmp_path_factory.mktemp("node") / "home"
    settings = {"smtp.max_messages_per_session": "0", "delivery.idle_seconds": "1"}
    with running_node(home, lab, "relay.test", "--workers", "2", settings=settings) as made:
        yield made


def queue_many(node: Node, domain: str) -> None:
    """Messages that wait until the queue is released."""
    node.use(queue__hold_normal="on")
    with smtplib.SMTP("127.0.0.1", node.server.port(25), timeout=20) as client:
        for number in range(COUNT):
            content = f"From: a@relay.test\r\nSubject: number {number}.\r\n\r\nx\r\n"
            client.sendmail("a@relay.test", [f"u{number}@{domain}"], content)


def counted(remote: Remote) -> Counter[int]:
    """How often each message came."""
    found = (re.search(rb"Subject: number (\d+)\.", message.content) for message in list(remote.messages))
    return Counter(int(match[1]) for match in found if match is not None)


def holder(node: Node, domain: str) -> int:
    """The number of the worker that sends to a domain."""
    query = select(destinations.c.holder).where(destinations.c.hop == f"mx:{domain}")
    with node.site() as site, site.database.read() as conn:
        name = conn.execute(query).scalar_one()
    return int(name.rpartition(":")[2])


def test_a_killed_worker_loses_nothing(node: Node, lab: LabThread) -> None:
    remote = lab.site("kill.test", SLOW)
    queue_many(node, "kill.test")
    live = find_live(load_node(Home(node.server.home)))
    assert live is not None
    pids = {worker.index: worker.pid for worker in live.workers}
    node.use(queue__hold_normal="off")
    remote.wait(40, 20)
    os.kill(pids[holder(node, "kill.test")], signal.SIGKILL)
    assert len(remote.messages) < COUNT, "too fast to be caught"
    wait_until(lambda: len(counted(remote)) == COUNT, 40)
    node.wait_idle(40)
    twice = sum(counted(remote).values()) - COUNT
    # What had its 250 and was not settled yet: known (docs/internals/queue.md).
    assert twice <= 60
    print(f"{twice} of {COUNT} came twice")


def test_a_stop_in_the_middle_sends_nothing_twice(node: Node, lab: LabThread) -> None:
    remote = lab.site("stop.test", SLOW)
    queue_many(node, "stop.test")
    node.use(queue__hold_normal="off")
    remote.wait(40, 20)
    node.switch_off()
    assert len(remote.messages) < COUNT, "too fast to be caught"
    assert len(remote.messages) == len(counted(remote))
    node.switch_on()
    wait_until(lambda: len(counted(remote)) == COUNT, 40)
    node.wait_idle(40)
    assert set(counted(remote).values()) == {1}
