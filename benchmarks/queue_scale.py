"""A queue of a million messages for ten thousand destinations: what looking at it, taking work from it, and holding it
while nobody can be reached cost.

Work goes in and out by the queue's own operations, through the code that the server runs, on databases with queues of
three lengths: what is measured is how their cost changes with the length. Then a server is started on the longest. The
contents are those of one message that came in by SMTP (`queue_home.py`).
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Section, Target, judge, median
from benchmarks.estafeta_server import Estafeta
from benchmarks.queue_home import QueueHome, queue_home
from estafeta.core.ids import ContentId
from estafeta.mail.scan import MessageScanner, MessageSummary
from estafeta.queue.accepting import take_in
from estafeta.queue.courier_ops import Beat, Claim, Release, beat, claim, release
from estafeta.queue.overview import SumBy, summary, totals
from estafeta.queue.reading import read_work
from estafeta.queue.settling import settle
from estafeta.queue.values import Acceptance, NewEntry, NewRecipient, Place, Settle
from estafeta.storage import migrate
from estafeta.storage.commit import Item
from estafeta.storage.database import Database
from estafeta.storage.packs import Location

_DAY = 86_400_000
_BATCH = 50
_SENDERS = 500
_DESTINATIONS = 10_000
_COURIER = "bench:0"
_MOST_MIB = 120.0
_MOST_TIMES = 1.5
#: As long as it takes to try every destination once, at most.
_TRY_SECONDS = 60.0


class Filled:
    """A database whose queue is filled. All contents are where `location` is."""

    def __init__(self, url: str, location: Location) -> None:
        migrate.upgrade(url)
        self.database = Database(url)
        self.now_ms = int(time.time() * 1000)
        self._location = location
        self._number = 0
        scanner = MessageScanner()
        scanner.feed(b"Subject: measured\r\n\r\n")
        self._summary: MessageSummary = scanner.close()
        self.run(beat, Beat(_COURIER, fresh=True))

    def run(self, operation: Callable[..., Any], payload: Any) -> Any:
        with self.database.write() as tx:
            return operation(tx, [Item(payload, ())])[0]

    def read(self, function: Callable[..., Any], *args: Any, **how: Any) -> Any:
        with self.database.read() as conn:
            return function(conn, *args, **how)

    def fill(self, count: int, destinations: int, name: str, owner: int = 0) -> None:
        """Queues `count` messages, the next destination for each, of many owners unless one is named."""
        for first in range(0, count, 1000):
            numbers = range(first, min(first + 1000, count))
            self.accept(
                [(f"{name}{number % destinations}.example", owner or number % _SENDERS + 1) for number in numbers]
            )

    def accept(self, wanted: list[tuple[str, int]]) -> list[Place]:
        """One message for each domain and owner, in one commit."""
        pairs = [self._pair(domain, owner) for domain, owner in wanted]
        with self.database.write() as tx:
            take_in(tx, pairs)
        return [Place(acceptance.entry.entry_id, 0) for acceptance, _ in pairs if acceptance.entry is not None]

    def _pair(self, domain: str, owner: int) -> tuple[Acceptance, Location]:
        self._number += 1
        number, now = self._number, self.now_ms
        recipient = NewRecipient(f"mx:{domain}", f"user{number}@{domain}", now, now + 4 * _DAY, now + _DAY // 6)
        sender = f"sender{owner}@example.org"
        entry = NewEntry((now << 20) + number, sender, owner, (recipient,), self._location.size, now)
        # Content ids below those of pack 1, the server's first.
        return Acceptance(self._summary, entry=entry), self._location._replace(content_id=ContentId(number))


def run(bench: Bench) -> Section | None:
    if not bench.available([Estafeta]):
        return None
    lengths = (1000, 10_000, 100_000) if bench.quick else (1000, 100_000, 1_000_000)
    with queue_home(bench) as home:
        urls = [*(_url(bench.new_directory()) for _ in lengths[1:]), home.url]
        queues = dict(zip(lengths, [Filled(url, home.location) for url in urls], strict=True))
        for length, queue in queues.items():
            queue.fill(length, min(length // 10, _DESTINATIONS), "d")
            bench.say(f"  queued {length:,} messages")
        measured = measure(queues, 10 if bench.quick else 40)
        for queue in queues.values():
            queue.database.close()
        measured |= _serve(bench, home)
    return _section(lengths, measured)


def measure(queues: dict[int, Filled], rounds: int) -> dict[str, float]:
    """Seconds of sums over the longest, and microseconds for each message of a turn, by length."""
    longest = queues[max(queues)]
    found = {f"summary by {by}": _seconds(lambda by=by: longest.read(summary, by)) for by in SumBy}
    found["totals"] = _seconds(lambda: longest.read(totals))
    turns: dict[int, list[float]] = {length: [] for length in queues}
    for number in range(rounds):
        for length, queue in queues.items():
            turns[length].append(_turn(queue, min(length // 10, _DESTINATIONS), number))
    return found | {f"turn {length}": median(times) * 1e6 for length, times in turns.items()}


def _turn(queue: Filled, destinations: int, number: int) -> float:
    """Messages come, a courier takes ten destinations, sends five messages to each and gives them back: processor time
    for each message."""
    begun = time.process_time()
    places = range(number * _BATCH, (number + 1) * _BATCH)
    queue.accept([(f"d{place * 7 % destinations}.example", place % _SENDERS + 1) for place in places])
    taken = queue.run(claim, Claim(_COURIER, queue.now_ms, _BATCH // 5))
    sent = 0
    for one in taken:
        works = queue.read(read_work, one.destination_id, queue.now_ms, 5)
        done = tuple(waiting.place for work in works for waiting in work.recipients)
        queue.run(settle, Settle(one.destination_id, _COURIER, queue.now_ms, done))
        sent += len(done)
    queue.run(release, Release(_COURIER, tuple(one.destination_id for one in taken), queue.now_ms))
    return (time.process_time() - begun) / sent


def _serve(bench: Bench, home: QueueHome) -> dict[str, float]:
    """A server on that queue, until it has tried every destination: its memory all the while, and the time it took."""
    home.resume()
    begun, cpu = time.monotonic(), home.server.group.cpu_seconds()
    rss = largest = pss = 0
    untried = _DESTINATIONS
    while untried and time.monotonic() - begun < _TRY_SECONDS:
        time.sleep(1)
        rss = max(rss, home.server.group.largest_rss_bytes())
        largest = max(largest, home.server.group.largest_pss_bytes())
        pss = max(pss, home.server.group.pss_bytes())
        [(untried,)] = home.ask("select count(*) from queue_destinations where failures = 0")
    seconds = time.monotonic() - begun
    bench.say(f"  {_DESTINATIONS - untried:,} destinations tried in {seconds:.0f} s")
    cpu = home.server.group.cpu_seconds() - cpu
    measured = {"rss": rss / 2**20, "largest_pss": largest / 2**20, "pss": pss / 2**20}
    return measured | {"seconds": seconds, "cpu": cpu, "untried": untried}


def _seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def _url(directory: Path) -> str:
    return f"sqlite:///{directory / 'queue.sqlite'}"


def _section(lengths: tuple[int, ...], measured: dict[str, float]) -> Section:
    longest = max(lengths)
    turns = {length: measured[f"turn {length}"] for length in lengths}
    rows = [
        *([f"summary by {by}, {longest:,} messages", f"{measured[f'summary by {by}']:.2f} s"] for by in SumBy),
        [f"totals, {longest:,} messages", f"{measured['totals']:.2f} s"],
        *(
            [f"a message in, claimed, read, settled; queue of {length:,}", f"{turn:.0f} µs"]
            for length, turn in turns.items()
        ),
        [f"server with {longest:,} messages, largest process, resident at most", f"{measured['rss']:.0f} MiB"],
        ["the same, largest process, PSS at most", f"{measured['largest_pss']:.0f} MiB"],
        ["the same, all processes, PSS at most", f"{measured['pss']:.0f} MiB"],
        [
            f"the same, until {_DESTINATIONS - measured['untried']:,.0f} destinations were tried in vain",
            f"{measured['seconds']:.0f} s, {measured['cpu']:.0f} s CPU",
        ],
    ]
    domain, ratio, rss = measured["summary by domain"], turns[longest] / min(turns.values()), measured["rss"]
    return Section(
        "queue_scale",
        "A long queue (Estafeta, SQLite)",
        ["what", "measured"],
        rows,
        [
            f"{_DESTINATIONS:,} destinations, {_SENDERS} senders. A turn is processor time of one process: it takes in"
            f" {_BATCH} messages, claims ten destinations, and reads and settles five messages of each; medians.",
            "The server finds an address for every destination, where nobody listens.",
        ],
        [
            Target("queue summary", "under 1 s", f"{domain:.2f} s", judge(domain, 1, operator.lt)),
            Target(
                f"a turn, queue of {longest:,} against the quickest",
                f"at most {_MOST_TIMES:g} times",
                f"{ratio:.2f} times",
                judge(ratio, _MOST_TIMES, operator.le),
            ),
            Target(
                f"a worker, queue of {longest:,}",
                f"under {_MOST_MIB:g} MiB",
                f"{rss:.0f} MiB",
                judge(rss, _MOST_MIB, operator.lt),
            ),
        ],
        [measured],
    )
