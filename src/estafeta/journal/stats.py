"""Statistics of a time, from the journal, in one pass and bounded memory: what `eximstats` is loved for (row O3).

What counts is when something happened, not when its message came. Messages that came up to a week before the time are
looked at for what happened to them in it. Synchronous; every read is short.
"""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from estafeta.journal.reading import OLDEST, Entry, first_ms, scan
from estafeta.journal.records import Code
from estafeta.journal.tally import Bucket, Report, Tally, Totals
from estafeta.journal.words import hop
from estafeta.storage.database import Database

#: How long a message waits at most, as far as statistics go: retry rules end sooner.
LOOK_BACK_MS = 7 * 86_400_000
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
# Pieces of the time line: hours up to three days, days up to a quarter of a year, weeks above; never more than this.
_MOST_BUCKETS = 400
_WAITS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 0)
_REASON = 120


class _Message(NamedTuple):
    """The message whose records are passing."""

    message_id: int
    sender: str = ""
    peer: str = ""
    size: int = 0
    received: bool = False
    encrypted: bool = False
    delayed: bool = False
    relayed: bool = False
    submitted: bool = False


class Collector:
    """Takes records message by message, and makes a report of them."""

    def __init__(self, since_ms: int, until_ms: int, hostname: str = "") -> None:
        self._since_ms, self._until_ms, self._hostname = since_ms, until_ms, hostname
        self._totals = Totals()
        self._step_ms = _step(until_ms - since_ms)
        self._buckets: dict[int, Bucket] = {}
        self._hours = [Bucket(hour * _HOUR_MS) for hour in range(24)]
        self._waits = dict.fromkeys(_WAITS, 0)
        self._tables = {name: Tally() for name in _TABLES}
        self._now = _Message(0)
        self._takers: dict[str, Callable[[Entry], None]] = {
            Code.RECEIVED_LOCAL: self._received,
            Code.RECEIVED_RELAY: self._received,
            Code.MADE_HERE: self._made_here,
            Code.DELIVERED_LOCAL: self._filed,
            Code.SENT: self._sent,
            Code.RETRY_FIRST: self._put_off,
            Code.RETRY_SECOND: self._put_off,
            Code.UNDELIVERABLE: self._failed,
            Code.NOT_DELIVERED_LOCAL: self._failed,
            Code.BOUNCED: self._failed,
            Code.CONNECTION_REFUSED: self._refused,
            Code.RELAY_REFUSED: self._refused,
            Code.REJECTED: self._refused,
            Code.NONDELIVERY: self._notice,
            Code.DELAY_NOTICE: self._notice,
            Code.CONFIRMATION: self._notice,
            Code.READ_POP: self._read,
            Code.READ_IMAP: self._read,
            Code.LIST_EXPANDED: self._expanded,
        }

    def take(self, entries: Iterable[Entry]) -> None:
        """Records in the order of messages and times."""
        for entry in entries:
            if entry.message_id != self._now.message_id:
                self._now = _Message(entry.message_id)
            take = self._takers.get(entry.code)
            if take is not None:
                take(entry)

    def report(self, top: int = 20) -> Report:
        """What was counted; the `top` largest of each table."""
        return Report(
            self._since_ms,
            self._until_ms,
            self._hostname,
            self._totals,
            self._step_ms // 1000,
            self._timeline(),
            tuple(self._hours),
            tuple(self._waits.items()),
            {name: tally.top(top) for name, tally in self._tables.items() if len(tally)},
        )

    def _timeline(self) -> tuple[Bucket, ...]:
        first, last = _floor(self._since_ms, self._step_ms), self._until_ms
        number = min(_MOST_BUCKETS, max(1, -(-(last - first) // self._step_ms)))
        begins = [_floor(last - 1, self._step_ms) - back * self._step_ms for back in reversed(range(number))]
        return tuple(self._buckets.get(begin) or Bucket(begin) for begin in begins)

    def _places(self, entry: Entry) -> tuple[Bucket, Bucket]:
        """Where in the time, and in the day, it belongs."""
        at_ms = entry.at_us // 1000
        begin = _floor(at_ms, self._step_ms)
        bucket = self._buckets.get(begin)
        if bucket is None:
            bucket = self._buckets[begin] = Bucket(begin)
        return bucket, self._hours[time.localtime(at_ms / 1000).tm_hour]

    def _received(self, entry: Entry) -> None:
        totals, tables = self._totals, self._tables
        login, encrypted = entry.detail.get("login"), bool(entry.detail.get("tls"))
        relayed = entry.code == Code.RECEIVED_RELAY and not login
        self._now = _Message(
            entry.message_id,
            entry.address,
            entry.peer,
            entry.size,
            received=True,
            encrypted=encrypted,
            relayed=relayed,
            submitted=bool(login),
        )
        totals.received += 1
        totals.received_bytes += entry.size
        totals.received_tls += encrypted
        totals.relayed += relayed
        totals.submitted += bool(login)
        for bucket in self._places(entry):
            bucket.received += 1
            bucket.bytes += entry.size
        tables[HOSTS].add(entry.peer or "this host", entry.size)
        tables[SENDERS].add(entry.address or "<>", entry.size)
        if login:
            tables[USERS].add(str(login), entry.size)

    def _made_here(self, entry: Entry) -> None:
        self._totals.made_here += 1
        self._now = _Message(entry.message_id, entry.address, "this server", entry.size)

    def _filed(self, entry: Entry) -> None:
        self._totals.filed += 1
        self._totals.filed_bytes += entry.size
        for bucket in self._places(entry):
            bucket.delivered += 1
        self._tables[RECIPIENTS].add(entry.address or "?", entry.size)

    def _sent(self, entry: Entry) -> None:
        totals, tables = self._totals, self._tables
        octets = entry.size or self._now.size
        totals.sent += 1
        totals.sent_bytes += octets
        totals.sent_tls += bool(entry.detail.get("tls"))
        waited = entry.at_us // 1000 - (entry.message_id >> 20)
        totals.sent_at_once += int(entry.detail.get("attempt") or 1) <= 1 and not self._now.delayed
        self._waits[next(limit for limit in _WAITS if not limit or waited < limit * 1000)] += 1
        for bucket in self._places(entry):
            bucket.delivered += 1
        domain = _domain(entry.address)
        tables[DESTINATIONS].add(domain, octets)
        if self._now.relayed:
            tables[RELAYED].add(f"{self._now.peer or 'this host'} => {domain}", octets)

    def _put_off(self, entry: Entry) -> None:
        self._totals.put_off += 1
        if entry.message_id < 0:
            self._tables[UNREACHABLE].add(f"{hop(entry.address)}: {_reason(entry)}")
            return
        if not self._now.delayed:
            self._totals.delayed += 1
            self._now = self._now._replace(delayed=True)
        self._tables[DELAYS].add(f"{_domain(entry.address)}: {_reason(entry)}")

    def _failed(self, entry: Entry) -> None:
        self._totals.failed += 1
        for bucket in self._places(entry):
            bucket.failed += 1
        self._tables[FAILURES].add(f"{entry.address or '?'}: {_reason(entry)}")

    def _refused(self, entry: Entry) -> None:
        if self._now.received:
            self._take_back()
        self._totals.refused += 1
        for bucket in self._places(entry):
            bucket.refused += 1
        self._tables[REFUSED].add(entry.peer or "?")
        self._tables[REASONS].add(_reason(entry))

    def _take_back(self) -> None:
        """What was counted as received was not taken in the end."""
        totals, now = self._totals, self._now
        totals.received -= 1
        totals.received_bytes -= now.size
        totals.received_tls -= now.encrypted
        totals.relayed -= now.relayed
        totals.submitted -= now.submitted
        self._now = now._replace(received=False)

    def _notice(self, entry: Entry) -> None:
        self._totals.notices += 1

    def _read(self, entry: Entry) -> None:
        self._totals.read += 1

    def _expanded(self, entry: Entry) -> None:
        self._totals.list_messages += 1
        self._tables[LISTS].add(str(entry.detail.get("list") or entry.address or "?"), entry.size)


def collect(database: Database, since_ms: int, until_ms: int, *, hostname: str = "", top: int = 20) -> Report:
    """The report of a time, both in epoch milliseconds; from the first record on where there is none so early."""
    since_ms = max(since_ms, min(first_ms(database), until_ms - _HOUR_MS))
    collector = Collector(since_ms, until_ms, hostname)
    # Idents of clocks that are ahead of ours count, too.
    low, high = max(0, since_ms - LOOK_BACK_MS) << 20, (until_ms + _HOUR_MS) << 20
    for first, last in ((OLDEST, 0), (low, high)):
        for page in scan(database, first, last, since_ms * 1000, until_ms * 1000):
            collector.take(page)
    return collector.report(top)


HOSTS = "Hosts that sent most"
SENDERS = "Senders"
USERS = "Users who sent most"
DESTINATIONS = "Destinations"
RECIPIENTS = "Recipients here"
RELAYED = "Relayed"
LISTS = "Lists"
UNREACHABLE = "Not reached"
DELAYS = "Reasons for delay"
FAILURES = "Failures"
REFUSED = "Refused"
REASONS = "Reasons for refusal"
_TABLES = (
    HOSTS,
    SENDERS,
    USERS,
    DESTINATIONS,
    RECIPIENTS,
    RELAYED,
    LISTS,
    UNREACHABLE,
    DELAYS,
    FAILURES,
    REFUSED,
    REASONS,
)


def _step(span_ms: int) -> int:
    if span_ms <= 3 * _DAY_MS:
        return _HOUR_MS
    return _DAY_MS if span_ms <= 92 * _DAY_MS else 7 * _DAY_MS


def _floor(at_ms: int, step_ms: int) -> int:
    """Where its piece begins, as clocks here show it: the hour, the day, the week (from Thursday, as the epoch)."""
    offset_ms = (time.localtime(at_ms / 1000).tm_gmtoff or 0) * 1000
    return at_ms - (at_ms + offset_ms) % step_ms


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower() or "?"


def _reason(entry: Entry) -> str:
    text = " ".join((entry.text or str(entry.detail.get("reason") or "") or "no reason given").split())
    return text[:_REASON]
