"""ClamAV: clamd's protocol by TCP and Unix socket, what is done with a virus, and every way of being away."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from scanner_kit import EICAR, HOSTILE, LETTER, Asked, answering, facts_of, gone, in_loop, listening

from estafeta.directory.settings_model import Settings
from estafeta.policy.content import Content
from estafeta.policy.scanners.asking import AWAY_SECONDS, MAX_PARALLEL, Asker
from estafeta.policy.scanners.clamav import judge_virus
from estafeta.policy.verdict import Action
from estafeta.protocols.scanners.clamd import ClamAnswer, ClamWord, parse_answer
from estafeta.protocols.scanners.words import AnswerError


class Clamd:
    """Speaks INSTREAM strictly, finds the test file of EICAR, and knows a limit."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self.limit = limit
        self.seen: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) == b"zINSTREAM\0"
        message = b""
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            if len(message) + size > self.limit:
                writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                await writer.drain()
                return
            message += await reader.readexactly(size)
        self.seen.append(message)
        writer.write(b"stream: Eicar-Test-Signature FOUND\0" if EICAR in message else b"stream: OK\0")
        await writer.drain()


def asked(server: str, asker: Asker | None = None, **settings: Any) -> Asked:
    return Asked(asker, clamav={"server": server, "seconds": 1, **settings})


@pytest.mark.parametrize("message", [LETTER, b"A: b\n\nbare\n", b"no header at all", b"A: b\r\n", b"\r\n", b""])
@in_loop
async def test_it_sees_the_message_octet_by_octet(message: bytes, tmp_path: Path) -> None:
    clamd = Clamd()
    async with listening(clamd, tmp_path / "clamd.ctl") as place:
        said = await asked(place).verdict(message)
    assert (said.action, said.reason, clamd.seen) == (Action.PASS, "ClamAV found nothing", [message])


@pytest.mark.parametrize(
    ("infected", "action", "text"),
    [
        ("reject", Action.REJECT, "The message carries a virus: Eicar-Test-Signature"),
        ("quarantine", Action.QUARANTINE, ""),
        ("discard", Action.DISCARD, ""),
    ],
)
@in_loop
async def test_a_virus_is_treated_as_the_settings_say(infected: str, action: Action, text: str) -> None:
    async with listening(Clamd()) as place:
        said = await asked(place, infected=infected).verdict(LETTER + EICAR)
    assert (said.action, said.text, said.reason) == (action, text, "ClamAV found Eicar-Test-Signature")


@in_loop
async def test_a_large_message_is_scanned_from_its_beginning() -> None:
    clamd, body = Clamd(), [b"x" * 60_000] * 4
    facts = facts_of()
    facts.content = Content(b"A: b\r\n", lambda: iter(body), 240_008)
    async with listening(clamd) as place:
        [said] = await asked(place, max_bytes=65536).verdicts(facts)
    assert said.reason == "ClamAV found nothing in its first 65536 octets"
    assert clamd.seen == [(b"A: b\r\n\r\n" + b"".join(body))[:65536]]


@pytest.mark.parametrize(
    ("away", "action"), [("pass", Action.PASS), ("defer", Action.DEFER), ("reject", Action.REJECT)]
)
@in_loop
async def test_more_than_clamd_takes_counts_as_unexamined(away: str, action: Action) -> None:
    facts = facts_of()
    facts.content = Content(b"A: b\r\n", lambda: iter([b"x" * 250_000] * 40), 10_000_008)
    async with listening(Clamd(limit=5_000_000)) as place:
        [said] = await asked(place, away=away).verdicts(facts)
    assert said.action is action
    assert said.reason == "ClamAV did not judge it: the message is larger than StreamMaxLength in clamd.conf"


@pytest.mark.parametrize("serve", HOSTILE.values(), ids=HOSTILE)
@in_loop
async def test_whatever_a_server_does_the_rule_for_absence_applies(serve: Any) -> None:
    async with listening(serve) as place:
        said = await asked(place, away="reject").verdict()
    assert (said.action, said.code) == (Action.REJECT, 554)
    assert said.reason.startswith("ClamAV did not judge it: ")


@in_loop
async def test_a_server_that_is_away_is_left_alone_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    asker = Asker(lambda: now[0])
    async with listening(gone) as place:
        pass
    scanner = asked(place, asker)
    with caplog.at_level(logging.INFO):
        first, second = await scanner.verdict(), await scanner.verdict()
        assert first.action is second.action is Action.DEFER
        assert "no connection" in first.reason
        assert second.reason == f"{first.reason} (found a moment ago)"
        now[0] += AWAY_SECONDS
        third = await scanner.verdict()
        assert third.reason == first.reason
    assert [record.message for record in caplog.records] == ["a scanner is away"]


