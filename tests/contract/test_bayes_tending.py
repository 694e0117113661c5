"""What is forgotten of Bayes, and when."""

import pytest
from bayes_kit import ANNA, BEN, DAY, FORGET, HAM, SITE, SPAM, counts, remembered, taught, teach, totals
from sqlalchemy import select
from store_kit import MESSAGE, Store, to

from estafeta.core.ids import AccountId
from estafeta.mailboxes.change import PurgeAccount, purge_account
from estafeta.policy import bayes_tending
from estafeta.policy.bayes_store import read_site
from estafeta.policy.bayes_tables import bayes_changes
from estafeta.policy.bayes_tending import forget_site, forget_user, tend


def tended(store: Store, today: int) -> dict[str, int]:
    return tend(store.database, today=today, words_days=90, messages_days=180, stopping=lambda: False)


def test_rare_words_of_long_ago(store: Store) -> None:
    store.deliver(MESSAGE, to(ANNA))
    teach(store, taught(ANNA, 10, SPAM, (1, 2)), taught(ANNA, 11, SPAM, (2, 3)))
    teach(store, taught(ANNA, 12, HAM, (4,), day=DAY + 50))
    assert tended(store, DAY + 90) == {"words": 0, "messages": 0, "users": 0}
    assert tended(store, DAY + 91) == {"words": 4, "messages": 0, "users": 0}
    assert counts(store) == counts(store, ANNA) == {2: (0, 2), 4: (1, 0)}
    # What is forgotten cannot be taken back, and goes below nothing.
    teach(store, taught(ANNA, 10, FORGET, None))
    assert counts(store) == {2: (0, 1), 4: (1, 0)}


def test_messages_of_long_ago(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bayes_tending, "PORTION", 2)
    store.deliver(MESSAGE, to(ANNA))
    teach(store, *[taught(ANNA, content, SPAM, (1, 2)) for content in range(10, 15)])
    teach(store, taught(ANNA, 20, SPAM, (1, 2), day=DAY + 10))
    assert tended(store, DAY + 181)["messages"] == 5
    assert remembered(store) == [(ANNA, 20, True)]
    assert counts(store) == {1: (0, 6), 2: (0, 6)}


def test_users_that_were_purged(store: Store) -> None:
    store.deliver(MESSAGE, to(ANNA), to(BEN))
    teach(store, taught(ANNA, 10, SPAM), taught(BEN, 10, HAM))
    store.group.run(purge_account, PurgeAccount(AccountId(ANNA)))
    assert tended(store, DAY)["users"] == 1
    assert (totals(store, ANNA), counts(store, ANNA)) == ((0, 0), {})
    assert (totals(store), totals(store, BEN)) == ((1, 1), (1, 0))  # the site keeps what it learnt from her
    assert remembered(store) == [(BEN, 10, False)]


def test_stopping(store: Store) -> None:
    teach(store, taught(ANNA, 10, SPAM))
    tend(store.database, today=DAY + 500, words_days=90, messages_days=180, stopping=lambda: True)
    assert remembered(store) == [(ANNA, 10, True)]


def test_what_a_user_taught_is_taken_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stolen account taught nonsense."""
    monkeypatch.setattr(bayes_tending, "_LESSONS", 2)
    teach(store, taught(BEN, 9, HAM, (1, 7)))
    before = counts(store)
    teach(store, *[taught(ANNA, content, SPAM, (1, content)) for content in range(10, 15)])
    assert forget_user(store.database, ANNA) == 5
    assert counts(store) == before
    assert (totals(store), totals(store, ANNA), counts(store, ANNA)) == ((1, 0), (0, 0), {})
    assert remembered(store) == [(BEN, 9, False)]


def test_the_site_forgets_all(store: Store) -> None:
    teach(store, taught(ANNA, 10, SPAM, (1, 2)), taught(SITE, 0, HAM, (3,)))
    known = read_site(store.database, None, 1, 1)
    forget_site(store.database)
    assert (totals(store), counts(store)) == ((0, 0), {})
    assert totals(store, ANNA) == (0, 1)
    assert read_site(store.database, known, 1, 1) is None
    # Taking back what the user taught changes nothing of the site's.
    teach(store, taught(ANNA, 10, HAM, (1, 2)), taught(SITE, 0, SPAM, (3,)))
    assert counts(store) == {1: (1, 0), 2: (1, 0), 3: (0, 1)}
    found = read_site(store.database, known, 1, 1)
    assert found is not None
    assert found is not known
    with store.database.read() as conn:
        assert len(conn.execute(select(bayes_changes)).all()) == 1
