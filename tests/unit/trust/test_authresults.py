"""Authentication-Results: RFC 8601's examples, what is written is read again, and forged fields go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.trust.authresults import (
    AuthResults,
    MethodResult,
    Property,
    encode_auth_results,
    parse_auth_results,
    remove_forged,
)


def value(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


# RFC 8601 appendix B
EXAMPLES = [
    (value("example.org 1; none"), AuthResults("example.org", ())),
    (
        value("example.com;", "      spf=pass smtp.mailfrom=example.net"),
        AuthResults("example.com", (MethodResult("spf", "pass", "", (Property("smtp", "mailfrom", "example.net"),)),)),
    ),
    (
        value(
            "example.com;",
            "      auth=pass (cram-md5) smtp.auth=sender@example.net;",
            "      spf=pass smtp.mailfrom=example.net",
        ),
        AuthResults(
            "example.com",
            (
                MethodResult("auth", "pass", "", (Property("smtp", "auth", "sender@example.net"),)),
                MethodResult("spf", "pass", "", (Property("smtp", "mailfrom", "example.net"),)),
            ),
        ),
    ),
    (
        value(
            "example.com;",
            '      dkim=pass reason="good signature"',
            "        header.i=@mail-router.example.net;",
            '      dkim=fail reason="bad signature"',
            "        header.i=@newyork.example.com",
        ),
        AuthResults(
            "example.com",
            (
                MethodResult("dkim", "pass", "good signature", (Property("header", "i", "@mail-router.example.net"),)),
                MethodResult("dkim", "fail", "bad signature", (Property("header", "i", "@newyork.example.com"),)),
            ),
        ),
    ),
    (
        value(
            "foo.example.net (foobar) 1 (baz);",
            "    dkim (Because I like it) / 1 (One yay) = (wait for it) fail",
            "      policy (A dot can go here) . (like that) expired",
            "      (this surprised me) = (as I wanted to see it) 1362471462",
        ),
        AuthResults(
            "foo.example.net",
            (MethodResult("dkim", "fail", "", (Property("policy", "expired", "1362471462"),)),),
        ),
    ),
]


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_the_examples_of_the_rfc(text: bytes, expected: AuthResults) -> None:
    assert parse_auth_results(text) == expected


# What the world writes without the quotes that it needs, and what is nothing.
LENIENT = [
    (b"mx.test; dkim=pass header.b=a/b+c=d header.d=x.test", ("b", "a/b+c=d")),
    (b"mx.test; iprev=pass policy.iprev=2001:db8::1 (host.test)", ("iprev", "2001:db8::1")),
    (b'mx.test; spf=pass smtp.mailfrom="a \\"b\\" c"@x.test', ("mailfrom", 'a "b" c@x.test')),
    (b"mx.test;spf=pass smtp.mailfrom=", ("mailfrom", "")),
    (b"mx.test; dmarc=pass (p=NONE sp=NONE dis=NONE) strange header.from=x.test", ("from", "x.test")),
]


@pytest.mark.parametrize(("text", "expected"), LENIENT)
def test_what_the_world_writes(text: bytes, expected: tuple[str, str]) -> None:
    parsed = parse_auth_results(text)
    assert parsed is not None
    assert expected in [(one.name, one.value) for result in parsed.results for one in result.properties]


@pytest.mark.parametrize("text", [b"", b";", b"(only a comment", b"mx.test; =pass", b"mx.test; spf", b"x" * 20_000])
def test_what_cannot_be_read(text: bytes) -> None:
    assert parse_auth_results(text) is None


def test_limits() -> None:
    many = parse_auth_results(b"mx.test" + b"; a=b" * 200)
    assert many is not None
    assert len(many.results) == 100
    long = parse_auth_results(b"mx.test; a=b" + b" c.d=e" * 200)
    assert long is not None
    assert len(long.results[0].properties) == 20


def test_what_follows_a_quotation_mark_that_nobody_closes_is_not_read() -> None:
    """Looked for at each mark anew, the end of 8,000 of them takes seconds."""
    found = parse_auth_results(b'mx.test; spf=pass x.y="z" a.b="' + b'\\"' * 8000 + b" c.d=e; dkim=pass")
    assert found is not None
    assert [(one.method, [p.name for p in one.properties]) for one in found.results] == [("spf", ["y", "b"])]


def test_lines_are_short_in_octets() -> None:
    long = "\N{GRINNING FACE}" * 400
    result = MethodResult("spf", "pass", long, (Property("smtp", "x", long),))
    field = encode_auth_results("mx.test", [result], utf8=True)
    assert max(map(len, field.split(b"\r\n"))) < 998
    assert field.decode("utf-8").count("\N{GRINNING FACE}") > 100


def test_the_field_is_folded_and_quoted() -> None:
    made = encode_auth_results(
        "mx.here.test",
        [
            MethodResult("spf", "pass", "", (Property("smtp", "mailfrom", "ana@example.org"),)),
            MethodResult("iprev", "fail", "", (Property("policy", "iprev", "2001:db8::1"),)),
            MethodResult(
                "dkim",
                "fail",
                'the "body"\r\nX-Evil: yes',
                (Property("header", "d", "example.org"), Property("header", "b", "ab/d+=")),
            ),
        ],
    )
    assert made == (
        b"Authentication-Results: mx.here.test;\r\n"
        b"\tspf=pass smtp.mailfrom=ana@example.org;\r\n"
        b'\tiprev=fail policy.iprev="2001:db8::1";\r\n'
        b'\tdkim=fail reason="the \\"body\\" X-Evil: yes" header.d=example.org\r\n'
        b'\t header.b="ab/d+="\r\n'
    )
    assert encode_auth_results("mx.here.test", []) == b"Authentication-Results: mx.here.test; none\r\n"


WORD = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
VALUE = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=80)


@given(
    st.lists(
        st.builds(
            MethodResult,
            WORD.filter(lambda word: word != "none"),
            WORD,
            VALUE.map(str.strip),
            st.lists(st.builds(Property, WORD.filter(lambda w: w != "reason"), WORD, VALUE), max_size=5).map(tuple),
            st.integers(1, 9),
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read(results: list[MethodResult]) -> None:
    field = encode_auth_results("mx.here.test", results)
    assert max(map(len, field.split(b"\r\n"))) < 998
    assert parse_auth_results(field.partition(b":")[2].strip()) == AuthResults("mx.here.test", tuple(results))


@given(st.text(max_size=300), st.text(max_size=300), st.booleans())
def test_no_value_breaks_the_field(one: str, two: str, utf8: bool) -> None:
    field = encode_auth_results(one, [MethodResult(one, two, two, (Property(one, two, one),))], utf8=utf8)
    lines = field.split(b"\r\n")
    assert lines.pop() == b""
    assert lines[0].startswith(b"Authentication-Results: ")
    assert all(line.startswith(b"\t") for line in lines[1:])
    assert all(len(line) < 998 * 2 and b"\n" not in line and b"\r" not in line for line in lines)
    assert utf8 or field.isascii()


@given(st.binary(max_size=400))
def test_reading_never_raises(data: bytes) -> None:
    parse_auth_results(data)
    parse_auth_results(b"mx.test; dkim=pass " + data)
    assert remove_forged(data, ["mx.test"]) is not None


OURS = ["mx.here.test", "bücher.test"]
KEPT = b"Received: from x\r\nSubject: about Authentication-Results: mx.here.test\r\n"
FORGED = [
    b"Authentication-Results: mx.here.test; spf=pass\r\n",
    b"AUTHENTICATION-results :\r\n\t(a (nested) comment)\r\n MX.Here.Test. 1; dkim=pass\r\n\theader.d=x.test\r\n",
    b'Authentication-Results: "mx.here.test"; none\r\n',
    b"Authentication-Results: xn--bcher-kva.test; none\r\n",
    b"Authentication-Results: ; spf=pass\r\n",
    b"Authentication-Results:\r\n",
    b"Authentication-Results: mx.here.test\n",
]
OTHERS = [
    b"Authentication-Results: mx.elsewhere.test; spf=pass\r\n",
    b"Authentication-Results: sub.mx.here.test; spf=pass\r\n",
    b"X-Authentication-Results: mx.here.test; spf=pass\r\n",
    b"ARC-Authentication-Results: i=1; mx.here.test; spf=pass\r\n",
]


@pytest.mark.parametrize("forged", FORGED)
def test_what_claims_to_be_ours_goes(forged: bytes) -> None:
    for other in OTHERS:
        header = forged + KEPT + other + forged
        assert remove_forged(header, OURS) == KEPT + other
        assert remove_forged(KEPT + forged + b"\r\n", OURS) == KEPT + b"\r\n"


def test_nothing_to_remove_is_the_same_object() -> None:
    header = KEPT + OTHERS[0]
    assert remove_forged(header, OURS) is header
    assert remove_forged(b"", OURS) == b""
