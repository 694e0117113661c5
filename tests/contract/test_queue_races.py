"""Several writers at once (PostgreSQL): couriers, senders and operators of different nodes overlook nothing."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from queue_kit import MESSAGE, NOW_MS, Queue, remote, to_queue
from store_kit import Store, problems, summary_of

from estafeta.queue.accepting import accept
from estafeta.queue.courier_ops import Beat, Claim, Release, beat, claim, release
from estafeta.queue.reading import read_work
from estafeta.queue.settling import settle
from estafeta.queue.tables import entries, recipients
from estafeta.queue.values import Acceptance, Settle

_NODES = 3
_ROUNDS = 12


def test_what_comes_while_a_destination_is_given_back_is_not_overlooked(database_url: str, tmp_path: Path) -> None:
    """Each node sends messages to two recipients at two destinations, and delivers whatever it can claim; at the end
    one courier finds all that is left, and every message has left once."""
    numbers = count(1)
    stores = [Store.open(database_url, tmp_path / "packs") for _ in range(_NODES)]
    with ThreadPoolExecutor(_NODES) as pool:
        sent = sum(pool.map(lambda node: _work(stores[node], f"n{node}", numbers), range(_NODES)))
    last = Queue(stores[0])
    last.beat("last")
    while found := last.claim(10, name="last"):
        for one in found:
            sent += _deliver(stores[0], "last", one.destination_id)
        last.release(*(one.destination_id for one in found), name="last")
    assert sent == _NODES * _ROUNDS * 2
    assert last.count(recipients) == 0 == last.count(entries)
    assert problems(stores[0]) == []
    for store in stores:
        store.close()


def _work(store: Store, name: str, numbers: "count[int]") -> int:
    group = store.group
    group.run(beat, Beat(name, fresh=True))
    summary = summary_of(MESSAGE)
    sent = 0
    for _ in range(_ROUNDS):
        entry = to_queue(next(numbers), remote("a@x.test"), remote("b@y.test"))
        group.run(accept, (Acceptance(summary, entry=entry),), (MESSAGE,))
        mine = group.run(claim, Claim(name, NOW_MS, 2))
        for one in mine:
            sent += _deliver(store, name, one.destination_id)
        group.run(release, Release(name, tuple(one.destination_id for one in mine), NOW_MS))
    return sent


def _deliver(store: Store, name: str, destination_id: int) -> int:
    with store.database.read() as conn:
        works = read_work(conn, destination_id, NOW_MS, 50)
    places = tuple(waiting.place for work in works for waiting in work.recipients)
    store.group.run(settle, Settle(destination_id, name, NOW_MS, places))
    return len(places)
