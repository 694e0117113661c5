"""Counts of words: each message once for each person, taken back exactly, whatever dies or learns at the same time."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from bayes_kit import ANNA, BEN, DAY, FORGET, HAM, SITE, SPAM, counts, remembered, taught, teach, totals
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from store_kit import Store

from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.tables import learn_queue
from estafeta.policy.bayes_learning import KEPT_CHANGES, Taught, fingerprint, learn
from estafeta.policy.bayes_tables import bayes_changes
from estafeta.storage.commit import GroupCommit, Job
from estafeta.storage.steps import Step


def wait_in_queue(store: Store, account: int, content: int, lesson: Lesson, at_ms: int) -> None:
    row = {"account_id": account, "content_id": content, "lesson": lesson.value, "at_ms": at_ms}
    with store.database.write() as tx:
        tx.conn.execute(insert(learn_queue), row)


def waiting(store: Store) -> int:
    with store.database.read() as conn:
        return len(conn.execute(select(learn_queue)).all())


def test_for_the_user_and_for_the_site(store: Store) -> None:
    assert teach(store, taught(ANNA, 10, SPAM, (1, 2)), taught(BEN, 10, HAM, (2, 3))) == [True, True]
    assert (totals(store), totals(store, ANNA), totals(store, BEN)) == ((1, 1), (0, 1), (1, 0))
    assert counts(store) == {1: (0, 1), 2: (1, 1), 3: (1, 0)}
    assert counts(store, ANNA) == {1: (0, 1), 2: (0, 1)}


def test_the_same_again_counts_once(store: Store) -> None:
    assert teach(store, taught(ANNA, 10, SPAM), taught(ANNA, 10, SPAM)) == [True, False]
    assert teach(store, taught(ANNA, 10, SPAM)) == [False]
    assert totals(store) == (0, 1)
    assert counts(store) == {1: (0, 1), 2: (0, 1)}


def test_moved_back(store: Store) -> None:
    teach(store, taught(ANNA, 10, SPAM))
    assert teach(store, taught(ANNA, 10, HAM)) == [True]
    assert (totals(store), totals(store, ANNA)) == ((1, 0), (1, 0))
    assert counts(store) == counts(store, ANNA) == {1: (1, 0), 2: (1, 0)}


def test_forgotten_leaves_nothing(store: Store) -> None:
    teach(store, taught(ANNA, 10, SPAM, (1, 2)), taught(ANNA, 11, SPAM, (2, 3)))
    assert teach(store, taught(ANNA, 10, FORGET, None), taught(ANNA, 12, FORGET, None)) == [True, False]
    assert counts(store) == counts(store, ANNA) == {2: (0, 1), 3: (0, 1)}
    assert remembered(store) == [(ANNA, 11, True)]


def test_words_that_were_seen_otherwise_meanwhile_are_taken_back_as_they_were_learnt(store: Store) -> None:
    teach(store, taught(ANNA, 10, SPAM, (1, 2)))
    teach(store, taught(ANNA, 10, HAM, (2, 3)))
    assert counts(store) == {2: (1, 0), 3: (1, 0)}


def test_a_message_that_is_gone(store: Store) -> None:
    """What is remembered of it is learnt, or nothing."""
    teach(store, taught(ANNA, 10, SPAM, (1, 2)))
    assert teach(store, taught(ANNA, 10, HAM, None), taught(ANNA, 11, SPAM, None)) == [True, False]
    assert counts(store) == {1: (1, 0), 2: (1, 0)}
    assert totals(store) == (1, 0)


def test_a_guess_gives_way_to_a_person(store: Store) -> None:
    assert teach(store, taught(SITE, 0, SPAM, (1, 2))) == [True]
    assert remembered(store) == [(SITE, fingerprint((2, 1)), True)]
    teach(store, taught(ANNA, 10, HAM, (1, 2)))
    assert totals(store) == (1, 0)
    assert counts(store) == {1: (1, 0), 2: (1, 0)}
    assert remembered(store) == [(ANNA, 10, False)]


def test_the_same_words_are_guessed_at_once_only(store: Store) -> None:
    """A wave of one message teaches what one of it does."""
    assert teach(store, *[taught(SITE, 0, SPAM, (1, 2)) for _ in range(5)]) == [True] + [False] * 4
    assert totals(store) == (0, 1)


def test_a_file_and_the_same_message_in_a_mailbox_count_once(store: Store) -> None:
    teach(store, taught(ANNA, fingerprint((1, 2)), SPAM, (1, 2)))
    teach(store, taught(ANNA, 10, SPAM, (1, 2)))
    assert (totals(store), totals(store, ANNA)) == ((0, 1), (0, 1))
    assert remembered(store) == [(ANNA, 10, True)]


def test_a_user_teaches_the_site_so_much_a_day(store: Store) -> None:
    lessons = [taught(ANNA, content, SPAM, (content,), most=3) for content in range(10, 20)]
    teach(store, *lessons[:5])
    teach(store, *lessons[5:])
    assert (totals(store), totals(store, ANNA)) == ((0, 3), (0, 10))
    # What the site did not learn is not taken back from it, either.
    teach(store, taught(ANNA, 19, FORGET, None), taught(ANNA, 10, FORGET, None))
    assert (totals(store), totals(store, ANNA)) == ((0, 2), (0, 8))
    teach(store, taught(ANNA, 30, HAM, day=DAY + 1, most=3))
    assert totals(store) == (1, 2)


def test_guesses_are_so_many_a_day(store: Store) -> None:
    guesses = [taught(SITE, 0, SPAM, (number,), most=2) for number in range(5)]
    assert teach(store, *guesses) == [True, True, False, False, False]
    assert teach(store, taught(SITE, 0, HAM, (9,))) == [True]  # from a file: without a limit


def test_none_for_the_site(store: Store) -> None:
    teach(store, taught(ANNA, 10, SPAM, most=0))
    assert (totals(store), totals(store, ANNA)) == ((0, 0), (0, 1))


def test_a_lesson_is_learnt_with_its_row(store: Store) -> None:
    wait_in_queue(store, ANNA, 10, SPAM, 500)
    assert teach(store, taught(ANNA, 10, SPAM, queued_ms=500)) == [True]
    assert waiting(store) == 0
    assert teach(store, taught(ANNA, 10, SPAM, queued_ms=500)) == [False]


@pytest.mark.parametrize(("lesson", "at_ms"), [(HAM, 500), (SPAM, 501)])
def test_a_lesson_that_changed_meanwhile_waits_on(store: Store, lesson: Lesson, at_ms: int) -> None:
    wait_in_queue(store, ANNA, 10, lesson, at_ms)
    assert teach(store, taught(ANNA, 10, SPAM, queued_ms=500)) == [False]
    assert waiting(store) == 1
    assert totals(store) == (0, 0)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", [Step.SQL_BEGUN, Step.SQL_APPLIED, Step.SQL_COMMITTED])
def test_a_crash_counts_a_message_once(store: Store, at: Step) -> None:
    def reached(step: Step) -> None:
        if step is at:
            raise Crash

    wait_in_queue(store, ANNA, 10, SPAM, 500)
    dying = GroupCommit(store.database, store.packs, reached)
    with pytest.raises(Crash):
        dying.run(learn, taught(ANNA, 10, SPAM, queued_ms=500))
    assert waiting(store) + totals(store)[1] == 1
    # Another one looks again, and perhaps a second one with what it had read before.
    teach(store, taught(ANNA, 10, SPAM, queued_ms=500))
    teach(store, taught(ANNA, 10, SPAM, queued_ms=500))
    assert waiting(store) == 0
    assert totals(store) == totals(store, ANNA) == (0, 1)
    assert counts(store) == {1: (0, 1), 2: (0, 1)}


def test_two_that_learn_at_once(store: Store) -> None:
    """Two workers, two writers, the same lessons: each counts once."""
    for content in range(10, 40):
        wait_in_queue(store, content % 3 + 1, content, SPAM, 500)
    lessons = [taught(content % 3 + 1, content, SPAM, (content, 1), queued_ms=500) for content in range(10, 40)]
    other = Store.open(store.url, store.root)

    def work(mine: Store, portion: list[Taught]) -> int:
        jobs = [Job(learn, one) for one in portion]
        for start in range(0, len(jobs), 4):
            mine.group.commit(jobs[start : start + 4])
        return sum(job.outcome() for job in jobs)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(work, (store, other), (lessons, list(reversed(lessons)))))
    other.close()
    assert sum(done) == 30
    assert totals(store) == (0, 30)
    assert counts(store) == {1: (0, 30)} | dict.fromkeys(range(10, 40), (0, 1))
    assert waiting(store) == 0


def test_changes_are_kept_for_workers_that_are_not_far_behind(store: Store) -> None:
    for number in range(KEPT_CHANGES + 5):
        teach(store, taught(SITE, 0, HAM, (number,)))
    with store.database.read() as conn:
        versions = list(conn.execute(select(bayes_changes.c.version).order_by(bayes_changes.c.version)).scalars())
    assert versions == list(range(5, KEPT_CHANGES + 6))


def test_workers_are_told_who_learnt(store: Store) -> None:
    told: list[str] = []
    store.database.publish = told.extend
    teach(store, taught(ANNA, 10, SPAM))
    assert set(told) == {"bayes:0", "bayes:1"}
    told.clear()
    teach(store, taught(ANNA, 10, SPAM))
    assert told == []


STEP = st.tuples(
    st.sampled_from([ANNA, BEN]),
    st.integers(10, 13),
    st.sampled_from(list(Lesson)),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.booleans(),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(STEP, min_size=1, max_size=5), max_size=6))
def test_counts_are_those_of_what_was_learnt_last(
    store: Store, batches: list[list[tuple[int, int, Lesson, frozenset[int], bool]]]
) -> None:
    """A model: the last lesson of each account and content, with the words that it had then."""
    with store.database.write() as tx:
        for name in ("bayes_totals", "bayes_counts", "bayes_learnt", "bayes_changes"):
            tx.conn.exec_driver_sql(f"DELETE FROM {name}")
    model: dict[tuple[int, int], tuple[Lesson, frozenset[int]]] = {}
    for batch in batches:
        teach(store, *[taught(a, c, lesson, sorted(words) if there else None) for a, c, lesson, words, there in batch])
        for account, content, lesson, words, there in batch:
            before = model.get((account, content))
            if lesson is FORGET:
                model.pop((account, content), None)
            elif before is not None and before[0] is not lesson:
                model[account, content] = (lesson, words if there else before[1])
            elif before is None and there:
                model[account, content] = (lesson, words)
    for account in (SITE, ANNA, BEN):
        mine = [said for (who, _), said in model.items() if account in (SITE, who)]
        good = Counter(word for lesson, words in mine for word in words if lesson is HAM)
        bad = Counter(word for lesson, words in mine for word in words if lesson is SPAM)
        assert counts(store, account) == {word: (good[word], bad[word]) for word in good | bad}
        assert totals(store, account) == (sum(one[0] is HAM for one in mine), sum(one[0] is SPAM for one in mine))
