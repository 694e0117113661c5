"""Forgetting. Once a day: words that one message only had, what was learnt from messages of long ago, users who are
gone; and when an operator says so, all that the site or a user learnt.

In portions, each in a transaction of its own: whoever writes meanwhile waits for none of it long.
"""

from collections.abc import Callable, Iterator

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, select, update

from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.tables import account_state
from estafeta.policy.bayes_learning import SITE, TOPIC, Taught, learn
from estafeta.policy.bayes_tables import bayes_changes, bayes_counts, bayes_learnt, bayes_totals
from estafeta.storage.commit import Item
from estafeta.storage.database import Database

Stopping = Callable[[], bool]

PORTION = 2000
# Messages that are taken back in one transaction.
_LESSONS = 50


def tend(database: Database, *, today: int, words_days: int, messages_days: int, stopping: Stopping) -> dict[str, int]:
    """How many words, messages and users were forgotten. `today` in days since 1970; `stopping` is asked between
    portions."""
    c, r = bayes_counts.c, bayes_learnt.c
    rare = and_(c.ham + c.spam <= 1, c.day < today - words_days)
    words = sum(_forget(database, bayes_counts, rare, stopping))
    messages = sum(_forget(database, bayes_learnt, r.day < today - messages_days, stopping))
    return {"words": words, "messages": messages, "users": _forget_users(database, stopping)}


def forget_user(database: Database, account_id: int) -> int:
    """All that a user taught, itself and, as far as it is remembered, the site. How many messages were taken back."""
    number = 0
    r = bayes_learnt.c
    wanted = select(r.content_id).where(r.account_id == account_id).limit(_LESSONS)
    while True:
        with database.write() as tx:
            rows = list(tx.conn.execute(wanted).scalars())
            learn(tx, [Item(Taught(account_id, one, Lesson.FORGET, None, 0), ()) for one in rows])
        number += len(rows)
        if len(rows) < _LESSONS:
            break
    _drop(database, account_id)
    return number


def forget_site(database: Database) -> None:
    """All that the site learnt, from users too, who keep what is their own."""
    for table in (bayes_counts, bayes_learnt):
        sum(_forget(database, table, table.c.account_id == SITE, lambda: False))
    t = bayes_totals.c
    with database.write() as tx:
        # The version goes on: workers see that theirs is an old one.
        nothing = update(bayes_totals).where(t.account_id == SITE).values(ham=0, spam=0, version=t.version + 1)
        tx.conn.execute(nothing)
        tx.conn.execute(delete(bayes_changes))
        tx.conn.execute(update(bayes_learnt).values(in_site=False))
        tx.announce(f"{TOPIC}:{SITE}")


def _drop(database: Database, account_id: int) -> None:
    """What a user learnt for itself."""
    for table in (bayes_counts, bayes_learnt, bayes_totals):
        sum(_forget(database, table, table.c.account_id == account_id, lambda: False))
    with database.write() as tx:
        tx.announce(f"{TOPIC}:{account_id}")


def _forget(database: Database, table: Table, which: ColumnElement[bool], stopping: Stopping) -> Iterator[int]:
    """Delete rows by their keys; how many, portion by portion."""
    key = tuple(table.primary_key.columns)
    one = delete(table).where(*(column == bindparam(f"key_{column.name}") for column in key))
    found = select(*key).where(which).limit(PORTION)
    while not stopping():
        with database.write() as tx:
            rows = tx.conn.execute(found).all()
            if rows:
                tx.conn.execute(one, [{f"key_{name}": value for name, value in row._mapping.items()} for row in rows])
        yield len(rows)
        if len(rows) < PORTION:
            return


def _forget_users(database: Database, stopping: Stopping) -> int:
    """Those whose mailboxes were purged: their numbers are never used again."""
    t = bayes_totals.c
    gone = select(t.account_id).where(t.account_id != SITE, t.account_id.not_in(select(account_state.c.account_id)))
    with database.read() as conn:
        accounts = list(conn.execute(gone).scalars())
    for account_id in accounts:
        if not stopping():
            _drop(database, account_id)
    return len(accounts)
