"""Named steps of a commit, where the crash test may end the process (docs/internals/store.md)."""

import os
import random
import signal
from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """The steps of a group commit, in their order."""

    CONTENT_WRITTEN = "content-written"
    CONTENT_SYNCED = "content-synced"
    SQL_BEGUN = "sql-begun"
    SQL_APPLIED = "sql-applied"
    SQL_COMMITTED = "sql-committed"
    ACKNOWLEDGED = "acknowledged"


Reached = Callable[[Step], None]


def nothing(step: Step) -> None:
    """What happens at each step in a server that is not being tested."""


def crash_at(text: str) -> Reached:
    """`STEP:PROBABILITY`, e.g. `sql-applied:0.01`: SIGKILL to ourselves at that step with that probability.

    Raises ValueError when the text is not of that form.
    """
    name, _, chance = text.partition(":")
    wanted, probability = Step(name), float(chance)
    dice = random.Random()  # noqa: S311 - not a secret

    def reached(step: Step) -> None:
        if step is wanted and dice.random() < probability:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached
