"""What an address of ours sends on: which sender it goes out with, who hears of trouble, what is sealed."""

from pathlib import Path
from typing import Any

import pytest
from courier_house import OWN, TEXT, CourierHouse, run

from estafeta.app.lab import Behaviour
from estafeta.delivery.signing import read_results
from estafeta.directory.sitesecrets import SRS, get_secret
from estafeta.intake.conditions import Onward, Origin, Recipient
from estafeta.mail.address import parse_address
from estafeta.queue.tables import entries
from estafeta.queue.values import EntryFlag
from estafeta.trust.fields import Fields
from estafeta.trust.srs import reverse
from judge_kit import takes

FOREIGN = OWN._replace(trusted=False)
ZOE = "zoe@origin.test"


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "estafeta.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


async def send_on(
    house: CourierHouse, pairs: list[tuple[str, str]], sender: str = ZOE, conditions: Any = FOREIGN
) -> None:
    """A message for addresses here that stand for others elsewhere."""
    path = parse_address(sender) if sender else None
    placed = [Recipient(parse_address(alias), (), (Onward(f"mx:{to.rpartition('@')[2]}", to),)) for alias, to in pairs]
    origin = Origin("ESMTP", "client.example", "192.0.2.1")
    reception = house.intake.open(path, placed, origin, conditions, max_bytes=0, max_hops=50, inspect=takes)
    waiting = reception.write(TEXT)
    assert waiting is None
    await reception.finish()


def leads_to(house: CourierHouse, path: str) -> str:
    address = parse_address(path)
    return str(reverse(address.local, [get_secret(house.database, SRS)], house.lab.clock()).address)


def test_each_address_sends_on_in_its_own_domain(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        house.domains.add("two.test")
        site = await house.lab.site("far.test")
        await send_on(
            house,
            [("a@example.test", "x@far.test"), ("b@two.test", "y@far.test"), ("c@example.test", "z@far.test")],
        )
        messages = await site.received(2)
        assert {one.sender.rpartition("@")[2]: one.addresses for one in messages} == {
            "example.test": ("x@far.test", "z@far.test"),
            "two.test": ("y@far.test",),
        }
        assert {leads_to(house, one.sender) for one in messages} == {ZOE}
        await house.emptied()

    run(scene, tmp_path, url)


CASES: dict[str, tuple[str, str, Any, dict[str, Any], str]] = {
    "of a stranger": ("a@example.test", ZOE, FOREIGN, {}, "example.test"),
    "of a network of ours": ("a@example.test", ZOE, OWN, {}, "example.test"),
    "of our own": ("a@example.test", "ana@example.test", OWN, {}, ""),
    "of nobody": ("a@example.test", "", FOREIGN, {}, ""),
    "as it came": ("x@far.test", ZOE, FOREIGN, {}, ""),
    "switched off": ("a@example.test", ZOE, FOREIGN, {"rewrite": False}, ""),
    "in a chosen domain": ("a@example.test", ZOE, FOREIGN, {"domain": "two.test"}, "two.test"),
    "in one that is not ours": ("a@example.test", ZOE, FOREIGN, {"domain": "else.test"}, "example.test"),
    "too long": ("a@example.test", "z" * 64 + "@" + "long." * 30 + "test", FOREIGN, {}, ""),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_whose_sender_is_rewritten(case: tuple[str, str, Any, dict[str, Any], str], tmp_path: Path, url: str) -> None:
    alias, sender, conditions, settings, domain = case

    async def scene(house: CourierHouse) -> None:
        house.domains.add("two.test")
        site = await house.lab.site("far.test")
        await send_on(house, [(alias, "x@far.test")], sender, conditions)
        [message] = await site.received(1)
        if domain:
            assert message.sender.endswith(f"@{domain}")
            assert leads_to(house, message.sender) == sender
        else:
            assert message.sender == sender

    run(scene, tmp_path, url, srs=settings)


def test_a_stranger_that_names_another_original_recipient(tmp_path: Path, url: str) -> None:
    """ORCPT is the client's word: only a domain of ours counts."""

    async def scene(house: CourierHouse) -> None:
        site = await house.lab.site("far.test")
        for orcpt in ("rfc822;x@evil.test", "x400;x@example.test", "rfc822;no address", "rfc822;@"):
            to = Recipient(parse_address("a@example.test"), (), (Onward("mx:far.test", "x@far.test"),), "", orcpt)
            origin = Origin("ESMTP", "client.example", "192.0.2.1")
            reception = house.intake.open(
                parse_address(ZOE), [to], origin, FOREIGN, max_bytes=0, max_hops=50, inspect=takes
            )
            reception.write(TEXT)
            await reception.finish()
        for message in await site.received(4):
            assert message.sender.endswith("@example.test")

    run(scene, tmp_path, url)


def test_notices_go_to_the_first_sender(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.lab.site("far.test", Behaviour(recipients={"*": "550 5.1.1 No such user"}))
        origin = await house.lab.site("origin.test")
        await send_on(house, [("a@example.test", "x@far.test")], conditions=OWN)
        [notice] = await origin.received(1)
        assert (notice.sender, notice.addresses) == ("", (ZOE,))
        await house.emptied()

    run(scene, tmp_path, url)


def test_the_queue_keeps_the_first_sender(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        await house.lab.site("far.test", Behaviour(at={"rcpt": "451 4.3.0 Later"}))
        await send_on(house, [("a@example.test", "x@far.test")])
        await house.until(lambda: [one for one in house.waiting() if one.attempts])
        [entry] = house.rows(entries)
        assert (entry.sender, bool(entry.flags & EntryFlag.FORWARDED)) == (ZOE, True)

    run(scene, tmp_path, url)


OURS = b"Authentication-Results: mx.test; spf=pass smtp.mailfrom=a.test;\r\n arc=%b\r\n"
SET = b"ARC-Seal: i=1; cv=none\r\n"


@pytest.mark.parametrize(
    ("header", "cv"),
    [
        (b"From: a@b.test\r\n", None),
        (b"Authentication-Results: mx.test; none\r\nFrom: a@b.test\r\n", "none"),
        (OURS % b"pass" + SET, "pass"),
        (OURS % b"fail" + SET, "fail"),
        (OURS % b"none" + SET, None),
        (OURS % b"temperror" + SET, None),
        (b"Authentication-Results: mx.test; spf=pass\r\n" + SET, None),
        (b"Authentication-Results: \r\n" + SET, None),
        (b"Authentication-Results: ;;;\r\n", None),
        (b"Authentication-Results: mx.test; none\r\nAuthentication-Results: other; arc=pass\r\n" + SET, None),
    ],
)
def test_what_is_said_of_a_chain(header: bytes, cv: str | None) -> None:
    found = read_results(Fields(header.removesuffix(b"\r\n")))
    assert (None if found is None else found.cv) == cv
