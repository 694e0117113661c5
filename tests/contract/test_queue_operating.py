"""What operators see of the queue and do to it, on both databases."""

from collections.abc import Iterator
from typing import Any

import pytest
from queue_kit import MESSAGE, NOW_MS, Lane, Place, Queue, ident, remote, to_queue
from sqlalchemy import select
from store_kit import Store, problems

from estafeta.core.errors import EstafetaError, Kind
from estafeta.journal.records import Code
from estafeta.journal.tables import journal
from estafeta.queue.choosing import Choice, count, find, find_places
from estafeta.queue.operating import (
    Action,
    Change,
    DestinationAction,
    DestinationChange,
    change,
    change_destinations,
    prune,
)
from estafeta.queue.overview import Sum, SumBy, Totals, states, summary, totals
from estafeta.queue.reading import find_destination, late
from estafeta.queue.tables import destinations, entries
from estafeta.queue.values import GIVEN_UP, Delay, Trouble

MINUTE = 60_000
HOUR = 60 * MINUTE


@pytest.fixture
def queue(store: Store) -> Iterator[Queue]:
    """Three messages, of three ages: to x.test and y.test, to x.test, to z.test from nobody."""
    made = Queue(store)
    made.accept(to_queue(0, remote("a@x.test"), remote("Bob@Y.test"), subject="first"))
    later = [(1, "c%d@x.test", "you@example.org", HOUR), (2, "d_d@z.test", "", 2 * HOUR)]
    for number, address, sender, age in later:
        address = address.replace("%d", "")
        entry = to_queue(number, remote(address), sender=sender, owner=number + 1, created_ms=NOW_MS + age)
        made.accept(entry._replace(entry_id=at(number, age)))
    yield made
    assert problems(store) == []


def at(number: int, age: int = 0) -> int:
    """Ident of a message that came `age` milliseconds later."""
    return ident(number) + (age << 20)


def addresses(queue: Queue, choice: Choice) -> list[str]:
    with queue.store.database.read() as conn:
        return [one.address for one in find(conn, choice)]


def act(queue: Queue, action: Action, choice: Choice, now: int = NOW_MS, **how: Any) -> int:
    with queue.store.database.read() as conn:
        portions = list(find_places(conn, choice, 2))
    return sum(queue.store.group.run(change, Change(action, portion, now, "root", **how)) for portion in portions)


def steer(queue: Queue, action: DestinationAction, *hops: str, value: int = 0) -> int:
    done: int = queue.store.group.run(change_destinations, DestinationChange(action, hops, NOW_MS, value))
    return done


def codes(queue: Queue) -> list[str]:
    with queue.store.database.read() as conn:
        return [row.code for row in conn.execute(select(journal.c.code).order_by(journal.c.at_us))]


EVERYTHING = Choice(everything=True)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (EVERYTHING, ["a@x.test", "Bob@Y.test", "c@x.test", "d_d@z.test"]),
        (Choice(entry_ids=(at(0), at(2, 2 * HOUR))), ["a@x.test", "Bob@Y.test", "d_d@z.test"]),
        (Choice(sender="you@example.org"), ["c@x.test"]),
        (Choice(sender="*@EXAMPLE.org"), ["a@x.test", "Bob@Y.test", "c@x.test"]),
        (Choice(sender="<>"), ["d_d@z.test"]),
        (Choice(recipient="bob@y.test"), ["Bob@Y.test"]),
        (Choice(recipient="?@x.*"), ["a@x.test", "c@x.test"]),
        (Choice(recipient="d?d@*"), ["d_d@z.test"]),
        (Choice(recipient="dxd@*"), []),
        (Choice(recipient="d_d*"), ["d_d@z.test"]),
        (Choice(recipient="%"), []),
        (Choice(domain="Y.test"), ["Bob@Y.test"]),
        (Choice(domain="x.test", sender="me@*"), ["a@x.test"]),
        (Choice(destination="x.test"), ["a@x.test", "c@x.test"]),
        (Choice(destination="mx:?.test", before_ms=NOW_MS + 1), ["a@x.test", "Bob@Y.test"]),
        (Choice(after_ms=NOW_MS + HOUR), ["c@x.test", "d_d@z.test"]),
        (Choice(held=True), []),
        (Choice(held=False, domain="z.test"), ["d_d@z.test"]),
    ],
)
def test_choices(queue: Queue, choice: Choice, expected: list[str]) -> None:
    assert addresses(queue, choice) == expected
    assert queue.read(count, choice)[0] == len(expected)


def test_a_choice_of_nothing_is_no_choice(queue: Queue) -> None:
    with pytest.raises(EstafetaError) as caught:
        addresses(queue, Choice())
    assert caught.value.kind is Kind.INVALID


