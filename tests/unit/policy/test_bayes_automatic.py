"""What is learnt without a user: only what is beyond doubt, only from strangers, and from nobody much."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_model import Settings
from estafeta.mailboxes.lessons import Lesson
from estafeta.policy.bayes_automatic import MOST_OF_A_NETWORK, Automatic, lesson_of
from estafeta.policy.bayes_learning import SITE, Taught
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement, judge
from estafeta.policy.verdict import Verdict, deferred, discarded, passed, quarantined, rejected, scored
from estafeta.protocols.smtp.limits import Mode
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult

WORDS = b" ".join(b"word%d" % number for number in range(60))
MESSAGE = b"Subject: x\r\n\r\n" + WORDS + b"\r\n"
SPAM = [scored(13.0, "lists")._replace(check="dnsbl")]
GOOD = [scored(-3.0, "known")._replace(check="known")]


def dmarc(outcome: str) -> dict[str, Any]:
    return {"dmarc": DmarcResult(DmarcOutcome(outcome), "example.org")}


def facts(peer: str = "192.0.2.1", found: dict[str, Any] | None = None, **more: Any) -> Facts:
    return Facts(peer, content=Content.of(MESSAGE), found=found or {}, **more)


def judgement(*verdicts: Verdict) -> Judgement:
    return judge(verdicts, Settings().policy)


@pytest.mark.parametrize(
    ("verdicts", "found", "lesson"),
    [
        (SPAM, {}, Lesson.SPAM),
        ([scored(20.0, "refused for its points")], {}, Lesson.SPAM),
        ([scored(11.9, "nearly")], {}, None),
        ([scored(9.0, "lists"), scored(4.5, "words")._replace(check="bayes")], {}, None),
        ([scored(9.0, "lists"), scored(9.0, "one user's")._replace(account=7)], {}, None),
        ([*SPAM, quarantined("a filter")], {}, None),
        ([*SPAM, discarded("a filter")], {}, None),
        ([*SPAM, deferred("later", "greylisting")], {}, None),
        ([*SPAM, rejected("no", "a virus")], {}, None),
        (GOOD, dmarc("pass"), Lesson.HAM),
        (GOOD, dmarc("none"), None),
        (GOOD, {}, None),
        ([scored(-1.0, "hm"), scored(-2.5, "words")._replace(check="bayes")], dmarc("pass"), None),
        ([passed()], dmarc("pass"), None),
    ],
)
def test_beyond_doubt(verdicts: list[Verdict], found: dict[str, Any], lesson: Lesson | None) -> None:
    assert lesson_of(facts(found=found), judgement(*verdicts), Settings().bayes) is lesson


@pytest.mark.parametrize("who", [{"trusted": True}, {"account": SimpleNamespace()}, {"mode": Mode.LMTP}])
def test_only_strangers(who: dict[str, Any]) -> None:
    assert lesson_of(facts(**who), judgement(*SPAM), Settings().bayes) is None


class Site:
    def __init__(self, **bayes: Any) -> None:
        self.now = 86_400.0 * 100
        self.taught: list[Taught] = []
        self.failure: BaseException | None = None
        source: Any = SimpleNamespace(current=Settings.model_validate({"bayes": bayes}))
        self.learner = Automatic(self.submit, source, lambda: self.now).learner

    def submit(self, operation: Any, payload: Any, contents: Any) -> "asyncio.Future[Any]":
        self.taught.append(payload)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.failure is None:
            done.set_result(True)
        else:
            done.set_exception(self.failure)
        return done

    def hear(self, *messages: tuple[Facts, Judgement]) -> None:
        async def main() -> None:
            for message in messages:
                self.learner.judged(*message)

        asyncio.run(main())


def test_for_the_site_alone_by_its_words() -> None:
    site = Site()
    site.hear((facts(), judgement(*SPAM)))
    [one] = site.taught
    assert (one.account_id, one.content_id, one.lesson, one.day, one.site_most) == (SITE, 0, Lesson.SPAM, 100, 500)
    assert one.buckets is not None
    assert len(one.buckets) > 60


def test_switched_off() -> None:
    site = Site(automatic=False)
    site.hear((facts(), judgement(*SPAM)))
    assert site.taught == []


def test_a_network_teaches_little() -> None:
    """One sender of spam full of good words."""
    site = Site()
    site.hear(*[(facts(f"192.0.2.{number}"), judgement(*SPAM)) for number in range(100)])
    assert len(site.taught) == MOST_OF_A_NETWORK
    site.hear((facts("198.51.100.1"), judgement(*SPAM)))
    assert len(site.taught) == MOST_OF_A_NETWORK + 1
    site.now += 86_400
    site.hear((facts(), judgement(*SPAM)))
    assert len(site.taught) == MOST_OF_A_NETWORK + 2


def test_all_together_teach_so_much() -> None:
    site = Site(automatic_per_day=7)
    site.hear(*[(facts(f"10.{number}.0.1"), judgement(*SPAM)) for number in range(100)])
    assert len(site.taught) == 7


def test_what_has_no_words_or_too_many_to_read_now() -> None:
    site = Site()
    short, large = facts(), facts("10.0.0.1")
    short.content, large.content = Content.of(b"Subject: x\r\n\r\nhi\r\n"), Content.of(MESSAGE + b"x" * 100_000)
    site.hear((short, judgement(*SPAM)), (large, judgement(*SPAM)))
    assert site.taught == []


def test_a_store_that_fails_costs_a_guess() -> None:
    site = Site()
    site.failure = EstafetaError(Kind.TEMPORARY, "busy")
    site.hear((facts(), judgement(*SPAM)))
    assert len(site.taught) == 1
