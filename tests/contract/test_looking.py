"""Reads for IMAP: rows by ranges and columns, UIDs now and as of a moment, the first unseen message; and their cost."""

from itertools import product

import pytest
from sqlalchemy import delete, text
from store_kit import MESSAGE, NOW_MS, Flag, Store, summary_of, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mailboxes import look, uids
from estafeta.mailboxes.fetching import PLACE
from estafeta.mailboxes.selection import Selected
from estafeta.mailboxes.tables import tombstones
from estafeta.mailboxes.values import ALL, Ranges, ranges_of
from estafeta.storage.packs import Location


@pytest.fixture
def ten(store: Store) -> Store:
    """UIDs 1 to 12 without 4, 5 and 9."""
    store.deliver(MESSAGE, *[to(1)] * 12)
    store.deliver(MESSAGE, *[to(2)] * 3)
    store.expunge(1, [4, 5])
    store.expunge(1, [9])
    return store


THERE = [1, 2, 3, 6, 7, 8, 10, 11, 12]


@pytest.mark.parametrize(
    ("uids", "ranges"),
    [([], ()), ([3], ((3, 3),)), ([3, 1, 2, 2], ((1, 3),)), ([1, 9, 3, 4], ((1, 1), (3, 4), (9, 9)))],
)
def test_ranges_of(uids: list[int], ranges: Ranges) -> None:
    assert ranges_of(uids) == ranges


@pytest.mark.parametrize(
    "ranges",
    [ALL, ((1, 1),), ((5, 10),), ((4, 5),), ((1, 2), (5, 7), (9, 9), (12, 99)), (), ((20, 30), (40, 50))],
)
def test_rows_by_ranges(ten: Store, ranges: Ranges) -> None:
    rows = look.fetch_rows(ten.database, 1, 1, ("uid", "size"), ranges)
    named = {uid for first, last in ranges for uid in range(first, min(last, 100) + 1)}
    assert rows == [(uid, len(MESSAGE)) for uid in THERE if uid in named]


def test_columns(ten: Store) -> None:
    ten.flag(1, [2], "add", Flag.SEEN, ["a", "b"])
    summary = summary_of(MESSAGE)
    [row] = look.fetch_rows(
        ten.database, 1, 1, ("envelope", "flags", "bodystructure", "keywords", "uid", "preview"), ((2, 2),)
    )
    assert row == (summary.envelope, Flag.SEEN, summary.bodystructure, "a b", 2, summary.preview)
    [row] = look.fetch_rows(
        ten.database, 1, 1, ("internal_date_ms", "save_date_ms", "header_size", "structure", "modseq"), ((1, 1),)
    )
    assert row == (NOW_MS, NOW_MS, summary.header_size, summary.structure, 2)
    places = look.fetch_rows(ten.database, 1, 1, PLACE, ALL)
    assert ten.packs.read_many([Location(*place) for place in places]) == [MESSAGE] * 9
    assert look.fetch_rows(ten.database, 1, 9, ("uid",), ALL) == []
    with pytest.raises(KeyError):
        look.fetch_rows(ten.database, 1, 1, ("uid; drop table messages",), ALL)


def test_uids(ten: Store) -> None:
    assert list(look.uids_of(ten.database, 1, 1)) == THERE
    assert list(look.uids_of(ten.database, 2, 1)) == [1, 2, 3]
    ten.expunge(2, [1, 2, 3])
    assert list(look.uids_of(ten.database, 2, 1)) == []
    with pytest.raises(EstafetaError) as caught:
        look.uids_of(ten.database, 1, 9)
    assert caught.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize("by_messages", [False, True])
