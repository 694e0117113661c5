"""The queue's store: what is taken in is read, settled and gone, on both databases."""

from collections.abc import Iterator

import pytest
from queue_kit import MESSAGE, NOW_MS, Lane, Place, Queue, Record, ident, remote, to_queue
from sqlalchemy import select
from store_kit import Store, arrival, problems, summary_of, to

from estafeta.journal.records import Code
from estafeta.journal.tables import journal
from estafeta.queue.lines import OPEN
from estafeta.queue.reading import couriers, late, next_claim_ms
from estafeta.queue.seeking import earliest_due
from estafeta.queue.tables import destinations, entries, recipients
from estafeta.queue.values import Acceptance, Delay, EntryFlag, Trouble
from estafeta.storage.tables import contents


@pytest.fixture
def queue(store: Store) -> Iterator[Queue]:
    return Queue(store)


MINUTE = 60_000


# Taking in


def test_a_message_waits_for_its_courier_and_goes(queue: Queue) -> None:
    entry = to_queue(
        1,
        remote("Ann@Example.net", notify="NEVER", orcpt="rfc822;ann@example.net", warn_ms=NOW_MS + 1),
        flags=EntryFlag.UTF8,
        skip=7,
        envid="e1",
        ret="FULL",
        language="es",
        subject="Hola",
    )
    assert queue.accept(entry)[0].outcomes == ()
    assert "queue" in queue.topics
    [destination] = queue.claim()
    assert (destination.hop, destination.holder, destination.held) == ("mx:Example.net", "c", False)
    [work] = queue.work(destination.destination_id)
    assert work[:1] + work[2:13] == (
        *(ident(1), "me@example.org", 1, Lane.NORMAL, EntryFlag.UTF8, len(MESSAGE), 7, NOW_MS, "e1", "FULL", "es"),
        "Hola",
    )
    [waiting] = work.recipients
    assert waiting.place == Place(ident(1), 0)
    assert (waiting.address, waiting.notify, waiting.orcpt) == ("Ann@Example.net", "NEVER", "rfc822;ann@example.net")
    assert (waiting.attempts, waiting.first_ms, waiting.warn_ms) == (0, 0, NOW_MS + 1)
    queue.settle(destination.destination_id, done=(waiting.place,))
    assert queue.work(destination.destination_id) == []
    queue.release(destination.destination_id)
    assert [queue.count(table) for table in (destinations, entries, recipients, contents)] == [0, 0, 0, 0]
    assert problems(queue.store) == []


def test_a_message_for_mailboxes_and_for_others_has_one_content(queue: Queue) -> None:
    records = (Record(ident(1), Code.RECEIVED_LOCAL, "me@example.org"),)
    mixed = Acceptance(summary_of(MESSAGE), arrival(MESSAGE, to(7), to(8)), to_queue(1, remote("a@x.test")), records)
    only_here = Acceptance(summary_of(MESSAGE), arrival(MESSAGE, to(7)))
    first, second = queue.take([mixed, only_here])
    assert [len(first.outcomes), len(second.outcomes)] == [2, 1]
    assert queue.store.contents(7) == [MESSAGE, MESSAGE]
    with queue.store.database.read() as conn:
        assert sorted(row.refs for row in conn.execute(select(contents.c.refs))) == [1, 3]
        codes = [row.code for row in conn.execute(select(journal.c.code).order_by(journal.c.at_us))]
    assert codes == [Code.RECEIVED_LOCAL, Code.DELIVERED_LOCAL, Code.DELIVERED_LOCAL]
    assert problems(queue.store) == []
    [destination] = queue.claim()
    queue.settle(destination.destination_id, done=(Place(ident(1), 0),))
    assert queue.store.contents(8) == [MESSAGE]
    assert problems(queue.store) == []


def test_over_quota_here_but_queued_for_others(queue: Queue) -> None:
    acceptance = Acceptance(summary_of(MESSAGE), arrival(MESSAGE, to(7, quota=1)), to_queue(1, remote("a@x.test")))
    [done] = queue.take([acceptance])
    assert [type(outcome).__name__ for outcome in done.outcomes] == ["EstafetaError"]
    assert len(queue.work(queue.claim()[0].destination_id)) == 1
    assert problems(queue.store) == []


