"""What people show by moving and marking messages is noted in the transaction of the change itself."""

import pytest
from sqlalchemy import select
from store_kit import MESSAGE, Store, summary_of, to

from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mailboxes.appending import AppendMessages, append_messages
from estafeta.mailboxes.change import PurgeAccount, purge_account
from estafeta.mailboxes.tables import learn_queue
from estafeta.mailboxes.values import NewMessage

ANNA, BEN, SHARED = 1, 2, 0
USES = {"Junk": "Junk", "Trash": "Trash", "Archive": "", "Junk/2026": ""}


def boxes(store: Store, account: int = ANNA) -> dict[str, MailboxId]:
    return {"INBOX": INBOX} | {name: store.create(account, name, special_use=use) for name, use in USES.items()}


def lessons(store: Store) -> list[tuple[int, str]]:
    """Account and lesson, in the order of contents."""
    q = learn_queue.c
    with store.database.read() as conn:
        return [(row[0], row[1]) for row in conn.execute(select(q.account_id, q.lesson).order_by(q.content_id))]


def keep(store: Store, box: MailboxId, *keywords: str, account: int = ANNA) -> None:
    new = NewMessage(summary_of(MESSAGE), 0, keywords, 0, 0)
    store.group.run(append_messages, AppendMessages(AccountId(account), box, (new,)), (MESSAGE,))


@pytest.mark.parametrize("move", [True, False])
@pytest.mark.parametrize(
    ("source", "target", "lesson"),
    [
        ("INBOX", "Junk", "spam"),
        ("Archive", "Junk", "spam"),
        ("Trash", "Junk", "spam"),
        ("Junk", "INBOX", "ham"),
        ("Junk", "Archive", "ham"),
        ("Junk", "Trash", ""),
        ("Junk", "Junk/2026", ""),
        ("Junk/2026", "Junk", ""),
        ("INBOX", "Archive", ""),
        ("INBOX", "Trash", ""),
    ],
)
def test_moving(store: Store, source: str, target: str, lesson: str, move: bool) -> None:
    there = boxes(store)
    store.deliver(MESSAGE, to(ANNA, there[source]))
    store.copy((ANNA, there[source]), [1], (ANNA, there[target]), move=move)
    assert lessons(store) == ([(ANNA, lesson)] if lesson else [])


def test_delivery_into_junk_is_no_lesson(store: Store) -> None:
    store.deliver(MESSAGE, to(ANNA, -1, keywords="$Junk"))
    assert lessons(store) == []


def test_the_last_word_counts(store: Store) -> None:
    there = boxes(store)
    store.deliver(MESSAGE, to(ANNA))
    store.copy((ANNA, INBOX), [1], (ANNA, there["Junk"]), move=True)
    store.copy((ANNA, there["Junk"]), [1], (ANNA, INBOX), move=True)
    assert lessons(store) == [(ANNA, "ham")]


def test_each_message_once_and_each_user_for_itself(store: Store) -> None:
    there, other = boxes(store), boxes(store, BEN)
    for _ in range(3):
        store.deliver(MESSAGE, to(ANNA), to(BEN))
    store.copy((ANNA, INBOX), [1, 2, 3], (ANNA, there["Junk"]), move=True)
    store.copy((BEN, INBOX), [1, 3], (BEN, other["Junk"]))
    assert sorted(lessons(store)) == [(ANNA, "spam")] * 3 + [(BEN, "spam")] * 2


def test_out_of_the_junk_of_another_and_into_it(store: Store) -> None:
    """Who may write there speaks for its owner."""
    there, other = boxes(store), boxes(store, BEN)
    store.deliver(MESSAGE, to(ANNA, there["Junk"]))
    store.deliver(MESSAGE, to(ANNA))
    store.copy((ANNA, there["Junk"]), [1], (BEN, INBOX))
    store.copy((ANNA, INBOX), [1], (BEN, other["Junk"]))
    assert lessons(store) == [(ANNA, "ham"), (BEN, "spam")]


def test_a_shared_folder_is_nobodys(store: Store) -> None:
    there = boxes(store)
    shared = store.create(SHARED, "Junk", special_use="Junk")
    store.deliver(MESSAGE, to(ANNA))
    store.copy((ANNA, INBOX), [1], (SHARED, shared))
    store.store(SHARED, [1], "add", 0, ["$Junk"], mailbox=shared)
    keep(store, shared, "$Junk", account=SHARED)
    assert lessons(store) == []
    store.copy((SHARED, shared), [1], (ANNA, there["Junk"]))
    assert lessons(store) == []


@pytest.mark.parametrize(
    ("before", "mode", "words", "lesson"),
    [
        ("", "add", ["$Junk"], "spam"),
        ("", "add", ["$JUNK"], "spam"),
        ("", "add", ["$NotJunk"], "ham"),
        ("$Junk", "add", ["$NotJunk"], "forget"),
        ("$Junk", "remove", ["$Junk"], "forget"),
        ("$Junk", "replace", ["$NotJunk"], "ham"),
        ("$Junk", "add", ["$Junk"], ""),
        ("$Junk", "add", ["$Forwarded"], ""),
        ("", "add", ["Junk"], ""),
    ],
)
def test_marking(store: Store, before: str, mode: str, words: list[str], lesson: str) -> None:
    store.deliver(MESSAGE, to(ANNA, keywords=before))
    store.store(ANNA, [1], mode, 0, words)
    assert lessons(store) == ([(ANNA, lesson)] if lesson else [])


@pytest.mark.parametrize(
    ("box", "words", "lesson"),
    [
        ("Junk", [], "spam"),
        ("Junk", ["$NotJunk"], "ham"),
        ("INBOX", ["$Junk"], "spam"),
        ("INBOX", ["$NotJunk"], "ham"),
        ("INBOX", ["$Junk", "$NotJunk"], ""),
        ("INBOX", [], ""),
        ("Archive", ["important"], ""),
    ],
)
def test_appending(store: Store, box: str, words: list[str], lesson: str) -> None:
    keep(store, boxes(store)[box], *words)
    assert lessons(store) == ([(ANNA, lesson)] if lesson else [])


def test_a_purged_account_teaches_nothing(store: Store) -> None:
    store.deliver(MESSAGE, to(ANNA), to(BEN))
    store.store(ANNA, [1], "add", 0, ["$Junk"])
    store.store(BEN, [1], "add", 0, ["$Junk"])
    store.group.run(purge_account, PurgeAccount(AccountId(ANNA)))
    assert lessons(store) == [(BEN, "spam")]


def test_those_who_learn_are_told(store: Store) -> None:
    told: list[str] = []
    store.database.publish = told.extend
    store.deliver(MESSAGE, to(ANNA))
    assert "lessons" not in told
    store.store(ANNA, [1], "add", 0, ["$Junk"])
    assert "lessons" in told
