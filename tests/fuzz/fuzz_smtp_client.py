"""Whatever a server says, in whatever pieces, the SMTP client never raises, says the same, and keeps little of it.

    python tests/fuzz/fuzz_smtp_client.py [--seconds N] [--seed N]

Servers are put together from good replies, mutated, and played whole and in pieces while the caller does this and that.
What is delivered was answered with 2yz.
"""

import random
import sys
from pathlib import Path

from fuzz_smtp import mutate_words
from fuzzing import run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "smtp_client"))

from smtp_client_script import act, at_random, byte_by_byte, describe, whole

from estafeta.delivery.connection_outcomes import judge_transaction
from estafeta.protocols.smtp.client import Sent, SmtpClient

REPLIES = [
    b"220 mx.test\r\n", b"220-a\r\n220 b\r\n", b"250 2.1.0 ok\r\n", b"250-mx.test\r\n250 PIPELINING\r\n",
    b"250-mx.test\r\n250-CHUNKING\r\n250-SIZE 1000\r\n250 PIPELINING\r\n", b"250-LIMITS RCPTMAX=2\r\n250 AUTH X\r\n",
    b"354 go\r\n", b"421 4.3.2 bye\r\n", b"450 4.7.1 later\r\n", b"452 4.5.3 too many\r\n", b"550 5.1.1 no\r\n",
    b"552 full\r\n", b"503 what?\r\n", b"334 \r\n", b"334 VXNlcm5hbWU6\r\n", b"235 2.7.0 in\r\n", b"250\n", b"25",
    b"250-", b"HTTP/1.1 400 Bad Request\r\n", b"\x16\x03\x01", b"250 " + b"x" * 5000 + b"\r\n", b"250-y\r\n" * 150,
    b"z" * 30_000,
]  # fmt: skip
ACTIONS = [
    "tls", "handshake", "auth LOGIN", "auth PLAIN x", "respond a", "respond *", "begin 1", "begin 2", "begin 3 eager",
    "begin 1 pieces", "piece .a", "end", "command NOOP", "lost lost", "lost timeout",
]  # fmt: skip
OPENING = [b"", b"220 mx\r\n250-mx\r\n250 PIPELINING\r\n", b"220 mx\r\n250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n"]
GOOD = b"250 ok\r\n250 ok\r\n"


def make_session(dice: random.Random) -> tuple[list[tuple[bytes, str]], bool]:
    steps = [(dice.choice(OPENING), dice.choice(("begin 1", "begin 2 eager", *ACTIONS)))]
    for _ in range(dice.randint(1, 8)):
        octets = b"".join(dice.choices(REPLIES, k=dice.randint(0, 5)))
        steps.append((dice.choice((b"", GOOD)) + mutate_words(dice, octets), dice.choice(ACTIONS)))
    return steps, dice.random() < 0.2


def play(steps: list[tuple[bytes, str]], split, *, lmtp: bool) -> tuple[list[str], bool]:
    machine, told = SmtpClient("me.test", lmtp=lmtp), []

    def take() -> None:
        while (event := machine.next_event()) is not None:
            told.append(describe(event))
            if isinstance(event, Sent):
                check_sent(event)

    for octets, action in steps:
        for piece in split(octets):
            machine.feed(piece)
            take()
            assert machine.buffered <= 64 * 1024 + len(octets), "keeps too much"
        act(machine, action)
        take()
        machine.take_output()
    # How clear text behind STARTTLS is found depends on when it comes; that it ends the session does not.
    return [event for event in told if event != "tls"], machine.closed


def check_sent(event: Sent) -> None:
    transaction = event.transaction
    count = max(len(transaction.rcpts), 1)
    judged = judge_transaction(transaction, count, "mx", fresh=True)
    assert len(judged.outcomes) == count
    good = [reply.code for reply in transaction.finals if reply.code < 300]
    delivered = [outcome for outcome in judged.outcomes if outcome.kind == "delivered"]
    assert not delivered or (good and transaction.content_ended), "delivered, says who?"


def check(dice: random.Random, made: tuple[list[tuple[bytes, str]], bool]) -> None:
    steps, lmtp = made
    splits = [whole, at_random(dice.getrandbits(32)), at_random(dice.getrandbits(32))]
    if sum(len(octets) for octets, _ in steps) < 2000:
        splits.append(byte_by_byte)
    seen = [play(steps, split, lmtp=lmtp) for split in splits]
    assert all(other == seen[0] for other in seen), "depends on how the octets were split"


if __name__ == "__main__":
    run(make_session, check)
