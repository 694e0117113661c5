"""SOCKS5 octets, whole and one by one, and proxies that make no sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from estafeta.delivery.socks import Socks5
from estafeta.directory.settings_outward import Delivery

OK = b"\x05\x00"
V4 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x19"


def play(octets: bytes, size: int) -> Socks5:
    proxy = Socks5("192.0.2.1", 25)
    assert proxy.take_output() == b"\x05\x01\x00"
    for at in range(0, len(octets), size):
        proxy.feed(octets[at : at + size])
    return proxy


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize(
    "bound",
    [V4, b"\x05\x00\x00\x04" + b"\0" * 18, b"\x05\x00\x00\x03\x04mx.a\x00\x19", b"\x05\x00\x00\x03\x00\x00\x19"],
)
def test_the_way_is_open(bound: bytes, size: int) -> None:
    proxy = play(OK + bound, size)
    assert (proxy.done, proxy.error) == (True, "")
    assert proxy.take_output() == b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x19"


def test_what_comes_behind_belongs_to_the_other_side() -> None:
    assert play(OK + V4 + b"220 mx", 100).rest == b"220 mx"


def test_ipv6() -> None:
    proxy = Socks5("2001:db8::1", 587)
    proxy.take_output()
    proxy.feed(OK)
    assert proxy.take_output().hex() == "0501000420010db8000000000000000000000001024b"


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize(
    ("octets", "error", "refused"),
    [
        (b"HTTP/1.1 400", "no SOCKS5", False),
        (b"\x05\xff", "authentication", False),
        (OK + b"\x05\x05\x00\x01" + b"\0" * 6, "connection refused", True),
        (OK + b"\x05\x02\x00\x01" + b"\0" * 6, "not allowed", False),
        (OK + b"\x05\x63\x00\x01" + b"\0" * 6, "error 99", False),
        (OK + b"\x04\x00\x00\x01" + b"\0" * 6, "no SOCKS5", False),
        (OK + b"\x05\x00\x00\x07" + b"\0" * 6, "no sense", False),
    ],
)
def test_errors(octets: bytes, error: str, refused: bool, size: int) -> None:
    proxy = play(octets, size)
    assert error in proxy.error
    assert (proxy.done, proxy.refused) == (False, refused)


@given(st.binary(max_size=40), st.integers(1, 40))
def test_nothing_raises(octets: bytes, size: int) -> None:
    one, other = play(octets, size), play(octets, 100)
    assert (one.done, one.error) == (other.done, other.error)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        (" Proxy.Example.org:1080 ", "proxy.example.org:1080"),
        ("192.0.2.1:9050", "192.0.2.1:9050"),
        ("[2001:DB8::1]:1080", "[2001:db8::1]:1080"),
        ("proxy.example.org", None),
        ("proxy:0", None),
        ("proxy:65536", None),
        (":1080", None),
        ("2001:db8::1:1080", None),
        ("[proxy]:1080", None),
        ("socks5://proxy:1080", None),
    ],
)
def test_the_setting(text: str, value: str | None) -> None:
    if value is None:
        # A proxy that cannot be read must not become no proxy.
        with pytest.raises(ValidationError):
            Delivery(socks_proxy=text)
    else:
        assert Delivery(socks_proxy=text).socks_proxy == value
