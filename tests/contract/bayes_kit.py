"""Short words for lessons and for what was learnt."""

from collections.abc import Sequence

from sqlalchemy import select
from store_kit import Store

from estafeta.mailboxes.lessons import Lesson
from estafeta.policy.bayes_learning import SITE, Taught, learn
from estafeta.policy.bayes_tables import bayes_counts, bayes_learnt, bayes_totals
from estafeta.storage.commit import Job

DAY = 20_000
ANNA, BEN = 1, 2
SPAM, HAM, FORGET = Lesson.SPAM, Lesson.HAM, Lesson.FORGET


def taught(
    account: int,
    content: int,
    lesson: Lesson,
    words: Sequence[int] | None = (1, 2),
    *,
    day: int = DAY,
    most: int | None = None,
    queued_ms: int = 0,
) -> Taught:
    return Taught(account, content, lesson, words, day, most, queued_ms)


def teach(store: Store, *lessons: Taught) -> list[bool]:
    """In one batch."""
    jobs = [Job(learn, one) for one in lessons]
    store.group.commit(jobs)
    return [job.outcome() for job in jobs]


def totals(store: Store, account: int = SITE) -> tuple[int, int]:
    """Good messages and spam."""
    t = bayes_totals.c
    with store.database.read() as conn:
        row = conn.execute(select(t.ham, t.spam).where(t.account_id == account)).first()
    return (0, 0) if row is None else (row[0], row[1])


def counts(store: Store, account: int = SITE) -> dict[int, tuple[int, int]]:
    """Bucket -> good, spam."""
    c = bayes_counts.c
    with store.database.read() as conn:
        rows = conn.execute(select(c.bucket, c.ham, c.spam).where(c.account_id == account)).all()
    return {row[0]: (row[1], row[2]) for row in rows}


def remembered(store: Store) -> list[tuple[int, int, bool]]:
    """Account, content, whether it is spam."""
    r = bayes_learnt.c
    with store.database.read() as conn:
        rows = conn.execute(select(r.account_id, r.content_id, r.spam).order_by(r.account_id, r.content_id)).all()
    return [(row[0], row[1], bool(row[2])) for row in rows]


__all__ = ["ANNA", "BEN", "DAY", "FORGET", "HAM", "SITE", "SPAM", "counts", "remembered", "taught", "teach", "totals"]
