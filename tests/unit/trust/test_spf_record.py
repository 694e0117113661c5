"""SPF records and macros: the grammar of RFC 7208 12, its examples (7.4), and whatever a stranger writes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.ip import find_ip
from estafeta.trust.spf import MAX_EXPLANATION, SpfStatus, check_host
from estafeta.trust.spfclient import SpfClient
from estafeta.trust.spfmacros import (
    Macro,
    expand,
    parse_domain_spec,
    parse_explanation,
    parse_macro_string,
    shorten_name,
)
from estafeta.trust.spfrecord import MAX_RECORD_OCTETS, Kind, SpfRecord, parse_record, select_records
from zone_kit import Zone, run

# RFC 7208 7.4: sender strong-bad@email.example.com, client 192.0.2.3 or 2001:db8::cb01, its name mx.example.org.
EXPANSIONS = [
    ("%{s}", "strong-bad@email.example.com"),
    ("%{o}", "email.example.com"),
    ("%{d}", "email.example.com"),
    ("%{d4}", "email.example.com"),
    ("%{d3}", "email.example.com"),
    ("%{d2}", "example.com"),
    ("%{d1}", "com"),
    ("%{dr}", "com.example.email"),
    ("%{d2r}", "example.email"),
    ("%{l}", "strong-bad"),
    ("%{l-}", "strong.bad"),
    ("%{lr}", "strong-bad"),
    ("%{lr-}", "bad.strong"),
    ("%{l1r-}", "strong"),
    ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
    ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
    ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
    ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
    ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
    # and beyond the RFC's
    ("%{D2R}", "example.email"),
    ("%{S}", "strong-bad%40email.example.com"),
    ("%{d99999999999999999999}", "email.example.com"),
    ("%{d002}", "example.com"),
    ("%{p}", "mx.example.org"),
    ("%{h}", "relay.example.org"),
    ("a%%b%_c%-d", "a%b c%20d"),
    ("%{s2-@}", None),
    ("%{l1-+,/_=.}", "bad"),
]
SENDER = "strong-bad@email.example.com"


def expanded(text: str, ip: str = "192.0.2.3") -> str | None:
    address = find_ip(ip)
    assert address is not None
    client = SpfClient(address, "email.example.com", SENDER, "relay.example.org", "me.test", lambda: 1_700_000_000)
    given_here = {"d": "email.example.com", "p": "mx.example.org"}
    return expand(parse_macro_string(text), lambda letter: given_here.get(letter) or client.value(letter))


@pytest.mark.parametrize(("text", "expected"), EXPANSIONS)
def test_expansions(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="may not be there"):
            expanded(text)
    else:
        assert expanded(text) == expected


def test_expansion_of_an_ipv6_address() -> None:
    found = expanded("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01")
    assert found is not None
    # The RFC's digits are in lower case, the openspf suite's in upper case; names in DNS have none.
    assert found.lower() == "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    assert expanded("%{v}", "::ffff:192.0.2.3") == "in-addr"


BAD_STRINGS = [
    "%",
    "%{",
    "%{d",
    "%{}",
    "%{x}",
    "%{dr2}",
    "%{d0}",
    "%{d000}",
    "%{d-r}",
    "%(d)",
    "a b",
    "a\tb",
    "\u00e9",
    "%{c}",
    "%{T}",
]


@pytest.mark.parametrize("text", BAD_STRINGS)
def test_bad_macro_strings(text: str) -> None:
    with pytest.raises(ValueError, match=r"may not be there|for explanations|0 parts"):
        parse_macro_string(text)


DOMAIN_SPECS = [
    ("example.com", True),
    ("example.com.", True),
    ("example.xn--zckzah", True),
    ("a/b:c.example.com", True),
    ("example.1-2", True),
    ("%{d}", True),
    ("%{d}.", False),
    ("foo%%", True),
    ("%{d}.com", True),
    ("%{d}com", False),
    ("%{d.}com", False),
    ("com", False),
    ("com.", False),
    ("example.123", False),
    ("example.-com", False),
    ("example.com-", False),
    ("example..", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "good"), DOMAIN_SPECS)
def test_domain_specs(text: str, good: bool) -> None:
    if good:
        assert parse_domain_spec(text).parts
    else:
        with pytest.raises(ValueError, match=r"is no domain name|is missing"):
            parse_domain_spec(text)


def test_long_names_lose_labels_on_their_left() -> None:
    assert shorten_name("a." * 126 + "b") == "a." * 126 + "b"
    assert shorten_name("long." + "a." * 126 + "b.") == "a." * 126 + "b"
    assert shorten_name("x" * 300) == "x" * 300
    assert shorten_name("a." + "x" * 300) == "x" * 300


def test_names_that_macros_blow_up_are_shortened_at_once() -> None:
    # A label at a time this takes many minutes.
    assert shorten_name("a." * 4_000_000 + "b") == "a." * 126 + "b"


SELECTED = [
    (b"v=spf1", True),
    (b"V=SPF1 -all", True),
    (b"v=spf1\t-all", False),
    (b"v=spf10", False),
    (b" v=spf1", False),
    (b"v=spf2.0/pra", False),
    (b"", False),
]


@pytest.mark.parametrize(("text", "is_one"), SELECTED)
def test_selection(text: bytes, is_one: bool) -> None:
    assert select_records([text]) == ([text] if is_one else [])


def test_what_a_record_says() -> None:
    record = parse_record(b"v=spf1  ?A:%{d}/24//64 MX -ip6:2001:db8::/32 x-y.z=%{d}  exp=e.test Redirect=r.test ")
    assert [(one.kind, one.text, one.bits4, one.bits6) for one in record.mechanisms] == [
        (Kind.A, "A:%{d}/24//64", 24, 64),
        (Kind.MX, "MX", 32, 128),
        (Kind.IP6, "ip6:2001:db8::/32", 32, 32),
    ]
    assert [one.result for one in record.mechanisms] == [SpfStatus.NEUTRAL, SpfStatus.PASS, SpfStatus.FAIL]
    assert record.redirect is not None
    assert record.redirect.plain == "r.test"
    assert record.explanation is not None
    assert record.mechanisms[0].target is not None
    assert record.mechanisms[0].target.parts == (Macro("d", 0, False, "", False),)
    assert parse_record(b"v=spf1") == SpfRecord(())


BAD_RECORDS = [
    (b"all:x", "all takes nothing"),
    (b"+-all", "no mechanism"),
    (b"ip4:192.0.2.1/", "no mechanism|prefix"),
    (b"ip4:192.0.2.01", "address is not one"),
    (b"ip4:\xd9\xa1.0.0.1", "beyond ASCII"),
    (b"ip6:fe80::1%eth0", "address is not one"),
    (b"ip6:::/129", "at most 128"),
    (b"a/33", "at most 32"),
    (b"a/24/24", "prefix length"),
    (b"mx:/24", "missing"),
    (b"ptr/24", "no prefix length"),
    (b"exists", "missing"),
    (b"include:%{c}.test", "explanations only"),
    (b"x=%{y}", "may not be there"),
    (b"exp=a.test exp=b.test", "more than once"),
    (b"a:" + b"a" * 9000 + b".test", "longer than"),
]


@pytest.mark.parametrize(("terms", "words"), BAD_RECORDS)
def test_bad_records(terms: bytes, words: str) -> None:
    for _ in range(2):  # the second time from memory
        with pytest.raises(ValueError, match=words):
            parse_record(b"v=spf1 " + terms)


MACROISH = st.lists(
    st.sampled_from(
        ["%{", "}", "%", "%%", "%_", "%-", "s", "d", "i", "r", "L", "2", "0", "-", ".", "com", " ", "\u00e9", "\x00"]
    )
).map("".join)
TERMISH = st.lists(
    st.one_of(
        st.sampled_from(
            ["a", "mx", "ptr", "all", "-all", "include:", "ip4:192.0.2.0/24", "ip6:::/0", "exp=", "redirect="]
        ),
        st.builds(
            "{}{}".format,
            st.sampled_from(["a:", "exists:", "redirect=", "include:", "exp=", "x=", "ip4:", "a/"]),
            MACROISH,
        ),
        st.text(max_size=10),
    ),
    max_size=12,
).map(" ".join)


@given(st.one_of(st.text(), MACROISH))
def test_no_macro_string_breaks_anything(text: str) -> None:
    """It is refused with ValueError, or expands to text, and a name never above 253 unless it is one label."""
    for parse in (parse_macro_string, parse_domain_spec, parse_explanation):
        try:
            string = parse(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - any words will do
            continue
        expansion = expand(string, lambda letter: "a.b-c" * 20)
        assert expansion is not None
        name = shorten_name(expansion)
        assert len(name) <= 253 or "." not in name
        assert expand(string, lambda letter: None) is None or not string.letters


@given(st.one_of(TERMISH.map(lambda text: text.encode("utf-8", "replace")), st.binary()))
def test_no_record_breaks_anything(terms: bytes) -> None:
    """Whatever domains publish, evaluating ends, within the limits, in a result whose words are one line."""
    zone = Zone({"example.com": [("TXT", b"v=spf1 " + terms), ("A", "192.0.2.1"), ("MX", (1, "example.com"))]})
    for ip in ("192.0.2.1", "2001:db8::1"):
        found = run(check_host(ip, "example.com", "a b@example.com", helo="[x]", resolver=zone))
        assert found.lookups <= 11
        assert len(found.explanation) <= MAX_EXPLANATION
        assert (found.mechanism + found.problem + found.explanation).isprintable()
        assert bool(found.problem) == (found.result in (SpfStatus.NONE, SpfStatus.TEMPERROR, SpfStatus.PERMERROR))
    assert len(zone.asked) <= 2 * (1 + 10 * 11 + 1)


@given(st.binary(max_size=MAX_RECORD_OCTETS))
def test_parsing_octets(octets: bytes) -> None:
    for _ in range(2):
        try:
            assert isinstance(parse_record(b"v=spf1 " + octets), SpfRecord)
        except ValueError as error:
            assert str(error).isprintable()  # noqa: PT017


@given(st.text(), st.text(), st.text())
def test_no_identity_breaks_anything(domain: str, sender: str, helo: str) -> None:
    zone = Zone({"example.com": [("TXT", "v=spf1 exists:%{s}.%{l}.%{o}.%{H}.test a:%{d} -all")]})
    found = asyncio.run(check_host("192.0.2.1", domain, sender, helo=helo, resolver=zone))
    assert found.result is SpfStatus.NONE
    found = asyncio.run(check_host("192.0.2.1", "example.com", sender, helo=helo, resolver=zone))
    assert found.result is SpfStatus.FAIL
