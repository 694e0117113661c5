"""Expunge, flags, and making, renaming, removing mailboxes: results, counters, MODSEQ, tombstones, names."""

import pytest
from sqlalchemy import func, select, text
from store_kit import MESSAGE, Flag, Store, problems, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.change import Expunge, PurgeAccount, expunge, purge_account
from estafeta.mailboxes.folders import DeleteMailbox, RenameMailbox, check_name, delete_mailbox, rename_mailbox
from estafeta.mailboxes.tables import account_state, mailboxes, messages, tombstones
from estafeta.mailboxes.values import ALL, Ranges
from estafeta.storage.tables import contents, packs


@pytest.fixture(autouse=True)
def _nothing_is_wrong_afterwards(store: Store):
    yield
    assert problems(store) == []


def kind_of(call, *args) -> Kind:
    with pytest.raises(EstafetaError) as caught:
        call(*args)
    return caught.value.kind


def rename(store: Store, mailbox: int, name: str, account: int = 1) -> None:
    store.group.run(rename_mailbox, RenameMailbox(AccountId(account), MailboxId(mailbox), name))


def remove(store: Store, mailbox: int, account: int = 1) -> int:
    return store.group.run(delete_mailbox, DeleteMailbox(AccountId(account), MailboxId(mailbox)))


def names(store: Store, account: int = 1) -> list[str]:
    return [status.name for status in look.list_mailboxes(store.database, AccountId(account))]


# Expunge


def test_expunge(store: Store) -> None:
    for _ in range(5):
        store.deliver(MESSAGE, to(1))
    before = store.status(1).modseq
    assert store.expunge(1, [2, 4, 99]) == 2
    assert [row.uid for row in store.snapshot(1).rows] == [1, 3, 5]
    assert store.counters(1) == (3, 3, 0, 3 * len(MESSAGE))
    assert store.status(1).modseq == before + 1
    changes = look.changes_since(store.database, 1, 1, before)
    assert (changes.changed, changes.expunged) == ((), (2, 4))
    assert look.used_bytes(store.database, 1) == 3 * len(MESSAGE)


