"""What sendmail makes of a message on its standard input."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.app.sendmail.message import Message, read_message
from estafeta.app.sendmail.options import SendmailError, Status
from estafeta.mail.address import Address
from estafeta.mail.headers import header_names
from estafeta.mail.newlines import normalise_newlines

ME = Address("me", "x.test")


def read(text: bytes, *, dot_ends: bool = True) -> Message:
    return read_message(io.BytesIO(text), io.BytesIO(), dot_ends=dot_ends)


def wire(message: Message) -> bytes:
    return b"".join(message.lines())


@pytest.mark.parametrize(
    ("text", "header", "body"),
    [
        (b"", b"", b""),
        (b"A: 1\n\nbody\n", b"A: 1\r\n", b"body\r\n"),
        (b"A: 1\n  folded\nB: 2\n\n", b"A: 1\r\n  folded\r\nB: 2\r\n", b""),
        (b"A: 1\r\n\r\nbody", b"A: 1\r\n", b"body\r\n"),
        (b"A: 1", b"A: 1\r\n", b""),
        (b"just words\nmore\n", b"", b"just words\r\nmore\r\n"),
        (b"\nA: 1\n", b"", b"A: 1\r\n"),
        (b"A: 1\nno field\n\nx\n", b"A: 1\r\n", b"no field\r\n\r\nx\r\n"),
        (b"From me Sat Jan  3 01:05:34 1998\nA: 1\n\nx\n", b"A: 1\r\n", b"x\r\n"),
        (b"A: 1\n\nx\n.\nnot read\n", b"A: 1\r\n", b"x\r\n"),
        (b"A: 1\n\n..x\n.y\n", b"A: 1\r\n", b"...x\r\n..y\r\n"),
        (b"A: 1\n\nx\ry\n", b"A: 1\r\n", b"x\r\ny\r\n"),
    ],
)
def test_reading(text: bytes, header: bytes, body: bytes):
    message = read(text)
    assert message.header == header
    assert wire(message) == header + b"\r\n" + body


def test_a_lone_dot_may_pass():
    assert wire(read(b"A: 1\n\nx\n.\ny\n", dot_ends=False)) == b"A: 1\r\n\r\nx\r\n..\r\ny\r\n"


def test_a_header_without_end():
    with pytest.raises(SendmailError) as error:
        read(b"A: x\n" * 300_000)
    assert error.value.status == Status.DATAERR


@pytest.mark.parametrize(
    ("header", "recipients"),
    [
        (b"To: a@x.test\n", ["a@x.test"]),
        (b"To: A <a@x.test>, b\nCc: c@x.test\nBcc: d@x.test\n", ["a@x.test", "b", "c@x.test", "d@x.test"]),
        (b"To: all: a@x.test, b@x.test;\nCC: nobody:;\n", ["a@x.test", "b@x.test"]),
        (b"To: a@x.test\nResent-To: z@x.test\nResent-Bcc: y@x.test\n", ["z@x.test", "y@x.test"]),
        (b'To: "a b"@x.test,\n  c@x.test\n', ['"a b"@x.test', "c@x.test"]),
        (b"Subject: none\n", []),
    ],
)
def test_recipients(header: bytes, recipients: list[str]):
    assert read(header + b"\n").recipients() == recipients


def complete(text: bytes, sender: Address | None = ME, name: str = "") -> bytes:
    message = read(text)
    message.complete(sender, name, ident="1", hostname="mx.test", now=0)
    return message.header


def test_blind_copies_never_go_out():
    header = complete(b"Bcc: a@x.test,\n b@x.test\nTo: c@x.test\nbcc: d\nResent-Bcc: e\nSubject: Bcc: f\n\n")
    assert b"@x.test,\r\n" not in header
    assert header.endswith(b"To: c@x.test\r\nSubject: Bcc: f\r\n")
    assert header_names(header).isdisjoint({b"bcc", b"resent-bcc"})


def test_missing_fields_are_added():
    assert complete(b"Subject: s\n\n") == (
        b"Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: me@x.test\r\nMessage-ID: <1@mx.test>\r\nSubject: s\r\n"
    )
    whole = b"Date: x\r\nFrom: y\r\nMessage-ID: <z>\r\n"
    assert complete(whole + b"\r\n", name="Not used") == whole
    assert b"From" not in complete(b"Subject: s\n\n", sender=None)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Me Too", b"From: Me Too <me@x.test>\r\n"),
        ("Too, Me", b'From: "Too, Me" <me@x.test>\r\n'),
        ("M\u00e9", b"From: =?utf-8?q?M=C3=A9?= <me@x.test>\r\n"),
        ("Me\r\nBcc: you@x.test", b'From: "MeBcc: you@x.test" <me@x.test>\r\n'),
    ],
)
def test_full_names(name: str, field: bytes):
    assert field in complete(b"Subject: s\n\n", name=name)


@pytest.mark.parametrize(
    ("text", "eight_bit", "utf8"),
    [
        (b"A: b\n\nx\n", False, False),
        (b"A: b\n\n\xc3\xa9\n", True, False),
        (b"A: \xc3\xa9\n\nx\n", True, True),
        (b"A: \xe9\n\nx\n", True, False),
    ],
)
def test_what_the_transport_must_be_told(text: bytes, eight_bit: bool, utf8: bool):
    message = read(text)
    assert (message.eight_bit, message.header_utf8) == (eight_bit, utf8)


@given(st.binary(max_size=200), st.booleans())
def test_any_input_is_read_and_can_be_sent(text: bytes, dot_ends: bool):
    message = read(text, dot_ends=dot_ends)
    message.recipients()
    message.complete(ME, "Me", ident="1", hostname="mx.test", now=0)
    sent = wire(message)
    assert sent.endswith(b"\r\n")
    assert b"\r\n.\r\n" not in sent
    assert normalise_newlines(sent) == sent


@given(st.lists(st.sampled_from([b"", b".", b"..", b"x", b".x", b"z" * 70_000]), max_size=5))
def test_the_body_arrives_as_it_was(lines: list[bytes]):
    body = b"".join(line + b"\r\n" for line in lines)
    sent = wire(read(b"A: 1\n\n" + body.replace(b"\r\n", b"\n"), dot_ends=False))
    assert (b"\r\n" + sent).replace(b"\r\n.", b"\r\n").endswith(b"A: 1\r\n\r\n" + body)
