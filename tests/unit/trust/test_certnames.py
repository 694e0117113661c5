"""Names in certificates and MTA-STS policies."""

import pytest

from estafeta.trust.certnames import certificate_matches, dns_names, name_matches
from tls_kit import make

CASES = [
    ("mx.example.org", "mx.example.org", True),
    ("MX.Example.ORG.", "mx.example.org", True),
    ("*.example.org", "mx.example.org", True),
    ("*.example.org", "a.mx.example.org", False),
    ("*.example.org", "example.org", False),
    ("*.example.org", ".example.org", False),
    ("*.org", "example.org", False),
    ("m*.example.org", "mx.example.org", False),
    ("*", "org", False),
    ("", "", False),
    ("mx.example.org", "mx.example.com", False),
]


@pytest.mark.parametrize(("pattern", "host", "expected"), CASES)
def test_a_wildcard_stands_for_one_label(pattern: str, host: str, expected: bool) -> None:
    assert name_matches(pattern, host) is expected


def test_only_alternative_names_count() -> None:
    assert dns_names(make("mx.example.org", hosts=["*.example.net", "a.test"]).certificate) == (
        "*.example.net",
        "a.test",
    )
    assert dns_names(make("mx.example.org", hosts=[]).certificate) == ()
    assert certificate_matches(make("x", hosts=["*.example.net"]).certificate, ("other.test", "mx.example.net"))
    assert not certificate_matches(make("mx.example.net", hosts=[]).certificate, ("mx.example.net",))
