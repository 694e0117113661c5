"""The courier against the lab: what is sent, put off, given up, and what the sender hears."""

from pathlib import Path

import pytest
from courier_house import TEXT, CourierHouse, run

from estafeta.app.lab import Behaviour


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "estafeta.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


def test_a_message_goes_out_as_it_came(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        receipt = await house.send("bo@other.test", "cy@other.test")
        assert receipt.failures == (None, None)
        [message] = await site.received(1)
        assert message.sender == "ana@example.test"
        assert [address for address, _ in message.recipients] == ["bo@other.test", "cy@other.test"]
        assert message.content.startswith(b"Received: from client.example")
        assert message.content.endswith(TEXT)
        await house.emptied()
        assert [row.code for row in house.story()] == ["95", "C6", "C6", "88", "88"]

    run(scene, tmp_path, url)


def test_a_refused_recipient_bounces_to_the_sender(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(recipients={"gone@*": "550 5.1.1 No such user"}))
        await house.send("bo@other.test", "gone@other.test")
        await site.received(1)
        [notice] = await house.until(lambda: house.mailbox("ana@example.test"))
        assert b"550 5.1.1 No such user" in notice
        assert b"gone@other.test" in notice
        assert b"Return-Path: <>" in notice
        await house.emptied()

    run(scene, tmp_path, url)


def test_four_days_of_a_dead_host_cost_few_attempts_and_end_in_one_notice_each(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(at={"connect": "reset"}))
        for _ in range(20):
            await house.send("bo@other.test")
        await house.until(lambda: (row := house.destination("mx:other.test")) and row.failures == 1)
        tries = 1
        while house.waiting():
            before = house.destination("mx:other.test").failures
            await house.jump("8h")
            tries += 1
            await house.until(
                lambda b=before: not house.waiting() or house.destination("mx:other.test").failures > b, 30
            )
        assert tries < 16
        assert site.connections <= 2 * tries
        notices = await house.until(
            lambda: len(house.mailbox("ana@example.test")) >= 40 and house.mailbox("ana@example.test")
        )
        assert sum(b"Action: failed" in notice for notice in notices) == 20
        assert sum(b"Action: delayed" in notice for notice in notices) == 20

    run(scene, tmp_path, url)
