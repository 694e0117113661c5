"""What a worker knows of the words: read once, kept current by announcements, asked per user only where that counts."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from bayes_kit import ANNA, BEN, HAM, SITE, SPAM, taught, teach
from store_kit import Store

from estafeta.core.ids import AccountId
from estafeta.directory.model import LocalTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address
from estafeta.policy import bayes_store
from estafeta.policy.bayes import SiteWords, deviations
from estafeta.policy.bayes_check import MOST_RECIPIENTS, checks, local_accounts
from estafeta.policy.bayes_learning import KEPT_CHANGES
from estafeta.policy.bayes_store import LOOK_SECONDS, REFRESH_SECONDS, TOTALS_SECONDS, BayesStore, read_site
from estafeta.policy.bayes_tokens import features
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.verdict import Verdict
from estafeta.storage.prepared import _compile

GOOD = b"From: Anna <anna@example.org>\r\nSubject: lunch\r\n\r\nshall we meet for lunch on friday then\r\n"
BAD = b"From: Shop <shop@example.com>\r\nSubject: pills\r\n\r\nbuy cheap pills online without prescription now\r\n"
LITTLE = Settings.model_validate(
    {"bayes": {"least_ham": 5, "least_spam": 5, "user_least_ham": 3, "user_least_spam": 3}}
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    def run(store: Store) -> None:
        asyncio.run(test(store))

    run.__name__ = test.__name__
    return run


def words(message: bytes) -> list[int]:
    return features(Content.of(message))


def teach_messages(store: Store, number: int, account: int = SITE, *, first: int = 100) -> None:
    """So many of each kind."""
    for content in range(first, first + number):
        teach(
            store,
            taught(account, content, HAM, words(GOOD)),
            taught(account, content + 1000, SPAM, words(BAD)),
        )


def facts(message: bytes, *accounts: int) -> Facts:
    people = [
        (Address(f"u{one}", "example.org"), Resolution(Status.LOCAL, (LocalTarget(AccountId(one), 0),)))
        for one in accounts
    ]
    return Facts("192.0.2.1", recipients=people, content=Content.of(message))


async def judged(known: BayesStore, message: bytes, *accounts: int, settings: Settings = LITTLE) -> list[Verdict]:
    said = Chain(checks(known), settings).judge(Stage.CONTENT, facts(message, *accounts))
    return said if isinstance(said, list) else await said


@in_loop
async def test_nothing_is_said_and_nothing_kept_before_enough_was_learnt(store: Store) -> None:
    known = BayesStore(store.database, Clock())
    assert await judged(known, BAD) == []
    teach_messages(store, 4)
    known.heard("bayes:0")
    assert await known.site(5, 5) is None
    assert await judged(known, BAD, ANNA) == []


@in_loop
async def test_what_the_site_learnt(store: Store) -> None:
    teach_messages(store, 30)
    known = BayesStore(store.database, Clock())
    [bad], [good] = await judged(known, BAD), await judged(known, GOOD)
    assert bad.score > 4.0
    assert bad.account == 0
    assert bad.reason == ("its words are over 99% those of junk, by 30 good and 30 bad messages that this site learnt")
    assert good.score < -2.2
    assert "under 1%" in good.reason
    [neither] = await judged(known, b"Subject: x\r\n\r\nsomething else entirely\r\n")
    assert abs(neither.score) < 1.0


@in_loop
async def test_a_users_own_learning_is_for_its_mailbox(store: Store) -> None:
    """What is junk for the site is good mail for Anna."""
    teach_messages(store, 30)
    for content in range(10, 40):
        teach(store, taught(ANNA, content, HAM, words(BAD), most=0), taught(ANNA, content + 50, SPAM, (1, 2), most=0))
    known = BayesStore(store.database, Clock())
    verdicts = await judged(known, BAD, ANNA, BEN)
    assert [(one.account, one.score > 0) for one in verdicts] == [(0, True), (ANNA, False)]
    assert verdicts[0].score + verdicts[1].score < -1
    assert verdicts[1].reason.endswith("by 30 good and 30 bad messages of their own")


@in_loop
async def test_a_user_alone_where_the_site_knows_nothing(store: Store) -> None:
    for content in range(10, 40):
        teach(
            store,
            taught(ANNA, content, SPAM, words(BAD), most=0),
            taught(ANNA, content + 50, HAM, words(GOOD), most=0),
        )
    verdicts = await judged(BayesStore(store.database, Clock()), BAD, ANNA, BEN)
    assert [(one.account, one.score > 4) for one in verdicts] == [(ANNA, True)]


@in_loop
async def test_switched_off(store: Store) -> None:
    teach_messages(store, 30)
    off = Settings.model_validate({"bayes": {"least_ham": 5, "least_spam": 5, "enabled": False}})
    assert await judged(BayesStore(store.database, Clock()), BAD, settings=off) == []


@in_loop
async def test_changes_come_when_they_are_announced(store: Store) -> None:
    teach_messages(store, 30)
    clock = Clock()
    known = BayesStore(store.database, clock)
    before = await known.site(5, 5)
    assert before is not None
    teach(store, taught(SITE, 7, SPAM, (77,)))
    known.heard("bayes:0")
    clock.now += REFRESH_SECONDS / 2
    await known.site(5, 5)
    assert known._reading is not None
    await known._reading
    assert before.totals.spam == 30  # too soon
    clock.now += REFRESH_SECONDS
    await known.site(5, 5)
    await known._reading
    assert before.totals.spam == 31
    assert deviations([77], before)[0] > 0.1


@in_loop
async def test_a_lost_announcement_is_made_good(store: Store) -> None:
    teach_messages(store, 30)
    clock = Clock()
    known = BayesStore(store.database, clock)
    await known.site(5, 5)
    assert await known.teachers([ANNA], 3, 3) == []
    teach_messages(store, 3, ANNA)
    assert await known.teachers([ANNA], 3, 3) == []
    clock.now += LOOK_SECONDS
    await known.site(5, 5)
    assert known._reading is not None
    await known._reading
    found = await known.site(5, 5)
    assert found is not None
    assert found.totals.spam == 33
    clock.now += TOTALS_SECONDS
    assert await known.teachers([ANNA], 3, 3) == [ANNA]


@in_loop
async def test_a_user_that_taught_is_known_at_once(store: Store) -> None:
    known = BayesStore(store.database, Clock())
    assert await known.teachers([ANNA, BEN], 3, 3) == []
    teach_messages(store, 3, ANNA)
    for topic in ("bayes:1", "bayes:x", "bayes", "directory"):
        known.heard(topic)
    assert await known.teachers([ANNA, BEN], 3, 3) == [ANNA]
    assert await known.teachers([ANNA, BEN], 4, 3) == []


@in_loop
async def test_memory_of_users_is_bounded(store: Store) -> None:
    known = BayesStore(store.database, Clock())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bayes_store, "MOST_TOTALS", 5)
        for account in range(1, 20):
            assert await known.teachers([account], 3, 3) == []
    assert len(known._totals) == 5


def test_words_are_those_that_reading_everything_finds(store: Store) -> None:
    teach_messages(store, 40)
    known = read_site(store.database, None, 5, 5)
    assert known is not None
    begun = known.version
    teach(store, taught(SITE, 7, SPAM, (77, 78)), taught(ANNA, 8, HAM, (78,)))
    teach(store, taught(SITE, 7, HAM, (79,)))
    assert read_site(store.database, known, 5, 5) is known  # only what changed was read
    assert known.version == begun + 2
    fresh = read_site(store.database, None, 5, 5)
    assert fresh is not None
    changed = [77, 78, 79]
    assert deviations(changed, known) == deviations(changed, fresh)
    assert read_site(store.database, known, 500, 5) is None


@pytest.mark.parametrize("how", ["drift", "far behind"])
def test_all_is_read_again_where_changes_are_not_enough(store: Store, how: str) -> None:
    teach_messages(store, 500 if how == "far behind" else 20)
    known = read_site(store.database, None, 5, 5)
    assert known is not None
    for number in range(KEPT_CHANGES // 10 if how == "drift" else KEPT_CHANGES + 10):
        teach(store, taught(SITE, 0, SPAM if number % 2 else HAM, (number, 99)))
    found = read_site(store.database, known, 5, 5)
    assert found is not None
    assert found is not known
    fresh = read_site(store.database, None, 5, 5)
    assert isinstance(fresh, SiteWords)
    assert found.deviations == fresh.deviations


def test_counts_are_found_by_their_key(store: Store) -> None:
    """Not by reading all of them, which are millions."""
    with store.database.read() as conn:
        if not store.database.is_sqlite:
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN QUERY PLAN " if store.database.is_sqlite else "EXPLAIN "
        statement, _, _ = _compile(bayes_store._COUNTS._statement, conn.dialect)
        plan = " ".join(str(row) for row in conn.exec_driver_sql(explain + statement, ("[1, 2]", "[3, 4]")))
    wanted = "(account_id=? AND bucket=?)" if store.database.is_sqlite else "Index Cond: ((account_id = ANY"
    assert wanted in plan


def test_recipients_that_are_looked_at() -> None:
    assert local_accounts(facts(BAD, *range(1, 200), 1)) == list(range(1, MOST_RECIPIENTS + 1))


@in_loop
async def test_a_database_that_cannot_be_read_costs_an_opinion_and_no_message(store: Store) -> None:
    with store.database.write() as tx:
        tx.conn.exec_driver_sql("ALTER TABLE bayes_totals RENAME TO gone")
    [verdict] = await judged(BayesStore(store.database, Clock()), BAD, ANNA)
    assert verdict.score == 0
    assert verdict.accepted
