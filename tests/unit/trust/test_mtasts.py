"""MTA-STS: announcements and policies (RFC 8461 3.1, 3.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.trust.mtasts import MAX_AGE_SECONDS, Mode, parse_announcement, parse_policy

ANNOUNCEMENTS = [
    ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
    ([b"v=STSv1;id=a1"], "a1"),
    ([b"v=STSv1 ; id = a1 ; ext=x"], "a1"),
    ([b"v=STSv1; ext=x; id=a1"], "a1"),
    ([b"v=spf1 -all", b"v=STSv1; id=a1", b"google-site-verification=x"], "a1"),
    ([b"v=STSv1; id=a1", b"v=STSv1; id=a2"], None),
    ([b"v=STSv1; id=" + b"a" * 33], None),
    ([b"v=STSv1; id=a-1"], None),
    ([b"v=STSv1; id="], None),
    ([b"v=STSv1"], None),
    ([b"v=STSv12; id=a1"], None),
    ([b" v=STSv1; id=a1"], None),
    ([b"V=STSv1; id=a1"], None),
    ([], None),
]


@pytest.mark.parametrize(("records", "expected"), ANNOUNCEMENTS)
def test_announcement(records: list[bytes], expected: str | None) -> None:
    assert parse_announcement(records) == expected


def test_the_policy_of_the_rfc() -> None:
    policy = parse_policy(
        b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\n"
        b"max_age: 604800\n"
    )
    assert policy.mode is Mode.ENFORCE
    assert policy.max_age_seconds == 604800
    assert policy.mx == ("mail.example.com", "*.example.net", "backupmx.example.com")
    assert policy.lines[0] == "version: STSv1"
    assert policy.lines[-1] == "max_age: 604800"
    assert [policy.allows(host) for host in ("mail.example.com", "Q.example.net", "a.b.example.net", "x.test")] == [
        True,
        True,
        False,
        False,
    ]


def test_what_is_lenient() -> None:
    policy = parse_policy(
        b"version:STSv1\r\nmode : testing\r\nmode: enforce\r\nnew_field: \xc3\xa4\r\n\r\nmx:MX.Example.org.\r\n"
        b"max_age: 9999999999\r\nmax_age: 5"
    )
    assert policy == (
        Mode.TESTING,
        MAX_AGE_SECONDS,
        ("mx.example.org",),
        ("version: STSv1", "mode: testing", "mx: MX.Example.org.", "max_age: 9999999999"),
    )
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 0\n").mx == ()


REFUSED = [
    (b"", "version"),
    (b"mode: enforce\nmx: a.test\nmax_age: 5", "version"),
    (b"version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 5", "version"),
    (b"version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 5", "mode"),
    (b"version: STSv1\nmode: enforce\nmax_age: 5", "no mx"),
    (b"version: STSv1\nmode: enforce\nmx: a.test", "max_age"),
    (b"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1", "max_age"),
    (b"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: \xd9\xa1", "max_age"),
    (b"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 11111111111", "max_age"),
    (b"version: STSv1\nmode: enforce\nmx: a.*.test\nmax_age: 5", "mx"),
    (b"version: STSv1\nmode: enforce\nmx: .test\nmax_age: 5", "mx"),
    (b"version: STSv1\n<html>", "no field"),
    (b"\xff\xfe", "UTF-8"),
    (b"version: STSv1\n" + b"#" * 70_000, "64 KiB"),
    (b"version: STSv1\nmode: enforce\nmax_age: 5\n" + b"".join(b"mx: m%d.x\n" % n for n in range(1500)), "too many"),
]


@pytest.mark.parametrize(("content", "words"), REFUSED)
def test_a_policy_that_is_none(content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_policy(content)


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_policy_or_a_value_error(content: bytes) -> None:
    parse_announcement([content, b"v=STSv1;" + content])
    for document in (content, b"version: STSv1\nmode: testing\nmx: a.test\nmax_age: 7\n" + content):
        try:
            parse_policy(document)
        except ValueError as error:
            assert str(error).startswith("the policy")  # noqa: PT017
