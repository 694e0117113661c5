"""In whose name a user may send: MAIL FROM by rule, From and Sender of what it writes, and every way around them."""

import asyncio
from typing import Any

import pytest

from estafeta.core.ids import AccountId
from estafeta.directory.model import ALL_SERVICES, Account, LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_smtp import SenderRule
from estafeta.mail.address import Address
from estafeta.policy import headerlimits
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.sender import check_sender, checks
from estafeta.routing.rewriterules import Field

ANA = Account(
    AccountId(1),
    "ana@example.test",
    "Ana",
    "es",
    ALL_SERVICES,
    frozenset({"team@example.test", "@brand.test", "ana@home.test"}),
)
MINE, HERS = LocalTarget(AccountId(1), 0), LocalTarget(AccountId(2), 0)
KNOWN = {
    "ana@example.test": Resolution(Status.LOCAL, (MINE,), account_id=AccountId(1)),
    "ana+x@example.test": Resolution(Status.LOCAL, (MINE,), account_id=AccountId(1)),
    "ana.alias@example.test": Resolution(Status.LOCAL, (MINE,)),
    "both@example.test": Resolution(Status.LOCAL, (MINE, HERS)),
    "team@example.test": Resolution(Status.LOCAL, (MINE, HERS)),
    "boss@example.test": Resolution(Status.LOCAL, (HERS,), account_id=AccountId(2)),
    "boss.alias@example.test": Resolution(Status.LOCAL, (HERS,)),
    "gone@example.test": Resolution(Status.REMOVED),
    # Her mail goes elsewhere, and she is still who she is.
    "away@example.test": Resolution(Status.REMOTE, (RemoteTarget(Address("x", "far.test")),), account_id=AccountId(1)),
}


class Book:
    def __init__(self, *, remembers: bool = True) -> None:
        self.remembers = remembers

    def cached(self, address: Address) -> Resolution | None:
        return self.resolve(address) if self.remembers else None

    def resolve(self, address: Address) -> Resolution:
        if address.domain.lower() not in ("example.test", ""):
            return Resolution(Status.NOT_OURS, (RemoteTarget(address),))
        return KNOWN.get(f"{address.key.partition('@')[0]}@example.test", Resolution(Status.UNKNOWN))


def rewrite(address: Address, field: Field) -> Address:
    """`ana@pc.example.test` is `ana@example.test`, in From only."""
    ours = address.domain == "pc.example.test" and field is Field.FROM
    return Address(address.local, "example.test") if ours else address


@pytest.mark.parametrize(
    ("address", "own", "local"),
    [
        ("ana@example.test", True, True),
        ("ana+x@example.test", True, True),
        ("ana.alias@example.test", True, True),
        ("away@example.test", True, True),
        ("both@example.test", False, True),
        ("team@example.test", True, True),
        ("boss@example.test", False, True),
        ("boss.alias@example.test", False, True),
        ("nobody@example.test", False, False),
        ("gone@example.test", False, False),
        ("any@brand.test", True, True),
        ("any@sub.brand.test", False, False),
        ("ana@home.test", True, True),
        ("ANA@HOME.test", True, True),
        ("bob@home.test", False, False),
        ("x@far.test", False, False),
    ],
)
def test_senders_by_rule(address, own, local):
    parsed = Address(*address.split("@"))
    found = Book().resolve(parsed)
    assert check_sender(parsed, found, ANA, SenderRule.OWN).accepted is own
    assert check_sender(parsed, found, ANA, SenderRule.LOCAL_DOMAIN).accepted is local
    assert check_sender(parsed, found, ANA, SenderRule.ANY).accepted


async def refusal(message: bytes, *, account: Account | None = ANA, remembers: bool = True, **settings: Any) -> str:
    """What the user is told, "" for nothing."""
    facts = Facts("192.0.2.1", account=account, content=Content.of(message))
    rows = (*headerlimits.checks(), *checks(Book(remembers=remembers), rewrite))
    chain = Chain(rows, Settings.model_validate(settings))
    said = chain.judge(Stage.HEADERS, facts)
    verdicts = said if isinstance(said, list) else await said
    return verdicts[0].text if verdicts else ""


