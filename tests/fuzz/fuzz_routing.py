"""Invariant: no header, no reply of DNS, no line of a setting makes routing or dns raise (but EstafetaError).

Rewriting changes nothing outside the addresses that it finds.

    python tests/fuzz/fuzz_routing.py [--seconds N] [--seed N]
"""

import contextlib
import random

from fuzzing import mutate, run

from estafeta.core.errors import EstafetaError
from estafeta.dns.message import is_reply, make_question, parse_name, read_reply
from estafeta.mail.address import Address
from estafeta.routing.headeraddresses import find_places, rewrite_addresses
from estafeta.routing.parsing import parse_host, parse_route_rule, parse_server, parse_source
from estafeta.routing.rewriterules import parse_lookup_file, parse_lookup_line, parse_rule
from estafeta.routing.rewriting import Field, Rewriter

HEADERS = [
    b'From: "A, B" <a@b.test>, g: c@d.test, <@r,@s:e@f.test>;\r\nTo: x (y) @ z.test\r\n\r\n',
    b'Cc: =?utf-8?q?u=40v?= <"a b"@b.test>,\r\n\t(c (d) e) f@[192.0.2.1]\nReply-To: \xc3\xbc@\xff.test\n\n',
    b"Resent-Sender: a@b@c.test, <a@b.test\r\nBcc:\r\n bcc@d.test;,,:\r\nSubject: a@b.test\r\n\r\nFrom: body@b.test",
]
REPLIES = [
    b"\x01a\xc0\x0c\x00\x0f\x00\x01\x00\x00\x01\x2c\x00\x04\x00\x0a\xc0\x0c",
    b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c",
    b"\xc0\x0c\x00\x34\x00\x01\x00\x00\x00\x3c\x00\x05\x03\x01\x01\xaa\xbb\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x02\x01x",
]
LINES = [
    b"*@*.example $1@${lookup{$2}lsearch{/etc/x}{$value}{${lookup{$1}{t}}}} frFsqRXhE",
    b"*.example.org host:[2001:db8::1]:25",
    b"mail.example.org 192.0.2.1 2001:db8::1 # x",
    b'ana: a@b.test\n\t c\n"d\\"e" f',
]
TOKENS = [
    b"\r\n",
    b"\n ",
    b"\0",
    b"<",
    b">",
    b"(",
    b")",
    b'"',
    b"\\",
    b"@",
    b",",
    b":",
    b";",
    b"${",
    b"}",
    b"*",
    b"\xc0\x0c",
    b"\xff",
]


def check_header(data: bytes) -> None:
    """Places lie in order; a change that changes nothing gives the same object; one that does touches only places."""
    at = 0
    for place in find_places(data):
        assert at <= place.start < place.end <= len(data)
        at = place.end
    assert rewrite_addresses(data, lambda name, address: address) is data
    changed = rewrite_addresses(data, lambda name, address: Address("q", "q.test"))
    assert changed is data or b"q@q.test" in changed


def check_reply(data: bytes) -> None:
    """Any octets behind a good head are read."""
    for kind in ("MX", "TLSA", "TXT", "A"):
        question = make_question(parse_name("a.test"), kind, validating=False)
        wire = question.wire[:2] + b"\x81\x80\0\1\0\2\0\1\0\0" + question.asked + data
        assert is_reply(wire, question)
        read_reply(wire, question)
        is_reply(data, question)


def check_line(data: bytes) -> None:
    """Lines are understood or refused; what is understood works."""
    text = data.decode("utf-8", "replace")
    for parse in (parse_host, parse_route_rule, parse_server, parse_source, parse_lookup_line, parse_lookup_file):
        with contextlib.suppress(EstafetaError):
            parse(text)
    with contextlib.suppress(EstafetaError):
        rewriter = Rewriter([parse_rule(text)], {"t": {"a": "b@c"}})
        for field in Field:
            rewriter.rewrite_address(Address("a.b", "x.example"), field)


CHECKS = ((HEADERS, check_header), (REPLIES, check_reply), (LINES, check_line))


def make_inputs(dice: random.Random) -> list[bytes]:
    """One for each check."""
    return [mutate(dice, dice.choice(seeds), [*TOKENS, *seeds]) for seeds, _ in CHECKS]


def check(dice: random.Random, inputs: list[bytes]) -> None:
    """All invariants."""
    for (_, check_one), data in zip(CHECKS, inputs, strict=True):
        check_one(data)


if __name__ == "__main__":
    run(make_inputs, check)
