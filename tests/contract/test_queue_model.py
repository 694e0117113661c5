"""Whatever is done to a queue, in whatever order: nothing that waits is lost or overlooked, nothing held is sent.

Steps: messages come, couriers claim, settle and give back, die, operators hold, release, retry, put off, remove and
move. After each step `store verify` finds nothing wrong and exactly what is due and open can be claimed and read.
"""

from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from queue_kit import NOW_MS, Lane, Place, Queue, remote, to_queue
from sqlalchemy import delete, select
from store_kit import Store, problems

from estafeta.queue.operating import Action, Change, DestinationAction, DestinationChange, change, change_destinations
from estafeta.queue.tables import couriers, destinations, entries, recipients
from estafeta.queue.values import Delay, Trouble
from estafeta.storage.tables import contents

HOPS = ("mx:a.test", "mx:b.test", "mx:c.test")
STEP = 1000
hops = st.sampled_from(HOPS)
owners = st.integers(-2, 2)
# Quarantine is no lane of this model: its rows have a reason beside them, and no operation here touches it.
lanes = st.sampled_from([lane for lane in Lane if lane is not Lane.QUARANTINE])
delays = st.integers(0, 3)


class QueueMachine(RuleBasedStateMachine):
    def __init__(self, url: str, root: Path) -> None:
        super().__init__()
        self.store = Store.open(url, root)
        self.queue = Queue(self.store)
        self.now = NOW_MS
        self.number = 0
        # Of each recipient: hop, lane, lane to go back to, due time.
        self.waiting: dict[Place, tuple[str, int, int, int]] = {}
        self.held: set[str] = set()
        self.retry: dict[str, int] = {}
        self.claimed: dict[str, tuple[int, str]] = {}
        """Hops that couriers hold: the destination's id, and by whom."""
        for owner, hop in enumerate(HOPS):
            self.accept([hop, HOPS[0]], owner, Lane.NORMAL, 0)

    def teardown(self) -> None:
        with self.store.database.write() as tx:
            for table in (recipients, entries, destinations, couriers, contents):
                tx.conn.execute(delete(table))
        self.store.close()

    # Mail and time

    @rule(to=st.lists(hops, min_size=1, max_size=3), owner=owners, lane=lanes, delay=delays)
    def accept(self, to: list[str], owner: int, lane: Lane, delay: int) -> None:
        self.number += 1
        due = self.now + delay * STEP
        entry = to_queue(self.number, *(remote(f"u@{hop[3:]}", hop, due=due) for hop in to), owner=owner, lane=lane)
        self.queue.accept(entry._replace(created_ms=self.now))
        back = Lane.NORMAL if lane == Lane.HELD else lane
        for number, hop in enumerate(to):
            self.waiting[Place(entry.entry_id, number)] = (hop, lane, back, due)

    @rule(steps=st.integers(1, 3))
    def pass_time(self, steps: int) -> None:
        self.now += steps * STEP

    # Couriers

    @rule(name=st.sampled_from(["c", "d"]), room=st.integers(1, 3), high=st.booleans(), normal=st.booleans())
    def claim(self, name: str, room: int, high: bool, normal: bool) -> None:
        self.queue.beat(name)
        found = self.queue.claim(room, self.now, name, hold_high=high, hold_normal=normal)
        open_lanes = {int(lane) for lane, held in ((Lane.HIGH, high), (Lane.NORMAL, normal)) if not held}
        due = self._claimable(open_lanes)
        assert {one.hop for one in found} <= due
        assert len(found) == min(room, len(due))
        self.claimed |= {one.hop: (one.destination_id, name) for one in found}

    @precondition(lambda self: self.claimed)
    @rule(fate=st.sampled_from(["done", "later", "moved", "trouble", "recovered"]), data=st.data())
    def settle(self, fate: str, data: st.DataObject) -> None:
        hop = data.draw(st.sampled_from(sorted(self.claimed)))
        destination_id, name = self.claimed[hop]
        works = self.queue.work(destination_id, now=self.now)
        places = [waiting.place for work in works for waiting in work.recipients]
        some = data.draw(st.lists(st.sampled_from(places), unique=True)) if places else []
        what: dict[str, Any] = {}
        if fate == "done":
            what["done"] = tuple(some)
            for place in some:
                del self.waiting[place]
        elif fate in ("later", "moved"):
            target = data.draw(hops) if fate == "moved" else hop
            due = self.now + data.draw(delays) * STEP
            what["later"] = tuple(Delay(place, due, "451", hop=target if fate == "moved" else "") for place in some)
            for place in some:
                _, lane, back, _ = self.waiting[place]
                self.waiting[place] = (target, lane, back, due)
        elif fate == "trouble":
            self.retry[hop] = self.now + 2 * STEP
            what["trouble"] = Trouble(self.retry[hop], "refused")
        else:
            self.retry.pop(hop, None)
            what["recovered"] = True
        self.queue.settle(destination_id, now=self.now, name=name, **what)

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        destination_id, name = self.claimed.pop(data.draw(st.sampled_from(sorted(self.claimed))))
        self.queue.release(destination_id, name=name, now=self.now)

    @precondition(lambda self: self.claimed)
    @rule(name=st.sampled_from(["c", "d"]), fresh=st.booleans())
    def die(self, name: str, fresh: bool) -> None:
        self.queue.beat(name, fresh=True) if fresh else self.queue.beat("e", dead=(name,))
        self.claimed = {hop: one for hop, one in self.claimed.items() if one[1] != name}

    # Operators

    @precondition(lambda self: self.waiting)
    @rule(
        action=st.sampled_from([one for one in Action if one is not Action.BOUNCE]),
        data=st.data(),
        delay=delays,
        hop=hops,
    )
    def operate(self, action: Action, data: st.DataObject, delay: int, hop: str) -> None:
        places = tuple(data.draw(st.lists(st.sampled_from(sorted(self.waiting)), min_size=1, unique=True)))
        value = self.now + delay * STEP
        routes = (hop,) * len(places) if action is Action.REROUTE else ()
        self.store.group.run(change, Change(action, places, self.now, "root", value, routes))
        for place in places:
            self._expect(action, place, value, hop)

    def _expect(self, action: Action, place: Place, value: int, new_hop: str) -> None:
        hop, lane, back, due = self.waiting[place]
        match action:
            case Action.HOLD:
                lane = Lane.HELD
            case Action.RELEASE if lane == Lane.HELD:
                lane = back
            case Action.REMOVE:
                del self.waiting[place]
                return
            case Action.RETRY:
                due = self.now
            case Action.NEXT_TRY:
                due = value
            case Action.REROUTE:
                hop, due = new_hop, self.now
            case Action.HIGH | Action.NORMAL:
                back = Lane.HIGH if action is Action.HIGH else Lane.NORMAL
                lane = lane if lane == Lane.HELD else back
                self._lane_of_entry(place.entry_id, back)
        if action in (Action.RETRY, Action.REROUTE) and lane != Lane.HELD:
            self.retry.pop(hop, None)
        self.waiting[place] = (hop, lane, back, due)

    def _lane_of_entry(self, entry_id: int, back: int) -> None:
        """The lane to go back to is the message's."""
        for place, (hop, lane, _, due) in self.waiting.items():
            if place.entry_id == entry_id:
                self.waiting[place] = (hop, lane, back, due)

    @rule(action=st.sampled_from(list(DestinationAction)), hop=hops, delay=delays)
    def steer(self, action: DestinationAction, hop: str, delay: int) -> None:
        value = self.now + delay * STEP
        found = self.store.group.run(change_destinations, DestinationChange(action, (hop,), self.now, value))
        if action is DestinationAction.HOLD:
            self.held.add(hop)
        elif action is DestinationAction.RELEASE:
            self.held.discard(hop)
        elif action is DestinationAction.NEXT_TRY:
            if found:
                self.retry[hop] = value
        else:
            self.retry.pop(hop, None)

    # What must be

    def _claimable(self, open_lanes: set[int]) -> set[str]:
        return {
            hop
            for hop, lane, _, due in self.waiting.values()
            if lane in open_lanes
            and due <= self.now
            and hop not in self.claimed
            and hop not in self.held
            and self.retry.get(hop, 0) <= self.now
        }

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert problems(self.store) == []
        with self.store.database.read() as conn:
            rows = conn.execute(select(recipients.c.entry_id, recipients.c.number)).all()
            assert {Place(*row) for row in rows} == set(self.waiting)
            assert len(conn.execute(select(entries.c.entry_id)).all()) == len({one.entry_id for one in self.waiting})
            assert len(conn.execute(select(contents.c.content_id)).all()) == len({one.entry_id for one in self.waiting})

    @invariant()
    def held_work_is_read_whole(self) -> None:
        for hop, (destination_id, _) in self.claimed.items():
            works = self.queue.work(destination_id, now=self.now)
            found = {waiting.place for work in works for waiting in work.recipients}
            assert found == {
                place
                for place, (where, lane, _, due) in self.waiting.items()
                if where == hop and lane != Lane.HELD and due <= self.now
            }


def test_the_queue_agrees_with_a_model(database_url: str, tmp_path: Path) -> None:
    numbers = count()
    run_state_machine_as_test(
        lambda: QueueMachine(database_url, tmp_path / f"packs-{next(numbers)}"),
        settings=settings(
            max_examples=25 if database_url.startswith("sqlite") else 8,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
