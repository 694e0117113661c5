"""Short words for what is done to a queue in the contract suite."""

from collections.abc import Sequence
from typing import Any

from store_kit import MESSAGE, NOW_MS, Store, summary_of

from estafeta.journal.records import Record
from estafeta.queue.accepting import accept
from estafeta.queue.courier_ops import Beat, Claim, Release, beat, claim, release
from estafeta.queue.reading import read_work
from estafeta.queue.settling import settle
from estafeta.queue.values import Acceptance, Accepted, Destination, Lane, NewEntry, NewRecipient, Place, Settle, Work

LIFE_MS = 345_600_000


def ident(number: int) -> int:
    """The ident of the n-th message."""
    return (NOW_MS << 20) + number


def to_queue(number: int, *recipients: NewRecipient, owner: int = 1, **more: Any) -> NewEntry:
    values: dict[str, Any] = {"sender": "me@example.org", "size": len(MESSAGE), "created_ms": NOW_MS} | more
    return NewEntry(ident(number), owner=owner, recipients=recipients, **values)


def remote(address: str, hop: str = "", *, due: int = NOW_MS, **more: Any) -> NewRecipient:
    hop = hop or f"mx:{address.rpartition('@')[2]}"
    values: dict[str, Any] = {"expires_ms": due + LIFE_MS} | more
    return NewRecipient(hop, address, due, **values)


class Queue:
    """The queue of a store, with one courier called c."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.topics: list[str] = []
        store.database.publish = self.topics.extend
        self.beat()

    def accept(self, *entries: NewEntry, content: bytes = MESSAGE) -> tuple[Accepted, ...]:
        return self.take([Acceptance(summary_of(content), entry=entry) for entry in entries], content)

    def take(self, acceptances: Sequence[Acceptance], content: bytes = MESSAGE) -> tuple[Accepted, ...]:
        done: tuple[Accepted, ...] = self.store.group.run(accept, tuple(acceptances), (content,) * len(acceptances))
        return done

    def send(self, number: int, address: str, *, owner: int = 1, **more: Any) -> int:
        """One message to one address; its entry."""
        hop = more.pop("hop", "")
        due = more.pop("due", NOW_MS)
        self.accept(to_queue(number, remote(address, hop, due=due), owner=owner, **more))
        return ident(number)

    def claim(self, room: int = 10, now: int = NOW_MS, name: str = "c", **how: bool) -> list[Destination]:
        return list(self.store.group.run(claim, Claim(name, now, room, **how)))

    def release(self, *destination_ids: int, name: str = "c", now: int = NOW_MS) -> None:
        self.store.group.run(release, Release(name, destination_ids, now))

    def beat(self, name: str = "c", fresh: bool = False, dead: tuple[str, ...] = ()) -> int:
        number: int = self.store.group.run(beat, Beat(name, fresh, dead))
        return number

    def work(self, destination_id: int, limit: int = 50, now: int = NOW_MS, **how: Any) -> list[Work]:
        with self.store.database.read() as conn:
            return read_work(conn, destination_id, now, limit, **how)

    def read(self, function: Any, *args: Any, **how: Any) -> Any:
        with self.store.database.read() as conn:
            return function(conn, *args, **how)

    def settle(
        self, destination_id: int, *, now: int = NOW_MS, name: str = "c", contents: Any = (), **what: Any
    ) -> Any:
        return self.store.group.run(settle, Settle(destination_id, name, now, **what), contents)

    def count(self, table: Any) -> int:
        with self.store.database.read() as conn:
            return len(conn.execute(table.select()).all())


__all__ = ["LIFE_MS", "MESSAGE", "NOW_MS", "Lane", "Place", "Queue", "Record", "ident", "remote", "to_queue"]
