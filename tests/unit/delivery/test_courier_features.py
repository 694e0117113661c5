"""What senders ask for and what the other side can do: release times, DSN, REQUIRETLS, SMTPUTF8, 8BITMIME, limits."""

from collections.abc import Callable
from typing import Any

import pytest
from courier_house import OWN, TEXT, CourierHouse

from estafeta.app.lab import Behaviour

Play = Callable[..., Any]
WORDS = "¿Qué tal?".encode()


def said(site: Any, word: str) -> list[str]:
    return [line for line in site.commands() if line.upper().startswith(word)]


@pytest.mark.parametrize("local", [False, True])
def test_a_message_waits_for_its_release_time(play: Play, local: bool) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        conditions = OWN._replace(release_ms=house.lab.clock.ms() + 3600_000)
        to = ("cy@example.test", "bo@other.test") if local else ("bo@other.test",)
        receipt = await house.send(*to, conditions=conditions)
        assert receipt.failures == (None,) * len(to)
        await house.jump("59m")
        await house.at_rest()
        assert site.connections == 0
        assert house.mailbox("cy@example.test") == []
        await house.jump("1m")
        await site.received(1)
        await house.emptied()
        assert len(site.messages) == 1
        copies = house.mailbox("cy@example.test")
        assert len(copies) == local
        assert all(copy.endswith(TEXT) and copy.count(b"Return-Path:") == 1 for copy in copies)

    play(scene)