def test_expunging_what_is_gone_is_no_error_and_no_change(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    assert store.expunge(1, [1]) == 1
    before = store.status(1)
    assert store.expunge(1, [1, 1, 7]) == 0
    assert store.status(1) == before
    assert store.deliver(MESSAGE, to(1))[0].uid == 2, "a UID is never used again"


def test_expunge_many(store: Store) -> None:
    store.deliver(MESSAGE, *[to(1)] * 1203)
    assert store.expunge(1, range(1, 1203)) == 1202
    assert [row.uid for row in store.snapshot(1).rows] == [1203]


@pytest.mark.parametrize("only_deleted", [False, True])
@pytest.mark.parametrize("ranges", [ALL, ((2, 4), (6, 6), (8, 30)), tuple((uid, uid) for uid in range(2, 21))])
def test_so_many_go_at_once(store: Store, ranges: Ranges, only_deleted: bool) -> None:
    store.deliver(MESSAGE, *(to(1, flags=Flag.DELETED if uid % 3 else 0) for uid in range(1, 21)))
    there = {uid for low, high in ranges for uid in range(low, min(high, 20) + 1) if uid % 3 or not only_deleted}
    left, rest, portions = set(range(1, 21)) - there, ranges, []
    while rest:
        done = store.group.run(expunge, Expunge(AccountId(1), MailboxId(1), rest, only_deleted, most=4))
        portions.append(sum(high - low + 1 for low, high in done.ranges))
        assert done.modseq == (store.status(1).modseq if done.ranges else 0)
        rest = done.rest
        assert len(portions) < 20
    assert sum(portions) == len(there)
    assert portions[:-1] == [4] * (len(portions) - 1)
    assert [row.uid for row in store.snapshot(1).rows] == sorted(left)


def test_a_shared_content_lives_until_its_last_message_goes(store: Store) -> None:
    store.deliver(MESSAGE, to(1), to(2))
    store.expunge(1, [1])
    assert store.contents(2) == [MESSAGE]
    store.expunge(2, [1])
    with store.database.read() as conn:
        assert conn.execute(select(contents)).all() == []
        [row] = conn.execute(select(packs)).all()
    assert row.dead_bytes == row.end > 0


def test_expunge_in_no_mailbox(store: Store) -> None:
    assert kind_of(store.expunge, 1, [1], 9) is Kind.NOT_FOUND


# Flags


def test_flags_count_and_keep_modseq_where_nothing_changes(store: Store) -> None:
    for _ in range(3):
        store.deliver(MESSAGE, to(1))
    first = store.flag(1, [1, 2], "add", Flag.SEEN)
    assert store.counters(1)[:3] == (3, 1, 0)
    second = store.flag(1, [1, 2, 3], "replace", Flag.SEEN | Flag.DELETED)
    assert second == first + 1
    assert store.counters(1)[:3] == (3, 0, 3)
    assert store.flag(1, [1, 2, 3, 50], "add", Flag.SEEN) == 0
    third = store.flag(1, [3], "remove", Flag.DELETED)
    changes = look.changes_since(store.database, 1, 1, second)
    assert [(c.uid, c.modseq, c.flags) for c in changes.changed] == [(3, third, Flag.SEEN)]
    assert store.counters(1)[:3] == (3, 0, 2)


def test_keywords(store: Store) -> None:
    store.deliver(MESSAGE, to(1, keywords="b"))
    assert store.flag(1, [1], "add", 0, ["a", "$Junk"]) > 0
    assert store.flag(1, [1], "add", 0, ["A", "$junk"]) == 0
    assert store.flag(1, [1], "remove", 0, ["zzz"]) == 0
    store.flag(1, [1], "remove", 0, ["B"])
    assert store.status(1).keywords == "b $Junk a"
    assert look.changes_since(store.database, 1, 1, 0).changed[0].keywords == "$Junk a"


def test_flags_of_many(store: Store) -> None:
    store.deliver(MESSAGE, *[to(1)] * 1100)
    modseq = store.flag(1, range(1, 1101), "add", Flag.SEEN)
    assert store.counters(1)[:2] == (1100, 0)
    assert {change.modseq for change in look.changes_since(store.database, 1, 1, modseq - 1).changed} == {modseq}


# Mailboxes


def test_create_and_list(store: Store) -> None:
    assert store.create(1, "Work") == 2
    assert store.create(1, "Work/2026") == 3
    assert store.create(1, "Ärger и 日本") == 4
    assert names(store) == sorted(["INBOX", "Work", "Work/2026", "Ärger и 日本"])
    assert kind_of(store.create, 1, "Work") is Kind.EXISTS
    assert kind_of(store.create, 1, "inbox") is Kind.EXISTS
    assert store.create(1, "work") == 5, "names other than INBOX are case-sensitive (RFC 9051 5.1)"
    assert look.find_mailbox(store.database, 1, "iNbOx").name == "INBOX"
    assert look.find_mailbox(store.database, 1, "none") is None


@pytest.mark.parametrize("name", ["", "/", "a//b", "/a", "a/", " ", "a\0b", "a\nb", "a" * 1001, "\ud800"])
def test_names_that_cannot_be(store: Store, name: str) -> None:
    assert kind_of(check_name, name) is Kind.INVALID
    assert kind_of(store.create, 1, name) is Kind.INVALID


def test_uidvalidity_is_new_for_a_name_used_again(store: Store) -> None:
    seen = set()
    for _ in range(3):
        mailbox = store.create(1, "Again")
        seen.add(store.status(1, mailbox).uid_validity)
        store.deliver(MESSAGE, to(1, mailbox))
        remove(store, mailbox)
    assert len(seen) == 3
    assert max(seen) < 2**32


def test_mailbox_ids_are_not_used_again(store: Store) -> None:
    first = store.create(1, "A")
    remove(store, first)
    assert store.create(1, "B") == first + 1


def test_rename_takes_what_is_below_along(store: Store) -> None:
    for name in ("A", "A/b", "A/b/c", "a/b", "A_", "AB/c", "A%"):
        store.create(1, name)
    rename(store, 2, "Z")
    assert set(names(store)) == {"INBOX", "Z", "Z/b", "Z/b/c", "a/b", "A_", "AB/c", "A%"}


@pytest.mark.parametrize(
    ("mailbox", "name", "kind"),
    [
        (1, "A", Kind.EXISTS),
        (2, "B", Kind.EXISTS),
        (2, "INBOX", Kind.EXISTS),
        (2, "A/below", Kind.INVALID),
        (9, "C", Kind.NOT_FOUND),
        (2, "a//b", Kind.INVALID),
    ],
)
def test_renames_that_cannot_be(store: Store, mailbox: int, name: str, kind: Kind) -> None:
    store.create(1, "A")
    store.create(1, "B")
    assert kind_of(rename, store, mailbox, name) is kind
    assert set(names(store)) == {"INBOX", "A", "B"}


def test_rename_onto_a_child_of_the_same_name(store: Store) -> None:
    store.create(1, "A")
    store.create(1, "A/b")
    store.create(1, "Z/b")
    assert kind_of(rename, store, 2, "Z") is Kind.EXISTS
    assert set(names(store)) == {"INBOX", "A", "A/b", "Z/b"}


def test_delete_takes_its_messages(store: Store) -> None:
    mailbox = store.create(1, "A")
    store.deliver(MESSAGE, to(1), *[to(1, mailbox)] * 3)
    store.expunge(1, [1], mailbox)
    assert remove(store, mailbox) == 2
    assert store.counters(1)[0] == 1
    assert look.used_bytes(store.database, 1) == len(MESSAGE)
    assert kind_of(store.snapshot, 1, mailbox) is Kind.NOT_FOUND
    assert kind_of(remove, store, mailbox) is Kind.NOT_FOUND
    assert kind_of(remove, store, 1) is Kind.INVALID


def test_purge_leaves_nothing_of_an_account(store: Store) -> None:
    mailbox = store.create(1, "A")
    store.deliver(MESSAGE, to(1), *[to(1, mailbox)] * 700, to(2))
    store.expunge(1, [1])
    assert store.group.run(purge_account, PurgeAccount(AccountId(1))) == 700
    assert store.group.run(purge_account, PurgeAccount(AccountId(1))) == 0
    with store.database.read() as conn:
        for table in (account_state, mailboxes, messages, tombstones):
            one = select(func.count()).select_from(table).where(table.c.account_id == 1)
            assert conn.execute(one).scalar_one() == 0
    assert store.contents(2) == [MESSAGE]


# Cost


def statements(store: Store, read) -> list[str]:
    """The statements that `read` runs, with their values in place (SQLite)."""
    seen: list[str] = []
    with store.database.read() as conn:
        driver = conn.connection.driver_connection
    driver.set_trace_callback(seen.append)
    try:
        read()
    finally:
        driver.set_trace_callback(None)
    return [one for one in seen if one.startswith(("SELECT", "WITH"))]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_status_and_changes_never_scan(store: Store) -> None:
    for _ in range(30):
        store.deliver(MESSAGE, to(1))
    store.expunge(1, [3])
    modseq = store.flag(1, [5], "add", Flag.SEEN)
    reads = {
        "status": lambda: store.status(1),
        "changes": lambda: look.changes_since(store.database, 1, 1, modseq - 1),
        "quota": lambda: look.used_bytes(store.database, 1),
        "find": lambda: look.find_mailbox(store.database, 1, "INBOX"),
        "snapshot": lambda: store.snapshot(1),
    }
    for name, read in reads.items():
        ran = statements(store, read)
        assert 1 <= len(ran) <= 4, name
        for statement in ran:
            with store.database.read() as conn:
                plan = " | ".join(row[3] for row in conn.execute(text(f"EXPLAIN QUERY PLAN {statement}")))
            assert "SCAN" not in plan, (name, plan)
            assert "TEMP B-TREE" not in plan or "tombstones" in statement, (name, plan)
    [status] = statements(store, reads["status"])
    assert "FROM mailboxes" in status
    assert any("messages_changed" in plan for plan in _plans(store, reads["changes"]))


def _plans(store: Store, read) -> list[str]:
    with store.database.read() as conn:
        return [
            " | ".join(row[3] for row in conn.execute(text(f"EXPLAIN QUERY PLAN {statement}")))
            for statement in statements(store, read)
        ]


def test_changes_are_read_in_portions(store: Store) -> None:
    store.deliver(MESSAGE, *[to(1)] * 1000)
    changes = look.changes_since(store.database, 1, 1, 501)
    assert [change.uid for change in changes.changed] == list(range(501, 1001))
    assert len(look.changes_since(store.database, 1, 1, 0).changed) == 1000
