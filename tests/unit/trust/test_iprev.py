"""iprev: the name of a client that leads back to it (RFC 8601 2.7.3, 3)."""

from typing import Any

import pytest

from estafeta.trust.iprev import MAX_NAMES, ClientName, IprevStatus, find_client_name
from zone_kit import TIMEOUT, Zone, run

REVERSE = "1.2.0.192.in-addr.arpa"
REVERSE6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
BACK = {"mx.example.com": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")]}
ELSEWHERE = {"bad.example.com": [("A", "192.0.2.2")], "worse.example.com": [("AAAA", "2001:db8::1")]}

CASES: list[tuple[str, dict[str, Any], ClientName]] = [
    (
        "192.0.2.1",
        {REVERSE: [("PTR", "MX.example.com")], **BACK},
        ClientName("mx.example.com", IprevStatus.PASS, ("mx.example.com",)),
    ),
    (
        "::ffff:192.0.2.1",
        {REVERSE: [("PTR", "mx.example.com")], **BACK},
        ClientName("mx.example.com", IprevStatus.PASS, ("mx.example.com",)),
    ),
    (
        "2001:DB8::0:1",
        {REVERSE6: [("PTR", "mx.example.com")], **BACK},
        ClientName("mx.example.com", IprevStatus.PASS, ("mx.example.com",)),
    ),
    (
        "192.0.2.1",
        {REVERSE: [("PTR", "bad.example.com"), ("PTR", "mx.example.com")], **BACK, **ELSEWHERE},
        ClientName("mx.example.com", IprevStatus.PASS, ("bad.example.com", "mx.example.com")),
    ),
    (
        "192.0.2.1",
        {REVERSE: [("PTR", "worse.example.com"), ("PTR", "bad.example.com")], **ELSEWHERE},
        ClientName(
            "",
            IprevStatus.FAIL,
            ("worse.example.com", "bad.example.com"),
            "none of the 2 names of 192.0.2.1 leads back to it",
        ),
    ),
    (
        "192.0.2.1",
        {REVERSE: [("PTR", "gone.example.com")]},
        ClientName(
            "", IprevStatus.FAIL, ("gone.example.com",), "gone.example.com, its name, does not lead back to 192.0.2.1"
        ),
    ),
    ("192.0.2.1", {}, ClientName("", IprevStatus.PERMERROR, (), "192.0.2.1 has no name in DNS")),
    ("192.0.2.1", {REVERSE: []}, ClientName("", IprevStatus.PERMERROR, (), "192.0.2.1 has no name in DNS")),
    ("192.0.2.1", {REVERSE: [("PTR", ".")]}, ClientName("", IprevStatus.PERMERROR, (), "192.0.2.1 has no name in DNS")),
    (
        "192.0.2.1",
        {REVERSE: [TIMEOUT]},
        ClientName("", IprevStatus.TEMPERROR, (), "the name of 192.0.2.1 cannot be looked up: gives no answer"),
    ),
    (
        "192.0.2.1",
        {
            REVERSE: [("PTR", "slow.example.com"), ("PTR", "bad.example.com")],
            "slow.example.com": [TIMEOUT],
            **ELSEWHERE,
        },
        ClientName(
            "",
            IprevStatus.TEMPERROR,
            ("slow.example.com", "bad.example.com"),
            "slow.example.com cannot be looked up: gives no answer",
        ),
    ),
    (
        "192.0.2.1",
        {REVERSE: [("PTR", "slow.example.com"), ("PTR", "mx.example.com")], "slow.example.com": [TIMEOUT], **BACK},
        ClientName("mx.example.com", IprevStatus.PASS, ("slow.example.com", "mx.example.com")),
    ),
    ("", {}, ClientName("", IprevStatus.PERMERROR, (), "the client has no IP address")),
]


@pytest.mark.parametrize(("ip", "zone", "expected"), CASES)
def test_client_name(ip: str, zone: dict[str, Any], expected: ClientName) -> None:
    assert run(find_client_name(ip, Zone(zone))) == expected


def test_no_more_than_ten_names_are_tried() -> None:
    names = [f"h{n}.example.com" for n in range(500)]
    zone = Zone({REVERSE: [("PTR", name) for name in names], names[MAX_NAMES]: [("A", "192.0.2.1")]})
    found = run(find_client_name("192.0.2.1", zone))
    assert (found.result, found.names) == (IprevStatus.FAIL, tuple(names[:MAX_NAMES]))
    assert len(zone.asked) == 1 + MAX_NAMES
