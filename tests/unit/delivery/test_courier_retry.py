"""When what could not be delivered is tried again, and what its sender hears (rows Q3, Q7)."""

from collections.abc import Callable
from typing import Any

import pytest
from courier_house import CourierHouse

from estafeta.app.lab import Behaviour

Play = Callable[..., Any]

# The rule of the seed: `F,2h,15m; G,16h,2h,1.5; F,4d,8h`, in hours from the first try.
QUARTERS = [number / 4 for number in range(9)]
TIMES = [*QUARTERS, 4.0, 7.0, 11.5, *(18.25 + 8 * number for number in range(10)), 96.0]
# Of a destination: messages are given up by a try after their time.
TIMES_OF_HOST = [*TIMES[:-1], 98.25]


async def tries_until_given_up(house: CourierHouse, due_ms: Callable[[], int], tried: Callable[[], int]) -> list[float]:
    """The times of all tries in hours from the first, to a quarter of an hour."""
    await house.until(lambda: tried() == 1)
    first = house.lab.clock.ms()
    times = [0.0]
    await house.at_rest()
    while house.waiting():
        before = tried()
        await house.jump_to(due_ms())
        await house.until(lambda b=before: tried() > b)
        times.append(round((house.lab.clock.ms() - first) / 900_000) / 4)
        await house.at_rest()
    return times


def actions(house: CourierHouse) -> list[bytes]:
    notices = house.mailbox("ana@example.test")
    return [line.split()[1] for notice in notices for line in notice.split(b"\r\n") if line.startswith(b"Action:")]


@pytest.mark.parametrize("reply", ["450 4.2.0 Greylisted, try later", "452 4.2.2 Mailbox full", "451 4.3.0 No"])
def test_a_message_put_off_for_ever_is_tried_by_the_rule_and_given_up_once(play: Play, reply: str) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(recipients={"*": reply}))
        await house.send("bo@other.test")
        times = await tries_until_given_up(
            house,
            lambda: min(row.due_ms for row in house.waiting()),
            lambda: sum("RCPT" in line for line in site.commands()),
        )
        assert times == TIMES
        await house.until(lambda: len(house.mailbox("ana@example.test")) == 2)
        assert actions(house) == [b"delayed", b"failed"]
        delayed, failed = house.mailbox("ana@example.test")
        # What the other side said last tells more than that the time is over.
        assert b"Status: " + reply[4:9].encode() in failed
        assert b"Status: 4." in delayed
        assert reply.encode() in failed
        assert reply.encode() in delayed

    play(scene)


def test_a_dead_host_is_tried_by_the_same_rule(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(at={"connect": "drop"}))
        await house.send("bo@other.test")
        times = await tries_until_given_up(
            house, lambda: house.destination("mx:other.test").due_ms, lambda: site.connections
        )
        assert times == TIMES_OF_HOST
        await house.until(lambda: len(house.mailbox("ana@example.test")) == 2)
        assert actions(house) == [b"delayed", b"failed"]
        assert b"Status: 5.4.7" in house.mailbox("ana@example.test")[1]

    play(scene)


def test_greylisted_and_then_taken(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(greylist=1))
        await house.send("bo@other.test")
        [row] = await house.until(lambda: [row for row in house.waiting() if row.attempts])
        assert round((row.due_ms - row.first_ms) / 60_000) == 15
        await house.jump("15m")
        [message] = await site.received(1)
        assert message.recipients == (("bo@other.test", ""),) or message.recipients[0][0] == "bo@other.test"
        await house.emptied()
        assert house.mailbox("ana@example.test") == []
        assert [record.code for record in house.story()][-1] == "88"

    play(scene)


def test_every_recipient_of_a_transaction_has_its_own_fate(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        faults = {"full@*": "452 4.2.2 Mailbox full", "grey@*": "450 4.7.1 Later", "gone@*": "550 5.1.1 Unknown"}
        site = await house.lab.site("other.test", Behaviour(recipients=faults))
        await house.send("bo@other.test", "full@other.test", "grey@other.test", "gone@other.test")
        [message] = await site.received(1)
        assert [address for address, _ in message.recipients] == ["bo@other.test"]
        [notice] = await house.until(lambda: house.mailbox("ana@example.test"))
        assert b"gone@other.test" in notice
        assert b"Final-Recipient: rfc822;full" not in notice.replace(b"; ", b";")
        assert b"Final-Recipient: rfc822;bo@" not in notice.replace(b"; ", b";")
        waiting = {row.address: row for row in house.waiting()}
        assert set(waiting) == {"full@other.test", "grey@other.test"}
        assert all(row.attempts == 1 and row.reason for row in waiting.values())
        assert house.destination("mx:other.test").failures == 0
        site.behave(Behaviour())
        await house.jump("15m")
        messages = await site.received(2)
        assert [address for address, _ in messages[1].recipients] == ["full@other.test", "grey@other.test"]
        await house.emptied()

    play(scene)


def test_rules_differ_by_error(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        faults = {"full@*": "452 4.2.2 Mailbox full", "grey@*": "450 4.7.1 Greylisted", "bo@*": "451 4.3.0 Later"}
        await house.lab.site("other.test", Behaviour(recipients=faults))
        await house.send("full@other.test", "grey@other.test", "bo@other.test")
        rows = await house.until(lambda: [r for r in house.waiting() if r.attempts])
        delays = {row.address.partition("@")[0]: round((row.due_ms - row.first_ms) / 60_000) for row in rows}
        assert delays == {"full": 360, "grey": 5, "bo": 30}

    rules = ("* quota F,4d,6h", "* greylisted F,1d,5m", "other.test 451 F,4d,30m", "* * F,4d,8h")
    play(scene, queue={"retry_rules": rules})


def test_never_means_no_notice_and_no_sender_means_none(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.lab.site("other.test", Behaviour(recipients={"*": "550 5.1.1 Unknown"}))
        await house.send("bo@other.test", notify="NEVER")
        await house.send("cy@other.test", sender="")
        await house.emptied()
        assert house.mailbox("ana@example.test") == []
        codes = [record.code for record in house.story()]
        assert codes.count("91") == 2 or len([code for code in codes if code not in ("95", "C6")]) >= 2

    play(scene)


def test_a_notice_to_a_sender_elsewhere_goes_out_with_a_null_sender(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.lab.site("other.test", Behaviour(recipients={"*": "550 5.1.1 Unknown"}))
        home = await house.lab.site("home.test")
        await house.send("bo@other.test", sender="zoe@home.test")
        [notice] = await home.received(1)
        assert notice.sender == ""
        assert [address for address, _ in notice.recipients] == ["zoe@home.test"]
        home.behave(Behaviour(recipients={"*": "550 5.1.1 Unknown"}))
        await house.send("bo@other.test", sender="zoe@home.test")
        await house.emptied()
        assert len(home.messages) == 1

    play(scene)
