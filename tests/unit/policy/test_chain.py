"""Stages of checks: lookups together and within their time, verdicts in the order of the table, faults contained."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import judge
from estafeta.policy.verdict import Action, Verdict, deferred, discarded, passed, quarantined, rejected, scored, tagged
from estafeta.protocols.smtp.limits import Mode
from estafeta.servers.smtp.screening import Screening
from judge_kit import refusal_of_recipient

QUICK = Settings.model_validate({"policy": {"lookup_seconds": 0.1}})


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**values: Any) -> None:
        asyncio.run(test(**values))

    return run


def says(*verdicts: Verdict) -> Any:
    return lambda facts, settings: verdicts


def finds(value: Any) -> Any:
    async def find(facts: Facts, settings: Settings) -> Any:
        if isinstance(value, Exception):
            raise value
        if value == "never":
            await asyncio.Event().wait()
        if value == "later":
            await asyncio.sleep(0)
        return value

    return find


def from_found(name: str) -> Any:
    return lambda facts, settings: (scored(1.0, f"found {facts.found[name]}"),)


def chain(*checks: Check, settings: Settings = QUICK) -> Chain:
    return Chain(checks, settings)


async def verdicts(chain: Chain, stage: Stage, facts: Facts, *, aside: bool = False) -> list[Verdict]:
    said = chain.judge(stage, facts, aside=aside)
    return said if isinstance(said, list) else await said


def test_what_needs_no_lookup_is_known_at_once_and_in_order() -> None:
    table = chain(
        Check("b", Stage.CONNECT, "", says(scored(2.0, "two"))),
        Check("a", Stage.CONNECT, "", says(scored(1.0, "one"), tagged("seen", "three"))),
        Check("else", Stage.MAIL, "", says(rejected("No", "elsewhere"))),
    )
    said = table.judge(Stage.CONNECT, Facts("192.0.2.1"))
    assert [(one.check, one.reason) for one in said] == [("b", "two"), ("a", "one"), ("a", "three")]  # type: ignore[union-attr]


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize("value", ["at once", "later"])
@in_loop
async def test_what_a_lookup_finds_is_judged(value: str, light: bool, aside: bool) -> None:
    table = chain(Check("dns", Stage.MAIL, "", from_found("dns"), finds(value), light=light))
    facts = Facts("192.0.2.1")
    assert [one.reason for one in await verdicts(table, Stage.MAIL, facts, aside=aside)] == [f"found {value}"]
    assert facts.found == {"dns": value}
    table.forget(Stage.MAIL, facts)
    assert facts.found == {}


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize(
    ("value", "reason"),
    [("never", "no answer in time"), (OSError("refused"), "refused"), (ValueError("x"), "it failed: the log has it")],
)
@in_loop
async def test_a_lookup_that_fails_counts_as_the_check_says(value: Any, reason: str, light: bool) -> None:
    lost = Check("dns", Stage.MAIL, "", from_found("dns"), finds(value), light=light)
    other = Check("other", Stage.MAIL, "", from_found("other"), finds("later"))
    assert await verdicts(chain(lost, other), Stage.MAIL, Facts("192.0.2.1")) == [
        passed(reason)._replace(check="dns"),
        scored(1.0, "found later")._replace(check="other"),
    ]
    strict = lost._replace(lost=lambda why: deferred("Try again", why))
    [said] = await verdicts(chain(strict), Stage.MAIL, Facts("192.0.2.1"))
    assert said.action is Action.DEFER


def test_a_fault_of_a_check_is_its_own() -> None:
    def broken(facts: Facts, settings: Settings) -> Any:
        raise ZeroDivisionError

    table = chain(Check("bad", Stage.RCPT, "", broken), Check("good", Stage.RCPT, "", says(scored(1, "fine"))))
    said = table.judge(Stage.RCPT, Facts("192.0.2.1"))
    assert [(one.check, one.action) for one in said] == [("bad", Action.PASS), ("good", Action.SCORE)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("facts", "who"),
    [
        (Facts("192.0.2.1"), Who.STRANGERS),
        (Facts("127.0.0.1", trusted=True), Who.NETWORKS),
        (Facts("local", Mode.LMTP, trusted=True), Who.LMTP),
    ],
)
def test_each_check_is_asked_of_those_it_is_for(facts: Facts, who: Who) -> None:
    rows = [Check(str(one.name), Stage.HELO, "", says(), who=one) for one in (Who.STRANGERS, Who.NETWORKS, Who.LMTP)]
    everybody = Check("all", Stage.HELO, "", says(), who=Who.EVERYBODY)
    off = Check("off", Stage.HELO, "", says(), who=Who.EVERYBODY, on=lambda settings: False)
    assert [one.name for one in chain(*rows, everybody, off).wanted(Stage.HELO, facts).checks] == [who.name, "all"]


@in_loop
async def test_lookups_run_beside_the_session_and_postmaster_hears_of_refusals() -> None:
    table = chain(
        Check("list", Stage.CONNECT, "", lambda facts, settings: (rejected("Listed", "listed"),), finds("later")),
        Check("rcpt", Stage.RCPT, "", lambda facts, settings: (deferred("Later", str(facts.recipient)),)),
    )
    screening = Screening(table, Facts("192.0.2.1"))
    assert screening.ask(Stage.CONNECT) is None
    assert screening.waiting
    await screening.settle()
    refusal = screening.refusal(Address("ana", "here.test"))
    assert refusal is not None
    assert refusal.text == "Listed"
    assert screening.refusal(Address("Postmaster", "here.test")) is None
    screening.begin_message()
    assert screening.refusal(Address("ana", "here.test")) is not None  # it is of the connection
    later = await refusal_of_recipient(screening)
    assert later is not None
    assert later.action is Action.DEFER


@in_loop
async def test_what_was_remembered_refuses_no_sooner_than_what_is_looked_up() -> None:
    look = Check("look", Stage.MAIL, "-", says(rejected("no", "listed")), finds(True), light=True)
    session = Screening(chain(look), Facts("192.0.2.1"))
    assert session.ask(Stage.MAIL) is None
    assert not session.waiting
    assert session.refusal(Address("ana", "here.test")) is not None
    assert session.refusal(Address("postmaster", "here.test")) is None
    known = Screening(chain(look._replace(find=None, light=False)), Facts("192.0.2.1"))
    assert known.ask(Stage.MAIL) is not None


@in_loop
async def test_a_message_to_postmaster_counts_for_what_it_is() -> None:
    table = chain(
        Check("list", Stage.CONNECT, "", says(rejected("Listed", "listed"))),
        Check(
            "text", Stage.CONTENT, "", lambda facts, settings: [rejected("Virus", "virus")] * (facts.content.size > 9)
        ),  # type: ignore[union-attr,operator]
    )
    screening = Screening(table, Facts("192.0.2.1"))
    screening.ask(Stage.CONNECT)
    screening.begin_message()
    judgement = await screening.inspect(Content.of(b"\r\nhelp"))
    assert judgement.decisive.accepted
    assert [one.reason for one in judgement.verdicts] == ["listed"]
    assert not (await screening.inspect(Content.of(b"\r\nhelp, a virus"))).decisive.accepted
    assert screening.refusal(Address("ana", "here.test")) is not None


@in_loop
async def test_a_new_message_forgets_what_was_said_of_the_last() -> None:
    table = chain(
        Check("mail", Stage.MAIL, "", says(scored(3.0, "mail"))),
        Check("text", Stage.CONTENT, "", lambda facts, settings: (scored(facts.content.size, "size"),)),  # type: ignore[union-attr]
    )
    screening = Screening(table, Facts("192.0.2.1"))
    for size in (3, 4):
        screening.begin_message()
        screening.ask(Stage.MAIL)
        judgement = await screening.inspect(Content.of(b"\r\n" + b"x" * (size - 2)))
        assert judgement.score == 3 + size


@in_loop
async def test_nothing_of_a_message_is_kept_when_it_was_judged() -> None:
    session = Screening(chain(Check("look", Stage.CONTENT, "-", says(), finds("much"))), Facts("192.0.2.1"))
    content = Content.of(b"From: a@b.test\r\n\r\nx\r\n")
    session.facts.found |= {"read": (content, "fields"), "client": ("name",)}
    await session.inspect(content)
    assert session.facts.found["look"] == "much"
    session.end_message()
    assert session.facts.content is None
    assert session.facts.found == {"client": ("name",)}


def test_the_strongest_verdict_decides_and_points_make_junk() -> None:
    policy = Settings().policy
    assert judge([], policy).action is Action.PASS
    for verdict in (quarantined("q"), discarded("d"), deferred("t", "d"), rejected("t", "r")):
        assert judge([scored(1, "x"), verdict, tagged("t", "y")], policy).decisive is verdict
    junk = judge([scored(3.0, "a"), scored(2.5, "b")], policy)
    assert (junk.outcome, junk.is_junk_for(7)) == ("junk", True)
    assert judge([scored(8.0, "a"), scored(8.0, "b")], policy).action is Action.REJECT
    mine = judge([scored(3.0, "a"), scored(4.0, "mine")._replace(account=7)], policy)
    assert (mine.is_junk_for(7), mine.is_junk_for(8), mine.outcome) == (True, False, "fine")
    assert judge([scored(20.0, "mine")._replace(account=7)], policy).action is not Action.REJECT
    [record] = junk.records(5, "eve@there.test", "192.0.2.1")
    assert record.text == "junk; 5.5 of 5.0 points"


@pytest.mark.parametrize(
    ("message", "header", "body"),
    [
        (b"A: b\r\n\r\ntext", b"A: b\r\n", b"text"),
        (b"A: b\r\n", b"A: b\r\n", b""),
        (b"\r\ntext", b"", b"text"),
        (b"A: b\n\ntext", b"A: b\n", b"text"),
        (b"", b"", b""),
    ],
)
def test_content_is_header_and_body(message: bytes, header: bytes, body: bytes) -> None:
    content = Content.of(message)
    assert (content.header, b"".join(content.pieces()), content.size) == (header, body, len(message))
    assert b"".join(content.message()) == message


@in_loop
async def test_a_check_may_have_a_time_of_its_own_and_settings_may_say_whom_it_is_asked_of() -> None:
    async def scan(facts: Facts, settings: Settings) -> str:
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(settings.policy.lookup_seconds * 1.5, done.set)
        await done.wait()
        return "clean"

    slow = Check("dns", Stage.CONTENT, "", from_found("dns"), finds("never"), who=Who.EVERYBODY)
    patient = Check("scan", Stage.CONTENT, "", from_found("scan"), scan, seconds=lambda settings: 60.0,
                    whom=lambda settings: Who.STRANGERS)  # fmt: skip
    hasty = patient._replace(name="hasty", find=finds("never"), seconds=lambda settings: 0.2)
    table = chain(slow, patient, hasty)
    said = await verdicts(table, Stage.CONTENT, Facts("192.0.2.1"))
    assert [one.reason for one in said] == ["no answer in time", "found clean", "no answer in time"]
    assert [one.name for one in table.wanted(Stage.CONTENT, Facts("127.0.0.1", trusted=True)).checks] == ["dns"]
