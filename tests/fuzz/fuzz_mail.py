"""Invariant: no octets make estafeta.mail raise (but EstafetaError), and no summary depends on how they are cut.

    python tests/fuzz/fuzz_mail.py [--seconds N] [--seed N]

Messages are made by mutating and splicing seeds.
"""

import contextlib
import random
import sys
from collections.abc import Callable
from pathlib import Path

from fuzzing import mutate, run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "mail"))

from mail_checks import check_summary

from estafeta.core.errors import EstafetaError
from estafeta.mail.address import parse_address, parse_path
from estafeta.mail.headers import decode_header, parse_address_list, parse_date, split_header
from estafeta.mail.repair import NewlineNormaliser, missing_fields, normalise_newlines
from estafeta.mail.scan import MessageScanner, MessageSummary, ScanLimits

SEEDS = [
    b"From: A <a@b>\r\nTo: g: c@d, \"x, y\" <e@f>;\r\nSubject: =?utf-8?b?w7w=?= =?iso-8859-1?q?=FC?=\r\n\r\nbody\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\np\r\n--b\r\nContent-Type: text/html; charset=x\r\n\r\n<p>x"
    b"<style>y\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--b--\r\n",
    b"Content-Type: multipart/digest; boundary=\"a b\"\n\n--a b\n\nFrom: x@y\n\nq\n--a b\nContent-Type: multipart/"
    b"mixed; boundary=a\n\n--a\n\nr\n--a--\n--a b--\n",
    b"Content-Type: application/pdf; name*0*=utf-8''%c3%bc; name*1=.pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=\"a\\\"b\"; size=1\r\nContent-Language: de, en\r\n\r\nAAAA\r\n",
    b"Content-Type: text/plain; charset=utf-7\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC+AAA-=\r\n=",
    b"<@a,@b:\"c d\"@[IPv6:::1]>Sat, 01 Aug 2026 10:20:30 +0000",
]  # fmt: skip
TOKENS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"--b",
    b"--b--",
    b"\r\n--b\r\n",
    b"\r\n\r\n",
    b":",
    b";",
    b'"',
    b"=?",
    b"?=",
    b"(",
    b"<",
    b"\xff",
]
LIMITS = [
    ScanLimits(),
    ScanLimits(max_header_octets=40, max_total_header_octets=90, max_parts=3, max_depth=3, preview_octets=16),
]


def make_input(rng: random.Random) -> bytes:
    """Seeds spliced and mutated a few times."""
    data = b"".join(rng.choice(SEEDS) for _ in range(rng.choice((1, 1, 2, 3))))
    return mutate(rng, data, TOKENS, 12)


def scan(pieces: list[bytes], limits: ScanLimits) -> MessageSummary:
    """The summary of a message in these pieces."""
    scanner = MessageScanner(limits)
    for piece in pieces:
        scanner.feed(piece)
    return scanner.close()


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    """The same octets in pieces."""
    longest = rng.choice((1, 3, 10, 200))
    pieces, at = [], 0
    while at < len(data):
        size = rng.randint(1, longest)
        pieces.append(data[at : at + size])
        at += size
    return pieces


def check(rng: random.Random, data: bytes) -> None:
    """All invariants for one input."""
    pieces = cut(rng, data)
    for limits in LIMITS:
        whole = scan([data], limits)
        check_summary(data, whole)
        assert scan(pieces, limits) == whole
    normaliser = NewlineNormaliser()
    assert b"".join([*map(normaliser.feed, pieces), normaliser.close()]) == normalise_newlines(data)
    missing_fields(data, sender=None, ident="1", hostname="h", now=0)
    for value in (data[:80], data[-80:], *(value for _, value in split_header(data))):
        decode_header(value)
        parse_address_list(value)
        parse_date(value)
        refuses(lambda value=value: parse_path(value, smtputf8=True))
        refuses(lambda value=value: parse_address(value.decode("latin-1")))


def refuses(action: Callable[[], object]) -> None:
    """Run something that may refuse its input, in the one way that is allowed."""
    with contextlib.suppress(EstafetaError):
        action()


if __name__ == "__main__":
    run(make_input, check)
