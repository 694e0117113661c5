"""What `store verify` says of a queue and `store repair` mends, on both databases."""

from pathlib import Path

import pytest
from queue_kit import MESSAGE, NOW_MS, Queue, ident, remote, to_queue
from sqlalchemy import delete, update
from store_kit import Store, arrival, problems, summary_of, to

from estafeta.app.storecheck import mend
from estafeta.queue.tables import couriers, destinations, entries, recipients
from estafeta.queue.values import Acceptance, Place
from estafeta.storage.compact import compact
from estafeta.storage.tables import contents


@pytest.fixture
def queue(store: Store) -> Queue:
    made = Queue(store)
    made.accept(to_queue(1, remote("a@x.test"), remote("b@y.test")))
    made.take([Acceptance(summary_of(MESSAGE), arrival(MESSAGE, to(7)), to_queue(2, remote("c@x.test")))])
    assert problems(store) == []
    return made


def repair(queue: Queue, tmp_path: Path) -> list[str]:
    store = queue.store
    return list(mend(store.database, store.packs, tmp_path / "damaged", lambda done, total: None))


DAMAGES = {
    "messages have lost their content": delete(contents).where(
        contents.c.content_id.in_(
            entries.select().with_only_columns(entries.c.content_id).where(entries.c.entry_id == ident(1))
        )
    ),
    "recipients belong to no message": delete(entries).where(entries.c.entry_id == ident(1)),
    "recipients belong to no destination": delete(destinations).where(destinations.c.hop == "mx:x.test"),
    "messages have no recipients": delete(recipients).where(recipients.c.entry_id == ident(1)),
    "destinations have work and stand in no line": update(destinations).values(line=None),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_damage_is_named_and_mended(queue: Queue, tmp_path: Path, words: str) -> None:
    with queue.store.database.write() as tx:
        tx.conn.execute(DAMAGES[words])
    assert any(words in sentence for sentence in problems(queue.store))
    assert any(words in sentence for sentence in repair(queue, tmp_path))
    assert problems(queue.store) == []
    assert repair(queue, tmp_path) == []
    assert queue.store.contents(7) == [MESSAGE]


def test_what_a_courier_held_that_is_not_known_is_free_again(queue: Queue, tmp_path: Path) -> None:
    assert len(queue.claim()) == 2
    with queue.store.database.write() as tx:
        tx.conn.execute(delete(couriers))
    repair(queue, tmp_path)
    assert len(queue.claim()) == 2


def test_compaction_keeps_what_is_queued(queue: Queue) -> None:
    found = {one.hop: one.destination_id for one in queue.claim()}
    [work] = queue.work(found["mx:y.test"])
    queue.store.expunge(7, [1])
    queue.settle(found["mx:x.test"], done=(Place(ident(2), 0), Place(ident(1), 0)))
    assert queue.count(contents) == 1
    queue.store.group.close()
    store = queue.store
    compact(store.database, store.packs, dead_percent=0, grace_seconds=0)
    assert problems(store) == []
    assert [one.content_id for one in queue.work(found["mx:y.test"], now=NOW_MS)] == [work.content_id]
