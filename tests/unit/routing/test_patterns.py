"""Patterns: what they match, what their wildcards stand for, and how long hostile ones take."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.mail.address import Address, parse_address
from estafeta.routing.patterns import PatternTable, parse_pattern

CASES = [
    ("*@cay.example", "Ana@CAY.example", ("Ana",)),
    ("*@*.example", "ana@a.b.example", ("ana", "a.b")),
    ("*@example", "ana@cay.example", None),
    ("a?a@x.test", "Ana@x.test", ("n",)),
    ("*.*@x.test", "a.b.c@x.test", ("a", "b.c")),
    ("example.*", "ana@example.net", ("net",)),
    ("*.example.org", "ana@example.org", None),
    ("*@bücher.example", "ana@xn--bcher-kva.example", ("ana",)),
    ("ana@x.test", "ANA@X.TEST", ()),
    ("a*b*c@x.test", "aXbYbZc@x.test", ("X", "YbZ")),
    ("*@x.test.", "ana@x.test", ("ana",)),
]


@pytest.mark.parametrize(("pattern", "address", "groups"), CASES)
def test_what_a_pattern_matches(pattern: str, address: str, groups: tuple[str, ...] | None) -> None:
    assert parse_pattern(pattern).match(parse_address(address)) == groups


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "*" * 600])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(EstafetaError):
        parse_pattern(text)


@given(st.text("ab*?", min_size=1, max_size=12), st.text("ab", max_size=12))
def test_patterns_match_what_globs_match(pattern: str, text: str) -> None:
    expected = re.fullmatch(fnmatch.translate(pattern), text) is not None
    assert (parse_pattern(pattern).match(Address("x", text)) is not None) is expected


def test_a_hostile_pattern_takes_no_time() -> None:
    """Trying every way to share 250 letters among 200 stars would outlast the time that a test has by ages."""
    pattern = parse_pattern("*a" * 200)
    assert pattern.match(Address("x", "a" * 199)) is None
    assert pattern.match(Address("x", "a" * 250 + "b")) is None


def test_the_first_pattern_counts_exact_or_not() -> None:
    table = PatternTable((parse_pattern(text), text) for text in ("b.test", "*.test", "a.test", "u@c.test"))
    assert [(table.find(parse_address(text)) or ("", ""))[1] for text in ("x@b.test", "x@a.test", "u@c.test")] == [
        "b.test",
        "*.test",
        "*.test",
    ]
    assert table.find(Address("u", "d.example")) is None
    assert table.of_addresses
    assert not PatternTable([])
