"""Milters at the end of a session: decisions, changes of the header that is stored, absence, and a real opendkim."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from milter_kit import ACCEPT, DISCARD, REJECT, Milter, agreement, packet
from scanner_kit import HOSTILE, LETTER, Asked, Serve, answering, facts_of, in_loop, listening

from estafeta.core.ids import AccountId
from estafeta.directory.model import Account
from estafeta.policy import authentication
from estafeta.policy.authentication import dkim_of
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.scanners.milters import edited_header
from estafeta.policy.verdict import Action
from estafeta.servers.smtp.screening import Screening
from zone_kit import Zone

CHANGES = (
    packet(b"h", b"X-Last\0yes\0")
    + packet(b"i", b"\0\0\0\0X-First\0yes\n\tindeed\0")
    + packet(b"m", b"\0\0\0\1Subject\0Changed\0")
)


async def judged(places: list[str], facts: Facts, message: bytes = LETTER) -> tuple[Judgement, bytes]:
    """As a session judges it; and the message as it will be stored, beneath the trace fields."""
    asked = Asked(milters={"server_rules": places})
    judgement = await Screening(Chain(asked.table, asked.settings), facts, "mx.here.test").inspect(Content.of(message))
    return judgement, judgement.cleaned(message)


@in_loop
async def test_it_is_told_the_session_and_its_changes_are_stored() -> None:
    milter = Milter({b"E": CHANGES + packet(ACCEPT)})
    facts = facts_of()
    facts.declared_size = 300
    facts.account = Account(AccountId(1), "ana@here.test", "Ana", "en", frozenset())
    async with listening(milter) as place:
        judgement, stored = await judged([f"inet:{place}"], facts)
    assert stored == (
        b"X-First: yes\r\n\tindeed\r\n"
        b"From: ana@there.test\r\nTo: bob@here.test\r\nSubject: Changed\r\nX-Last: yes\r\n\r\nHello, Bob.\r\n"
    )
    [said] = judgement.verdicts
    assert (said.action, said.reason) == (Action.PASS, f"milter {place} took it, with 3 changes of the header")
    assert milter.letters().startswith("ODCHDMDRDTLLLDNBDE")
    assert milter.data(b"M") == [b"<ana@there.test>\0SIZE=300\0"]
    assert milter.data(b"R") == [b"<bob@here.test>\0"]
    assert milter.data(b"B") == [b"Hello, Bob.\r\n"]
    connect, mail = milter.data(b"D")[:2]
    assert b"j\0mx.here.test\0" in connect
    assert b"{auth_authen}\0ana@here.test\0" in mail


@in_loop
async def test_each_sees_what_the_one_before_made_of_it_and_none_sees_forged_fields() -> None:
    forged = b"Authentication-Results: mx.here.test; dkim=pass\r\n"
    first, second = Milter({b"E": CHANGES + packet(ACCEPT)}), Milter({b"E": CHANGES + packet(ACCEPT)})
    async with listening(first) as one, listening(second) as two:
        _, stored = await judged([one, two], facts_of(), forged + LETTER)
    assert first.data(b"L")[0] == b"From\0ana@there.test\0"
    assert second.data(b"L")[0] == b"X-First\0yes\n\tindeed\0"
    assert second.data(b"L")[-1] == b"X-Last\0yes\0"
    assert stored.count(b"X-First: yes\r\n\tindeed\r\n") == stored.count(b"X-Last: yes\r\n") == 2
    assert forged not in stored


@pytest.mark.parametrize(
    ("answer", "action", "code", "text"),
    [
        (packet(REJECT), Action.REJECT, 550, "The message is not wanted here"),
        (packet(b"y", b"554 5.7.9 No, thanks\0"), Action.REJECT, 554, "No, thanks"),
        (packet(b"t"), Action.DEFER, 451, "Try again later"),
        (packet(b"y", b"450 4.2.0 Grey\0"), Action.DEFER, 450, "Grey"),
        (packet(DISCARD), Action.DISCARD, 250, ""),
        (packet(b"q", b"odd\0") + packet(ACCEPT), Action.QUARANTINE, 250, ""),
    ],
)
@pytest.mark.parametrize("letter", [b"C", b"R", b"L", b"E"])
@in_loop
async def test_decisions(letter: bytes, answer: bytes, action: Action, code: int, text: str) -> None:
    if action is Action.QUARANTINE:
        letter = b"E"
    milter, next_one = Milter({letter: answer}), Milter()
    async with listening(milter) as place, listening(next_one) as other:
        judgement, stored = await judged([place, other], facts_of())
    assert (judgement.action, judgement.decisive.code, judgement.decisive.text) == (action, code, text)
    assert stored == LETTER
    assert bool(next_one.told) == (action is Action.QUARANTINE), "nobody is asked about what is refused"


@pytest.mark.parametrize(
    ("away", "action"), [("pass", Action.PASS), ("defer", Action.DEFER), ("reject", Action.REJECT)]
)
@pytest.mark.parametrize("serve", [*HOSTILE.values(), answering(agreement(), packet(b"?"), hang=True)])
@in_loop
async def test_whatever_a_server_does_the_rule_for_absence_applies(serve: Serve, away: str, action: Action) -> None:
    good = Milter({b"E": packet(b"h", b"X-Good\0yes\0") + packet(ACCEPT)})
    async with listening(serve) as place, listening(good) as other:
        asked = Asked(milters={"server_rules": [f"{place} seconds=1 away={away}", other]})
        facts = facts_of()
        said = await asked.verdicts(facts)
    assert [one.action for one in said] == [action, Action.PASS]
    assert b"X-Good: yes\r\n" in (edited_header(facts) or b"")


@in_loop
async def test_each_is_asked_about_those_it_is_for() -> None:
    strangers, users = Milter(), Milter()
    async with listening(strangers) as one, listening(users) as two:
        asked = Asked(milters={"server_rules": [f"{one} for=strangers", f"{two} for=users"]})
        await asked.verdicts(facts_of())
        assert (bool(strangers.told), bool(users.told)) == (True, False)
        await asked.verdicts(facts_of(trusted=True))
        assert users.told


@in_loop
async def test_a_large_body_goes_in_pieces() -> None:
    milter, facts = Milter(), facts_of()
    body = [bytes([place]) * 100_000 for place in range(5)]
    facts.content = Content(b"From: a@b\r\n", lambda: iter(body), 500_013)
    async with listening(milter) as place:
        await Asked(milters={"server_rules": [place]}).verdicts(facts)
    assert b"".join(milter.data(b"B")) == b"".join(body)
    assert max(map(len, milter.data(b"B"))) <= 65535


# opendkim (Debian: apt-get install opendkim)

CONF = """\
Syslog no
Domain there.test
Selector s1
KeyFile {home}/key.pem
Socket local:{home}/sock
Mode sv
UserID {user}
InternalHosts 127.0.0.1
RequireSafeKeys no
AuthservID mx.here.test
"""


@pytest.fixture(scope="module")
def opendkim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Zone]]:
    """One that signs for there.test, and a zone with its key."""
    program = shutil.which("opendkim", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("opendkim is not installed (apt-get install opendkim)")
    home = tmp_path_factory.mktemp("opendkim")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    (home / "key.pem").write_bytes(pem)
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    (home / "conf").write_text(CONF.format(home=home, user=user))
    process = subprocess.Popen([program, "-f", "-x", str(home / "conf")])
    try:
        deadline = time.monotonic() + 20
        while not (home / "sock").exists():
            assert process.poll() is None, "opendkim ended at once"
            assert time.monotonic() < deadline, "opendkim does not listen"
            time.sleep(0.05)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        yield str(home / "sock"), Zone({"s1._domainkey.there.test": [("TXT", f"v=DKIM1; p={base64_of(public)}")]})
    finally:
        process.terminate()
        process.wait()


def base64_of(octets: bytes) -> str:
    from base64 import b64encode

    return b64encode(octets).decode("ascii")


async def verified(zone: Zone, message: bytes) -> list[str]:
    chain = Chain(authentication.checks(zone, "mx.other.test"), Asked().settings)
    facts = facts_of(message)
    facts.now = time.time()  # it was signed a moment ago
    said: Any = chain.judge(Stage.HEADERS, facts)
    if not isinstance(said, list):
        await said
    return [f"{one.word} {one.domain}" for one in dkim_of(facts)]


@in_loop
async def test_opendkim_signs_and_what_is_stored_verifies(opendkim: tuple[str, Zone]) -> None:
    place, zone = opendkim
    facts = facts_of()
    facts.peer, facts.trusted = "127.0.0.1", True
    judgement, stored = await judged([place], facts)
    assert judgement.action is Action.PASS
    assert stored.startswith(b"DKIM-Signature: v=1;")
    assert stored.endswith(LETTER)
    assert await verified(zone, stored) == ["pass there.test"]


@in_loop
async def test_opendkim_verifies_nothing_for_strangers_without_a_signature(opendkim: tuple[str, Zone]) -> None:
    judgement, stored = await judged([opendkim[0]], facts_of())
    assert judgement.action is Action.PASS
    assert b"DKIM-Signature" not in stored
