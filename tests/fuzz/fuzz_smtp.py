"""Whatever octets come, in whatever pieces, the SMTP machine never raises, says the same, and keeps little of them.

    python tests/fuzz/fuzz_smtp.py [--seconds N] [--seed N]

Sessions are put together from good commands, mutated (octets changed, dropped, doubled, moved) and split at random,
then played whole and in pieces.
"""

import random
import sys
from dataclasses import replace
from pathlib import Path

from fuzzing import mutate, run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "smtp"))

from smtp_transcript import Script as Session
from smtp_transcript import Shell, at_random, byte_by_byte, play, whole

from estafeta.protocols.smtp import BareLf, Mode, Reply, SmtpSettings

BASE = SmtpSettings("mx.test", max_message_bytes=5000)
SETTINGS = [
    BASE,
    replace(BASE, bare_lf=BareLf.ACCEPT, max_line=100, max_bad_commands=1000, max_idle_commands=1000),
    replace(BASE, auth_mechanisms=("SCRAM-SHA-256", "PLAIN", "LOGIN"), tls_available=True, expn=True),
    replace(BASE, mode=Mode.LMTP, max_recipients=2),
    replace(BASE, mode=Mode.SUBMISSION, tls_available=True, require_tls=True, require_auth=True),
    replace(BASE, chunking=False, smtputf8=False, max_bad_commands=2, max_transactions=2),
]
WORDS = [
    b"EHLO client.test\r\n", b"HELO client.test\r\n", b"LHLO client.test\r\n", b"MAIL FROM:<a@b.test>\r\n",
    b"MAIL FROM:<>\r\n", b"MAIL FROM:<a@b.test> SIZE=100 BODY=8BITMIME\r\n",
    b"MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n", "MAIL FROM:<ü@b.test> SMTPUTF8\r\n".encode(),
    b"RCPT TO:<jane@mx.test>\r\n", b"RCPT TO:<nobody@mx.test>\r\n", b'RCPT TO:<"a b\\>"@[IPv6:::1]>\r\n',
    b"RCPT TO:<@x.test:a@b.test>\r\n", b"DATA\r\n", b"Subject: x\r\n\r\nhello\r\n.\r\n", b"..\r\n.a\r\n.\r\n",
    b"a\n.\n", b"a\r\n.\n", b"\r.\r", b"\r\n.\r\n", b"BDAT 5\r\nabcde", b"BDAT 3 LAST\r\na\r\n",
    b"BDAT 0 LAST\r\n", b"BDAT 9999999999\r\n", b"RSET\r\n", b"NOOP\r\n", b"VRFY jane\r\n", b"EXPN list\r\n",
    b"HELP\r\n", b"QUIT\r\n", b"STARTTLS\r\n", b"AUTH PLAIN AGphbmUAc2VjcmV0\r\n", b"AUTH PLAIN\r\n",
    b"AUTH LOGIN\r\n", b"AGphbmUAc2VjcmV0\r\n", b"amFuZQ==\r\n", b"c2VjcmV0\r\n",
    b"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9w\r\n", b"*\r\n", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01",
    b"x" * 1100 + b"\r\n", b"y" * 6000, b"AUTH PLAIN " + b"A" * 2000 + b"\r\n",
]  # fmt: skip
TOKENS = [b"\r", b"\n", b".", b"\r\n", b" ", b"\0", b"<", b">", b'"', b"\\", *WORDS]
OPENING = b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<jane@mx.test>\r\n"
REFUSED = {"nobody@mx.test": Reply(550, "5.1.1", "No")}


def mutate_words(dice: random.Random, data: bytes) -> bytes:
    """Most stay as they are, some are hard to know again."""
    return mutate(dice, data, TOKENS, dice.choice((1, 1, 2, 3, 6, 21)))


def compose(dice: random.Random) -> bytes:
    opening = dice.choice((b"", OPENING, OPENING.replace(b"EHLO", b"LHLO"), OPENING + b"DATA\r\n"))
    return opening + mutate_words(dice, b"".join(dice.choices(WORDS, k=dice.randint(1, 14))))


def make_session(dice: random.Random) -> tuple[SmtpSettings, Session]:
    return dice.choice(SETTINGS), Session([compose(dice), ("PLAIN", "SCRAM-SHA-256"), compose(dice)])


def check(dice: random.Random, made: tuple[SmtpSettings, Session]) -> None:
    settings, session = made
    seen = []
    for split in (whole, at_random(dice.getrandbits(32)), at_random(dice.getrandbits(32)), byte_by_byte):
        shell = Shell(REFUSED)
        output, machine = play(session, settings, shell, split)
        assert machine.buffered <= max(settings.max_line, 12288), "keeps too much"
        assert all(len(line) <= 510 for line in output.split(b"\r\n")), "a reply line is too long"
        lines = [line for line in output.split(b"\r\n") if not line.startswith(b"334 cj")]  # a random nonce
        seen.append((lines, shell.results, machine.closed))
    assert all(other == seen[0] for other in seen), "depends on how the octets were split"


if __name__ == "__main__":
    run(make_session, check)
