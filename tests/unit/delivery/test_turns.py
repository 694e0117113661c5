"""Whose message goes next: high lane first, then one of each owner."""

from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from estafeta.delivery.turns import Turns


class Work(NamedTuple):
    lane: int
    owner: int


class Load(NamedTuple):
    work: Work
    number: int


def loads(*pairs: tuple[int, int]) -> list[Load]:
    return [Load(Work(*pair), number) for number, pair in enumerate(pairs)]


def test_owners_take_turns_and_the_high_lane_goes_first() -> None:
    turns: Turns[Load] = Turns()
    for load in loads((1, 7), (1, 7), (1, 7), (1, 8), (0, 9)):
        turns.put(load)
    taken = [turns.take() for _ in range(5)]
    assert [load.number for load in taken if load] == [4, 0, 3, 1, 2]
    assert turns.take() is None


def test_what_is_put_back_is_next() -> None:
    turns: Turns[Load] = Turns()
    first, second = loads((1, 7), (1, 8))
    turns.put(first)
    turns.put(second)
    assert turns.take() is first
    turns.put_back(first)
    assert turns.take() is first
    assert len(turns) == 1


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), max_size=60), st.integers(0, 60))
def test_nothing_is_lost_and_each_owner_keeps_its_order(pairs: list[tuple[int, int]], some: int) -> None:
    turns: Turns[Load] = Turns()
    given_in = loads(*pairs)
    for load in given_in:
        turns.put(load)
    taken = [load for _ in range(min(some, len(given_in))) if (load := turns.take())]
    gone = turns.without((0,))
    rest = []
    while (load := turns.take()) is not None:
        rest.append(load)
    assert len(turns) == 0
    assert Counter([*taken, *gone, *rest]) == Counter(given_in)
    assert all(load.work.lane == 0 for load in rest)
    for work in {load.work for load in taken}:
        numbers = [load.number for load in taken if load.work == work]
        assert numbers == sorted(numbers)