def test_views_of_the_past(store: Store, by_messages: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same from the tombstones and, where counters do not add up, from the messages."""
    if by_messages:
        monkeypatch.setattr(uids, "_gone", lambda *args: None)
    views = {}
    for step in range(6):
        store.deliver(MESSAGE, *[to(1)] * 3)
        status = store.status(1)
        views[status.uid_next, status.modseq] = list(look.uids_of(store.database, 1, 1))
        store.expunge(1, [step + 1, 2 * step + 2])
        status = store.status(1)
        views[status.uid_next, status.modseq] = list(look.uids_of(store.database, 1, 1))
    for (uid_next, modseq), there in views.items():
        assert list(look.view_as_of(store.database, 1, 1, uid_next, modseq)) == there


def test_uids_where_tombstones_are_missing(ten: Store) -> None:
    with ten.database.write() as tx:
        tx.conn.execute(delete(tombstones).where(tombstones.c.uid == 5))
    assert list(look.uids_of(ten.database, 1, 1)) == THERE


def test_uids_made_in_portions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uids, "_AT_ONCE", 3)
    assert list(uids._without(20, [7, 8, 19])) == [uid for uid in range(1, 19) if uid not in (7, 8)]


def test_first_unseen(ten: Store) -> None:
    assert look.first_unseen(ten.database, 1, 1) == 1
    ten.flag(1, [1, 2, 3, 6], "add", Flag.SEEN)
    assert look.first_unseen(ten.database, 1, 1) == 7
    ten.flag(1, range(1, 99), "add", Flag.SEEN)
    assert look.first_unseen(ten.database, 1, 1) is None


def test_changes_tell_the_counters(ten: Store) -> None:
    modseq = ten.flag(1, [1], "add", Flag.SEEN)
    changes = look.changes_since(ten.database, 1, 1, modseq - 1)
    assert changes.status == ten.status(1)
    assert (changes.status.messages, changes.status.unseen) == (9, 8)
    assert look.changes_since(ten.database, 1, 1, modseq).status == ten.status(1)


def test_changes_without_those_of_ones_own(ten: Store) -> None:
    before = ten.status(1).modseq
    own = [ten.flag(1, [1, 2, 3], "add", Flag.SEEN)]
    ten.flag(1, [3, 6], "add", Flag.FLAGGED)
    new = ten.deliver(MESSAGE, to(1))[0].uid
    own.append(ten.flag(1, [2, 7, new], "add", Flag.ANSWERED))
    changes = look.changes_since(ten.database, 1, 1, before, without=own)
    assert [change.uid for change in changes.changed] == [3, 6, new], "what is new is told in any case"
    assert changes.modseq == own[1]
    assert [change.uid for change in look.changes_since(ten.database, 1, 1, before).changed] == [1, 2, 3, 6, 7, new]


def test_usage(ten: Store) -> None:
    assert look.usage(ten.database, 1) == (9 * len(MESSAGE), 9)
    assert look.usage(ten.database, 77) == (0, 0)


# Cost


def selections() -> list[tuple[str, Selected]]:
    from estafeta.mailboxes import appending, change, copying, fetching, storing

    modules = (appending, change, copying, storing)
    found = [
        (f"{module.__name__}.{name}", one)
        for module in modules
        for name, one in vars(module).items()
        if isinstance(one, Selected)
    ]
    return [*found, ("fetch", fetching._statement(("uid", "envelope", "flags")))]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_selection_reads_a_whole_mailbox(ten: Store) -> None:
    """With one range and with several, the clustered key finds the messages, and its order needs no sorting."""
    with ten.database.read() as conn:
        for (name, selected), many in product(selections(), (False, True)):
            query = selected._many if many else selected._one
            compiled = query._statement.compile(dialect=conn.dialect)
            values = {key: value if value is not None else 1 for key, value in compiled.params.items()}
            values |= {"ranges": "[[1,2],[4,5]]"} if many else {}
            order = compiled.positiontup or ()
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", tuple(values[key] for key in order))
            steps = [row[3] for row in plan]
            scanned = [step for step in steps if step.startswith("SCAN messages") or "SCAN named" in step]
            assert scanned == [], (name, many, steps)
            if many:
                whole = [step for step in steps if "messages USING PRIMARY KEY (account_id=? AND mailbox_id=?)" in step]
                assert whole == [], (name, steps)
            if "ORDER BY" in str(compiled) and "OVER" not in str(compiled):
                assert not any("ORDER BY" in step for step in steps), (name, many, steps)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_uids_of_a_full_mailbox_do_not_read_its_messages(ten: Store) -> None:
    seen: list[str] = []
    with ten.database.read() as conn:
        driver = conn.connection.driver_connection
        conn.execute(text("SELECT 1"))
    driver.set_trace_callback(seen.append)
    look.uids_of(ten.database, 1, 1)
    driver.set_trace_callback(None)
    assert not [one for one in seen if "FROM messages" in one]
