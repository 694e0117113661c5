"""What filters are about, in which order they decide, and how hostile mail is met."""

import asyncio
import io
import zipfile
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estafeta.core.ids import AccountId
from estafeta.directory.model import LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_filters import Filters, Hostile
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address, parse_address
from estafeta.policy import filters
from estafeta.policy import parts as limits
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.filtermatch import Patterns, as_read
from estafeta.policy.filters import checks
from estafeta.policy.verdict import Action, Verdict, strongest


def mail(**fields: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in ({"From": "Ana <ana@us.ibm.com>", "Subject": "ILOVEYOU"} | fields).items():
        message[name.replace("_", "-")] = value
    message.set_content("kindly check the attached LOVELETTER\n")
    return message


def with_file(name: str, octets: bytes = b"x", media: str = "application/octet-stream") -> EmailMessage:
    message = mail()
    message.add_attachment(octets, maintype=media.partition("/")[0], subtype=media.partition("/")[2], filename=name)
    return message


def zipped(name: str, octets: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, octets)
    return out.getvalue()


def octets_of(message: EmailMessage | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.as_bytes().replace(b"\n", b"\r\n")


def rules(action: str = "keep", **criteria: Any) -> str:
    import json

    lines = [f"{key} = {json.dumps(value)}" for key, value in criteria.items()]
    return "\n".join(["[[filter]]", 'name = "one"', f'action = "{action}"', *lines, ""])


def facts_of(message: EmailMessage | bytes, **known: Any) -> Facts:
    facts = Facts("192.0.2.7", sender=Address("bounce", "relay.test"), content=Content.of(octets_of(message)))
    facts.recipients = [(parse_address("bo@here.test"), Resolution(Status.LOCAL, (LocalTarget(AccountId(1), 0),)))]
    for name, value in known.items():
        setattr(facts, name, value)
    return facts


def ask(text: str, facts: Facts, hostile: Hostile = Hostile.KEEP) -> list[Verdict]:
    settings = Settings(filters=Filters(rules=text, hostile=hostile))

    async def main() -> list[Verdict]:
        found = Chain(checks(), settings).judge(Stage.CONTENT, facts)
        return found if isinstance(found, list) else await found

    return asyncio.run(main())


def matched(text: str, message: EmailMessage | bytes, **known: Any) -> bool:
    decisive = strongest(ask(text, facts_of(message, **known), Hostile.PASS))
    return decisive is not None and decisive.action is Action.QUARANTINE


# The manual's examples and what is near them


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"subject": "ILOVEYOU"}, True),
        ({"subject": "iloveyou"}, True),
        ({"subject": "ILOVE"}, False),
        ({"subject": "*LOVE*"}, True),
        ({"subject": "I?OVEYOU"}, True),
        ({"subject": "ILOVEYOU?*"}, False),
        ({"originator": "*@us.ibm.com"}, True),
        ({"originator": "us.ibm.com"}, True),
        ({"originator": "*.ibm.com"}, True),
        ({"originator": "ibm.com"}, False),
        ({"originator": "bounce@relay.test"}, True),
        ({"originator": "<>"}, False),
        ({"recipient": "bo@here.test"}, True),
        ({"recipient": ["nobody@here.test", "*@there.test"]}, False),
        ({"attachment": "lovebug.vbs"}, True),
        ({"attachment": "*.vbs"}, True),
        ({"attachment": "*.vb"}, False),
        ({"type": "image/*"}, True),
        ({"type": "image/jpg"}, True),
        ({"type": "image/png"}, False),
        ({"type": "multipart/mixed"}, True),
        ({"client": "192.0.2.0/24"}, True),
        ({"client": "192.0.3.0/24"}, False),
        ({"direction": "in"}, True),
        ({"direction": ["out", "local"]}, False),
        ({"larger": 100}, True),
        ({"larger": "1 MiB"}, False),
        ({"smaller": "1 MiB"}, True),
        ({"subject": "ILOVEYOU", "attachment": "*.exe"}, False),
        ({"subject": "ILOVEYOU", "attachment": "*.exe", "match": "any"}, True),
        ({"subject": "other", "attachment": "*.exe", "match": "any"}, False),
    ],
)
def test_criteria(criteria: dict[str, Any], expected: bool) -> None:
    assert matched(rules(**criteria), with_file("lovebug.vbs", media="image/jpg")) is expected


def test_fields_of_the_header() -> None:
    text = rules().replace('action = "keep"', 'action = "keep"\nheader."X-Mailer" = "*bulk*"\nheader.Subject = "?*"')
    assert matched(text, mail(X_Mailer="Super Bulk 3"))
    assert not matched(text, mail(X_Mailer="calm"))
    assert not matched(text, mail())


