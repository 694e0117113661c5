"""The web hook: what it is told, each answer, its secret, TLS, and every way of not answering."""

import asyncio
import base64
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from scanner_kit import HOSTILE, LETTER, Asked, Serve, facts_of, in_loop, listening

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_hook import parse_hook_url
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.verdict import Action, Verdict
from estafeta.protocols.scanners.hook import HookAnswer, parse_answer
from estafeta.protocols.scanners.words import AnswerError
from estafeta.trust.iprev import ClientName, IprevStatus
from tls_kit import make

PASS = {"action": "pass"}
MIXED = (
    b"From: =?utf-8?q?Jos=C3=A9?= <jose@there.test>\r\nSubject: two\r\n lines\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nSe\xf1or\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=a.png\r\n\r\nPNG\r\n--b--\r\n"
)


class Service:
    """A web service that answers with this JSON and remembers what it was asked."""

    def __init__(self, answer: Any = PASS, status: bytes = b"200 OK") -> None:
        self.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.status = status
        self.head = b""
        self.asked: dict[str, Any] = {}

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = await reader.readuntil(b"\r\n\r\n")
        [length] = [line for line in self.head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        self.asked = json.loads(await reader.readexactly(int(length.split(b":")[1])))
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (self.status, len(self.answer), self.answer))
        await writer.drain()


async def consulted(server: Serve, facts: Facts | None = None, secret: Any = None, **settings: Any) -> Verdict:
    async with listening(server) as place:
        hook = {"url": f"http://{place}/mail?v=1", "seconds": 1, **settings}
        asked = Asked(hook=hook, secret=secret or (lambda host, port: ""))
        [said] = await asked.verdicts(facts or facts_of())
    return said


@in_loop
async def test_what_it_is_told() -> None:
    service, facts = Service(), facts_of(MIXED, tls=True)
    facts.found["client-name"] = ClientName("mx.there.test", IprevStatus.PASS)
    said = await consulted(service, facts, sends="facts")
    assert said == Verdict(Action.PASS, "hook: pass", "Ok", check="hook")
    assert service.head.startswith(b"POST /mail?v=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"authorization" not in service.head.lower()
    assert service.asked == {
        "version": 1,
        "client": {"address": "192.0.2.7", "name": "mx.there.test", "helo": "mx.there.test", "tls": True},
        "service": "smtp",
        "user": None,
        "trusted": False,
        "sender": "ana@there.test",
        "recipients": ["bob@here.test"],
        "size": len(MIXED),
        "authentication": {"spf": None, "dkim": [], "dmarc": None},
    }


@in_loop
async def test_how_much_it_is_told_is_a_setting() -> None:
    service = Service()
    await consulted(service, facts_of(MIXED), sends="header")
    assert service.asked["header"][:2] == [
        ["From", "=?utf-8?q?Jos=C3=A9?= <jose@there.test>"],
        ["Subject", "two lines"],
    ]
    await consulted(service, facts_of(MIXED), sends="parts")
    assert [(one["path"], one["type"], one["name"], one["text"]) for one in service.asked["parts"]] == [
        ("1", "text/plain", "", "Señor"),
        ("2", "image/png", "a.png", None),
    ]
    for message in (MIXED, LETTER, b"", b"x", b"xy", b"no header"):
        await consulted(service, facts_of(message), sends="message")
        assert base64.b64decode(service.asked["message"], validate=True) == message


@in_loop
async def test_a_large_message_is_told_in_pieces_or_by_its_header_alone() -> None:
    service, facts = Service(), facts_of()
    body = [bytes([place]) * 100_001 for place in range(4)]
    facts.content = Content(b"A: b\r\n", lambda: iter(body), 400_012)
    await consulted(service, facts, sends="message")
    assert base64.b64decode(service.asked["message"]) == b"A: b\r\n\r\n" + b"".join(body)
    await consulted(service, facts, sends="message", max_bytes=400_000)
    assert "message" not in service.asked
    assert service.asked["header"] == [["A", "b"]]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"action": "pass", "reason": "known"}, Verdict(Action.PASS, "hook: known", "Ok")),
        (
            {"action": "score", "score": 2.5, "reason": "odd", "tag": "odd one"},
            Verdict(Action.SCORE, "hook: odd", score=2.5, tag="odd-one"),
        ),
        ({"action": "score", "score": -1e9}, Verdict(Action.SCORE, "hook: score", score=-100.0)),
        ({"action": "tag", "tag": "news"}, Verdict(Action.TAG, "hook: tag", tag="news")),
        ({"action": "quarantine", "reason": "señor\r\nx"}, Verdict(Action.QUARANTINE, "hook: señor x", tag="hook")),
        ({"action": "score", "score": 10**400}, Verdict(Action.SCORE, "hook: score", score=100.0)),
        ({"action": "discard"}, Verdict(Action.DISCARD, "hook: discard")),
        ({"action": "defer"}, Verdict(Action.DEFER, "hook: defer", "Try again later", 451, "4.7.1")),
        (
            {"action": "reject", "text": "No\r\n250 yes", "reason": None},
            Verdict(Action.REJECT, "hook: reject", "No 250 yes", 550, "5.7.1"),
        ),
    ],
)
@in_loop
async def test_each_answer(answer: Any, said: Verdict) -> None:
    assert await consulted(Service(answer)) == said._replace(check="hook")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"pass"',
        b"{}",
        b'{"action": "PASS"}',
        b'{"action": ["pass"]}',
        b'{"action": "score", "score": "5"}',
        b'{"action": "score", "score": true}',
        b'{"action": "score", "score": Infinity}',
        b'{"action": "pass", "reason": {"a": 1}}',
        b'{"action": "pass", "text": 5}',
        b"[" * 60_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(AnswerError):
        parse_answer(body)


