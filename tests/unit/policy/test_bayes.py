"""How likely a message is junk: Robinson's and Fisher's formulas, and what a user's own learning changes."""

from math import exp, isclose, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.policy.bayes import (
    LEAST_DEVIATION,
    MOST_TELLING,
    SiteWords,
    Totals,
    UserWords,
    deviation,
    deviations,
    points,
    probability,
    telling,
)

COUNTS = st.integers(min_value=0, max_value=10**6)


@pytest.mark.parametrize(
    ("ham", "spam", "hams", "spams", "expected"),
    [
        (0, 0, 100, 100, 0.0),  # never seen
        (10, 10, 100, 100, 0.0),  # as often here as there
        (0, 10, 100, 100, (0.45 * 0.5 + 10) / 10.45 - 0.5),
        (10, 0, 100, 100, (0.45 * 0.5) / 10.45 - 0.5),
        # Seen as often, but there are ten times as many good messages: p = 0.1 / 0.11
        (10, 10, 1000, 100, (0.45 * 0.5 + 20 * (0.1 / 0.11)) / 20.45 - 0.5),
        (9, 10, 100, 100, 0.0),  # too weak to say anything
    ],
)
def test_a_word(ham: int, spam: int, hams: int, spams: int, expected: float) -> None:
    assert isclose(deviation(ham, spam, hams, spams), expected, abs_tol=1e-9)


@given(COUNTS, COUNTS, st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1), st.floats(0.1, 10))
def test_no_word_is_certain_and_weak_ones_say_nothing(
    ham: int, spam: int, hams: int, spams: int, x: float, s: float
) -> None:
    found = deviation(ham, spam, hams, spams, x, s)
    assert abs(found) < 0.5
    assert found == 0 or abs(found) >= LEAST_DEVIATION


@pytest.mark.parametrize(
    ("found", "expected"),
    [([], 0.5), ([0.0, 0.0], 0.5), ([0.4999] * 150, 1.0), ([-0.4999] * 150, 0.0), ([0.3, -0.3], 0.5)],
)
def test_words_together(found: list[float], expected: float) -> None:
    assert isclose(probability(found), expected, abs_tol=1e-9)


def test_fishers_method_of_two_words() -> None:
    """C(2m, 4) = e^-m (1 + m), with m = -ln f f' and -ln (1 - f)(1 - f')."""
    product, other = 0.9 * 0.8, 0.1 * 0.2
    good = exp(log(product)) * (1 - log(product))
    bad = exp(log(other)) * (1 - log(other))
    assert isclose(probability([0.4, 0.3]), (1 + good - bad) / 2)


@given(st.lists(st.floats(-0.4999, 0.4999), max_size=400))
def test_a_probability_is_one_and_turns_round(found: list[float]) -> None:
    chance = probability(found)
    assert 0 <= chance <= 1
    assert isclose(probability([-one for one in found]), 1 - chance, abs_tol=1e-6)


def test_only_the_most_telling_count() -> None:
    assert telling([0.2] * 200 + [0.4]) == [0.4] + [0.2] * (MOST_TELLING - 1)


@pytest.mark.parametrize(
    ("chance", "expected"), [(0.5, 0.0), (1.0, 4.5), (0.0, -2.5), (0.75, 0.56), (0.25, -0.31), (0.95, 3.28)]
)
def test_points(chance: float, expected: float) -> None:
    assert points(chance, -2.5, 4.5) == expected


def test_a_user_decides_the_more_the_more_it_taught() -> None:
    site = SiteWords(Totals(1000, 1000), [(7, 0, 100)])
    assert deviations([7, 8], site)[0] > 0.49
    little = UserWords(Totals(50, 50), {7: (1, 0)})
    much = UserWords(Totals(50, 50), {7: (40, 0)})
    assert deviations([7], site, little)[0] > deviations([7], site, much)[0]
    assert deviations([7], site, much)[0] < -0.4
    assert deviations([7], None, much)[0] < -0.4
    assert deviations([7], None) == [0.0]


def test_counts_that_change_are_taken_in() -> None:
    site = SiteWords(Totals(100, 100), [(3, 0, 50)], version=4)
    site.put([(3, 0, 0), (4, 50, 0)])
    assert deviations([3, 4], site)[0] == 0
    assert deviations([3, 4], site)[1] < -0.4


@pytest.mark.parametrize(
    ("totals", "enough"),
    [(Totals(0, 0), False), (Totals(20, 19), False), (Totals(20, 20), True), (Totals(5, 90), False)],
)
def test_enough(totals: Totals, enough: bool) -> None:
    assert totals.enough(20, 20) is enough
    assert not Totals(0, 9).enough(0, 0)
