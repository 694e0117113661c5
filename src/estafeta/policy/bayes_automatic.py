"""Learning without a user: what other checks are certain of teaches the site's words.

Spam from `bayes.automatic_spam_score` points on, taken or refused; good mail from `bayes.automatic_ham_score` down that
passed DMARC. Points of words themselves do not count, so that no mistake feeds on itself. Who sends spam to teach
nonsense (it is full of good words) gets not far: the same words count once, a network teaches `MOST_OF_A_NETWORK`
messages a day in each worker, all of them together `bayes.automatic_per_day`, and what a person says of the same
words later takes it back.
"""

import asyncio
import logging
from collections import Counter

from estafeta.core.clock import Clock
from estafeta.directory.settings_bayes import Bayes
from estafeta.directory.settings_source import SettingsSource
from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.service import Submit
from estafeta.policy.authentication import dmarc_of
from estafeta.policy.bayes_check import INLINE_BYTES, NAME, bayes_of
from estafeta.policy.bayes_learning import SITE, Taught, learn
from estafeta.policy.bayes_tokens import features
from estafeta.policy.chain import who_is
from estafeta.policy.checks import Who
from estafeta.policy.facts import Facts
from estafeta.policy.identities import network_of
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner
from estafeta.policy.verdict import Action
from estafeta.trust.dmarc import DmarcOutcome

log = logging.getLogger("estafeta.policy")

#: Messages that one network of strangers teaches in a day, in each worker: what a sender of newsletters may send.
MOST_OF_A_NETWORK = 10
#: A message with fewer words says nothing that could be learnt.
LEAST_WORDS = 20
_DAY = 86_400


class Automatic:
    """This worker's share; made once."""

    def __init__(self, submit: Submit, settings: SettingsSource, clock: Clock) -> None:
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._day = 0
        self._taught: Counter[str] = Counter()
        self.learner = Learner(judged=self._judged)

    def _judged(self, facts: Facts, judgement: Judgement) -> None:
        bayes = self._settings.current.bayes
        lesson = lesson_of(facts, judgement, bayes) if bayes.automatic else None
        if lesson is None or not self._may_teach(network_of(facts.peer), bayes.automatic_per_day):
            return
        buckets = _words_of(facts, bayes)
        if len(buckets) >= LEAST_WORDS:
            taught = Taught(SITE, 0, lesson, buckets, self._day, bayes.automatic_per_day)
            self._submit(learn, taught, ()).add_done_callback(_ended)

    def _may_teach(self, network: str, most: int) -> bool:
        """Counts it. No network is counted beyond `most` in all, so the counts are bounded with it."""
        day = int(self._clock() // _DAY)
        if day != self._day:
            self._day = day
            self._taught.clear()
        if self._taught.total() >= most or self._taught[network] >= MOST_OF_A_NETWORK:
            return False
        self._taught[network] += 1
        return True


def lesson_of(facts: Facts, judgement: Judgement, bayes: Bayes) -> Lesson | None:
    """What a message is by all but its words, where that is beyond doubt."""
    refused_for_points = judgement.decisive.check == "score"
    if who_is(facts) is not Who.STRANGERS or (judgement.action > Action.TAG and not refused_for_points):
        return None
    score = sum(one.score for one in judgement.verdicts if not one.account and one.check != NAME)
    if score >= bayes.automatic_spam_score:
        return Lesson.SPAM
    dmarc = dmarc_of(facts)
    if score <= bayes.automatic_ham_score and dmarc is not None and dmarc.outcome is DmarcOutcome.PASS:
        return Lesson.HAM
    return None


def _words_of(facts: Facts, bayes: Bayes) -> list[int]:
    """Those that were found already; else those of a message that is quickly read."""
    found = bayes_of(facts)
    if found is not None:
        return list(found.buckets)
    content = facts.content
    return features(content, pairs=bayes.pairs) if content is not None and content.size <= INLINE_BYTES else []


def _ended(done: "asyncio.Future[bool]") -> None:
    """A guess that was not stored is no loss."""
    if not done.cancelled() and (error := done.exception()) is not None:
        log.warning("not learnt", extra={"cause": str(error)})