def test_recipients_of_one_message_go_in_one_transaction_per_destination(queue: Queue) -> None:
    queue.accept(to_queue(1, remote("a@x.test"), remote("b@y.test"), remote("c@x.test"), remote("d@x.test")))
    found = {one.hop: one.destination_id for one in queue.claim()}
    assert [[w.address for w in one.recipients] for one in queue.work(found["mx:x.test"])] == [
        ["a@x.test", "c@x.test", "d@x.test"]
    ]
    pieces = queue.work(found["mx:x.test"], max_recipients=2)
    assert [len(one.recipients) for one in pieces] == [2, 1]
    queue.settle(found["mx:x.test"], done=tuple(Place(ident(1), number) for number in (0, 2, 3)))
    assert queue.count(entries) == 1
    queue.settle(found["mx:y.test"], done=(Place(ident(1), 1),))
    assert queue.count(entries) == 0 == queue.count(contents)


# Fairness


def test_one_owners_many_messages_do_not_hold_up_anothers_one(queue: Queue) -> None:
    for number in range(30):
        queue.send(number, f"u{number}@x.test", owner=5)
    queue.send(100, "late@x.test", owner=-77)
    queue.send(101, "late@x.test", owner=9)
    [destination] = queue.claim()
    owners = [work.owner for work in queue.work(destination.destination_id, 6)]
    assert owners == [-77, 5, 9, 5, 5, 5]
    assert [work.owner for work in queue.work(destination.destination_id, 3, turn=5)] == [9, -77, 5]


def test_one_owners_many_destinations_do_not_hold_up_anothers_one(queue: Queue) -> None:
    for number in range(30):
        queue.send(number, f"u@d{number}.test", owner=5)
    queue.send(100, "u@other.test", owner=6)
    queue.send(101, "u@third.test", owner=-6)
    hops = [one.hop for one in queue.claim(4)]
    assert {"mx:other.test", "mx:third.test"} <= set(hops)
    assert len(hops) == 4
    assert len(queue.claim(100)) == 28
    assert queue.claim(100) == []


def test_turns_go_on_where_the_last_claim_ended(queue: Queue) -> None:
    for owner in range(1, 4):
        for number in range(2):
            queue.send(owner * 10 + number, f"u@d{number}-{owner}.test", owner=owner)
    served = [queue.claim(1)[0].hop[-6] for _ in range(6)]
    assert served == ["1", "2", "3", "1", "2", "3"]


def test_a_destination_of_several_owners_stands_in_a_line_of_its_own(queue: Queue) -> None:
    for number in range(20):
        queue.send(number, f"u@d{number}.test", owner=5)
    queue.send(50, "u@d19.test", owner=6)
    assert queue.claim(1)[0].hop in ("mx:d0.test", "mx:d19.test")
    assert "mx:d19.test" in {"mx:d19.test", *(one.hop for one in queue.claim(1))}
    assert queue.count(destinations) == 20


# Reading on


def test_reading_goes_on_behind_what_is_in_hand(queue: Queue) -> None:
    for number in range(5):
        queue.send(number, f"u{number}@x.test")
    [destination] = queue.claim()
    seen = []
    after: dict[tuple[int, int], tuple[int, int, int]] = {}
    while found := queue.work(destination.destination_id, 2, after=after):
        for work in found:
            last = work.recipients[-1]
            seen.append(last.address)
            after[work.lane, work.owner] = (last.due_ms, *last.place)
    assert seen == [f"u{number}@x.test" for number in range(5)]


def test_high_goes_first_and_held_does_not_go(queue: Queue) -> None:
    queue.send(1, "normal@x.test")
    queue.send(2, "high@x.test", lane=Lane.HIGH)
    queue.send(3, "held@x.test", lane=Lane.HELD)
    [destination] = queue.claim()
    assert [work.recipients[0].address for work in queue.work(destination.destination_id)] == [
        "high@x.test",
        "normal@x.test",
    ]
    only = queue.work(destination.destination_id, lanes=(Lane.HIGH,))
    assert [work.recipients[0].address for work in only] == ["high@x.test"]


def test_what_is_only_held_is_not_claimed(queue: Queue) -> None:
    queue.send(3, "held@x.test", lane=Lane.HELD)
    assert queue.claim(now=NOW_MS + 10**9) == []


# Claims, holds of the queue


