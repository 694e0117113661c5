"""What the checks of authentication find and say, and what is written in front of a message (RFC 8601)."""

import asyncio
import functools
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from estafeta.core.ids import AccountId
from estafeta.directory.model import Account
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address
from estafeta.policy import authentication
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Action
from estafeta.servers.smtp.screening import Screening
from estafeta.trust.arcseal import seal
from estafeta.trust.authresults import AuthResults, parse_auth_results
from estafeta.trust.signingkey import SigningKey
from signed_kit import BODY, HEADER, NOW, ed25519_key, hand_signed, rsa_key, whole
from zone_kit import TIMEOUT, Record, Zone

PEER = "192.0.2.1"
OURS = "mx.here.test"
SEALER = ed25519_key("list.test", "arc")
NEXT = ed25519_key("next.test", "arc")
TABLE: dict[str, list[Record]] = {
    "1.2.0.192.in-addr.arpa": [("PTR", "out.example.com")],
    "out.example.com": [("A", PEER)],
    "example.com": [("TXT", "v=spf1 ip4:192.0.2.1 -all")],
    "_dmarc.example.com": [("TXT", "v=DMARC1; p=reject")],
    "soft.test": [("TXT", "v=spf1 ~all")],
    "wrong.test": [("TXT", "v=spf1 nonsense")],
    "says.test": [("TXT", "v=spf1 -all exp=why.says.test")],
    "why.says.test": [("TXT", "no mail from here")],
    "asks.test": [("TXT", "v=spf1 -all")],
    "_dmarc.asks.test": [("TXT", "v=DMARC1; p=quarantine")],
    "looks.test": [("TXT", "v=spf1 -all")],
    "_dmarc.looks.test": [("TXT", "v=DMARC1; p=none")],
    **{key.dns_record().name: [("TXT", key.dns_record().text)] for key in (rsa_key(), ed25519_key(), SEALER, NEXT)},
}


