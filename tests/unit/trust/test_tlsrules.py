"""Lines of delivery.tls_rules, and the header field TLS-Required."""

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_outward import Delivery
from estafeta.trust.levels import Level
from estafeta.trust.requiretls import tls_not_required
from estafeta.trust.tlsrules import TlsRule, find_rule, parse_tls_rule

GOOD = [
    ("example.org verify", TlsRule("example.org", Level.VERIFY)),
    ("*.Example.org  may", TlsRule("*.example.org", Level.MAY)),
    ("mx?.test none", TlsRule("mx?.test", Level.NONE)),
    ("a.test usual cert=default", TlsRule("a.test", None, cert="default")),
    (
        "a.test verify ca=/etc/ca.pem cert=client name=b.test",
        TlsRule("a.test", Level.VERIFY, "/etc/ca.pem", "client", "b.test"),
    ),
]
BAD = [
    ("", "pattern"),
    ("example.org", "pattern"),
    ("exa[m]ple.org may", "pattern"),
    ("example.org always", "level"),
    ("example.org dane", "level"),
    ("example.org verify ca=ca.pem", "whole path"),
    ("example.org verify cert=../x", "certificate"),
    ("example.org verify name=a.test name=b.test", "once"),
    ("example.org verify x=1", "option"),
    ("example.org verify ca=", "option"),
]


@pytest.mark.parametrize(("line", "expected"), GOOD)
def test_a_rule(line: str, expected: TlsRule) -> None:
    assert parse_tls_rule(line) == expected


@pytest.mark.parametrize(("line", "words"), BAD)
def test_a_line_that_is_none(line: str, words: str) -> None:
    with pytest.raises(EstafetaError, match=words) as caught:
        parse_tls_rule(line)
    assert caught.value.kind is Kind.INVALID
    with pytest.raises(ValueError, match=words):
        Delivery(tls_rules=(line,))


def test_the_first_rule_for_domain_or_host_counts() -> None:
    rules = [parse_tls_rule(line) for line in ("a.test none", "*.mx.test verify", "* may")]
    assert find_rule(rules, "A.test", "x.mx.test") is rules[0]
    assert find_rule(rules, "b.test", "x.mx.test") is rules[1]
    assert find_rule(rules, "b.test", "") is rules[2]
    assert find_rule(rules[:2], "b.test") is None


HEADERS = [
    (b"From: a@b\r\nTLS-Required: No\r\nTo: c@d\r\n", True),
    (b"tls-required :\r\n no \r\n", True),
    (b"TLS-Required:NO", True),
    (b"TLS-Required: yes\r\n", False),
    (b"TLS-Required: Notwithstanding\r\n", False),
    (b"Subject: TLS-Required: No\r\n", False),
    (b"X-TLS-Required: No\r\n", False),
    (b"", False),
]


@pytest.mark.parametrize(("header", "expected"), HEADERS)
def test_tls_required_no(header: bytes, expected: bool) -> None:
    assert tls_not_required(header) is expected
