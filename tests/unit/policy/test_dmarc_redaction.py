"""The header in a failure report: recipients go, hostile octets do no harm, and it stays small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.headers import split_header
from estafeta.policy.dmarc_redaction import MAX_FIELDS, MAX_HEADER_OCTETS, Redaction

REDACTION = Redaction(["here.test", "xn--bcher-kva.test", "bücher.test"])


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("To: Ana <ana@here.test>, bo@else.test", "To: [redacted]"),
        ("CC: bo@else.test", "CC: [redacted]"),
        ("X-Original-To: ana@here.test", "X-Original-To: [redacted]"),
        ("Delivered-To: ana@here.test", "Delivered-To: [redacted]"),
        ("From: Ana <Ana@HERE.test>", "From: Ana <redacted@HERE.test>"),
        ("From: Bo <bo@else.test>", "From: Bo <bo@else.test>"),
        ("From: bo@here.test.else.test", "From: redacted@here.test.else.test"),
        ("From: bo@nothere.test", "From: bo@nothere.test"),
        ('Sender: "a b"@here.test', "Sender: redacted@here.test"),
        ("Reply-To: ana@bücher.test", "Reply-To: redacted@b?cher.test"),
        ("Return-Path: <bounce+ana=here.test@else.test>", "Return-Path: <redacted=here.test@else.test>"),
        ("X-Link: http://x.test/?u=ana%40here.test&a=1", "X-Link: http://x.test/?u=redacted%40here.test&a=1"),
        ("Subject: for ana@here.test.", "Subject: for redacted@here.test."),
        # "for ana@here.test" in base64.
        ("Subject: =?utf-8?B?Zm9yIGFuYUBoZXJlLnRlc3Q=?=", "Subject: [redacted]"),
        ("Subject: =?utf-8?Q?ana=40here.test?=", "Subject: [redacted]"),
        ("X-Fold: ana@\r\n here.test", "X-Fold: [redacted]"),
        (
            "Received: from a by b\r\n\tfor <bo@else.test>;\r\n Mon, 1 Jan 2024 00:00:00 +0000",
            "Received: from a by b\r\n\tfor [redacted];\r\n\tMon, 1 Jan 2024 00:00:00 +0000",
        ),
        ("X-Bad: a\x00b\x1bc\r\n\t\r\n  d\rX: y", "X-Bad: a?b?c\r\n\td?X: y"),
        ("Subject: Grüße", "Subject: Gr??e"),
    ],
)
def test_a_field(field, shown):
    assert REDACTION.header(f"{field}\r\n".encode()).decode() == f"{shown}\r\n"


def test_a_huge_header_is_cut_at_a_field():
    header = b"Subject: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 200) for n in range(1000))
    shown = REDACTION.header(header)
    assert len(shown) <= MAX_HEADER_OCTETS
    assert shown.endswith(b"y" * 200 + b"\r\n")
    assert header.startswith(shown)


def test_of_one_huge_field_nothing_is_shown():
    assert REDACTION.header(b"To: " + b"ana@here.test, " * 5000) == b""


def test_many_fields_and_long_lines():
    shown = REDACTION.header(b"A: " + b"x" * 5000 + b"\r\n" + b"B:\r\n" * 2000)
    fields = split_header(shown)
    assert len(fields) == MAX_FIELDS
    assert max(map(len, shown.split(b"\r\n"))) < 998


@given(st.binary(max_size=400).map(lambda tail: b"A: b\r\nSubject:" + tail))
def test_whatever_comes_is_ascii_with_whole_lines(header):
    shown = REDACTION.header(header)
    assert shown.isascii()
    assert shown.count(b"\r") == shown.count(b"\n") == shown.count(b"\r\n")
    assert b"\r\n\r\n" not in shown
    assert shown.endswith(b"\r\n")


@given(
    st.lists(st.sampled_from(["ana@here.test", " ", "<", "x", "=", "@", '"', "\r\n ", "=?utf-8?Q?", "?="]), max_size=12)
)
def test_an_address_never_comes_through(pieces):
    shown = REDACTION.header(f"Subject: {''.join(pieces)}\r\n".encode())
    assert b"ana@here.test" not in shown.replace(b"redacted@here.test", b"")
