"""What is killed, and when: rounds from one seed, so that a run can be repeated with the same schedule.

A round is one life of the process tree. In some rounds processes are killed from outside at random moments; in the
others a process ends itself at one named step of the commit (docs/internals/store.md). Each ends with SIGKILL to
the whole tree.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from estafeta.storage.steps import Step

#: Deaths in a row make the supervisor wait longer before each replacement, so a tree does not live through many.
_KILLS_PER_ROUND = 6
_DEATHS_PER_ROUND = 3
_SHORTEST_SECONDS = 0.03
_LONGEST_SECONDS = 0.35
#: Of passing a step: a worker under load makes some hundred commits a second.
_CHANCES = (0.01, 0.03, 0.1)


class Target(StrEnum):
    """What is killed from outside."""

    WORKER = "one worker"
    WRITER = "the writer"
    ALL = "all at once"


@dataclass(frozen=True, slots=True)
class Kill:
    """Wait, then kill. `choice` in [0, 1) says which worker."""

    after_seconds: float
    target: Target
    choice: float


@dataclass(frozen=True, slots=True)
class Round:
    """One life of the tree: `kills` from outside, or `deaths` of processes by themselves at `step`; then all of it."""

    kills: tuple[Kill, ...]
    step: Step | None
    chance: float
    deaths: int
    last_after_seconds: float

    @property
    def crash_at(self) -> str:
        """The value of ESTAFETA_CRASH_AT (estafeta.storage.steps); empty for none."""
        return "" if self.step is None else f"{self.step}:{self.chance}"


def make_rounds(seed: int, steps: Sequence[Step]) -> Iterator[Round]:
    """Rounds without end, by turns from outside and at each of `steps`; `steps` alone when there is just one."""
    dice = random.Random(seed)  # noqa: S311 - not a secret
    turns = itertools.cycle(steps)
    while True:
        if len(steps) != 1:
            yield _from_outside(dice)
        yield _at_step(dice, next(turns))
        if len(steps) != 1:
            yield _at_step(dice, next(turns))


def _from_outside(dice: random.Random) -> Round:
    targets = (Target.WORKER, Target.WORKER, Target.WRITER, Target.ALL)
    kills = tuple(Kill(_moment(dice), dice.choice(targets), dice.random()) for _ in range(_KILLS_PER_ROUND))
    return Round(kills, None, 0.0, 0, _moment(dice))


def _at_step(dice: random.Random, step: Step) -> Round:
    return Round((), step, dice.choice(_CHANCES), _DEATHS_PER_ROUND, _moment(dice))


def _moment(dice: random.Random) -> float:
    return dice.uniform(_SHORTEST_SECONDS, _LONGEST_SECONDS)
