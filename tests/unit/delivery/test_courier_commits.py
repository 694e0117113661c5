"""The store fails for a while, a commit loses its answer, a content is damaged: nothing is lost, nothing doubled."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from courier_house import TEXT, CourierHouse

from estafeta.app.lab import Behaviour
from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery import courier as courier_module
from estafeta.delivery import settler as settler_module
from estafeta.storage.tables import contents

Play = Callable[..., Any]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler_module, "_RETRY_SECONDS", (0.05,))
    monkeypatch.setattr(courier_module, "_LOOK_SECONDS", 0.05)


def counted(site: Any) -> Counter[str]:
    return Counter(address for message in site.messages for address, _ in message.recipients)


@pytest.mark.parametrize("when", ["before", "behind"])
def test_a_writer_that_is_restarted_loses_and_doubles_nothing(play: Play, when: str) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(recipients={"gone*": "550 5.1.1 Unknown"}))
        house.change(queue={"hold_normal": True})
        for number in range(40):
            await house.send(f"{'gone' if number % 10 == 0 else 'bo'}{number}@other.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: len(site.messages) > 3)
        house.broken = when
        before = house.commits
        await house.until(lambda: house.commits > before + 3)
        house.broken = ""
        await house.emptied()
        await house.at_rest()
        found = counted(site)
        assert set(found.values()) == {1}
        assert len(found) == 36
        notices = house.mailbox("ana@example.test")
        assert len(notices) == 4

    play(scene)


def test_a_result_that_can_never_be_stored_is_not_sent_again(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        submit = house.outfit.submit

        def refusing(operation: Any, payload: Any, stored: Any = ()) -> Any:
            if operation.__name__ == "settle" and payload.records:
                raise ValueError("a record that no database takes")
            return submit(operation, payload, stored)

        house.outfit.submit = refusing
        for number in range(3):
            await house.send(f"bo{number}@other.test")
        await house.emptied()
        await house.at_rest()
        assert set(counted(site).values()) == {1}
        assert house.destination("mx:other.test") is None

    play(scene)


@pytest.mark.parametrize("operation", ["claim", "beat", "release"])
def test_a_courier_outlives_faults_of_our_own(play: Play, operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "BEAT_SECONDS", 0.05)

    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        [courier] = house.couriers
        submit, faults = house.outfit.submit, [ValueError("a fault"), KeyError("another")]

        def clumsy(what: Any, payload: Any, stored: Any = ()) -> Any:
            if what.__name__ == operation and faults:
                raise faults.pop()
            return submit(what, payload, stored)

        house.outfit.submit = clumsy
        await house.send("bo@other.test")
        await house.emptied()
        await house.until(lambda: not faults)
        await house.send("cy@other.test")
        await site.received(2)
        await house.emptied()
        assert courier.may_send

    play(scene)


def test_a_claim_whose_answer_was_lost_is_given_back(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        submit, lost = house.outfit.submit, [1]

        async def losing(payload: Any) -> Any:
            await submit(courier_module.claim, payload, ())
            raise EstafetaError(Kind.TEMPORARY, "The server is being restarted; try again.")

        def unlucky(what: Any, payload: Any, stored: Any = ()) -> Any:
            if what is courier_module.claim and house.waiting() and lost:
                lost.pop()
                return losing(payload)
            return submit(what, payload, stored)

        house.outfit.submit = unlucky
        await house.send("bo@other.test")
        await house.until(lambda: not lost)
        await site.received(1)
        await house.emptied()

    play(scene)


def test_a_damaged_content_holds_up_no_other_message(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        house.change(queue={"hold_normal": True})
        for number in range(10):
            await house.send(f"bo{number}@other.test", content=TEXT + b"%d\r\n" % number * 10)
        row = house.rows(contents)[4]
        path = house.packs.path(row.pack_id)
        octets = bytearray(path.read_bytes())
        octets[row.offset + 40] ^= 0xFF
        path.write_bytes(octets)
        house.change(queue={"hold_normal": False})
        await site.received(9)
        await house.until(lambda: len(house.waiting()) == 1 and house.waiting()[0].attempts)
        assert "cannot be read" in house.waiting()[0].reason
        await house.jump("4d")
        [notice] = await house.until(lambda: house.mailbox("ana@example.test"))
        assert b"cannot be read" in notice
        await house.emptied()
        assert len(site.messages) == 9

    play(scene)