def test_what_is_listed(queue: Queue) -> None:
    [one] = queue.read(lambda conn: list(find(conn, Choice(recipient="a@x.test"))))
    assert (one.entry_id, one.number, one.hop, one.lane, one.subject) == (at(0), 0, "mx:x.test", Lane.NORMAL, "first")
    assert (one.sender, one.size, one.created_ms, one.due_ms) == ("me@example.org", len(MESSAGE), NOW_MS, NOW_MS)
    assert one.place == Place(at(0), 0)


# Numbers


def test_summaries(queue: Queue) -> None:
    size = len(MESSAGE)
    x = Sum("x.test", 2, 2 * size, NOW_MS, NOW_MS + HOUR)
    y = Sum("y.test", 1, size, NOW_MS, NOW_MS)
    z = Sum("z.test", 1, size, NOW_MS + 2 * HOUR, NOW_MS + 2 * HOUR)
    assert queue.read(summary) == [x, y, z]
    by_hop = queue.read(summary, SumBy.DESTINATION)
    assert [one.name for one in by_hop] == ["mx:Y.test", "mx:x.test", "mx:z.test"]
    assert by_hop[1] == x._replace(name="mx:x.test")
    assert queue.read(summary, SumBy.SENDER) == [
        z._replace(name=""),
        y._replace(name="me@example.org"),
        Sum("you@example.org", 1, size, NOW_MS + HOUR, NOW_MS + HOUR),
    ]
    assert queue.read(summary, SumBy.REASON) == [Sum("", 4, 4 * size, NOW_MS, NOW_MS + 2 * HOUR)]


def test_a_smarthost_has_many_domains(queue: Queue) -> None:
    for number in range(10, 14):
        queue.send(number, f"u@d{number % 2}.test", hop="host:smart.test:587")
    assert [(one.name, one.number) for one in queue.read(summary)] == [
        ("d0.test", 2),
        ("d1.test", 2),
        ("x.test", 2),
        ("y.test", 1),
        ("z.test", 1),
    ]


def test_totals(queue: Queue) -> None:
    act(queue, Action.HOLD, Choice(domain="x.test"))
    assert queue.read(totals) == Totals(3, 4, 4 * len(MESSAGE), NOW_MS, 2, 3, 0, 0)


def test_when_a_destination_will_be_tried(queue: Queue) -> None:
    [one] = [one for one in queue.claim() if one.hop == "mx:x.test"]
    queue.settle(one.destination_id, trouble=Trouble(NOW_MS + MINUTE, "refused"))
    queue.release(one.destination_id)
    [state] = queue.read(states, "x.test")
    assert (state.next_try_ms, state.waiting, state.volume) == (NOW_MS + MINUTE, 2, 2 * len(MESSAGE))
    assert (state.destination.failures, state.destination.error) == (1, "refused")
    assert queue.read(states, "nowhere.test") == []


# Actions on recipients


def test_hold_and_release(queue: Queue) -> None:
    assert act(queue, Action.HOLD, Choice(domain="x.test")) == 2
    assert act(queue, Action.HOLD, Choice(domain="x.test")) == 0
    assert {one.hop for one in queue.claim()} == {"mx:Y.test", "mx:z.test"}
    assert act(queue, Action.RELEASE, EVERYTHING) == 2
    [one] = queue.claim()
    assert len(queue.work(one.destination_id)) == 2
    assert codes(queue) == [Code.HELD] * 2 + [Code.RELEASED] * 2


def test_released_goes_back_to_its_lane(queue: Queue) -> None:
    queue.send(9, "high@h.test", lane=Lane.HIGH)
    act(queue, Action.HOLD, Choice(domain="h.test"))
    act(queue, Action.NORMAL, Choice(domain="h.test"))
    assert addresses(queue, Choice(held=True)) == ["high@h.test"]
    act(queue, Action.RELEASE, Choice(domain="h.test"))
    act(queue, Action.HIGH, Choice(domain="x.test"))
    lanes = {one.address: one.lane for one in queue.read(lambda conn: list(find(conn, EVERYTHING)))}
    assert lanes["high@h.test"] == Lane.NORMAL
    assert lanes["a@x.test"] == lanes["c@x.test"] == Lane.HIGH


def test_remove(queue: Queue) -> None:
    assert act(queue, Action.REMOVE, Choice(domain="x.test")) == 2
    assert queue.count(entries) == 2
    assert addresses(queue, EVERYTHING) == ["Bob@Y.test", "d_d@z.test"]
    assert {one.hop for one in queue.claim()} == {"mx:Y.test", "mx:z.test"}
    assert queue.store.group.run(prune, NOW_MS) == 1
    assert queue.count(destinations) == 2
    assert codes(queue) == [Code.REMOVED] * 2


