"""rspamd and SpamAssassin: what they are asked, and their points as ours; hostile ones count as absent."""

import asyncio
import json
from typing import Any

import pytest
from scanner_kit import HOSTILE, LETTER, Asked, answering, facts_of, in_loop, listening

from estafeta.policy.content import Content
from estafeta.policy.verdict import Action, Verdict
from estafeta.protocols.scanners import rspamd, spamd
from estafeta.protocols.scanners.words import AnswerError
from estafeta.trust.iprev import ClientName, IprevStatus

GOOD = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 18\r\nSpam: %b\r\n\r\nBAYES_99,URIBL_BLK"

ENDLESS_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n" + b"y" * 400_000


class Spamd:
    """Reads a whole question, keeps it, and answers."""

    def __init__(self, spam: bytes = b"True ; 7.5 / 5.0") -> None:
        self.spam = spam
        self.head = self.message = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = await reader.readuntil(b"\r\n\r\n")
        [length] = [line for line in self.head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        self.message = await reader.readexactly(int(length.split(b":")[1]))
        assert await reader.read() == b"", "spamd waits for the end of a last line"
        writer.write(GOOD % self.spam)
        await writer.drain()


class Rspamd:
    """Reads a whole question of HTTP, keeps it, and answers with JSON."""

    def __init__(self, answer: Any, status: bytes = b"200 OK", more: bytes = b"") -> None:
        self.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.status, self.more = status, more
        self.head = self.message = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = await reader.readuntil(b"\r\n\r\n")
        [length] = [line for line in self.head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        self.message = await reader.readexactly(int(length.split(b":")[1]))
        head = b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n" % (self.status, self.more, len(self.answer))
        writer.write(head + self.answer)
        await writer.drain()


SPAM = {
    "score": 12.0,
    "required_score": 15.0,
    "action": "add header",
    "symbols": {"MIME_GOOD": {"score": -0.1}, "BAYES_SPAM": {"score": 5.1}, "R_SPF_ALLOW": {"score": 0.0}, "odd": 7},
}


async def of_rspamd(server: Any, facts: Any = None, **settings: Any) -> list[Verdict]:
    async with listening(server) as place:
        return await Asked(rspamd={"server": place, "seconds": 1, **settings}).verdicts(facts or facts_of())


async def of_spamd(server: Any, facts: Any = None, **settings: Any) -> list[Verdict]:
    async with listening(server) as place:
        return await Asked(spamassassin={"server": place, "seconds": 1, **settings}).verdicts(facts or facts_of())


@in_loop
async def test_spamassassin_is_shown_where_it_came_from() -> None:
    server, facts = Spamd(), facts_of()
    facts.found["client-name"] = ClientName("mx.there.test", IprevStatus.PASS)
    [said] = await of_spamd(server, facts, user="bob")
    assert server.head.split(b"\r\n")[0] == b"SYMBOLS SPAMC/1.5"
    assert b"\r\nUser: bob\r\n" in server.head
    front, _, letter = server.message.partition(b"From: ana")
    assert b"From: ana" + letter == LETTER
    assert front.startswith(
        b"Return-Path: <ana@there.test>\r\n"
        b"Received: from mx.there.test (mx.there.test [192.0.2.7])\r\n\tby mx.here.test with ESMTP id "
    )
    assert (said.score, said.tag) == (7.5, "spamassassin")
    assert said.reason == "SpamAssassin: 7.5 of 5.0 points (BAYES_99, URIBL_BLK)"


@pytest.mark.parametrize(
    ("spam", "settings", "points"),
    [
        (b"False ; -2.0 / 5.0", {}, -2.0),
        (b"True ; 8.0 / 4.0", {}, 10.0),  # what is spam from 4 points on for it is from 5 on for us
        (b"True ; 6.0 / 5.0", {"weight_percent": 50}, 3.0),
        (b"True ; 1000.0 / 5.0", {}, 20.0),  # GTUBE: one opinion, four times what makes junk at most
        (b"False ; -100.0 / 5.0", {}, -5.0),
        (b"True ; 3.0 / 0.0", {}, 0.0),
        (b"False ; 0 / 5", {}, 0.0),
        (b"True ; 9.0 / 5.0", {"weight_percent": 0}, 0.0),
    ],
)
@in_loop
async def test_points_are_made_comparable(spam: bytes, settings: Any, points: float) -> None:
    [said] = await of_spamd(Spamd(spam), **settings)
    assert (said.score, said.action) == (points, Action.SCORE if points else Action.PASS)


@in_loop
async def test_rspamd_is_told_of_the_envelope() -> None:
    server = Rspamd(SPAM)
    facts = facts_of()
    facts.helo = "mx\r\nIP: 127.0.0.1"
    [said] = await of_rspamd(server, facts)
    assert server.head.startswith(b"POST /checkv2 HTTP/1.1\r\n")
    assert (
        b"\r\nFrom: ana@there.test\r\nHelo: mx IP: 127.0.0.1\r\nMTA-Name: mx.here.test\r\nIP: 192.0.2.7\r\n"
        in server.head
    )
    assert server.message == LETTER
    assert (said.score, said.reason) == (10.0, "rspamd: 12.0 of 6.0 points (BAYES_SPAM 5.1, MIME_GOOD -0.1)")


@pytest.mark.parametrize(
    ("changed", "settings", "actions", "points"),
    [
        ({}, {}, [Action.SCORE], 10.0),
        ({"thresholds": {"add header": 12.0}}, {}, [Action.SCORE], 5.0),
        ({"thresholds": {"add header": 0}}, {}, [Action.SCORE], 10.0),
        ({"action": "reject"}, {}, [Action.SCORE], 12.5),
        ({"action": "reject"}, {"obey": True}, [Action.SCORE, Action.REJECT], 12.5),
        ({"action": "reject", "score": 0.0, "is_skipped": True}, {}, [Action.SCORE], 12.5),  # GTUBE
        ({"score": 1.0}, {}, [Action.SCORE], 5.0),
        ({"action": "soft reject", "score": 0}, {"obey": True}, [Action.PASS, Action.DEFER], 0.0),
        ({"action": "greylist"}, {"obey": True}, [Action.SCORE], 10.0),
        ({"is_skipped": True, "score": 0, "action": "no action"}, {}, [Action.PASS], 0.0),
        ({"score": 1e300}, {}, [Action.SCORE], 20.0),
    ],
)
@in_loop
async def test_what_rspamd_would_do(changed: Any, settings: Any, actions: list[Action], points: float) -> None:
    said = await of_rspamd(Rspamd(SPAM | changed), **settings)
    assert ([one.action for one in said], said[0].score) == (actions, points)


@in_loop
async def test_large_messages_are_not_shown() -> None:
    facts = facts_of()
    facts.content = Content(b"A: b\r\n", lambda: iter([b"x" * 2000]), 2008)
    for ask in (of_rspamd, of_spamd):
        [said] = await ask(HOSTILE["gone"], facts, max_bytes=1024)
        assert (said.action, "did not see it" in said.reason) == (Action.PASS, True)


@pytest.mark.parametrize("serve", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("ask", [of_rspamd, of_spamd])
@in_loop
async def test_whatever_a_server_does_the_rule_for_absence_applies(ask: Any, serve: Any) -> None:
    [said] = await ask(serve, away="defer")
    assert (said.action, "did not judge it: " in said.reason) == (Action.DEFER, True)


@pytest.mark.parametrize(
    "server",
    [
        Rspamd(b"", b"302 Found", b"Location: http://127.0.0.1:1/\r\n"),
        Rspamd(b"no", b"500 Internal Server Error"),
        Rspamd({"error": "queue is full"}),
        Rspamd([1]),
        Rspamd(b"[" * 100_000),
        Rspamd(b'{"score": NaN, "action": "reject"}'),
        Rspamd(b'{"score": 1, "action": 7}'),
        Rspamd(b" " * 300_000),
        Rspamd(b'{"score": 1' + b"0" * 5000 + b', "action": "reject"}'),
        answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000),
        answering(ENDLESS_CHUNK),
        answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
    ],
)  # fmt: skip
@in_loop
async def test_answers_of_rspamd_that_are_none(server: Any) -> None:
    [said] = await of_rspamd(server)
    assert (said.action, said.reason.startswith("rspamd did not judge it: ")) == (Action.PASS, True)


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "it did not answer"),
        (b"HTTP/1.1 400 Bad\r\n\r\n", "it answered 'HTTP/1.1 400 Bad'"),
        (b"SPAMD/1.5 76 Bad header line: what\r\n\r\n", "it answered 76 Bad header line: what"),
        (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 2\r\n\r\n\r\n", "its answer has no points"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9999999999999 / 5\r\n\r\n", "its answer has no points"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\n", "its answer ended too early"),
        (GOOD + b"x" * 40_000, "its answer has no end"),
    ],
)
def test_answers_of_spamd_that_are_none(octets: bytes, words: str) -> None:
    with pytest.raises(AnswerError, match=words.replace("(", "\\(")):
        spamd.parse_answer(octets, ended=True)


def test_an_answer_of_spamd_is_taken_when_it_is_whole() -> None:
    whole = GOOD % b"True ; 7.5 / 5.0"
    assert all(spamd.parse_answer(whole[:cut], ended=False) is None for cut in range(len(whole)))
    assert spamd.parse_answer(whole, ended=False) == spamd.SpamAnswer(7.5, 5.0, ("BAYES_99", "URIBL_BLK"))


def test_symbols_come_heaviest_first_and_clean() -> None:
    many = {f"S{n}": {"score": n} for n in range(1000)} | {"bad\r\nname": {"score": 5000}}
    answer = rspamd.parse_answer(json.dumps(SPAM | {"symbols": many}).encode())
    assert len(answer.symbols) == 200
    assert answer.symbols[:2] == (("bad name", 1000.0), ("S999", 999.0))
