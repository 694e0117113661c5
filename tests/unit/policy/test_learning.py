"""What learners are told, and that none of them can cost a message."""

import logging

from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner, all_of
from estafeta.policy.verdict import rejected

FACTS = Facts("192.0.2.1")


def test_all_learners_hear_of_what_was_judged_and_of_what_was_refused():
    told = []
    learner = all_of(
        (
            Learner(judged=lambda facts, judgement: told.append(("judged", facts, judgement))),
            Learner(refused=lambda facts, verdict: told.append(("refused", facts, verdict))),
        )
    )
    judgement, verdict = Judgement(), rejected("No", "why")
    learner.judged(FACTS, judgement)
    learner.refused(FACTS, verdict)
    assert told == [("judged", FACTS, judgement), ("refused", FACTS, verdict)]


def test_what_goes_wrong_in_one_is_logged_and_the_next_still_hears(caplog):
    told = []

    def fail(facts, said):
        raise ValueError("a fault")

    learner = all_of(
        (Learner(fail, fail), Learner(lambda facts, said: told.append(1), lambda facts, said: told.append(2)))
    )
    with caplog.at_level(logging.ERROR, "estafeta.policy"):
        learner.judged(FACTS, Judgement())
        learner.refused(FACTS, rejected("No", "why"))
    assert told == [1, 2]
    assert len(caplog.records) == 2
