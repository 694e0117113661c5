"""The check of words: what the site learnt says of a message, and for each recipient here what that one learnt itself.

A verdict for the site, and one more for each of the first `MOST_RECIPIENTS` recipients who taught enough: the
difference that their own learning makes, if any, for their mailboxes alone. What a message's words are is kept with
what was found, for what is learnt from it afterwards (policy.bayes_automatic).
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from estafeta.directory.model import LocalTarget
from estafeta.directory.settings_bayes import Bayes
from estafeta.directory.settings_model import Settings
from estafeta.policy.bayes import SiteWords, Totals, UserWords, deviations, points, probability
from estafeta.policy.bayes_store import BayesStore
from estafeta.policy.bayes_tokens import features
from estafeta.policy.checks import Check, Stage
from estafeta.policy.facts import Facts
from estafeta.policy.verdict import Verdict, scored

NAME = "bayes"
#: Recipients of one message whose own learning is asked: each costs half a millisecond.
MOST_RECIPIENTS = 50
#: Words of larger messages are found in a thread; these take 5 ms at the very worst (signs that become many).
INLINE_BYTES = 8 << 10


class Found(NamedTuple):
    """The words of a message, and what is known of them."""

    buckets: Sequence[int]
    site: SiteWords | None
    own: Mapping[int, UserWords]


def checks(store: BayesStore) -> tuple[Check, ...]:
    """The row of the table."""
    words = "words, by what was learnt from mail that people moved into Junk and out of it"
    # Light: as a rule nothing is waited for.
    return (
        Check(NAME, Stage.CONTENT, words, judge, partial(_find, store), on=lambda all: all.bayes.enabled, light=True),
    )


def bayes_of(facts: Facts) -> Found | None:
    """What the check found, if it was asked."""
    found = facts.found.get(NAME)
    return found if isinstance(found, Found) else None


async def _find(store: BayesStore, facts: Facts, settings: Settings) -> Found | None:
    bayes = settings.bayes
    content = facts.content
    if content is None:
        return None
    site = await store.site(bayes.least_ham, bayes.least_spam)
    accounts = local_accounts(facts)
    teachers = await store.teachers(accounts, bayes.user_least_ham, bayes.user_least_spam) if accounts else []
    if site is None and not teachers:
        return None
    if content.size > INLINE_BYTES:
        buckets = await asyncio.to_thread(features, content, pairs=bayes.pairs)
    else:
        buckets = features(content, pairs=bayes.pairs)
    return Found(buckets, site, await store.own(teachers, buckets) if teachers else {})


def local_accounts(facts: Facts) -> list[int]:
    """The mailboxes here that it is for, as far as they are looked at, in order."""
    targets = (target for _, resolution in facts.recipients for target in resolution.targets)
    accounts = dict.fromkeys(int(target.account_id) for target in targets if isinstance(target, LocalTarget))
    return list(accounts)[:MOST_RECIPIENTS]


def judge(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Points for the likelihood that it is junk."""
    found, bayes = bayes_of(facts), settings.bayes
    if found is None:
        return ()
    verdicts = []
    shared = 0.0
    if found.site is not None:
        shared, reason = opinion(deviations(found.buckets, found.site), found.site.totals, bayes)
        verdicts.append(scored(shared, f"{reason} that this site learnt"))
    for account, words in found.own.items():
        mine, reason = opinion(deviations(found.buckets, found.site, words), words.totals, bayes)
        if more := round(mine - shared, 2):
            verdicts.append(scored(more, f"{reason} of their own")._replace(account=account))
    return verdicts


def opinion(said: Sequence[float], totals: Totals, bayes: Bayes) -> tuple[float, str]:
    """Points for what words say, and that in words, to be followed by whose learning it is."""
    chance = probability(said)
    reason = f"its words are {percent(chance)} those of junk, by {totals.ham} good and {totals.spam} bad messages"
    return points(chance, bayes.ham_points, bayes.spam_points), reason


def percent(chance: float) -> str:
    """A probability in words, never quite certain."""
    return "under 1%" if chance < 0.01 else "over 99%" if chance > 0.99 else f"{chance:.0%}"