@pytest.mark.parametrize(
    ("held", "claimed"),
    [
        ({"hold_normal": True}, {"mx:high.test", "mx:both.test"}),
        ({"hold_high": True}, {"mx:normal.test", "mx:both.test"}),
        ({"hold_high": True, "hold_normal": True}, set()),
    ],
)
def test_lanes_that_are_held(queue: Queue, held: dict[str, bool], claimed: set[str]) -> None:
    queue.send(1, "a@normal.test")
    queue.send(2, "a@high.test", lane=Lane.HIGH)
    queue.send(3, "a@both.test", lane=Lane.HIGH)
    queue.send(4, "b@both.test")
    everything = {"mx:high.test", "mx:normal.test", "mx:both.test"}
    assert {one.hop for one in queue.claim(**held)} == claimed
    assert queue.claim(now=NOW_MS + MINUTE, **held) == []
    assert {one.hop for one in queue.claim()} == everything - claimed


def test_a_parked_destination_that_gets_open_work_is_claimed(queue: Queue) -> None:
    queue.send(1, "a@x.test")
    assert queue.claim(hold_normal=True) == []
    queue.send(2, "b@x.test", lane=Lane.HIGH)
    assert [one.hop for one in queue.claim(hold_normal=True)] == ["mx:x.test"]


def test_future_release_waits(queue: Queue) -> None:
    queue.send(1, "a@x.test", due=NOW_MS + MINUTE)
    assert queue.claim() == []
    assert queue.read(next_claim_ms) == NOW_MS + MINUTE
    [destination] = queue.claim(now=NOW_MS + MINUTE)
    queue.release(destination.destination_id)
    queue.send(2, "b@x.test")
    assert len(queue.work(queue.claim()[0].destination_id)) == 1


def test_more_for_a_held_destination_is_announced_to_its_holder(queue: Queue) -> None:
    queue.send(1, "a@x.test")
    [destination] = queue.claim()
    queue.topics.clear()
    queue.send(2, "b@x.test")
    assert queue.topics == [f"queue:{destination.destination_id}"]
    queue.release(destination.destination_id)
    assert [one.hop for one in queue.claim()] == ["mx:x.test"]


# Trouble


def test_a_dead_destination_costs_one_attempt_whatever_waits_there(queue: Queue) -> None:
    for number in range(3):
        queue.send(number, f"u{number}@x.test")
    [destination] = queue.claim()
    queue.settle(destination.destination_id, trouble=Trouble(NOW_MS + MINUTE, "refused"))
    queue.release(destination.destination_id)
    queue.send(7, "u7@x.test")
    assert queue.claim() == []
    assert queue.read(next_claim_ms) == NOW_MS + MINUTE
    [again] = queue.claim(now=NOW_MS + MINUTE)
    assert (again.failures, again.first_failed_ms, again.last_tried_ms, again.error) == (1, NOW_MS, NOW_MS, "refused")
    assert all(work.recipients[0].attempts == 0 for work in queue.work(again.destination_id))
    queue.settle(again.destination_id, now=NOW_MS + MINUTE, trouble=Trouble(NOW_MS + 3 * MINUTE, "timeout"))
    queue.release(again.destination_id)
    [third] = queue.claim(now=NOW_MS + 3 * MINUTE)
    assert (third.failures, third.first_failed_ms, third.error) == (2, NOW_MS, "timeout")
    queue.settle(third.destination_id, now=NOW_MS + 3 * MINUTE, recovered=True)
    queue.release(third.destination_id)
    [well] = queue.claim()
    assert (well.failures, well.first_failed_ms, well.error, well.last_ok_ms) == (0, 0, "", NOW_MS + 3 * MINUTE)


def test_trouble_is_remembered_when_nothing_waits(queue: Queue) -> None:
    queue.send(1, "a@x.test")
    [one] = queue.claim()
    queue.settle(one.destination_id, done=(Place(ident(1), 0),), trouble=Trouble(NOW_MS + MINUTE, "timeout"))
    queue.release(one.destination_id)
    assert queue.claim(now=NOW_MS + MINUTE) == []
    queue.send(2, "a@x.test")
    assert queue.claim() == []
    assert [again.failures for again in queue.claim(now=NOW_MS + MINUTE)] == [1]


def test_one_recipient_waits_the_others_do_not(queue: Queue) -> None:
    queue.accept(to_queue(1, remote("grey@x.test", warn_ms=5), remote("b@x.test")))
    [one] = queue.claim()
    delay = Delay(Place(ident(1), 0), NOW_MS + MINUTE, "451 later", warned=True)
    queue.settle(one.destination_id, later=(delay,), done=(Place(ident(1), 1),))
    assert queue.work(one.destination_id) == []
    assert queue.read(earliest_due, one.destination_id, OPEN) == NOW_MS + MINUTE
    queue.release(one.destination_id)
    [again] = queue.claim(now=NOW_MS + MINUTE)
    [work] = queue.work(again.destination_id, now=NOW_MS + MINUTE)
    [waiting] = work.recipients
    assert (waiting.attempts, waiting.first_ms, waiting.warn_ms, waiting.reason) == (1, NOW_MS, 0, "451 later")