def test_an_address_that_has_gone_when_its_message_is_released_bounces(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.send("cy@example.test", conditions=OWN._replace(release_ms=house.lab.clock.ms() + 60_000))
        house.gone.add("cy")
        await house.jump("1m")
        [notice] = await house.until(lambda: house.mailbox("ana@example.test"))
        assert b"cy@example.test" in notice
        assert b"Status: 5.1.1" in notice
        await house.emptied()

    play(scene)


def test_what_waits_goes_by_new_routes(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        old = await house.lab.site("other.test", Behaviour(at={"connect": "drop"}))
        new = await house.lab.remote("relay.new.test")
        for number in range(3):
            await house.send(f"bo{number}@other.test")
        await house.until(lambda: (row := house.destination("mx:other.test")) and row.failures)
        await house.at_rest()
        # The old host is still down: what goes another way does not wait for it.
        house.change(routing={"route_rules": (f"other.test host:relay.new.test:{house.lab.port}",)})
        await house.jump("15m")
        await new.received(3)
        await house.emptied()
        assert old.connections == 1

    play(scene)


def test_what_waits_for_a_domain_that_has_become_ours_is_delivered_here(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.lab.site("new.test", Behaviour(recipients={"*": "450 4.2.0 Later"}))
        await house.send("bo@new.test", "cy@new.test")
        await house.until(lambda: all(row.attempts for row in house.waiting()))
        house.domains.add("new.test")
        house.change()
        await house.jump("15m")
        await house.until(lambda: house.mailbox("bo@new.test") and house.mailbox("cy@new.test"))
        await house.emptied()

    play(scene)


def test_connections_are_used_again_and_not_too_long(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        house.change(queue={"hold_normal": True})
        for number in range(20):
            await house.send(f"bo{number}@other.test")
        house.change(queue={"hold_normal": False})
        await site.received(20)
        await house.emptied()
        assert site.connections == 4
        assert (
            max(len([line for line in session.lines if line[1].startswith(b"MAIL")]) for session in site.sessions) <= 5
        )

    play(scene, delivery={"max_messages_per_connection": 5, "max_connections_per_destination": 1})


def test_an_idle_connection_takes_the_next_message(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        for number in range(3):
            await house.send(f"bo{number}@other.test")
            await site.received(number + 1)
        assert site.connections == 1

    play(scene, delivery={"idle_seconds": 5})


def test_it_begins_with_one_connection_and_grows(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(delay_seconds=0.02, without=("PIPELINING",)))
        house.change(queue={"hold_normal": True})
        for number in range(60):
            await house.send(f"bo{number}@other.test")
        house.change(queue={"hold_normal": False})
        await house.until(lambda: site.connections)
        assert site.connections == 1
        await site.received(60)
        assert 2 < site.connections <= 6
        await house.emptied()
        assert len(site.messages) == 60

    play(scene, delivery={"max_connections_per_destination": 6})


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(extra=("LIMITS RCPTMAX=10",), max_recipients=10), Behaviour(max_recipients=10)],
    ids=["rcptmax", "452"],
)
def test_more_recipients_than_a_server_takes_go_in_several_transactions(play: Play, behaviour: Behaviour) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", behaviour)
        await house.send(*(f"bo{number}@other.test" for number in range(25)))
        await site.received(3)
        await house.emptied()
        found = [address for message in site.messages for address, _ in message.recipients]
        assert sorted(found) == sorted(f"bo{number}@other.test" for number in range(25))
        assert max(len(message.recipients) for message in site.messages) <= 10

    play(scene)


def test_eight_bits_are_made_seven_where_the_other_side_has_only_seven(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(without=("8BITMIME", "SMTPUTF8", "CHUNKING")))
        content = TEXT.replace(
            b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + WORDS, 1
        )
        await house.send("bo@other.test", content=content)
        [message] = await site.received(1)
        assert message.content.isascii()
        assert b"quoted-printable" in message.content.lower() or b"base64" in message.content.lower()
        assert "BODY=8BITMIME" not in message.mail_parameters

    play(scene)


def test_an_address_in_utf8_needs_a_server_for_it(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.lab.site("other.test", Behaviour(without=("SMTPUTF8",)))
        site = await house.lab.site("able.test")
        await house.send("josé@other.test", "bo@other.test", conditions=OWN._replace(utf8=True))
        [notice] = await house.until(lambda: house.mailbox("ana@example.test"))
        assert b"Status: 5.6.7" in notice
        await house.emptied()
        await house.send("josé@able.test", conditions=OWN._replace(utf8=True))
        await house.until(lambda: any(message.recipients[0][0] == "josé@able.test" for message in site.messages))

    play(scene)


def test_dsn_parameters_are_passed_on_and_then_it_is_their_business(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test")
        conditions = OWN._replace(envid="QQ314159", ret="HDRS")
        await house.send("bo@other.test", conditions=conditions, notify="SUCCESS,DELAY", orcpt="rfc822;Bo+x@other.test")
        [message] = await site.received(1)
        assert "ENVID=QQ314159" in message.mail_parameters
        assert "RET=HDRS" in message.mail_parameters
        [(_, parameters)] = message.recipients
        assert "NOTIFY=SUCCESS,DELAY" in parameters
        assert "ORCPT=rfc822;Bo+2Bx@other.test" in parameters
        await house.emptied()
        assert house.mailbox("ana@example.test") == []

    play(scene)


def test_success_is_confirmed_by_us_where_the_other_side_will_not(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(without=("DSN",)))
        await house.send("bo@other.test", "cy@example.test", notify="SUCCESS")
        [message] = await site.received(1)
        assert "NOTIFY" not in message.recipients[0][1]
        notices = await house.until(lambda: len(found := house.mailbox("ana@example.test")) == 2 and found)
        text = b"".join(notices)
        assert b"Action: relayed" in text
        assert b"Action: delivered" in text
        await house.emptied()

    play(scene)


@pytest.mark.parametrize(
    ("tls", "secure", "back"),
    [("none", True, True), ("self-signed", True, False), ("refuse", True, False), ("good", False, True)],
)
def test_requiretls_concerns_the_message_that_asks_for_it_and_no_other(
    play: Play, tls: str, secure: bool, back: bool
) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", Behaviour(tls=tls), secure=secure)
        house.change(queue={"hold_normal": True})
        await house.send("strict@other.test", conditions=OWN._replace(require_tls=True))
        for number in range(5):
            await house.send(f"bo{number}@other.test")
        house.change(queue={"hold_normal": False})
        await site.received(5)
        if back:
            [notice] = await house.until(lambda: house.mailbox("ana@example.test"))
            assert b"Status: 5.7." in notice
            await house.emptied()
        else:
            await house.until(lambda: [row.address for row in house.waiting() if row.attempts] == ["strict@other.test"])
        await house.at_rest()
        assert house.destination("mx:other.test") is None or house.destination("mx:other.test").failures == 0
        assert all("strict" not in message.recipients[0][0] for message in site.messages)

    play(scene)


def test_requiretls_goes_where_it_is_kept(play: Play) -> None:
    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("other.test", secure=True)
        house.lab.names.add(f"_{house.lab.port}._tcp.mx.other.test", tlsa=[house.lab.tlsa(site)], secure=True)
        await house.send("strict@other.test", conditions=OWN._replace(require_tls=True))
        [message] = await site.received(1)
        assert "REQUIRETLS" in message.mail_parameters
        assert message.tls

    play(scene)
