"""The journal on both databases: written with what it records, read as stories, found, and kept by receivers."""

from collections.abc import Sequence

import pytest
from store_kit import MESSAGE, NOW_MS, Store, arrival, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, AccountId
from estafeta.journal import reading, receivers, writing
from estafeta.journal.daily import daily_report, midnight_ms
from estafeta.journal.reading import Search, find_messages, parse_wanted, read_records, scan
from estafeta.journal.records import Code, Record, detail, refusal
from estafeta.journal.stats import collect
from estafeta.journal.story import State, tell_story
from estafeta.journal.writing import note, write_records
from estafeta.mailboxes.change import Expunge, expunge
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.noting import NoteRead, note_read
from estafeta.mailboxes.storing import StoreFlags, store_flags
from estafeta.mailboxes.values import Delivery, Flag
from estafeta.storage.database import Database

HOUR = 3_600_000
ANNA = AccountId(1)


def ident(ms: int, number: int = 0) -> int:
    return ms << 20 | number


def write(database: Database, *records: Record, now_us: int | None = None) -> None:
    with database.write() as tx:
        write_records(tx, records, now_us)


def codes(database: Database, message_id: int) -> list[str]:
    return [entry.code for entry in read_records(database, message_id)]


def came(me: int, sender: str = "anna@example.org", **more: object) -> Record:
    return Record(me, Code.RECEIVED_LOCAL, sender, "mx.test [192.0.2.1]", 100, "ESMTP", detail(**more))


# Writing


def test_records_come_back_in_order(database: Database) -> None:
    me = ident(NOW_MS)
    wanted = [
        came(me, subject="¿Qué?", to=["ben@example.org"]),
        Record(me, "C6", "ben@far.test", detail=detail(hop="mx:far.test")),
        Record(me, "88", "ben@far.test", "mx.far.test [198.51.100.1]", 7, "250 ok", detail(seconds=0.25)),
    ]
    write(database, *wanted, now_us=NOW_MS * 1000)
    found = read_records(database, me)
    assert [entry[2:7] for entry in found] == [tuple(record[1:6]) for record in wanted]
    assert [entry.at_us for entry in found] == [NOW_MS * 1000 + place for place in range(3)]
    assert found[0].detail == {"subject": "¿Qué?", "to": ["ben@example.org"]}


def test_what_no_database_can_hold_is_held_all_the_same(database: Database) -> None:
    me = ident(NOW_MS)
    many = [f"member{number}@example.org" for number in range(2000)]
    write(
        database,
        Record(me, "83", "a\0b@x.test", "\udc80", 0, "x" * 100_000, detail(to=many, subject="\ud800\0")),
        Record(me, "83", detail="x" * 100_000),
        Record(me, "83", detail="{broken"),
    )
    first, second, third = read_records(database, me)
    assert (first.address, first.peer, len(first.text)) == ("a\ufffdb@x.test", "?", writing.MAX_TEXT)
    assert 0 < len(first.detail["to"]) < 2000
    assert (second.detail, third.detail) == ({}, {})


def test_a_record_of_no_message_has_an_ident_of_its_time(database: Database) -> None:
    write(database, Record(0, "9S", peer="192.0.2.1"), Record(0, "9S", peer="192.0.2.1"), now_us=NOW_MS * 1000)
    entries = reading.latest(database, 10)
    assert len({entry.message_id for entry in entries}) == 2
    assert {entry.message_id >> 20 for entry in entries} == {NOW_MS}


def test_a_note_has_a_commit_of_its_own(store: Store) -> None:
    for text in "ab":
        store.group.run(note, (Record(1, "88", text=text), Record(2, "88")))
    assert [entry.text for entry in read_records(store.database, 1)] == ["a", "b"]


# With deliveries


def filed(store: Store, me: int, *deliveries: Delivery) -> list[object]:
    taken = arrival(MESSAGE, *deliveries)._replace(records=(came(me),), ident=me)
    return list(store.group.run(deliver, taken, (MESSAGE,)))


def test_a_delivery_is_recorded_in_its_commit(store: Store) -> None:
    me = ident(NOW_MS)
    filed(store, me, to(1)._replace(address="anna@example.org"), to(2, quota=1)._replace(address="ben@example.org"))
    got, kept, lost = read_records(store.database, me)
    assert (got.code, kept.code, lost.code) == ("94", "B8", "B3")
    assert (kept.address, kept.detail) == ("anna@example.org", {"mailbox": f"1/{INBOX}/1"})
    assert (lost.address, lost.text) == ("ben@example.org", "The mailbox is full.")
    [story] = tell_story(store.database, me)
    assert story.states == {"anna@example.org": State.FILED, "ben@example.org": State.FAILED}