def test_a_recipient_can_move_to_another_destination(queue: Queue) -> None:
    queue.send(1, "a@x.test")
    [one] = queue.claim()
    queue.settle(one.destination_id, later=(Delay(Place(ident(1), 0), NOW_MS, "rerouted", hop="host:y.test:25"),))
    assert queue.work(one.destination_id) == []
    [other] = queue.claim()
    assert other.hop == "host:y.test:25"
    assert [work.recipients[0].address for work in queue.work(other.destination_id)] == ["a@x.test"]


def test_late_finds_what_expired_and_who_is_to_be_told(queue: Queue) -> None:
    queue.accept(
        to_queue(1, remote("fine@x.test")),
        to_queue(2, remote("warn@x.test", warn_ms=NOW_MS)),
        to_queue(3, remote("told@x.test", warn_ms=NOW_MS + 1)),
        to_queue(4, remote("over@x.test", expires_ms=NOW_MS), remote("over2@x.test", expires_ms=NOW_MS)),
    )
    [one] = queue.claim()
    found = queue.read(late, one.destination_id, NOW_MS, 10)
    assert [[w.address for w in work.recipients] for work in found] == [
        ["warn@x.test"],
        ["over@x.test", "over2@x.test"],
    ]
    work, last = found[0], found[0].recipients[-1]
    behind = (work.lane, work.owner, last.due_ms, *last.place)
    assert [work.entry_id for work in queue.read(late, one.destination_id, NOW_MS, 10, after=behind)] == [ident(4)]


# Notices and records


def test_a_notice_is_queued_in_the_commit_that_settles(queue: Queue) -> None:
    queue.send(1, "a@x.test")
    [one] = queue.claim()
    notice = b"Subject: Undelivered\r\n\r\nSorry.\r\n"
    acceptance = Acceptance(summary_of(notice), arrival(notice, to(3)), to_queue(2, remote("me@far.test"), sender=""))
    records = (Record(ident(1), Code.UNDELIVERABLE, "a@x.test"),)
    [done] = queue.settle(
        one.destination_id, done=(Place(ident(1), 0),), notices=(acceptance,), records=records, contents=(notice,)
    )
    assert len(done.outcomes) == 1
    assert queue.store.contents(3) == [notice]
    assert [one.hop for one in queue.claim()] == ["mx:far.test"]
    with queue.store.database.read() as conn:
        assert [row.code for row in conn.execute(select(journal.c.code))] == [Code.UNDELIVERABLE]
    assert problems(queue.store) == []


# Couriers


def test_a_dead_couriers_destinations_are_taken_over(queue: Queue) -> None:
    assert queue.beat("dead") == 1
    assert [queue.beat("c"), queue.beat("c")] == [2, 3]
    queue.send(1, "a@x.test")
    [held] = queue.claim(name="dead")
    assert queue.claim() == []
    queue.topics.clear()
    queue.beat("c", dead=("dead",))
    assert queue.topics == ["queue"]
    assert queue.read(couriers) == {"c": 4}
    [mine] = queue.claim()
    # What it had sent it may still settle; what it says of the destination does not count.
    queue.settle(held.destination_id, name="dead", trouble=Trouble(NOW_MS + MINUTE, "?"))
    queue.release(held.destination_id, name="dead")
    assert queue.claim(name="dead") == []
    assert len(queue.work(mine.destination_id)) == 1
    queue.settle(held.destination_id, name="dead", done=(Place(ident(1), 0),))
    assert queue.work(mine.destination_id) == []
    assert queue.beat("dead") == 1


def test_a_new_courier_of_the_same_name_begins_with_nothing(queue: Queue) -> None:
    queue.send(1, "a@x.test")
    assert len(queue.claim()) == 1
    queue.beat("c", fresh=True)
    assert len(queue.claim()) == 1


def test_settling_twice_changes_nothing(queue: Queue) -> None:
    queue.send(1, "a@x.test")
    queue.send(2, "b@x.test")
    [one] = queue.claim()
    for _ in range(2):
        queue.settle(one.destination_id, done=(Place(ident(1), 0),))
    assert len(queue.work(one.destination_id)) == 1
    assert problems(queue.store) == []
