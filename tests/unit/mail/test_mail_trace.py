"""Trace fields, repair of submitted messages and line ends, as tables; and that nothing can be injected."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.address import Address
from estafeta.mail.headers import split_header
from estafeta.mail.repair import NewlineNormaliser, missing_fields, needs_crlf_normalising, normalise_newlines
from estafeta.mail.trace import received, return_path, with_protocol

NOW = 1785579630.0


def make_received(**changes: object) -> bytes:
    values: dict[str, object] = {
        "helo": b"client.example.org",
        "client": "192.0.2.1",
        "client_name": "mail.example.org",
        "by": "mx.example.test",
        "protocol": "ESMTPS",
        "ident": "0a1b",
        "recipient": "bob@example.test",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
        "now": NOW,
    }
    return received(**(values | changes))  # type: ignore[arg-type]


def test_received() -> None:
    assert make_received() == (
        b"Received: from client.example.org (mail.example.org [192.0.2.1])\r\n"
        b"\t(using TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tby mx.example.test with ESMTPS id 0a1b\r\n"
        b"\tfor <bob@example.test>;\r\n"
        b"\tSat, 01 Aug 2026 10:20:30 +0000\r\n"
    )


def test_received_with_little_known() -> None:
    assert make_received(helo="", client="2001:db8::1", client_name=None, recipient=None, tls=None) == (
        b"Received: from unknown ([IPv6:2001:db8::1])\r\n"
        b"\tby mx.example.test with ESMTPS id 0a1b;\r\n"
        b"\tSat, 01 Aug 2026 10:20:30 +0000\r\n"
    )


@pytest.mark.parametrize(
    ("helo", "written"),
    [
        (b"a\r\nBcc: x", b"a??Bcc:?x"),
        (b"a) (b", b"a????b".replace(b"????", b"???")),
        (b'"a\\b"', b"?a?b?"),
        ("bücher.example".encode(), "bücher.example".encode()),
        (b"\xff", "\ufffd".encode()),
        (b"[192.0.2.1]", b"[192.0.2.1]"),
        (b"a" * 300, b"a" * 255),
    ],
)
def test_helo_is_made_harmless(helo: bytes, written: bytes) -> None:
    assert make_received(helo=helo).startswith(b"Received: from " + written + b" (")


@given(st.text(max_size=40), st.binary(max_size=40))
def test_nothing_can_be_injected(text: str, octets: bytes) -> None:
    line = make_received(
        helo=octets, client=text, client_name=text, by=text, protocol=text, ident=text, recipient=text, tls=text
    )
    assert line.endswith(b"\r\n")
    assert len(split_header(line)) == 1
    assert line.count(b"\r") == line.count(b"\n") == line.count(b"\r\n") == line.count(b"\r\n\t") + 1
    outside_path = re.sub(rb"\tfor <.*>;", b"", line)
    assert outside_path.count(b"(") == outside_path.count(b")") <= 2
    assert b"\0" not in line
    assert all(len(part) <= 998 for part in line.split(b"\r\n"))


@pytest.mark.parametrize(
    ("mode", "tls", "auth", "utf8", "expected"),
    [
        ("SMTP", False, False, False, "SMTP"),
        ("ESMTP", False, False, False, "ESMTP"),
        ("ESMTP", True, False, False, "ESMTPS"),
        ("ESMTP", False, True, False, "ESMTPA"),
        ("ESMTP", True, True, False, "ESMTPSA"),
        ("ESMTP", True, True, True, "UTF8SMTPSA"),
        ("ESMTP", False, False, True, "UTF8SMTP"),
        ("LMTP", False, False, False, "LMTP"),
        ("LMTP", True, True, False, "LMTPSA"),
        ("LMTP", False, False, True, "UTF8LMTP"),
        ("SMTP", True, False, False, "ESMTPS"),
    ],
)
def test_with_protocol(mode: str, tls: bool, auth: bool, utf8: bool, expected: str) -> None:
    assert with_protocol(mode, tls, auth, utf8) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (None, b"Return-Path: <>\r\n"),
        (Address("a", "b.org"), b"Return-Path: <a@b.org>\r\n"),
        (Address("a b", "b.org"), b'Return-Path: <"a b"@b.org>\r\n'),
        (Address("a\r\nX: y", "b.org"), b'Return-Path: <"a??X: y"@b.org>\r\n'),
    ],
)
def test_return_path(address: Address | None, expected: bytes) -> None:
    assert return_path(address) == expected


SENDER = Address("alice", "example.org")
REPAIRS = [
    (b"Date: x\r\nFrom: a@b\r\nMessage-ID: <x>\r\n\r\n", SENDER, b""),
    (b"DATE: x\r\nfrom: a@b\r\n\r\n", SENDER, b"Message-ID: <1.2@mx.example.test>\r\n"),
    (b"From: a@b\r\nmessage-id: <x>\r\n\r\n", SENDER, b"Date: Sat, 01 Aug 2026 10:20:30 +0000\r\n"),
    (b"Date: x\r\nMessage-ID: <x>\r\nSender: c@d\r\n\r\n", SENDER, b"From: alice@example.org\r\n"),
    (b"Date: x\r\nMessage-ID: <x>\r\n\r\n", None, b""),
    (
        b"\r\n",
        SENDER,
        b"Date: Sat, 01 Aug 2026 10:20:30 +0000\r\nFrom: alice@example.org\r\nMessage-ID: <1.2@mx.example.test>\r\n",
    ),
    (
        b"just text\r\n",
        None,
        b"Date: Sat, 01 Aug 2026 10:20:30 +0000\r\nMessage-ID: <1.2@mx.example.test>\r\n\r\n",
    ),
]


@pytest.mark.parametrize(("block", "sender", "expected"), REPAIRS)
def test_missing_fields(block: bytes, sender: Address | None, expected: bytes) -> None:
    added = missing_fields(block, sender=sender, ident="1.2", hostname="mx.example.test", now=NOW)
    assert added == expected


def test_repairing_twice_adds_nothing() -> None:
    block = b"Subject: x\r\n\r\n"
    added = missing_fields(block, sender=SENDER, ident="1 2\r\n", hostname="mx", now=NOW)
    assert b"<1-2--@mx>" in added
    assert missing_fields(added + block, sender=SENDER, ident="1", hostname="mx", now=NOW) == b""


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\rc", b"a\r\nb\r\nc"),
        (b"\r\r\n\n", b"\r\n\r\n\r\n"),
        (b"a\r", b"a\r\n"),
    ],
)
def test_newlines(data: bytes, expected: bytes) -> None:
    assert normalise_newlines(data) == expected
    assert needs_crlf_normalising(data) == (data != expected)
    if data == expected:
        assert normalise_newlines(data) is data


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"", b"\r\n", b"b\r"]), max_size=20))
def test_newlines_in_pieces(pieces: list[bytes]) -> None:
    normaliser = NewlineNormaliser()
    joined = b"".join([*map(normaliser.feed, pieces), normaliser.close()])
    assert joined == normalise_newlines(b"".join(pieces))
    assert not needs_crlf_normalising(joined)
    assert normaliser.close() == b""