@pytest.fixture(autouse=True)
def no_fault(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A check that raises is logged and counts nothing: here it is a failure."""
    with caplog.at_level(logging.ERROR):
        yield
    assert [record.message for record in caplog.records] == []


async def screened(
    message: bytes,
    sender: str | None = "ana@example.com",
    *,
    peer: str = PEER,
    zone: Zone | None = None,
    settings: Settings | None = None,
    account: Account | None = None,
) -> tuple[Judgement, Facts]:
    """A message through all stages, as a session does it."""
    settings = settings or Settings()
    table = authentication.checks(zone or Zone(TABLE), OURS, lambda: 0.0)
    facts = Facts(peer, now=NOW, helo="out.example.com", account=account)
    screening = Screening(Chain(table, settings), facts, OURS)
    for stage in (Stage.CONNECT, Stage.HELO):
        screening.ask(stage)
    screening.begin_message()
    if sender is not None:
        local, _, domain = sender.rpartition("@")
        facts.sender = Address(local, domain)
    screening.ask(Stage.MAIL)
    return await screening.inspect(Content.of(message)), facts


def screen(message: bytes, sender: str | None = "ana@example.com", **more: Any) -> tuple[Judgement, AuthResults]:
    """The judgement, and the first field that is written."""
    judgement, _ = asyncio.run(screened(message, sender, **more))
    field, _, value = re.split(rb"\r\n(?![ \t])", judgement.front)[0].partition(b":")
    assert field == b"Authentication-Results"
    found = parse_auth_results(value)
    assert found is not None
    assert found.authserv_id == OURS
    return judgement, found


def results(found: AuthResults) -> dict[str, str]:
    return {one.method: one.result for one in found.results}


def points(judgement: Judgement) -> dict[str, float]:
    return {verdict.check: verdict.score for verdict in judgement.verdicts if verdict.score}


SIGNED = hand_signed() + b"\r\n" + BODY
PLAIN = HEADER + b"\r\n" + BODY


def test_honest_mail_passes_everything() -> None:
    judgement, found = screen(SIGNED)
    assert results(found) == {"iprev": "pass", "spf": "pass", "dkim": "pass", "dmarc": "pass"}
    assert (judgement.action, judgement.score) == (Action.PASS, 0.0)
    said = {one.method: {f"{p.ptype}.{p.name}": p.value for p in one.properties} for one in found.results}
    assert said["iprev"] == {"policy.iprev": PEER, "smtp.client-name": "out.example.com"}
    assert said["spf"] == {"smtp.mailfrom": "ana@example.com"}
    assert said["dkim"].pop("header.b")
    assert said["dkim"] == {
        "header.d": "example.com", "header.i": "@example.com", "header.s": "rsa", "header.a": "rsa-sha256",
    }  # fmt: skip
    assert said["dmarc"] == {"header.from": "example.com", "policy.dmarc": "reject"}


def test_a_changed_message_of_a_domain_that_wants_it_refused() -> None:
    judgement, found = screen(SIGNED.replace(b"Hello", b"Hallo"), "eve@soft.test")
    assert results(found) == {"iprev": "pass", "spf": "softfail", "dkim": "fail", "dmarc": "fail"}
    decisive = judgement.decisive
    assert (decisive.action, decisive.code, decisive.enhanced) == (Action.REJECT, 550, "5.7.26")
    assert decisive.text == "example.com does not want mail in its name from where this came (DMARC)"
    assert points(judgement) == {"spf": 0.8, "dkim": 0.5}


def test_the_same_message_from_where_its_domain_sends_is_fine() -> None:
    judgement, found = screen(SIGNED.replace(b"Hello", b"Hallo"))
    assert results(found)["dmarc"] == "pass"
    assert judgement.score < judgement.junk_score
    assert judgement.action is Action.SCORE


@pytest.mark.parametrize(
    ("obey", "domain", "action", "junk"),
    [
        ("reject", "example.com", Action.REJECT, None),
        ("reject", "asks.test", Action.SCORE, True),
        ("reject", "looks.test", Action.SCORE, False),
        ("quarantine", "example.com", Action.SCORE, True),
        ("quarantine", "asks.test", Action.SCORE, True),
        ("mark", "example.com", Action.SCORE, False),
        ("mark", "asks.test", Action.SCORE, False),
    ],
)
def test_policies_are_obeyed_as_far_as_the_settings_say(
    obey: str, domain: str, action: Action, junk: bool | None
) -> None:
    settings = Settings.model_validate({"dmarc": {"obey": obey}})
    judgement, found = screen(
        f"From: a@{domain}\r\n\r\nx".encode(), f"a@{domain}", peer="192.0.2.99", settings=settings
    )
    assert results(found)["dmarc"] == "fail"
    assert judgement.action is action
    assert junk is None or judgement.is_junk_for(1) == junk


def test_dmarc_can_be_switched_off() -> None:
    settings = Settings.model_validate({"dmarc": {"check": False}})
    judgement, found = screen(PLAIN, "a@soft.test", settings=settings)
    assert "dmarc" not in results(found)
    assert judgement.action is not Action.REJECT


@pytest.mark.parametrize(
    ("sender", "result", "scored", "property"),
    [
        ("ana@example.com", "pass", 0.0, ("mailfrom", "ana@example.com")),
        ("a@soft.test", "softfail", 0.8, ("mailfrom", "a@soft.test")),
        ("a@asks.test", "fail", 2.5, ("mailfrom", "a@asks.test")),
        ("a@wrong.test", "permerror", 0.5, ("mailfrom", "a@wrong.test")),
        ("a@nothing.test", "none", 0.3, ("mailfrom", "a@nothing.test")),
        ("a@broken.test", "temperror", 0.0, ("mailfrom", "a@broken.test")),
        ("a b@example.com", "pass", 0.0, ("mailfrom", '"a b"@example.com')),
        (None, "none", 0.3, ("helo", "out.example.com")),
    ],
)
def test_spf(sender: str | None, result: str, scored: float, property: tuple[str, str]) -> None:
    judgement, found = screen(SIGNED, sender, zone=Zone({**TABLE, "broken.test": [TIMEOUT]}))
    [spf] = [one for one in found.results if one.method == "spf"]
    assert spf.result == result
    assert [(one.name, one.value) for one in spf.properties] == [property]
    assert points(judgement).get("spf", 0.0) == scored
    assert judgement.action in (Action.PASS, Action.SCORE)


def test_what_a_domain_says_of_its_spf_is_told() -> None:
    judgement, _ = screen(SIGNED, "a@says.test")
    [said] = [verdict.reason for verdict in judgement.verdicts if verdict.check == "spf"]
    assert said == "SPF fail of says.test: it says 'no mail from here'"


@pytest.mark.parametrize(
    ("header", "result", "scored"),
    [
        (HEADER, "none", 0.0),
        (hand_signed(), "pass", 0.0),
        (hand_signed(key=ed25519_key()), "pass", 0.0),
        (hand_signed(body=b"other"), "fail", 0.5),
        (hand_signed(key=ed25519_key(selector="gone")), "permerror", 0.5),
        (hand_signed(key=ed25519_key(selector="away")), "temperror", 0.0),
        (hand_signed(key=ed25519_key(selector="testing"), body=b"other"), "fail", 0.0),
        (hand_signed(tags="l=3"), "policy", 0.5),
        (hand_signed(algorithm="rsa-sha1"), "policy", 0.5),
        (b"DKIM-Signature: nonsense\r\n" + HEADER, "neutral", 0.5),
    ],
)
def test_dkim(header: bytes, result: str, scored: float) -> None:
    testing = ed25519_key(selector="testing").dns_record().text.replace("; p=", "; t=y; p=")
    more = {"away._domainkey.example.com": [TIMEOUT], "testing._domainkey.example.com": [("TXT", testing)]}
    judgement, found = screen(header + b"\r\n" + BODY, zone=Zone({**TABLE, **more}))
    assert results(found)["dkim"] == result
    assert points(judgement).get("dkim", 0.0) == scored


def test_one_right_signature_is_enough_and_all_are_told() -> None:
    header = hand_signed(hand_signed(body=b"other"), key=ed25519_key())
    judgement, found = screen(header + b"\r\n" + BODY)
    assert [one.result for one in found.results if one.method == "dkim"] == ["pass", "fail"]
    assert points(judgement) == {}


PASSED = "dmarc=pass header.from=example.com"


def forwarded(cv: str = "none", key: SigningKey = SEALER, auth: str = PASSED) -> bytes:
    """A message that a list changed, and sealed with what it had found before."""
    header = hand_signed().replace(b"Subject: A", b"Subject: [list] A")
    return seal(header, whole(BODY), f"mx.list.test; {auth}", cv, key, NOW) + header + b"\r\n" + BODY


def passed_on(body: bytes = BODY, auth: str = "dmarc=fail header.from=example.com") -> bytes:
    """The same, from a server behind the list, which may have changed it."""
    header, _, _ = forwarded().partition(b"\r\n\r\n")
    return seal(header, whole(body), f"mx.next.test; {auth}", "pass", NEXT, NOW) + header + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("message", "trusted", "action", "result"),
    [
        (forwarded(), "list.test", Action.SCORE, "pass"),
        (forwarded(), "other.test", Action.REJECT, "pass"),
        (forwarded(auth="dmarc=fail"), "list.test", Action.REJECT, "pass"),
        (forwarded().replace(b"two\r\n", b"three\r\n"), "list.test", Action.REJECT, "fail"),
        (forwarded("fail"), "list.test", Action.REJECT, "fail"),
        # Of another author, as when From was changed, or of nobody.
        (forwarded(auth="dmarc=pass header.from=example.org"), "list.test", Action.REJECT, "pass"),
        (forwarded(auth="dmarc=pass"), "list.test", Action.REJECT, "pass"),
        # What a stranger had put there.
        (forwarded(auth=f'spf=none smtp.mailfrom="{PASSED}"@bad.test; dmarc=fail'), "list.test", Action.REJECT, "pass"),
        (forwarded(auth="spf=none smtp.mailfrom=dmarc=pass@evil.test; dmarc=fail"), "list.test", Action.REJECT, "pass"),
        (forwarded(auth=f"{PASSED}; dmarc=fail header.from=example.com"), "list.test", Action.REJECT, "pass"),
        # A later sealer who is not believed, and has changed the message, or has not.
        (passed_on(b"Pay me.\r\n"), "list.test", Action.REJECT, "pass"),
        (passed_on(), "list.test", Action.SCORE, "pass"),
        (passed_on(b"Pay me.\r\n"), "list.test next.test", Action.SCORE, "pass"),
        (passed_on(auth=PASSED), "next.test", Action.SCORE, "pass"),
    ],
)  # fmt: skip
def test_what_a_trusted_sealer_found_counts(message: bytes, trusted: str, action: Action, result: str) -> None:
    settings = Settings.model_validate({"dmarc": {"trusted_sealers": trusted.split()}})
    judgement, found = screen(message, "list@list.test", settings=settings)
    assert results(found)["arc"] == result
    assert judgement.action is action
    [said] = [verdict.reason for verdict in judgement.verdicts if verdict.check == "arc"]
    assert said.startswith("ARC pass, sealed by list.test" if result == "pass" else "ARC fail")


def test_a_passing_chain_is_described() -> None:
    _, found = screen(forwarded(), "list@list.test")
    [chain] = [one for one in found.results if one.method == "arc"]
    assert [(one.ptype, one.name, one.value) for one in chain.properties] == [
        ("smtp", "remote-ip", PEER),
        ("header", "oldest-pass", "0"),
    ]


def test_users_who_signed_in_are_not_asked() -> None:
    account = Account(AccountId(1), "ana@here.test", "Ana", "en", frozenset())
    _, found = screen(PLAIN, account=account)
    assert results(found) == {"auth": "pass"}


FORGED = b"Authentication-Results: mx.here.test; dkim=pass header.d=bank.test\r\n"


def test_of_a_network_that_may_relay_nothing_is_said_and_nothing_forged_is_kept() -> None:
    screening = Screening(Chain((), Settings()), Facts(PEER, now=NOW, trusted=True), OURS)
    plain = asyncio.run(screening.inspect(Content.of(PLAIN)))
    assert (plain.front, plain.header) == (b"", None)
    forged = asyncio.run(screening.inspect(Content.of(FORGED + PLAIN)))
    assert forged.front == b""
    assert forged.cleaned(FORGED + PLAIN) == PLAIN
    stranger = Screening(Chain((), Settings()), Facts(PEER, now=NOW), OURS)
    assert asyncio.run(stranger.inspect(Content.of(PLAIN))).front.startswith(
        b"Authentication-Results: mx.here.test; none"
    )


@pytest.mark.parametrize(
    ("field", "stays"),
    [
        (FORGED, False),
        (FORGED.replace(b"mx.here", b"MX.Here"), False),
        (FORGED.replace(b"mx.here.test", b'"mx.here.test"'), False),
        (FORGED.replace(b"mx.here.test", b"(a) mx.here.test. (b)"), False),
        (b"authentication-results :\r\n\tmx.here.test;\r\n\tspf=pass\r\n", False),
        (FORGED.replace(b"mx.here", b"mx.there"), True),
        (FORGED.replace(b"Auth", b"X-Auth"), True),
    ],
)
def test_results_in_our_name_are_taken_out(field: bytes, stays: bool) -> None:
    message = field + SIGNED
    judgement, _ = screen(message)
    assert judgement.cleaned(message) == (message if stays else SIGNED)
    assert judgement.front.count(b"Authentication-Results") == 1


def test_our_name_can_be_another() -> None:
    settings = Settings.model_validate({"dmarc": {"authserv_id": "here.test"}})
    message = FORGED.replace(b"mx.here", b"here") + SIGNED
    judgement, _ = asyncio.run(screened(message, settings=settings))
    assert judgement.front.startswith(b"Authentication-Results: here.test;")
    assert judgement.cleaned(message) == SIGNED


class Silent(Zone):
    """Never answers for texts."""

    async def txt(self, name: str) -> Any:
        await asyncio.Event().wait()


def test_what_does_not_answer_in_time_counts_nothing_and_is_told() -> None:
    settings = Settings.model_validate({"policy": {"lookup_seconds": 0.1}})
    judgement, found = screen(SIGNED, zone=Silent(TABLE), settings=settings)
    assert results(found) == {"iprev": "pass", "spf": "temperror", "dkim": "temperror", "dmarc": "temperror"}
    assert (judgement.action, judgement.score) == (Action.PASS, 0.0)


LARGE = b"x" * 79_998 + b"\r\n"
HOSTILE = {
    "nothing": b"",
    "no header": b"\r\nbody",
    "no body": HEADER,
    "octets": bytes(range(256)) * 20,
    "a thousand signatures": hand_signed().removesuffix(HEADER) * 500 + b"DKIM-Signature: d=\r\n" * 500 + PLAIN,
    "a header of a megabyte": b"X: " + b"\t " * 600_000 + b"\r\n" + SIGNED,
    "ten thousand fields": b"From: a@b\r\n" * 10_000 + SIGNED,
    "ten thousand domains": b"From: " + b", ".join(b"a@d%d.test" % number for number in range(10_000)) + b"\r\n\r\nx",
    "a heap of seals": b"ARC-Seal: i=1; cv=none\r\n" * 200 + SIGNED,
    "fields cut off": b"DKIM-Signature: v=1;\r\n b=\r\nFrom:\r\n ",
    "results without end": b"Authentication-Results: " + b"(" * 50_000 + b"\r\n" + SIGNED,
    "a large body": hand_signed(body=LARGE) + b"\r\n" + LARGE,
    "a large body, sealed": seal(HEADER, whole(LARGE), "a; b=c", "none", SEALER, NOW) + HEADER + b"\r\n" + LARGE,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_raises(name: str) -> None:
    judgement, _ = screen(HOSTILE[name])
    assert judgement.front.endswith(b"\r\n")
    assert all(len(line) < 998 for line in judgement.front.split(b"\r\n"))


def test_a_chain_of_many_sets_is_judged() -> None:
    header = HEADER
    for number in range(8):
        header = seal(header, whole(BODY), "a; b=c", "pass" if number else "none", SEALER, NOW) + header
    _, found = screen(header + b"\r\n" + BODY)
    assert results(found)["arc"] == "pass"


def test_answers_that_are_remembered_cost_no_task() -> None:
    """All five are light: with a resolver that answers at once, a message is judged without giving up control."""
    table = authentication.checks(Zone(TABLE), OURS, functools.partial(float, 0))

    async def asked() -> list[Stage]:
        facts = Facts(PEER, now=NOW, helo="out.example.com", sender=Address("ana", "example.com"))
        facts.content = Content.of(SIGNED)
        chain = Chain(table, Settings())
        stages = (Stage.CONNECT, Stage.MAIL, Stage.HEADERS, Stage.CONTENT)
        return [stage for stage in stages if isinstance(chain.judge(stage, facts), list)]

    assert len(asyncio.run(asked())) == 4
