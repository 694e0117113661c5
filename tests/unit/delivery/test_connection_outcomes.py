"""From replies to outcomes: a transaction played by hand, and what each recipient hears of it."""

import pytest

from estafeta.delivery.connection_outcomes import judge_transaction
from estafeta.delivery.values import ReplyInfo, error_word
from estafeta.protocols.smtp.client_replies import RawReply
from estafeta.protocols.smtp.client_transaction import Manner, Message, Problem, Transaction

PIPELINING = Manner(pipelining=True)
CHUNKING = Manner(pipelining=True, chunking=True, eager=True)
LMTP = Manner(lmtp=True, pipelining=True)
DELIVERED, DEFERRED, FAILED, UNTRIED = "delivered", "deferred", "failed", "untried"


def run(manner: Manner, count: int, replies: str, problem: Problem | None = None) -> Transaction:
    transaction = Transaction(Message(b"", (b"",) * count, b"x\r\n", 3), manner)
    output: list[bytes] = []
    transaction.start(output)
    for reply in replies.split():
        code, _, status = reply.partition("/")
        transaction.take(RawReply(int(code), f"{code} {status} text\r\n".encode()), output)
    if problem is not None:
        transaction.stop(problem)
    return transaction


@pytest.mark.parametrize(
    ("manner", "replies", "problem", "fresh", "outcomes", "lost"),
    [
        (PIPELINING, "250 250 354 250", None, True, ["delivered 250 DATA"], False),
        (PIPELINING, "250 250 354 451", None, True, ["deferred 451 DATA"], False),
        (PIPELINING, "250 250 354 554", None, True, ["failed 554 DATA"], False),
        (PIPELINING, "250 250 451", None, True, ["deferred 451 DATA"], False),
        (PIPELINING, "450 503 503", None, True, ["deferred 450 MAIL"], False),
        (PIPELINING, "550 250 354 250", None, True, ["failed 550 MAIL"], False),
        (PIPELINING, "250 550 554", None, True, ["failed 550 RCPT"], False),
        (PIPELINING, "250 550 354 250", None, True, ["failed 550 RCPT"], False),
        (PIPELINING, "250 421", None, True, ["deferred 421 RCPT"], False),
        (PIPELINING, "421", None, True, ["deferred 421 MAIL"], False),
        (PIPELINING, "421", None, False, ["untried 421 MAIL"], False),
        (CHUNKING, "421", None, False, ["untried 421 MAIL"], False),
        (PIPELINING, "", Problem.LOST, True, ["deferred 0 MAIL"], False),
        (PIPELINING, "", Problem.LOST, False, ["untried 0 MAIL"], False),
        (PIPELINING, "", Problem.TIMEOUT, False, ["deferred 0 MAIL"], False),
        (PIPELINING, "250", Problem.LOST, False, ["deferred 0 RCPT"], False),
        (PIPELINING, "250 250", Problem.LOST, True, ["deferred 0 DATA"], False),
        (PIPELINING, "250 250 354", Problem.LOST, True, ["deferred 0 DATA"], True),
        (PIPELINING, "250 250 354", Problem.TIMEOUT, True, ["deferred 0 DATA"], True),
        (PIPELINING, "250 250 354 421", None, True, ["deferred 421 DATA"], False),
        # All went out at once: it may have been taken, even if nothing was heard.
        (CHUNKING, "", Problem.LOST, False, ["deferred 0 MAIL"], True),
        (CHUNKING, "250 550", Problem.LOST, True, ["failed 550 RCPT"], False),
        (CHUNKING, "550", Problem.LOST, True, ["failed 550 MAIL"], False),
        (CHUNKING, "250 250", Problem.PROTOCOL, True, ["deferred 0 DATA"], True),
        (CHUNKING, "354", None, True, ["deferred 0 MAIL"], True),
        (CHUNKING, "250 354", None, True, ["deferred 0 RCPT"], True),
        (LMTP, "250 250 250 354 250 452", None, True, ["delivered 250 DATA", "deferred 452 DATA"], False),
        (LMTP, "250 550 250 354 250", None, True, ["failed 550 RCPT", "delivered 250 DATA"], False),
        (LMTP, "250 250 250 354 250", Problem.LOST, True, ["delivered 250 DATA", "deferred 0 DATA"], True),
        (LMTP, "250 250 250 451", None, True, ["deferred 451 DATA", "deferred 451 DATA"], False),
        (PIPELINING, "250 250 550 354 250", None, True, ["delivered 250 DATA", "failed 550 RCPT"], False),
        (PIPELINING, "250 550 250 354 550", None, True, ["failed 550 RCPT", "failed 550 DATA"], False),
    ],
)
def test_outcomes(
    manner: Manner, replies: str, problem: Problem | None, fresh: bool, outcomes: list[str], lost: bool
) -> None:
    judged = judge_transaction(run(manner, len(outcomes), replies, problem), len(outcomes), "mx", fresh=fresh)
    assert [f"{one.kind} {one.reply.code} {one.reply.command}" for one in judged.outcomes] == outcomes
    assert judged.lost_after_dot is lost
    assert judged.again == []
    assert all(one.reply.text and one.mta == "mx" for one in judged.outcomes)
    assert all(one.reply.status for one in judged.outcomes if not one.reply.code)


@pytest.mark.parametrize(
    ("replies", "kinds", "again"),
    [
        ("250 250 452 354 250", [DELIVERED, DEFERRED], [1]),
        ("250 250 452/4.5.3 354 250", [DELIVERED, DEFERRED], [1]),
        ("250 250 552 354 250", [DELIVERED, DEFERRED], [1]),
        ("250 250 552/5.2.2 354 250", [DELIVERED, FAILED], []),
        ("250 250 452/4.2.2 354 250", [DELIVERED, DEFERRED], []),
        # Nobody was accepted: another transaction would end the same way.
        ("250 452 452 554", [DEFERRED, DEFERRED], []),
        ("250 552 552 554", [FAILED, FAILED], []),
    ],
)
def test_too_many_recipients(replies: str, kinds: list[str], again: list[int]) -> None:
    judged = judge_transaction(run(PIPELINING, 2, replies), 2, "mx", fresh=True)
    assert ([str(one.kind) for one in judged.outcomes], judged.again) == (kinds, again)


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (ReplyInfo(451, "4.7.1", "Greylisted, come back"), "greylisted"),
        (ReplyInfo(450, "", "gray-listing in action"), "greylisted"),
        (ReplyInfo(550, "5.7.1", "greylisting is over"), "550"),
        (ReplyInfo(452, "4.2.2", "full"), "quota"),
        (ReplyInfo(552, "5.2.2", "full"), "quota"),
        (ReplyInfo(452, "4.3.1", "disk full"), "quota"),
        (ReplyInfo(451, "", "later"), "451"),
    ],
)
def test_words_for_retry_rules(reply: ReplyInfo, word: str) -> None:
    assert error_word(reply) == word
