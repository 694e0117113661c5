"""Restrictions as checks of a session: connections, sign-in, senders in our own domains."""

import asyncio
from typing import Any

import pytest

from estafeta.core.ids import AccountId
from estafeta.directory.model import ALL_SERVICES, Account, LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.facts import Facts
from estafeta.policy.restriction_checks import checks
from estafeta.policy.restrictions import Prepared
from estafeta.servers.smtp.screening import Screening
from estafeta.trust.lookups import Status as DnsStatus

ANA = Account(AccountId(1), "ana@example.test", "Ana", "es", ALL_SERVICES)
KNOWN = {
    "ana@example.test": Resolution(Status.LOCAL, (LocalTarget(AccountId(1), 0),), account_id=AccountId(1)),
    "info@example.test": Resolution(Status.REMOTE, (RemoteTarget(Address("x", "far.test")),)),
    "gone@example.test": Resolution(Status.REMOVED),
    "root@example.test": Resolution(Status.DENIED),
}


class Book:
    def __init__(self, *, remembers: bool) -> None:
        self.remembers = remembers

    def cached(self, address: Address) -> Resolution | None:
        return self.resolve(address) if self.remembers else None

    def resolve(self, address: Address) -> Resolution:
        if address.domain != "example.test":
            return Resolution(Status.NOT_OURS, (RemoteTarget(address),))
        return KNOWN.get(str(address), Resolution(Status.UNKNOWN))


class Broken(Book):
    def resolve(self, address: Address) -> Resolution:
        raise OSError("the disk is gone")


class Reading:
    def __init__(self, *recent: str) -> None:
        self.recent = recent

    def is_recent(self, peer: str, minutes: int) -> bool:
        return peer in self.recent


class Dns:
    async def ptr(self, address: str) -> Any:
        return _Answer(("pc.bad.test",) if address.startswith("192.0.2.") else ())

    async def ipv4(self, name: str) -> Any:
        return _Answer(())


class _Answer:
    def __init__(self, records: tuple[str, ...]) -> None:
        self.records = records
        self.status = DnsStatus.OK if records else DnsStatus.NO_NAME
        self.reason = ""


def screening(
    settings: dict[str, Any], facts: Facts, *, book: Book | None = None, recent: tuple[str, ...] = ()
) -> Screening:
    table = checks(Prepared(), Reading(*recent), book or Book(remembers=True), Dns())  # type: ignore[arg-type]
    return Screening(Chain(table, Settings.model_validate(settings)), facts)


async def refusal(settings: dict[str, Any], facts: Facts, *stages: Stage, **more: Any) -> int:
    """The code of what refuses it; 250 for nothing."""
    asked = screening(settings, facts, **more)
    for stage in stages:
        asked.ask(stage)
    await asked.settle()
    found = asked.refusal()
    return 250 if found is None else found.code


@pytest.mark.parametrize("remembers", [False, True])
@pytest.mark.parametrize(
    ("sender", "rule", "code"),
    [
        ("ana@example.test", "none", 250),
        ("ana@example.test", "all", 530),
        ("info@example.test", "all", 530),
        ("nobody@example.test", "all", 550),
        ("gone@example.test", "all", 550),
        ("root@example.test", "all", 550),
        ("x@far.test", "all", 250),
        (None, "all", 250),
        ("ana@example.test", "not-on-accept-list", 530),
        ("printer@example.test", "not-on-accept-list", 250),
        ("Printer@EXAMPLE.test", "not-on-accept-list", 250),
        ("printer@example.test", "all", 550),
        ("anybody@services.test", "not-on-accept-list", 250),
    ],
)
def test_senders_in_our_domains_are_who_they_say(sender, rule, code, remembers):
    settings = {"restrict": {"verify_mail_from": rule, "accept_senders": ("printer@example.test", "@services.test")}}
    address = None if sender is None else Address(*sender.split("@"))
    for trusted in (False, True):
        facts = Facts("192.0.2.1", sender=address, trusted=trusted)
        assert asyncio.run(refusal(settings, facts, Stage.MAIL, book=Book(remembers=remembers))) == code
    # Who signed in is asked by another rule (policy.sender).
    facts = Facts("192.0.2.1", sender=address, account=ANA)
    assert asyncio.run(refusal(settings, facts, Stage.MAIL)) == 250


def test_a_sender_that_cannot_be_looked_up_is_put_off():
    settings = {"restrict": {"verify_mail_from": "all"}}
    facts = Facts("192.0.2.1", sender=Address("ana", "example.test"))
    assert asyncio.run(refusal(settings, facts, Stage.MAIL, book=Broken(remembers=False))) == 451


@pytest.mark.parametrize("account", [None, ANA])
@pytest.mark.parametrize("trusted", [False, True])
def test_restricted_names_are_refused_whoever_signs_in(account, trusted):
    settings = {"restrict": {"names": (".bad.test",)}}

    async def session(peer: str) -> bool:
        facts = Facts(peer, trusted=True)  # of strangers another check looks names up
        asked = screening(settings, facts)
        asked.ask(Stage.CONNECT)
        await asked.settle()
        facts.account, facts.trusted = account, trusted
        return asked.refusal() is not None

    assert asyncio.run(session("192.0.2.1"))
    assert not asyncio.run(session("203.0.113.1"))


@pytest.mark.parametrize("override", [False, True])
def test_the_override_waits_for_who_read_mail(override):
    settings = {
        "restrict": {"networks": ("192.0.2.0/24",), "override": override},
        "relay": {"allow": "pop-before-smtp"},
    }
    for peer, code in (("192.0.2.1", 250 if override else 554), ("192.0.2.2", 554)):
        assert asyncio.run(refusal(settings, Facts(peer), Stage.CONNECT, recent=("192.0.2.1",))) == code


def test_who_is_not_authorised_cannot_sign_in():
    settings = {"restrict": {"verify_identity": True, "authorised": ("bob@example.test",)}}
    assert asyncio.run(refusal(settings, Facts("192.0.2.1", account=ANA), Stage.AUTH)) == 535
    settings = {"restrict": {"verify_identity": True, "authorised": ("@example.test",)}}
    assert asyncio.run(refusal(settings, Facts("192.0.2.1", account=ANA), Stage.AUTH)) == 250
    assert asyncio.run(refusal({}, Facts("192.0.2.1", account=ANA), Stage.AUTH)) == 250
