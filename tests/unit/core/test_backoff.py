"""Retry rules: read and counted as Exim does."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.backoff import MAX_INTERVAL_MS, Part, Schedule, parse_retry_rules, parse_time_ms
from estafeta.core.errors import EstafetaError, Kind

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_750_000_000_000
SEED = "*                  *                  F,2h,15m; G,16h,2h,1.5; F,4d,8h"


def tries(line: str, most: int = 100) -> list[int]:
    """The failures of a host that never answers, in milliseconds from the first one."""
    schedule = parse_retry_rules([line]).find("example.org", "timeout")
    found = [0]
    last = 0
    while len(found) < most:
        following = schedule.next_ms(START, last, START + found[-1])
        if following is None:
            return found
        last = START + found[-1]
        found.append(following - START)
    return found


def test_the_rule_of_the_seed() -> None:
    found = tries(SEED)
    assert [at / MINUTE for at in found[:10]] == [15 * number for number in range(10)]
    # Two hours, then half as much again each time, while less than sixteen hours have passed.
    assert [at / HOUR for at in found[10:14]] == [4.25, 7.25, 11.75, 18.5]
    # Every eight hours up to four days; the try after that is the last.
    assert [at / HOUR for at in found[14:]] == [18.5 + 8 * number for number in range(1, 11)]
    assert found[-1] > 4 * DAY >= found[-2]


def test_lifetime_is_the_last_cut_off() -> None:
    assert parse_retry_rules([SEED]).find("x", "*").lifetime_ms == 4 * DAY


@pytest.mark.parametrize(
    ("line", "minutes"),
    [
        ("* * F,1h,20m", [0, 20, 40, 60, 80]),
        ("* * f,3600,1200", [0, 20, 40, 60, 80]),
        ("* * G,1h,10m,2", [0, 10, 30, 70]),
        ("* * G,1h,10m,1", [0, 10, 20, 30, 40, 50, 60, 70]),
        ("* * F,10m,10m; F,5m,1m; F,30m,15m", [0, 10, 20, 35]),  # a part that was over before it began
        ("* * F,0s,5m", [0, 5]),
        ("* *", [0]),
        ("other.test * F,1h,20m", [0]),
    ],
)
def test_times(line: str, minutes: list[int]) -> None:
    assert [at / MINUTE for at in tries(line)] == minutes


def test_no_interval_is_over_a_day() -> None:
    found = tries("* * G,60d,20h,3")
    assert max(after - before for before, after in pairwise(found)) == MAX_INTERVAL_MS


def test_a_server_that_stood_still_does_not_make_intervals_grow() -> None:
    schedule = parse_retry_rules(["* * G,10d,1h,2"]).find("x", "*")
    now = START + 9 * HOUR
    assert schedule.next_ms(START, START + HOUR, now) == now + 16 * HOUR
    assert schedule.next_ms(START, START + HOUR, now, planned_ms=START + 3 * HOUR) == now + 4 * HOUR


def test_a_destination_goes_on_beyond_the_last_cut_off() -> None:
    schedule = parse_retry_rules([SEED]).find("x", "*")
    late = START + 30 * DAY
    assert schedule.next_ms(START, late - 8 * HOUR, late) is None
    assert schedule.next_ms(START, late - 8 * HOUR, late, beyond=True) == late + 8 * HOUR
    assert Schedule().next_ms(0, 0, START, beyond=True) is None


def test_h_is_by_chance() -> None:
    schedule = parse_retry_rules(["* * H,10d,1h,3"]).find("x", "*")
    found = {
        schedule.next_ms(START, START, START + 2 * HOUR, 0, lambda chance=chance: chance)
        for chance in (0, 0.5, 0.999999)
    }
    assert min(found) == START + 2 * HOUR + HOUR + 150 * MINUTE
    assert max(found) <= START + 8 * HOUR
    assert schedule.next_ms(0, 0, START) == START + HOUR


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 54), (0.5, 60), (0.999999, 66)])
def test_jitter(chance: float, expected: int) -> None:
    schedule = parse_retry_rules(["* * F,1d,1h"]).find("x", "*")
    due = schedule.next_ms(0, 0, START, 10, lambda: chance)
    assert due is not None
    assert round((due - START) / MINUTE, 2) == expected


RULES = """
# what, why, when
quick.example   *            F,1h,1m
*.example       quota        F,7d,1d
*.example       4xx          F,2d,2h
*.example       greylisted   F,1d,5m
boss@any.test   *            F,3d,3h
any.test        45x          F,4d,4h
any.test        451
any?.test       timeout      F,5d,5h
*               *            F,6d,6h
"""


@pytest.mark.parametrize(
    ("domain", "error", "hours"),
    [
        ("quick.example", "quota", 1),
        ("QUICK.Example.", "451", 1),
        ("a.example", "quota", 168),
        ("a.example", "quota 452", 168),
        ("a.example", "452", 48),
        ("a.b.example", "greylisted", 24),
        ("a.example", "greylisted 450", 48),
        ("a.example", "550", 144),
        ("example", "quota", 144),
        ("boss@any.test", "550", 72),
        ("any.test", "550", 144),
        ("other@any.test", "451", 96),
        ("any.test", "421", 144),
        ("any1.test", "timeout", 120),
        ("any12.test", "timeout", 144),
        ("", "*", 144),
        ("a.example", "*", 144),
    ],
)
def test_the_first_rule_that_matches_counts(domain: str, error: str, hours: int) -> None:
    assert parse_retry_rules(RULES.splitlines()).find(domain, error).lifetime_ms == hours * HOUR


def test_a_rule_without_times_and_no_rule_at_all_mean_one_try() -> None:
    for lines in (["* 451", "* * F,1d,1h"], []):
        schedule = parse_retry_rules(lines).find("any.test", "451")
        assert schedule.lifetime_ms == 0
        assert schedule.next_ms(0, 0, START) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15m", 15 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("2w", 14 * DAY),
        ("1d1s", DAY + SECOND),
        ("90", 90 * SECOND),
        ("0s", 0),
        ("", None),
        ("m", None),
        ("1m1h", None),
        ("-1m", None),
        ("1.5h", None),
        ("9999999w", None),
        ("١m", None),
    ],
)
def test_spans(text: str, expected: int | None) -> None:
    assert parse_time_ms(text) == expected


@pytest.mark.parametrize(
    "line",
    [
        "*",
        "* F,2h,15m",
        "* 9xx F,2h,15m",
        "* * F,2h",
        "* * F,2h,15m,2",
        "* * G,2h,15m",
        "* * G,2h,15m,0.5",
        "* * G,2h,15m,x",
        "* * X,2h,15m",
        "* * F,2h,0s",
        "* timout F,2h,15m",
        "* * F,2h,15m F,4d,8h",
        "* * F;G",
    ],
)
def test_what_is_no_rule(line: str) -> None:
    with pytest.raises(EstafetaError) as caught:
        parse_retry_rules([line])
    assert caught.value.kind is Kind.INVALID


@given(st.text(max_size=60))
def test_any_line_is_read_or_refused(line: str) -> None:
    with suppress(EstafetaError):
        parse_retry_rules([line]).find("example.org", "451").next_ms(START, START, START + HOUR)


parts = st.builds(
    Part,
    st.sampled_from("FGH"),
    st.integers(0, 100 * DAY),
    st.integers(SECOND, 100 * DAY),
    st.integers(1000, 9_999_999),
)


@given(
    st.lists(parts, min_size=1, max_size=4),
    st.integers(0, 200 * DAY),
    st.integers(0, 200 * DAY),
    st.floats(0, 50),
    st.floats(0, 1, exclude_max=True),
)
def test_the_next_try_is_in_time(made: list[Part], age: int, gap: int, jitter: float, chance: float) -> None:
    """Later than now, never more than a day and the jitter away, and there is one until the last cut-off is past."""
    schedule = Schedule(tuple(made))
    now = START + age
    due = schedule.next_ms(START, now - min(gap, age), now, jitter, lambda: chance)
    past = all(age > part.cutoff_ms for part in made)
    assert (due is None) == past
    if due is not None:
        assert now < due <= now + MAX_INTERVAL_MS * 1.5
        assert due - now >= min(part.interval_ms for part in made) // 2 or due - now >= MAX_INTERVAL_MS // 2


def test_intervals_grow_although_tries_take_time_and_retries_are_spread() -> None:
    schedule = parse_retry_rules(["* * F,2h,15m; G,16h,2h,1.5; F,4d,8h"]).find("x.test", "timeout")
    hour = 3_600_000
    # The try before took some seconds, so that it is nearer to this one than was planned.
    assert schedule.next_ms(1, 2 * hour + 5000, 4 * hour, 0, planned_ms=4 * hour) == 7 * hour
    # Ten percent less than two hours, by chance.
    found = schedule.next_ms(1, 2 * hour, int(3.8 * hour), 10, lambda: 0.5, planned_ms=int(3.8 * hour))
    assert found == int(3.8 * hour) + 3 * hour
