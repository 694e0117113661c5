"""What learns from what checks said: called when a message was answered, or something of a session refused.

Nothing that is learnt may cost a message: a learner collects, or submits an operation of the group commit, and returns
at once; what goes wrong in one is logged and forgotten.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Verdict

log = logging.getLogger("estafeta.policy")

Judged = Callable[[Facts, Judgement], None]
Refused = Callable[[Facts, Verdict], None]


def _nothing(facts: Facts, said: object) -> None:
    """For a learner that wants only one of the two."""


class Learner(NamedTuple):
    """`judged`: a message was taken, dropped or held, or refused at its end (`Judgement.decisive` says which).
    `refused`: a session was refused, or a sender, or a recipient (`facts.recipient`), before there was a message."""

    judged: Judged = _nothing
    refused: Refused = _nothing


#: Where nothing is to be learnt.
NOBODY = Learner()


def all_of(learners: Sequence[Learner]) -> Learner:
    """One that tells all of them, whatever happens to one."""

    def judged(facts: Facts, judgement: Judgement) -> None:
        for learner in learners:
            try:
                learner.judged(facts, judgement)
            except Exception:  # see above: a fault of ours must not cost a message
                log.exception("nothing was learnt from a message")

    def refused(facts: Facts, verdict: Verdict) -> None:
        for learner in learners:
            try:
                learner.refused(facts, verdict)
            except Exception:  # likewise
                log.exception("nothing was learnt from a refusal")

    return Learner(judged, refused)