@pytest.mark.parametrize("remembers", [False, True])
@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("From: Ana <ana@example.test>", ""),
        ("From: ana@example.test", ""),
        ("from:ana@EXAMPLE.test", ""),
        ("From: ana", ""),
        ("From: ana.alias@example.test", ""),
        ("From: team@example.test\r\nSender: ana@example.test", ""),
        ("From: Ana <any@brand.test>", ""),
        ("From: ana@pc.example.test", ""),
        ("From: ana@example.test, any@brand.test", ""),
        ("From: Friends: ana@example.test;", ""),
        # Missing ones are added, of the user itself.
        ("Subject: x", ""),
        ("From:", ""),
        ("From: boss@example.test", "boss@example.test"),
        ("From: Boss <boss@example.test>\r\nSender: ana@example.test", "boss@example.test"),
        ("From: ana@example.test\r\nSender: boss@example.test", "boss@example.test"),
        ("From: ana@example.test\r\nSender: ana@pc.example.test", "ana@pc.example.test"),
        ("From: ana@example.test, boss@example.test", "boss@example.test"),
        ("From: Friends: ana@example.test, boss@example.test;", "boss@example.test"),
        ("From: x@far.test", "x@far.test"),
        ("From: boss", "in the name of boss"),
        # one for us, another for who reads it
        ("From: ana@example.test\r\nFrom: boss@example.test", "more than one From"),
        ("From: boss@example.test\r\nFrom: ana@example.test", "more than one From"),
        ("From: ana@example.test\r\nFROM : boss@example.test", "more than one From"),
        ("From: ana@example.test\r\nfrom\t: boss@example.test", "more than one From"),
        ("Sender: ana@example.test\r\nSender: boss@example.test\r\nFrom: ana@example.test", "more than one Sender"),
        ("From :boss@example.test", "boss@example.test"),
        ('From: "ana@example.test" <boss@example.test>', "boss@example.test"),
        ("From: <ana@example.test> <boss@example.test>", "boss@example.test"),
        ("From: (ana@example.test) boss@example.test", "boss@example.test"),
        ("From:\r\n boss@example.test", "boss@example.test"),
        ("From: <@example.test:boss@example.test>", "boss@example.test"),
        ("From: boss@example.test\r\n (ana@example.test)", "boss@example.test"),
        ("From: " + ", ".join(["ana@example.test"] * 10), ""),
        ("From: " + ", ".join(["ana@example.test"] * 10 + ["boss@example.test"]), "at most 10"),
        ("From: " + ", ".join(["ana@example.test"] * 100_000), "too long"),
        ("X: y\r\n" * 2500 + "From: boss@example.test", "too long"),
        ("X: " + "y" * 300_000 + "\r\nFrom: boss@example.test", "too long"),
        ("From: ,,,", "no address that can be read"),
        ("From: \xa0", "in the name of"),
    ],
)
def test_authors_are_the_user_or_what_it_was_granted(header, said, remembers):
    message = header.encode() + b"\r\nDate: x\r\n\r\nbody\r\n"
    assert said in (found := asyncio.run(refusal(message, remembers=remembers)))
    assert bool(found) is bool(said)


def test_the_rule_is_the_operators():
    message = b"From: boss@example.test\r\n\r\n"
    assert asyncio.run(refusal(message, submission={"from_must_be": "local-domain"})) == ""
    foreign = b"From: x@far.test\r\n\r\n"
    assert asyncio.run(refusal(foreign, submission={"from_must_be": "local-domain"}))
    assert asyncio.run(refusal(foreign, submission={"from_must_be": "any"})) == ""


def test_of_strangers_it_is_not_asked():
    assert asyncio.run(refusal(b"From: boss@example.test\r\n\r\n", account=None)) == ""


def test_a_directory_that_does_not_answer_puts_the_message_off():
    class Broken(Book):
        def resolve(self, address: Address) -> Resolution:
            raise OSError("gone")

    async def said() -> int:
        facts = Facts("192.0.2.1", account=ANA, content=Content.of(b"From: ana@example.test\r\n\r\n"))
        waiting = Chain(checks(Broken(remembers=False), rewrite), Settings()).judge(Stage.HEADERS, facts)
        return (waiting if isinstance(waiting, list) else await waiting)[0].code

    assert asyncio.run(said()) == 451