def test_long_words_are_cut() -> None:
    answer = parse_answer(json.dumps({"action": "reject", "reason": "r" * 9999, "text": "t" * 9999}).encode())
    assert answer == HookAnswer("reject", 0.0, "r" * 300, "t" * 400)


@pytest.mark.parametrize("serve", HOSTILE.values(), ids=HOSTILE)
@in_loop
async def test_whatever_a_server_does_the_rule_for_absence_applies(serve: Serve) -> None:
    said = await consulted(serve, away="defer")
    assert (said.action, said.reason.startswith("hook did not judge it: ")) == (Action.DEFER, True)


@pytest.mark.parametrize("status", [b"204 No Content", b"301 Moved", b"307 Temporary Redirect", b"401 No", b"500 No"])
@in_loop
async def test_any_other_status_is_no_answer_and_nothing_is_followed(status: bytes) -> None:
    said = await consulted(Service(status=status))
    assert said.reason.startswith(f"hook did not judge it: it answered {status[:3].decode()}")


@in_loop
async def test_its_secret() -> None:
    service, asked = Service(), []

    def secret(host: str, port: int) -> str:
        asked.append(host)
        return "s3cret"

    await consulted(service, secret=secret)
    assert b"\r\nAuthorization: Bearer s3cret\r\n" in service.head
    assert asked == ["127.0.0.1"]

    def unreadable(host: str, port: int) -> str:
        raise EstafetaError(Kind.UNAVAILABLE, "The password was stored by another node.")

    said = await consulted(service, secret=unreadable)
    assert said.reason == "hook did not judge it: The password was stored by another node"


@in_loop
async def test_certificates_are_checked(tmp_path: Path) -> None:
    authority = make("ca.test", ca=True)
    server = authority.issue("localhost").server_context(tmp_path)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    async with listening(Service(), tls=server) as place:
        url = f"https://localhost:{place.rpartition(':')[2]}/"
        hook = {"url": url, "seconds": 5}
        [trusted] = await Asked(
            hook=hook, trust=lambda: ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        ).verdicts(facts_of())
        [unknown] = await Asked(hook=hook).verdicts(facts_of())
    assert trusted.reason == "hook: pass"
    assert unknown.reason.startswith("hook did not judge it: its certificate is not right: ")


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("https://f.example/mail?x=1#top", "f.example", 443, "/mail?x=1"),
        ("http://[::1]:8080", "[::1]:8080", 8080, "/"),
        (" https://F.example:8443/ ", "f.example:8443", 8443, "/"),
    ],
)
def test_urls(text: str, host: str, port: int, path: str) -> None:
    url = parse_hook_url(text)
    assert (url.host, url.place.port, url.path) == (host, port, path)


@pytest.mark.parametrize(
    "text", ["ftp://x/", "https://", "https://u:p@x/", "https://x/a b", "https://x:0/", "https://x:99999/"]
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|must be"):
        parse_hook_url(text)