def test_what_nobody_has_room_for_was_refused(store: Store) -> None:
    me = ident(NOW_MS)
    [outcome] = filed(store, me, to(1, quota=1)._replace(address="anna@example.org"))
    assert isinstance(outcome, EstafetaError)
    assert codes(store.database, me) == ["94", "B3", "9W"]
    report = collect(store.database, 0, 2**42)
    assert (report.totals.received, report.totals.failed, report.totals.refused) == (0, 1, 1)


def test_without_records_nothing_is_recorded(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    assert reading.latest(store.database, 10) == []


# Reading


def read_by(store: Store) -> list[tuple[str, str, str]]:
    entries = reading.latest(store.database, 5000)
    return [(entry.code, entry.address, entry.detail["mailbox"]) for entry in entries if entry.code in ("DR", "JR")]


def see(store: Store, uids: tuple[int, int], mode: str = "add", flags: int = Flag.SEEN, reader: str = "anna") -> None:
    wanted = StoreFlags(ANNA, INBOX, (uids,), mode, flags, reader=reader)  # type: ignore[arg-type]
    store.group.run(store_flags, wanted)


def test_reading_is_recorded_once(store: Store) -> None:
    filed(store, ident(NOW_MS), to(1))
    store.deliver(MESSAGE, to(1))  # of which the journal knows nothing
    filed(store, ident(NOW_MS + 1), to(1, flags=Flag.SEEN))
    see(store, (1, 3), flags=Flag.FLAGGED)
    see(store, (1, 3), "remove")
    store.flag(1, [3], "add", Flag.SEEN)
    assert read_by(store) == []
    see(store, (1, 3), reader="")
    store.flag(1, [1, 2, 3], "remove", Flag.SEEN)
    store.flag(1, [3], "add", Flag.SEEN)
    see(store, (1, 3), "replace")
    see(store, (1, 3))
    assert read_by(store) == [("JR", "anna", "1/1/1")]


def test_reading_by_pop_and_removing(store: Store) -> None:
    for number in range(3):
        filed(store, ident(NOW_MS, number), to(1))
    store.group.run(note_read, NoteRead(ANNA, INBOX, ((1, 1),), Code.READ_POP, "anna"))
    reading_now = NoteRead(ANNA, INBOX, ((2, 2), (9, 9)), Code.READ_POP, "anna")
    gone = store.group.run(expunge, Expunge(ANNA, INBOX, ((2, 3),), reading=reading_now))
    assert gone.ranges == ((2, 3),)
    assert sorted(read_by(store)) == [("DR", "anna", "1/1/1"), ("DR", "anna", "1/1/2")]


def test_a_reader_of_everything_is_recorded_for_some(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estafeta.mailboxes.noting.MOST_NOTED", 2)
    for number in range(4):
        filed(store, ident(NOW_MS, number), to(1))
    see(store, (1, 4))
    assert len(read_by(store)) == 2
    assert store.status(1).unseen == 0


# Finding


@pytest.fixture
def found(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Messages 0 to 9, an hour apart, and a portion that is smaller than the records of one of them."""
    monkeypatch.setattr(reading, "_PORTION", 4)
    monkeypatch.setattr(reading, "_PAGE_ROWS", 4)
    for number in range(10):
        me = ident(NOW_MS + number * HOUR)
        to = [f"ben{number % 3}@Example.org"]
        write(database, came(me, subject=f"Año {number}% _x", message_id=f"<{number}@x.test>", to=to))
    write(database, *(Record(ident(NOW_MS), "8C", f"late{n}@far.test", text="451") for n in range(9)))
    write(database, refusal("550 no", "eve@there.test", "mx [192.0.2.77]", number=ident(NOW_MS), address="x@here.test"))
    return database


def numbers(database: Database, words: str, since_ms: int = 0) -> list[int]:
    found = find_messages(database, Search(parse_wanted(words), ident(since_ms)))
    return [((one >> 20) - NOW_MS) // HOUR for portion in found for one in portion]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("ben1@example.ORG", [7, 4, 1]),
        ("<ben1@example.org>", [7, 4, 1]),
        ("@example.org", list(range(9, -1, -1))),
        ("late5@far.test", [0]),
        ("5@far.test", []),
        ("eve@there.test", [0]),
        ("192.0.2.77", [0]),
        ("192.0.2.7", []),
        ("<3@x.test>", [3]),
        ("3@x.test", [3]),
        ("año 7", [7]),
        ("AÑO", list(range(9, -1, -1))),
        ("7% _X", [7]),
        ("% 7", []),
        ("ñ", list(range(9, -1, -1))),
        (f"{ident(NOW_MS + HOUR):x}", [1]),
    ],
)
def test_finding(found: Database, words: str, wanted: Sequence[int]) -> None:
    assert numbers(found, words) == wanted


def test_finding_only_what_is_new(found: Database) -> None:
    assert numbers(found, "@example.org", NOW_MS + 8 * HOUR) == [9, 8]
    assert numbers(found, "nobody@example.org") == []


def test_scanning_takes_each_record_once(found: Database) -> None:
    pages = list(scan(found, 0, reading.NEWEST))
    assert max(map(len, pages)) <= 4
    entries = [entry for page in pages for entry in page]
    keys = [(entry.message_id, entry.at_us) for entry in entries]
    assert keys == sorted(set(keys))
    assert len(keys) == 20
    some = [entry for page in scan(found, ident(NOW_MS + 2 * HOUR), ident(NOW_MS + 5 * HOUR)) for entry in page]
    assert len(some) == 3
    late = [entry for page in scan(found, 0, reading.NEWEST, since_us=keys[0][1] + 1) for entry in page]
    assert len(late) == 19


def test_stories_of_what_belongs_together(database: Database) -> None:
    first, second = ident(NOW_MS), ident(NOW_MS + HOUR)
    write(database, came(first), Record(first, "AP", "anna@example.org", detail=detail(notice=f"{second:x}")))
    write(database, Record(second, "EH", "", "MAILER-DAEMON", 9, "", detail(parent=f"{first:x}")))
    write(database, Record(second, "AN", detail=detail(notice="no ident", parent=first)))
    assert [(one.message_id, one.why) for one in tell_story(database, first)] == [
        (first, ""),
        (second, "notice about it"),
    ]
    assert [one.why for one in tell_story(database, second)] == ["", "what it comes from"]
    assert list(tell_story(database, 5)) == []


def test_destinations_that_could_not_be_reached_are_part_of_the_story(database: Database) -> None:
    me, other = ident(NOW_MS), ident(NOW_MS + HOUR)
    write(database, came(me), Record(me, "C6", "b@far.test", detail=detail(hop="mx:far.test")), now_us=NOW_MS * 1000)
    for hours, hop in ((-1, "mx:far.test"), (1, "mx:far.test"), (2, "mx:other.test"), (4, "mx:far.test")):
        write(database, Record(-7, "8C", hop, text=f"{hours}"), now_us=(NOW_MS + hours * HOUR) * 1000)

    def texts(message_id: int) -> list[str]:
        [story] = tell_story(database, message_id)
        return [entry.text for entry in story.records if entry.message_id < 0]

    assert texts(me) == ["1", "4"]
    write(database, Record(me, "88", "b@far.test"), now_us=(NOW_MS + 3 * HOUR) * 1000)
    assert texts(me) == ["1"]
    write(database, came(other))
    assert texts(other) == []
    report = collect(database, NOW_MS - HOUR, NOW_MS + 5 * HOUR)
    assert (report.totals.put_off, report.totals.delayed) == (3, 0)
    assert report.tables["Not reached"][0].name == "the mail exchangers of far.test: 1"
    assert len(reading.latest(database, 100)) == 7
    receivers.change_receiver(database, NOW_MS + 2 * HOUR)
    assert receivers.list_receivers(database)[0].begun_ms == NOW_MS
    assert receivers.remove_receiver(database, 1) == 6
    assert [entry.text for entry in reading.latest(database, 100)] == ["2", "4"]


def test_what_a_list_made_is_found(database: Database) -> None:
    post, made = ident(NOW_MS), ident(NOW_MS + 1000)
    write(database, came(post), Record(post, "TX", "n@x.test"), now_us=NOW_MS * 1000)
    write(database, Record(made, "EH", "n@x.test", detail=detail(parent=f"{post:x}")), now_us=NOW_MS * 1000)
    write(database, Record(ident(NOW_MS + HOUR), "EH", detail=detail(parent=f"{post:x}")))
    assert [(one.message_id, one.why) for one in tell_story(database, post)] == [(post, ""), (made, "made from it")]


# Receivers


def test_receivers_change_and_are_removed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "_REMOVED_AT_ONCE", 3)
    monkeypatch.setattr(receivers, "_COUNTED_AT_ONCE", 2)
    for number in range(4):
        write(database, came(ident(NOW_MS + number * 1000)))
    write(database, *(Record(ident(NOW_MS), "8C") for _ in range(7)))
    now = NOW_MS + 10_000
    opened = receivers.change_receiver(database, now)
    assert (opened.number, opened.begun_ms) == (2, now)
    write(database, came(ident(now + 1)))
    receivers.count(database, now + 5)
    closed, current = receivers.list_receivers(database)
    assert (closed.begun_ms, closed.ended_ms, closed.records) == (NOW_MS, now, 11)
    assert (current.records, current.ended_ms) == (1, 0)
    assert receivers.remove_receiver(database, 1) == 11
    assert [entry.message_id for entry in reading.latest(database, 100)] == [ident(now + 1)]
    assert [one.number for one in receivers.list_receivers(database)] == [2]


def test_what_receivers_refuse(database: Database) -> None:
    for step in (1, 2):
        receivers.change_receiver(database, NOW_MS + step)
    with pytest.raises(EstafetaError) as caught:
        receivers.change_receiver(database, NOW_MS + 2)
    assert caught.value.kind is Kind.IN_USE
    for number, kind in ((9, Kind.NOT_FOUND), (3, Kind.IN_USE), (2, Kind.INVALID)):
        with pytest.raises(EstafetaError) as caught:
            receivers.remove_receiver(database, number)
        assert caught.value.kind is kind


def test_receivers_are_looked_after(database: Database) -> None:
    def look(now_ms: int, *, max_bytes: int = 1 << 40, keep_ms: int = 0) -> tuple[int, tuple[int, ...]]:
        return receivers.tend(database, max_bytes=max_bytes, max_age_ms=24 * HOUR, keep_ms=keep_ms, now_ms=now_ms)

    assert look(NOW_MS) == (0, ())
    assert look(NOW_MS + 25 * HOUR) == (0, ())  # nothing in it
    write(database, came(ident(NOW_MS + 25 * HOUR)))
    assert look(NOW_MS + 25 * HOUR + 1) == (1, ())  # old
    write(database, came(ident(NOW_MS + 25 * HOUR + 5)))
    assert look(NOW_MS + 26 * HOUR, max_bytes=50) == (2, ())  # full
    assert look(NOW_MS + 30 * HOUR + 1, keep_ms=5 * HOUR) == (0, (1,))
    assert look(NOW_MS + 30 * HOUR + 1, keep_ms=5 * HOUR) == (0, ())
    assert look(NOW_MS + 31 * HOUR, keep_ms=5 * HOUR) == (0, (2,))
    assert reading.latest(database, 5) == []


def test_an_interrupted_removal_can_be_repeated(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "_REMOVED_AT_ONCE", 1)
    write(database, *(came(ident(NOW_MS, number)) for number in range(5)))
    receivers.change_receiver(database, NOW_MS + 1)
    stops = iter([False, True, True, True])
    assert receivers.remove_receiver(database, 1, lambda: next(stops)) == 1
    assert len(reading.latest(database, 9)) == 3
    assert receivers.remove_receiver(database, 1) == 3


# Statistics


def test_statistics_count_what_happened_in_their_time(database: Database) -> None:
    me, before = ident(NOW_MS), ident(NOW_MS - 30 * HOUR)
    write(database, came(before), Record(before, "C6", "x@far.test"), now_us=(NOW_MS - 30 * HOUR) * 1000)
    write(database, Record(before, "88", "x@far.test", size=5, text="250 ok"), now_us=NOW_MS * 1000)
    write(database, came(me, tls="TLSv1.3"), Record(me, "B8", "ben@example.org", size=100), now_us=NOW_MS * 1000)
    write(database, Record(me, "B8", "cleo@example.org", size=100), now_us=(NOW_MS + 3 * HOUR) * 1000)
    report = collect(database, NOW_MS - HOUR, NOW_MS + HOUR, hostname="mx.test")
    totals = report.totals
    assert (totals.received, totals.received_tls, totals.filed, totals.sent, totals.sent_bytes) == (1, 1, 1, 1, 5)
    assert dict(report.waits)[0] == 1
    assert sum(bucket.received for bucket in report.timeline) == 1
    assert [one.name for one in report.tables["Destinations"]] == ["far.test"]


def test_the_report_of_a_day(database: Database) -> None:
    noon = midnight_ms(NOW_MS / 1000) / 1000 + 43_200
    yesterday = ident(midnight_ms(noon, -1) + 1000)
    write(database, came(yesterday), Record(yesterday, "B8", "ben@example.org"), now_us=(yesterday >> 20) * 1000)
    report = daily_report(database, noon, hostname="mx.test")
    assert report.subject.endswith(": 1 received, 1 delivered, 0 failed")
    assert report.html.startswith("<!doctype html>")
    assert "Messages received" in report.text
