"""The queue as operators work on it, on both databases: how recipients wait, retries, routing anew."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from queue_kit import NOW_MS, Lane, Place, Queue, ident, remote, to_queue
from store_kit import Store

from estafeta.app.queueing import Desk, State
from estafeta.app.stores import Site
from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_outward import Routing
from estafeta.queue.choosing import Choice
from estafeta.queue.operating import Action, DestinationAction
from estafeta.queue.values import Delay, Settle, Trouble

EVERYTHING = Choice(everything=True)
HOUR = 3_600_000


class Office:
    """A desk with a clock that stands still, and the settings that it goes by."""

    def __init__(self, queue: Queue) -> None:
        self.settings = Settings()
        self.queue = queue
        self.site = SimpleNamespace(
            database=queue.store.database,
            node=SimpleNamespace(make_clock=lambda: lambda: NOW_MS / 1000),
            settings=self,
            directory=SimpleNamespace(is_local_domain=lambda domain: domain == "ours.test"),
        )
        self.desk = self.new_desk()

    @property
    def current(self) -> Settings:
        return self.settings

    def new_desk(self) -> Desk:
        return Desk(cast("Site", self.site), "op")

    def states(self) -> dict[str, tuple[State, int]]:
        found = self.desk.messages(EVERYTHING)
        return {one.queued.address: (one.state, one.next_ms) for message in found for one in message.waiting}

    def trouble(self, hop: str, due_ms: int) -> None:
        [one] = [one for one in self.queue.claim(100) if one.hop == hop]
        self.queue.store.group.run(_settle, Settle(one.destination_id, "c", NOW_MS, trouble=Trouble(due_ms, "refused")))
        self.queue.release(one.destination_id)


def _settle(tx: Any, items: Any) -> Any:
    from estafeta.queue.settling import settle

    return settle(tx, items)


@pytest.fixture
def office(store: Store) -> Iterator[Office]:
    return Office(Queue(store))


def test_how_they_wait(office: Office):
    queue = office.queue
    queue.send(1, "a@down.test")
    office.trouble("mx:down.test", NOW_MS + HOUR)
    queue.send(2, "b@later.test", due=NOW_MS + 5)
    queue.send(3, "c@due.test")
    queue.send(4, "d@held.test")
    queue.send(5, "e@stopped.test")
    queue.send(6, "f@due.test", lane=Lane.HIGH)
    queue.send(7, "g@back.test")
    office.desk.change(Action.HOLD, Choice(domain="held.test"))
    office.desk.change_destinations(DestinationAction.HOLD, ["mx:stopped.test"])
    office.desk.change(Action.BOUNCE, Choice(domain="back.test"))
    assert office.states() == {
        "a@down.test": (State.LATER, NOW_MS + HOUR),
        "b@later.test": (State.LATER, NOW_MS + 5),
        "c@due.test": (State.DUE, NOW_MS),
        "d@held.test": (State.HELD, 0),
        "e@stopped.test": (State.HELD_DESTINATION, 0),
        "f@due.test": (State.DUE, NOW_MS),
        "g@back.test": (State.GIVEN_UP, NOW_MS),
    }
    office.settings = Settings(queue={"hold_high": True})
    queue.claim(100)
    states = office.states()
    assert states["c@due.test"] == (State.ACTIVE, NOW_MS)
    assert states["f@due.test"] == (State.HELD_PRIORITY, 0)


def test_messages_are_whole_and_counted(office: Office):
    for number in range(5):
        office.queue.accept(to_queue(number, remote("a@x.test"), remote("b@y.test")))
    assert [len(one.waiting) for one in office.desk.messages(EVERYTHING, 3)] == [2, 2, 2]
    assert office.desk.count(EVERYTHING) == (10, 5)
    assert office.desk.count(Choice(domain="y.test")) == (5, 5)
    with pytest.raises(EstafetaError) as refused:
        office.desk.count(Choice(entry_ids=(ident(1), ident(99))))
    assert refused.value.kind is Kind.NOT_FOUND
    assert f"{ident(99):x}" in refused.value.public


def test_a_retry_writes_only_what_is_not_due(office: Office):
    queue = office.queue
    queue.send(1, "a@down.test")
    office.trouble("mx:down.test", NOW_MS + HOUR)
    queue.send(2, "b@later.test", due=NOW_MS + HOUR)
    queue.send(3, "c@held.test")
    office.desk.change(Action.HOLD, Choice(domain="held.test"))
    office.desk.change_destinations(DestinationAction.HOLD, ["mx:later.test"])
    assert office.desk.retry(EVERYTHING) == (2, ("mx:later.test",))
    office.desk.change_destinations(DestinationAction.RELEASE, ["mx:later.test"])
    assert {one.hop for one in queue.claim()} == {"mx:down.test", "mx:later.test"}


def test_portions(office: Office):
    for number in range(30):
        office.queue.accept(to_queue(number, *(remote(f"u{n}@x{n}.test") for n in range(20))))
    seen: list[int] = []
    assert office.desk.change(Action.HOLD, EVERYTHING, progress=seen.append) == 600
    assert seen == [500, 600]
    assert office.desk.change(Action.REMOVE, Choice(domain="x1*.test")) == 330
    assert office.desk.count(EVERYTHING) == (270, 30)


def test_routing_anew(office: Office):
    queue = office.queue
    queue.send(1, "a@far.test")
    queue.send(2, "b@ours.test")
    queue.send(3, "c@[192.0.2.1]", hop="mx:x.test")
    queue.send(4, "news@far.test", hop="list:news@far.test")
    office.settings = Settings(routing=Routing(smarthost="[relay.test]:587", address_literals=False))
    done = office.new_desk().requeue(EVERYTHING)
    assert done.recipients == 4
    assert done.hops == {"host:relay.test:587": 1, "local:here": 1, "mx:x.test": 1, "list:news@far.test": 1}
    assert [address for address, _ in done.refused] == ["c@[192.0.2.1]"]
    found = {one.queued.address: one.queued.hop for m in office.desk.messages(EVERYTHING) for one in m.waiting}
    assert found["a@far.test"] == "host:relay.test:587"
    assert found["b@ours.test"] == "local:here"


def test_what_a_destination_is_called(office: Office):
    office.queue.send(1, "a@far.test")
    assert office.desk.find_hops("far.test") == office.desk.find_hops("mx:f*") == ["mx:far.test"]
    assert office.desk.find_hops("new.test", make=True) == ["mx:new.test"]
    assert office.desk.find_hops("host:new.test", make=True) == ["host:new.test:0"]
    office.settings = Settings(routing=Routing(smarthost="[relay.test]:587"))
    for words in ("new.test", "new*", "mx:new.test"):
        with pytest.raises(EstafetaError):
            office.new_desk().find_hops(words)
    with pytest.raises(EstafetaError, match=r"host:relay\.test:587"):
        office.new_desk().find_hops("new.test", make=True)


def test_what_was_put_off(office: Office):
    queue = office.queue
    queue.send(1, "a@far.test")
    [state] = office.desk.states()
    assert office.desk.delayed(state) is None
    [one] = queue.claim()
    queue.settle(one.destination_id, later=(Delay(Place(ident(1), 0), NOW_MS + HOUR, "451 later"),))
    queue.release(one.destination_id)
    [state] = office.desk.states("far.test")
    assert office.desk.delayed(state) == ("a@far.test", "451 later", NOW_MS, NOW_MS + HOUR)
    assert not office.desk.has_expired(state)


def test_forgetting(office: Office):
    for number in range(3):
        office.queue.send(number, f"a@x{number}.test")
        office.trouble(f"mx:x{number}.test", NOW_MS + HOUR)
    assert office.desk.forget_older(NOW_MS + 1) == 0
    office.desk.change(Action.REMOVE, Choice(domain="x1.test"))
    assert office.desk.forget_older(NOW_MS - 1) == 0
    assert office.desk.forget_older(NOW_MS + 1) == 1