@pytest.mark.parametrize(
    "name",
    [
        "lovebug.VBS",
        ".vbs",
        "lovebug.vbs. . ",
        "'lovebug.vbs'",
        "a/b\\lovebug.vbs",
        "love\u200bbug.vb\u00ads",
        "\uff2cOVE.\uff36\uff22\uff33",
        "lettersbv.\u202esbv.vbs",
    ],
)
def test_a_name_written_otherwise_is_the_same_name(name: str) -> None:
    assert matched(rules(attachment="*.vbs"), with_file(name))


def test_the_name_in_content_type_counts_too() -> None:
    """Some programs save a file under this one, others under that."""
    raw = (
        b"Subject: x\r\nContent-Type: application/octet-stream; name=lovebug.vbs\r\n"
        b"Content-Disposition: attachment; filename=letter.txt\r\n\r\nx\r\n"
    )
    assert matched(rules(attachment="*.vbs"), raw)
    assert matched(rules(attachment="*.txt"), raw)


def test_files_in_uuencode_are_files() -> None:
    text = b"Subject: x\r\n\r\nSee this:\r\nbegin 644 lovebug.vbs\r\n#0V%T\r\n`\r\nend\r\n"
    assert matched(rules(attachment="*.vbs"), text)
    assert not matched(rules(attachment="*.vbs"), b"Subject: x\r\n\r\nI begin 644 lovebug.vbs\r\n")


def test_what_is_in_archives_and_messages_is_looked_at() -> None:
    inner = with_file("letters.zip", zipped("deep/lovebug.vbs"))
    outer = mail()
    outer.add_attachment(inner)
    assert matched(rules(attachment="*.vbs"), outer)
    assert matched(rules(type="message/rfc822"), outer)
    assert matched(rules(archive="left"), with_file("broken.zip", b"PK\3\4 no archive"))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, "in"),
        ({"trusted": True}, "local"),
        ({"trusted": True, "recipients": [(parse_address("x@far.test"), Resolution(Status.REMOTE))]}, "out"),
    ],
)
def test_direction(known: dict[str, Any], expected: str) -> None:
    elsewhere = Resolution(Status.LOCAL, (LocalTarget(AccountId(1), 0), RemoteTarget(parse_address("x@far.test"))))
    for direction in ("in", "out", "local"):
        assert matched(rules(direction=direction), mail(), **known) is (direction == expected)
    if known.get("trusted"):
        both = {"trusted": True, "recipients": [(parse_address("both@here.test"), elsewhere)]}
        assert matched(rules(direction="out"), mail(), **both)


def test_the_null_sender_has_a_pattern_of_its_own() -> None:
    assert matched(rules(originator="<>"), mail(), sender=None)


# What is done


ORDER = """
[[filter]]
name = "count"
action = "score"
subject = "*"
points = 2
[[filter]]
name = "friend"
action = "pass"
originator = "friend@*"
[[filter]]
name = "mark"
action = "tag"
tag = "love"
subject = "*love*"
[[filter]]
name = "no"
action = "reject"
header.X-No = "*"
text = "Not here"
[[filter]]
name = "hold"
action = "keep"
subject = "*love*"
release = "operators"
[[filter]]
name = "drop"
action = "discard"
subject = "*"
"""


def said(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.action.name for verdict in verdicts]


def test_the_first_that_decides_does_and_those_that_mark_do_so_besides() -> None:
    verdicts = ask(ORDER, facts_of(mail()))
    assert said(verdicts) == ["SCORE", "TAG", "QUARANTINE"]
    assert (verdicts[0].score, verdicts[1].tag) == (2.0, "love")
    assert (verdicts[2].tag, verdicts[2].by_users) == ("hold", False)
    assert verdicts[2].reason == "filter hold: subject like '*love*'"
    assert said(ask(ORDER, facts_of(mail(Subject="Hi")))) == ["SCORE", "DISCARD"]
    assert said(ask(ORDER, facts_of(mail(From="friend@far.test")))) == ["SCORE", "PASS"]
    refused = ask(ORDER, facts_of(mail(X_No="1")))[-1]
    assert (refused.action, refused.text, refused.code) == (Action.REJECT, "Not here", 550)


def test_without_filters_nothing_is_asked_of_our_own_mail() -> None:
    settings = Settings()
    assert [check.name for check in Chain(checks(), settings).checks] == ["parts"]
    facts = facts_of(with_file("bomb.zip", zipped("x", bytes(8 << 20))), trusted=True)
    assert ask("", facts) == []


def test_filters_that_cannot_be_asked_let_nothing_past(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*said: object) -> list[Verdict]:
        raise TimeoutError("no answer in time")

    monkeypatch.setattr(filters, "_ask", slow)
    large = mail()
    large.set_content("word " * 4000)
    [verdict] = ask(rules(subject="*"), facts_of(large))
    assert (verdict.action, verdict.code) == (Action.DEFER, 451)