@in_loop
async def test_it_is_asked_again_and_known_to_be_back(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    now, path = [100.0], tmp_path / "clamd.ctl"
    scanner = asked(str(path), Asker(lambda: now[0]))
    assert (await scanner.verdict()).action is Action.DEFER
    async with listening(Clamd(), path) as place:
        now[0] += AWAY_SECONDS
        with caplog.at_level(logging.INFO):
            assert (await scanner.verdict()).reason == "ClamAV found nothing"
            assert (await asked(place).verdict()).reason == "ClamAV found nothing"
    assert [record.message for record in caplog.records] == ["a scanner is away", "a scanner answers again"]


@in_loop
async def test_one_message_without_an_answer_is_a_matter_of_that_message_and_three_are_not() -> None:
    asker = Asker(lambda: 100.0)
    async with listening(gone) as place:
        scanner = asked(place, asker)
        reasons = [(await scanner.verdict()).reason for _ in range(4)]
    assert ["moment ago" in reason for reason in reasons] == [False, False, False, True]


@in_loop
async def test_messages_that_a_scanner_stumbles_over_do_not_make_it_one_that_is_away() -> None:
    asker = Asker(lambda: 100.0)
    async with listening(answering(b"stream: Can't allocate memory ERROR\0")) as place:
        scanner = asked(place, asker)
        reasons = [(await scanner.verdict()).reason for _ in range(4)]
    assert set(reasons) == {reasons[0]}
    assert "Can't allocate memory" in reasons[0]


@in_loop
async def test_no_more_are_asked_at_a_time_than_it_has_threads() -> None:
    busy, most, go_on = [0], [0], asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        if busy[0] == MAX_PARALLEL:
            go_on.set()
        await go_on.wait()
        await Clamd()(reader, writer)
        busy[0] -= 1

    async with listening(serve) as place:
        scanner = asked(place, seconds=60)
        said = await asyncio.gather(*(scanner.verdict() for _ in range(MAX_PARALLEL * 2)))
    assert {one.reason for one in said} == {"ClamAV found nothing"}
    assert most[0] == MAX_PARALLEL


@in_loop
async def test_who_is_asked_about_is_a_setting() -> None:
    async with listening(Clamd()) as place:
        for whom, strangers, networks in (("all", 1, 1), ("strangers", 1, 0), ("users", 0, 1)):
            scanner = asked(place, asked_of=whom)
            assert len(await scanner.verdicts(facts_of())) == strangers
            assert len(await scanner.verdicts(facts_of(trusted=True))) == networks
    assert await Asked().verdicts(facts_of()) == []


def test_names_that_are_guesses_make_points() -> None:
    facts = facts_of()
    facts.found["clamav"] = ClamAnswer(ClamWord.FOUND, "Heuristics.Phishing.Email")
    [said] = judge_virus(facts, Settings())
    assert (said.action, said.score, said.reason) == (Action.SCORE, 5.0, "ClamAV found Heuristics.Phishing.Email")


ANSWERS = [
    (b"stream: OK\0", ClamAnswer(ClamWord.CLEAN)),
    (b"stream: Win.Test.EICAR_HDB-1 FOUND\0", ClamAnswer(ClamWord.FOUND, "Win.Test.EICAR_HDB-1")),
    (b"stream: \r\n\xff FOUND\0", ClamAnswer(ClamWord.FOUND, "unnamed")),
    (b"stream: " + b"n" * 5000 + b" FOUND\0", ClamAnswer(ClamWord.FOUND, "n" * 100)),
    (b"INSTREAM size limit exceeded. ERROR\n", ClamAnswer(ClamWord.TOO_LARGE)),
]


@pytest.mark.parametrize(("octets", "answer"), ANSWERS)
def test_answers(octets: bytes, answer: ClamAnswer) -> None:
    assert parse_answer(octets, ended=True) == answer
    assert parse_answer(octets[:-2], ended=False) is None


@pytest.mark.parametrize("octets", [b"", b"\0", b"stream: OKAY\0", b"UNKNOWN COMMAND\0", b"x" * 9000, b"OK FOUND OK"])
def test_what_is_no_answer(octets: bytes) -> None:
    with pytest.raises(AnswerError):
        parse_answer(octets, ended=True)