def test_bounce_is_work_at_once_whatever_the_destination_did(queue: Queue) -> None:
    for one in queue.claim():
        queue.settle(one.destination_id, trouble=Trouble(NOW_MS + HOUR, "refused"))
        queue.release(one.destination_id)
    act(queue, Action.HOLD, Choice(recipient="a@x.test"))
    assert act(queue, Action.BOUNCE, Choice(domain="x.test")) == 2
    [one] = queue.claim(now=NOW_MS + 1)
    found = queue.read(late, one.destination_id, NOW_MS + 1, 10)
    waiting = [waiting for work in found for waiting in work.recipients]
    assert [(w.address, w.expires_ms, w.reason) for w in waiting] == [
        ("a@x.test", GIVEN_UP, "bounced by operator"),
        ("c@x.test", GIVEN_UP, "bounced by operator"),
    ]


def test_retry_ignores_all_times(queue: Queue) -> None:
    later = NOW_MS + HOUR
    for one in queue.claim():
        works = queue.work(one.destination_id)
        delays = tuple(Delay(w.place, later, "grey") for work in works for w in work.recipients)
        queue.settle(one.destination_id, later=delays, trouble=Trouble(later, "refused"))
        queue.release(one.destination_id)
    assert queue.claim(now=NOW_MS + 1) == []
    assert act(queue, Action.RETRY, Choice(recipient="a@x.test"), now=NOW_MS + 1) == 1
    [one] = queue.claim(now=NOW_MS + 1)
    assert [work.recipients[0].address for work in queue.work(one.destination_id, now=NOW_MS + 1)] == ["a@x.test"]


def test_next_try_is_changed(queue: Queue) -> None:
    act(queue, Action.NEXT_TRY, EVERYTHING, value_ms=NOW_MS + MINUTE)
    for one in queue.claim():
        assert queue.work(one.destination_id) == []
        queue.release(one.destination_id)
    assert queue.claim() == []
    assert len(queue.claim(now=NOW_MS + MINUTE)) == 3


def test_reroute(queue: Queue) -> None:
    places = (Place(at(0), 0), Place(at(0), 1))
    hops = ("host:new.test:25", "")
    assert queue.store.group.run(change, Change(Action.REROUTE, places, NOW_MS, "root", hops=hops)) == 2
    found = {one.address: one.hop for one in queue.read(lambda conn: list(find(conn, EVERYTHING)))}
    assert found["a@x.test"] == "host:new.test:25"
    assert found["Bob@Y.test"] == "mx:Y.test"
    assert "host:new.test:25" in {one.hop for one in queue.claim()}


# Actions on destinations


def test_a_destination_is_held_and_released(queue: Queue) -> None:
    assert steer(queue, DestinationAction.HOLD, "mx:x.test", "mx:new.test") == 2
    queue.send(8, "x@new.test")
    assert {one.hop for one in queue.claim()} == {"mx:Y.test", "mx:z.test"}
    assert queue.read(totals).held_destinations == 2
    assert steer(queue, DestinationAction.RELEASE, "mx:x.test", "mx:new.test", "mx:none.test") == 2
    assert {one.hop for one in queue.claim()} == {"mx:x.test", "mx:new.test"}


def test_a_destination_that_a_courier_holds_is_held_when_it_gives_it_back(queue: Queue) -> None:
    [one] = [one for one in queue.claim() if one.hop == "mx:x.test"]
    steer(queue, DestinationAction.HOLD, "mx:x.test")
    assert f"queue:{one.destination_id}" in queue.topics
    assert queue.read(find_destination, one.destination_id).held
    queue.release(one.destination_id)
    assert queue.claim(now=NOW_MS + HOUR) == []
    steer(queue, DestinationAction.RELEASE, "mx:x.test")
    assert [one.hop for one in queue.claim()] == ["mx:x.test"]


@pytest.mark.parametrize("action", [DestinationAction.RETRY, DestinationAction.FORGET])
def test_a_destination_is_tried_now(queue: Queue, action: DestinationAction) -> None:
    for one in queue.claim():
        queue.settle(one.destination_id, trouble=Trouble(NOW_MS + HOUR, "refused"))
        queue.release(one.destination_id)
    assert steer(queue, action, "mx:x.test") == 1
    [one] = queue.claim()
    assert one.hop == "mx:x.test"
    assert one.failures == (1 if action is DestinationAction.RETRY else 0)


def test_a_destination_is_put_off(queue: Queue) -> None:
    steer(queue, DestinationAction.NEXT_TRY, "mx:x.test", "mx:Y.test", "mx:z.test", value=NOW_MS + HOUR)
    assert queue.claim(now=NOW_MS + HOUR - 1) == []
    assert len(queue.claim(now=NOW_MS + HOUR)) == 3


def test_memory_of_destinations_is_pruned(queue: Queue) -> None:
    [one] = [one for one in queue.claim() if one.hop == "mx:z.test"]
    done = (Place(at(2, 2 * HOUR), 0),)
    queue.settle(one.destination_id, done=done, trouble=Trouble(NOW_MS + HOUR, "timeout"))
    queue.release(one.destination_id)
    assert queue.store.group.run(prune, NOW_MS) == 0
    assert queue.store.group.run(prune, NOW_MS + 1) == 1
    assert queue.count(destinations) == 2