@pytest.mark.parametrize("size", [10, 20_000, 200_000])
def test_the_size_of_a_message_makes_no_difference(size: int) -> None:
    message = with_file("lovebug.vbs", bytes(size))
    assert matched(rules(attachment="*.vbs"), message)
    assert not matched(rules(attachment="*.exe"), message)


# Patterns


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("?*", "", False),
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "acb", False),
        ("*ab", "aab", True),
        ("a?c", "abbc", False),
        ("[a]*", "[a] b", True),
        ("[a]*", "a b", False),
        ("a.c", "abc", False),
        ("*a*a*a*b", "a" * 5000, False),
    ],
)
def test_patterns(pattern: str, text: str, expected: bool) -> None:
    assert Patterns([pattern]).matches(text) is expected


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab*?.", max_size=6), max_size=4), st.text(alphabet="ab.", max_size=8))
def test_patterns_are_what_they_say(patterns: list[str], text: str) -> None:
    def like(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return like(pattern[1:], text) or (bool(text) and like(pattern, text[1:]))
        return bool(text) and pattern[0] in ("?", text[0]) and like(pattern[1:], text[1:])

    assert Patterns(patterns).matches(text) is any(like(pattern, text) for pattern in patterns)


@settings(deadline=None)
@given(st.text())
def test_as_read_is_stable_and_on_one_line(text: str) -> None:
    read = as_read(text)
    assert "\n" not in read
    assert read == read.strip()


# Hostile mail


def nested(depth: int) -> bytes:
    """A message in a message in a message."""
    body = b"end\r\n"
    for _ in range(depth):
        body = b"Content-Type: message/rfc822\r\n\r\n" + body
    return b"Subject: x\r\n" + body


def in_archives(depth: int) -> bytes:
    octets = b"x"
    for number in range(depth):
        octets = zipped(f"{number}.zip" if number else "end.txt", octets)
    return octets_of(with_file("outer.zip", octets))


def many_parts(count: int) -> bytes:
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    return b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * count + b"--b--\r\n"


HOSTILE = {
    "bomb": octets_of(with_file("bomb.zip", zipped("bomb", bytes(101 << 20)))),
    "parts": many_parts(10_000),
    "nested": nested(500),
    "archives": in_archives(limits.MAX_ARCHIVE_DEPTH + 1),
    "header of a part": many_parts(2).replace(b"--b\r\n", b"--b\r\n" + b"X: y\r\n" * 60_000, 1),
}
LONG_HEADERS = {
    "fields": b"".join(b"X-%d: y\r\n" % number for number in range(90_000)) + b"Subject: x\r\n\r\nx\r\n",
    "long field": b"Subject: " + b"a " * (512 << 10) + b"\r\n\r\nx\r\n",
}


@pytest.mark.parametrize("kind", list(HOSTILE))
@pytest.mark.parametrize("text", ["", rules(attachment="*.vbs")])
@pytest.mark.parametrize(
    ("hostile", "action"),
    [
        (Hostile.KEEP, Action.QUARANTINE),
        (Hostile.REJECT, Action.REJECT),
        (Hostile.SCORE, Action.SCORE),
    ],
)
def test_hostile_mail_gets_a_verdict(kind: str, text: str, hostile: Hostile, action: Action) -> None:
    verdicts = ask(text, facts_of(HOSTILE[kind]), hostile)
    assert said(verdicts) == [action.name]
    assert verdicts[0].reason
    assert not verdicts[0].by_users


def test_hostile_mail_costs_no_more_than_the_limits_say() -> None:
    for message in (*HOSTILE.values(), *LONG_HEADERS.values()):
        parts = Content.of(message).parts
        assert len(parts) <= limits.MAX_PARTS + limits.MAX_MEMBERS
        assert sum(len(part.octets) for part in parts) <= limits.MAX_TOTAL_OCTETS


def test_a_digest_of_a_list_passes() -> None:
    letter = (
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + b"X-Trace: of a server on its way\r\n" * 100 + b"\r\nhi\r\n"
    )
    digest = b"Subject: x\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n" + letter * 300 + b"--b--\r\n"
    assert said(ask("", facts_of(digest))) == []


def test_large_good_mail_passes() -> None:
    """A large attachment and a project in an archive go beyond limits, too."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(limits.MAX_MEMBERS + 1):
            archive.writestr(f"src/{number}.py", b"pass\n")
    verdicts = ask("", facts_of(with_file("project.zip", out.getvalue())))
    assert said(verdicts) == ["PASS"]
    assert "members" in verdicts[0].reason
