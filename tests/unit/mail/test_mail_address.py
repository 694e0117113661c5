"""Addresses: paths of SMTP and typed text, as tables, and what may never happen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.address import Address, domain_key, parse_address, parse_path

PATHS = [
    (b"<alice@example.org>", Address("alice", "example.org")),
    (b"alice@example.org", Address("alice", "example.org")),
    (b"<>", None),
    (b"", None),
    (b"<postmaster>", Address("postmaster", "")),
    (b"<Postmaster>", Address("Postmaster", "")),
    (b"<@a.example,@b.example:alice@example.org>", Address("alice", "example.org")),
    (b'<"a b"@example.org>', Address("a b", "example.org")),
    (b'<"a\\"b\\\\"@example.org>', Address('a"b\\', "example.org")),
    (b'<"alice"@example.org>', Address("alice", "example.org")),
    (b'<"<>,;:@"@example.org>', Address("<>,;:@", "example.org")),
    (b'<""@example.org>', Address("", "example.org")),
    (b"<alice@[192.0.2.1]>", Address("alice", "[192.0.2.1]")),
    (b"<alice@[IPv6:2001:db8::1]>", Address("alice", "[IPv6:2001:db8::1]")),
    (b"<alice@[x400:c=de]>", Address("alice", "[x400:c=de]")),
    (b"<a.b+c=d_e-f@sub.example.org>", Address("a.b+c=d_e-f", "sub.example.org")),
    (b"<!#$%&'*+-/=?^_`{|}~@e.org>", Address("!#$%&'*+-/=?^_`{|}~", "e.org")),
    (b"<a@localhost>", Address("a", "localhost")),
    (b"<" + b"a" * 64 + b"@example.org>", Address("a" * 64, "example.org")),
    ("<jürgen@bücher.example>".encode(), Address("jürgen", "bücher.example")),
]

BAD_PATHS = [
    b"<alice@example.org",
    b"<",
    b"<alice>",
    b"<alice@>",
    b"<@example.org>",
    b"<@a.example:>",
    b"<@a.example,b:alice@example.org>",
    b"<a..b@example.org>",
    b"<.a@example.org>",
    b"<a.@example.org>",
    b"<a b@example.org>",
    b"<a@b@example.org>",
    b"<a@-example.org>",
    b"<a@example-.org>",
    b"<a@example..org>",
    b"<a@example.org.>",
    b"<a@exa mple.org>",
    b"<a@[192.0.2.256]>",
    b"<a@[IPv6:zz]>",
    b"<a@[IPv6:fe80::1%eth0]>",
    b"<a@[192.0.2.1>",
    b'<"a@example.org>',
    b'<"a\r\nb"@example.org>',
    b'<"a\0b"@example.org>',
    b"<a\r\n@example.org>",
    b"<a@example.org>\r\n",
    b"<" + b"a" * 200 + b"@example.org>",
    b"<a@" + b"b." * 130 + b"org>",
    b"<a@" + b"b" * 64 + b".org>",
    b"<\xff@example.org>",
    "<a@exa\u2028mple.org>".encode(),
    "<a\u0085b@example.org>".encode(),
]


@pytest.mark.parametrize(("data", "expected"), PATHS)
def test_paths(data: bytes, expected: Address | None) -> None:
    assert parse_path(data, smtputf8=True) == expected


@pytest.mark.parametrize("data", BAD_PATHS)
def test_bad_paths_are_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(EstafetaError) as caught:
        parse_path(data, smtputf8=True)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.public.endswith(".")
    assert "\n" not in caught.value.public


def test_utf8_needs_smtputf8() -> None:
    with pytest.raises(EstafetaError, match="SMTPUTF8"):
        parse_path("<jürgen@example.org>".encode(), smtputf8=False)


def test_domain_may_be_left_out_when_allowed() -> None:
    assert parse_path(b"<alice>", smtputf8=False, domain_required=False) == Address("alice", "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Address("a", "bücher.example"), Address("a", "xn--bcher-kva.example")),
        (Address("a", "BÜCHER.example"), Address("a", "XN--BCHER-KVA.EXAMPLE")),
        (Address("a", "bu\u0308cher.example"), Address("a", "bücher.example")),
        (Address("a", "bücher\u3002example"), Address("a", "bücher.example")),
        (Address("a", "Example.ORG"), Address("a", "example.org")),
    ],
)
def test_domains_that_are_the_same(one: Address, other: Address) -> None:
    assert one == other
    assert hash(one) == hash(other)
    assert one.key == other.key


def test_local_parts_differ_by_case_but_not_by_key() -> None:
    assert Address("Alice", "example.org") != Address("alice", "example.org")
    assert Address("Alice", "Example.org").key == "alice@example.org"
    assert Address("JÜRGEN", "example.org").key == "jürgen@example.org"
    assert Address("Postmaster", "").key == "postmaster"
    assert Address("a", "b") != "a@b"


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address("alice", "example.org"), "alice@example.org"),
        (Address("a b", "example.org"), '"a b"@example.org'),
        (Address('a"\\', "example.org"), '"a\\"\\\\"@example.org'),
        (Address("", "example.org"), '""@example.org'),
        (Address("postmaster", ""), "postmaster"),
    ],
)
def test_text_of_addresses(address: Address, text: str) -> None:
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "alice", "postmaster", "<a@b.org>", "a@", "@b", "a @b.org", "a@b.org, c@d.org"])
def test_typed_addresses_need_both_halves(text: str) -> None:
    with pytest.raises(EstafetaError):
        parse_address(text)


def test_typed_address() -> None:
    assert parse_address("  alice@example.org\n") == Address("alice", "example.org")
    assert parse_address("jürgen@bücher.example").key == "jürgen@xn--bcher-kva.example"


@given(st.binary(max_size=300) | st.text(alphabet='<>@",:\\[]().a é\0\r\n', max_size=40).map(str.encode))
def test_paths_never_raise_anything_else(data: bytes) -> None:
    for smtputf8 in (False, True):
        try:
            address = parse_path(data, smtputf8=smtputf8)
        except EstafetaError:
            continue
        if address is not None:
            assert parse_path(b"<" + str(address).encode() + b">", smtputf8=True) == address
            assert not set(str(address)) & set("\r\n\0")


@given(st.text(max_size=80))
def test_typed_text_and_keys_never_raise_anything_else(text: str) -> None:
    domain_key(text)
    assert isinstance(Address(text, text).key, str)
    try:
        address = parse_address(text)
    except EstafetaError:
        return
    assert parse_address(str(address)) == address
