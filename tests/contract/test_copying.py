"""COPY, MOVE, APPEND and REPLACE: where messages go, what goes with them, and what they count."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from store_kit import MESSAGE, NOW_MS, Flag, Store, problems, summary_of, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import SHARED, AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.appending import AppendMessages, append_messages
from estafeta.mailboxes.values import ALL, Appended, Copied, NewMessage
from estafeta.storage.tables import contents, more_refs


@pytest.fixture(autouse=True)
def _nothing_is_wrong_afterwards(store: Store):
    yield
    assert problems(store) == []


def kind_of(call, *args, **how) -> Kind:
    with pytest.raises(EstafetaError) as caught:
        call(*args, **how)
    return caught.value.kind


def rows(store: Store, account: int, mailbox: int, *columns: str) -> list[tuple]:
    return look.fetch_rows(store.database, AccountId(account), MailboxId(mailbox), columns, ALL)


def append(store: Store, contents: list[bytes], *, flags: int = 0, keywords=(), **how) -> Appended:
    new = tuple(NewMessage(summary_of(content), flags, tuple(keywords), NOW_MS, NOW_MS + 1) for content in contents)
    wanted = AppendMessages(AccountId(how.pop("account", 1)), MailboxId(how.pop("mailbox", 1)), new, **how)
    return store.group.run(append_messages, wanted, contents)


# COPY and MOVE


def test_copy_takes_everything_along(store: Store) -> None:
    box = store.create(1, "Box")
    for number in range(4):
        store.deliver(b"%d\r\n\r\n" % number, to(1, flags=number, keywords="$Work b" if number % 2 else ""))
    store.expunge(1, [2])
    before = store.status(1)
    done = store.copy((1, 1), [1, 2, 4, 9], (1, box))
    validity = store.status(1, box).uid_validity
    assert done == Copied(validity, ((1, 1), (4, 4)), 1, 2, before.modseq + 1)
    columns = ("flags", "keywords", "internal_date_ms", "size", "content_id")
    assert rows(store, 1, box, *columns) == [rows(store, 1, 1, *columns)[index] for index in (0, 2)]
    assert rows(store, 1, box, "uid", "modseq") == [(1, done.modseq), (2, done.modseq)]
    assert rows(store, 1, box, "save_date_ms")[0][0] > NOW_MS
    assert store.contents(1, box) == [b"0\r\n\r\n", b"3\r\n\r\n"]
    assert store.status(1) == before, "the source has not changed"
    assert store.status(1, box).keywords == "$Work b"


def test_move_leaves_tombstones_and_contents(store: Store) -> None:
    box = store.create(1, "Box")
    for number in range(3):
        store.deliver(b"%d\r\n\r\n" % number, to(1, flags=Flag.DELETED))
    modseq = store.status(1).modseq
    done = store.copy((1, 1), [1, 3], (1, box), move=True)
    assert (done.sources, done.first_uid, done.count) == (((1, 1), (3, 3)), 1, 2)
    changes = look.changes_since(store.database, 1, 1, modseq)
    assert (changes.expunged, changes.modseq) == ((1, 3), done.modseq)
    assert store.counters(1)[:3] == (1, 1, 1)
    assert store.counters(1, box)[:3] == (2, 2, 2)
    assert store.contents(1, box) == [b"0\r\n\r\n", b"2\r\n\r\n"]
    with store.database.read() as conn:
        assert set(conn.execute(select(contents.c.refs)).scalars()) == {1}


def test_between_accounts_each_has_its_modseq(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    for _ in range(5):
        store.deliver(MESSAGE, to(2))
    done = store.copy((2, 1), [1, 2], (1, 1), move=True)
    assert (done.first_uid, done.modseq) == (2, store.status(1).modseq)
    assert store.status(2).modseq == 7
    assert look.usage(store.database, 1) == (3 * len(MESSAGE), 3)
    assert look.usage(store.database, 2) == (3 * len(MESSAGE), 3)


@pytest.mark.parametrize("move", [False, True])
def test_into_the_same_mailbox(store: Store, move: bool) -> None:
    for _ in range(3):
        store.deliver(MESSAGE, to(1))
    done = store.copy((1, 1), [1, 3], (1, 1), move=move)
    assert (done.sources, done.first_uid, done.count) == (((1, 1), (3, 3)), 4, 2)
    assert list(look.uids_of(store.database, 1, 1)) == ([2, 4, 5] if move else [1, 2, 3, 4, 5])


def test_the_same_content_many_times(store: Store) -> None:
    store.deliver(MESSAGE, to(1), to(1), to(1))
    store.deliver(b"other\r\n\r\n", to(1))
    store.copy((1, 1), [1, 2, 4], (1, 1))
    assert references(store) == ([3, 1], [2, 1])
    assert problems(store) == []
    assert store.expunge(1, range(1, 100)) == 7
    assert references(store) == ([], [])


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ([1], ([3], [2])),
        ([4, 5, 6], ([3], [])),
        ([1, 2, 3], ([3], [])),
        ([1, 3, 5, 6], ([2], [])),
        ([1, 2, 3, 4, 5], ([1], [])),
        ([1, 2, 3, 4, 5, 6], ([], [])),
    ],
)
def test_references_of_copies_go_first(store: Store, gone: list[int], left: tuple[list[int], list[int]]) -> None:
    store.deliver(MESSAGE, to(1), to(1), to(1))
    store.copy((1, 1), [1], (1, 1))
    store.copy((1, 1), [2, 4], (1, 1))
    assert references(store) == ([3], [3])
    store.expunge(1, gone)
    assert references(store) == left
    assert problems(store) == []
    assert len(store.contents(1)) == 6 - len(gone)
    store.expunge(1, range(1, 7))
    assert references(store) == ([], [])
    assert problems(store) == []


def test_writers_side_by_side_count_the_same_contents(store: Store) -> None:
    """Each account copies and expunges messages whose contents the others have too, with a database of its own."""
    for number in range(6):
        store.deliver(b"%d\r\n\r\n" % number, *(to(account) for account in (1, 2, 3)))

    def work(account: int) -> None:
        mine, chance = Store.open(store.url, store.packs.root), random.Random(account)
        for _ in range(25):
            uids = list(look.uids_of(mine.database, AccountId(account), MailboxId(1)))
            mine.copy((account, 1), chance.sample(uids, len(uids) // 2), (account, 1))
            mine.expunge(account, chance.sample(uids, len(uids) // 2))
        mine.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, (1, 2, 3)))
    assert problems(store) == []
    for account in (1, 2, 3):
        store.expunge(account, range(1, 1000))
    assert references(store) == ([], [])


def references(store: Store) -> tuple[list[int], list[int]]:
    """Those that contents have themselves, and those of copies; by id of content."""
    with store.database.read() as conn:
        own = conn.execute(select(contents.c.refs).order_by(contents.c.content_id)).scalars().all()
        more = conn.execute(select(more_refs.c.refs).order_by(more_refs.c.content_id)).scalars().all()
    return list(own), list(more)


def test_nothing_to_copy(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    box = store.create(1, "Box")
    before = store.status(1, box)
    assert store.copy((1, 1), [7], (1, box)) == Copied(before.uid_validity, (), 1, 0, 0)
    assert store.copy((1, 1), [], (1, box), move=True).count == 0
    assert store.status(1, box) == before


@pytest.mark.parametrize("move", [False, True])
def test_what_refuses_a_copy(store: Store, move: bool) -> None:
    store.deliver(MESSAGE, to(1), to(2))
    octets = len(MESSAGE)
    for source, target in (((1, 9), (2, 1)), ((1, 1), (2, 9))):
        assert kind_of(store.copy, source, [1], target, move=move) is Kind.NOT_FOUND
    assert kind_of(store.copy, (1, 1), [1], (2, 1), move=move, quota_bytes=2 * octets - 1) is Kind.QUOTA
    assert kind_of(store.copy, (1, 1), [1], (2, 1), move=move, quota_messages=1) is Kind.QUOTA
    assert store.counters(1) == store.counters(2) == (1, 1, 0, octets)
    assert store.copy((1, 1), [1], (2, 1), move=move, quota_bytes=2 * octets, quota_messages=2).count == 1


def test_a_move_within_a_full_account_is_no_growth(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    box = store.create(1, "Box")
    assert store.copy((1, 1), [1], (1, box), move=True, quota_bytes=1, quota_messages=1).count == 1
    assert kind_of(store.copy, (1, box), [1], (1, 1), quota_bytes=1) is Kind.QUOTA


def test_keywords_are_spelled_as_in_the_target(store: Store) -> None:
    store.deliver(MESSAGE, to(1, keywords="Work home"))
    store.deliver(MESSAGE, to(2, keywords="WORK"))
    store.copy((1, 1), [1], (2, 1))
    assert rows(store, 2, 1, "keywords") == [("WORK",), ("WORK home",)]
    assert store.status(2).keywords == "WORK home"


def test_many_different_sets_of_keywords(store: Store) -> None:
    store.deliver(MESSAGE, to(2, keywords="WORK"))
    for number in range(20):
        store.deliver(MESSAGE, to(1, keywords=f"work k{number}"))
    store.copy((1, 1), range(1, 21), (2, 1))
    assert rows(store, 2, 1, "keywords")[1:] == [(f"WORK k{number}",) for number in range(20)]


def test_rights_in_the_target_decide_about_flags(store: Store) -> None:
    store.deliver(MESSAGE, to(1, flags=Flag.SEEN | Flag.DELETED | Flag.FLAGGED, keywords="a"))
    store.copy((1, 1), [1], (2, 1), keep_flags=int(Flag.SEEN), keep_keywords=False)
    assert rows(store, 2, 1, "flags", "keywords") == [(Flag.SEEN, "")]
    assert store.counters(2)[:3] == (1, 0, 0)
    assert store.status(2).keywords == ""


def test_shared_mailboxes_have_no_inbox(store: Store) -> None:
    assert kind_of(store.copy, (SHARED, 1), [1], (1, 1)) is Kind.NOT_FOUND
    assert isinstance(store.deliver(MESSAGE, to(SHARED))[0], EstafetaError)
    news = store.create(SHARED, "News", subscribed=False)
    assert news == 2
    assert [status.name for status in look.list_mailboxes(store.database, SHARED)] == ["News"]
    store.deliver(MESSAGE, to(SHARED, news), to(1))
    assert store.copy((SHARED, news), [1], (1, 1), move=True).count == 1
    assert look.subscriptions(store.database, SHARED) == []


# APPEND and REPLACE


def test_append_several(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    box = store.status(1)
    done = append(store, [b"a\r\n\r\n", b"b\r\n\r\n"], flags=Flag.SEEN, keywords=["x", "$Y"])
    assert done == Appended(box.uid_validity, 2, 2, box.modseq + 1, 0)
    assert rows(store, 1, 1, "uid", "flags", "keywords", "modseq", "internal_date_ms", "save_date_ms")[1:] == [
        (uid, Flag.SEEN, "$Y x", done.modseq, NOW_MS, NOW_MS + 1) for uid in (2, 3)
    ]
    assert store.contents(1)[1:] == [b"a\r\n\r\n", b"b\r\n\r\n"]
    assert store.counters(1)[:2] == (3, 1)
    assert store.status(1).keywords == "$Y x"


def test_all_or_none(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    before = store.status(1)
    assert kind_of(append, store, [b"a"] * 3, quota_bytes=len(MESSAGE) + 2) is Kind.QUOTA
    assert kind_of(append, store, [b"a"] * 3, quota_messages=3) is Kind.QUOTA
    assert kind_of(append, store, [b"a"], mailbox=9) is Kind.NOT_FOUND
    assert kind_of(append, store, [b"a"], replaces=(1, 1, 9)) is Kind.NOT_FOUND
    assert kind_of(append, store, [b"a"], keywords=["a b"]) is Kind.INVALID
    assert store.status(1) == before


@pytest.mark.parametrize("place", [(1, 1), (1, 2), (2, 1)])
def test_replace(store: Store, place: tuple[int, int]) -> None:
    store.create(1, "Drafts")
    store.deliver(MESSAGE, to(1), to(*place, flags=Flag.DRAFT))
    uid = store.status(*place).uid_next - 1
    before = store.status(*place).modseq
    # Nothing grows by it where the quota counts.
    quota = {"quota_bytes": 1, "quota_messages": 1} if place[0] == 1 else {}
    done = append(store, [b"new\r\n\r\n"], mailbox=1, replaces=(*place, uid), **quota)
    assert store.contents(1)[-1] == b"new\r\n\r\n"
    assert look.changes_since(store.database, AccountId(place[0]), MailboxId(place[1]), before).expunged == (uid,)
    assert done.replaced_modseq == store.status(*place).modseq > before
