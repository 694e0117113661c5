"""Rates of destinations: how rules are read, and how many messages a bucket lets through in a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.delivery.rates import Bucket, Buckets, Rate, find_rate, parse_rate_rule

RULES = [parse_rate_rule(line) for line in ("*.example.org 100/m 2", "example.net - 1", "* 5/s")]


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("mx.Example.ORG", Rate(100, 60, 2)),
        ("example.net", Rate(0, 1, 1)),
        ("other.test", Rate(5, 1, 0)),
    ],
)
def test_the_first_rule_that_matches_counts(name: str, rate: Rate) -> None:
    assert find_rate(RULES, name) == rate


@pytest.mark.parametrize(
    "line", ["", "example.org", "example.org 0/m", "example.org 5/d", "example.org 5/m x", "a b c d"]
)
def test_what_is_no_rate(line: str) -> None:
    with pytest.raises(EstafetaError, match="is no rate"):
        parse_rate_rule(line)


@given(st.integers(1, 500), st.sampled_from([1, 60, 3600]), st.lists(st.floats(0, 30), max_size=50))
def test_never_more_than_the_rate_and_a_second_s_worth(messages: int, seconds: int, pauses: list[float]) -> None:
    bucket, now = Bucket(Rate(messages, seconds), 0.0), 0.0
    for sent, pause in enumerate(pauses, 1):
        now += pause
        now += bucket.wait_seconds(now)
        burst = max(1.0, seconds / messages)
        assert sent <= (now + burst) * messages / seconds + 1 + 1e-6


def test_what_is_given_back_may_be_taken_again() -> None:
    bucket = Bucket(Rate(1, 60), 0.0)
    while bucket.wait_seconds(0.0) == 0:
        pass
    bucket.give_back()
    waited = bucket.wait_seconds(0.0)
    bucket.give_back()
    assert bucket.wait_seconds(0.0) == waited


def test_buckets_outlive_those_who_ask_and_are_not_kept_for_ever() -> None:
    buckets = Buckets()
    first = buckets.find("a.test", RULES, 0.0)
    assert buckets.find("a.test", RULES, 1.0) is first
    assert buckets.find("a.test", [parse_rate_rule("* 6/s")], 1.0) is not first
    for number in range(3000):
        buckets.find(f"d{number}.test", RULES, float(number * 10))
    assert len(buckets._buckets) <= 1000
