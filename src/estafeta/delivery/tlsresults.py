"""How TLS with other servers went, counted for reports (RFC 8460): in memory, and once a minute in the database.

One row for each day, policy domain and way in which sessions went; rows hold counts, not sessions. A crash loses the
counts of a minute at most.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, starmap
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from estafeta.delivery.tls_tables import tls_reports, tls_results
from estafeta.delivery.tlsdemand import Level, TlsDemand, TlsFailure, TlsRefusal
from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.mailboxes.service import Submit
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Query
from estafeta.trust.results import AppliedPolicy, PolicyKind, ResultType
from estafeta.trust.tlsrpt import SessionFacts, Tally, day_of

#: Days for which results are kept.
KEEP_DAYS = 30
# What is counted between two flushes; more kinds of sessions than these are not told apart from there on.
_MAX_KEYS = 20_000
# So many rows are made ready and committed at once, so that neither the event loop nor other writers wait.
_AT_ONCE = 200
_MAX_TEXT = 300
_MAX_LINES = 50

_Key = tuple[int, str, SessionFacts]


class Count(NamedTuple):
    """So many sessions more of one kind. `facts` is JSON."""

    day: int
    domain: str
    digest: str
    sessions: int
    facts: str


class Sent(NamedTuple):
    """Payload of `note_sent`."""

    day: int
    domain: str
    report_id: str
    sent_seconds: int


class TlsResults:
    """Counts of one worker. `note` costs microseconds; `flush` commits what has gathered."""

    def __init__(self, submit: Submit, settings: SettingsSource, clock: Clock) -> None:
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._counts: dict[_Key, int] = {}

    def note(
        self,
        demand: TlsDemand,
        failure: TlsFailure | None,
        *,
        host: str,
        ip: str,
        helo: str = "",
        source_ip: str = "",
    ) -> None:
        """A session: `failure` of its TLS, also where it went on in clear text; None where TLS was as demanded."""
        failure = failure or demand.known
        if demand.level is Level.NONE and failure is None:
            return
        if failure is None:
            # One row for all that went well.
            self._add(SessionFacts(demand.policy))
        else:
            self._add(SessionFacts(demand.policy, failure, host, ip, helo[:255], source_ip))

    def refused(self, refusal: TlsRefusal, *, host: str) -> None:
        """A host to which no connection was made, because a policy forbids it."""
        if refusal.failure is not None:
            self._add(SessionFacts(refusal.policy, refusal.failure, host))

    async def flush(self) -> None:
        """Commit what was counted since the last time. What cannot be committed is counted later."""
        counts, self._counts = self._counts, {}
        try:
            while counts:
                portion = list(islice(counts.items(), _AT_ONCE))
                await self._submit(add_counts, tuple(starmap(_count, portion)), ())
                for key, _ in portion:
                    del counts[key]
        finally:
            # What is left was not committed.
            for key, number in counts.items():
                self._counts[key] = self._counts.get(key, 0) + number

    def _add(self, facts: SessionFacts) -> None:
        if not self._settings.current.delivery.tls_reports or not facts.policy.domain:
            return
        key = (day_of(self._clock()), facts.policy.domain, facts)
        if key in self._counts or len(self._counts) < _MAX_KEYS:
            self._counts[key] = self._counts.get(key, 0) + 1


def _count(key: _Key, sessions: int) -> Count:
    day, domain, facts = key
    text = encode_facts(facts)
    return Count(day, domain[:255], hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest(), sessions, text)


def encode_facts(facts: SessionFacts) -> str:
    """As they are stored; long texts are cut."""
    policy, failure = facts.policy, facts.failure
    lines = [line[:_MAX_TEXT] for line in policy.lines[:_MAX_LINES]]
    hosts = list(policy.hosts[:_MAX_LINES])
    said: list[object] = [policy.kind, policy.domain, lines, hosts]
    if failure is not None:
        said += [failure.result, failure.words[:_MAX_TEXT], failure.reason[:_MAX_TEXT]]
        said += [facts.host[:255], facts.ip, facts.helo, facts.source_ip]
    return json.dumps(said)


def decode_facts(text: str) -> SessionFacts:
    """What was stored."""
    kind, domain, lines, hosts, *failed = json.loads(text)
    policy = AppliedPolicy(PolicyKind(kind), domain, tuple(lines), tuple(hosts))
    if not failed:
        return SessionFacts(policy)
    result, words, reason, host, ip, helo, source_ip = failed
    return SessionFacts(policy, TlsFailure(ResultType(result), words, reason), host, ip, helo, source_ip)


# Operations of the group commit


def add_counts(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Payload: a tuple of `Count`."""
    sums: dict[tuple[int, str, str], Count] = {}
    for item in items:
        for count in item.payload:
            key = (count.day, count.domain, count.digest)
            before = sums.get(key)
            sums[key] = count._replace(sessions=count.sessions + (before.sessions if before else 0))
    # In the order of the key, so that two writers (PostgreSQL) do not lock each other out.
    for key in sorted(sums):
        count = sums[key]
        if not _MORE.run(tx, on=count.day, whom=count.domain, how=count.digest, more=count.sessions):
            tx.conn.execute(insert(tls_results), count._asdict())
    return [None] * len(items)


def note_sent(tx: Transaction, items: Sequence[Item]) -> list[bool]:
    """Payload `Sent`. True: it was not noted before, so the report may go out. Old results go, too."""
    noted = []
    for item in items:
        sent: Sent = item.payload
        here = (tls_reports.c.day == sent.day) & (tls_reports.c.domain == sent.domain)
        there = tx.conn.execute(select(tls_reports.c.day).where(here).with_for_update()).first() is not None
        if not there:
            tx.conn.execute(insert(tls_reports), sent._asdict())
        noted.append(not there)
    return noted


def forget_before(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Payload: a day. Results and notes of earlier days go; how many results."""
    gone = []
    for item in items:
        tx.conn.execute(delete(tls_reports).where(tls_reports.c.day < item.payload))
        gone.append(int(tx.conn.execute(delete(tls_results).where(tls_results.c.day < item.payload)).rowcount))
    return gone


# Reading


def read_day(conn: Connection, day: int) -> Iterator[tuple[str, Tally]]:
    """All of a day: policy domain and how sessions with it went, in the order of the domains."""
    wanted = (
        select(tls_results.c.domain, tls_results.c.facts, tls_results.c.sessions)
        .where(tls_results.c.day == day)
        .order_by(tls_results.c.domain, tls_results.c.digest)
    )
    for domain, facts, sessions in conn.execute(wanted):
        yield domain, Tally(decode_facts(facts), int(sessions))


@dataclass(slots=True)
class DomainDay:
    """A domain's sessions of a day: how many went well and not, its policies, and the types of failures."""

    domain: str
    good: int = 0
    failed: int = 0
    policies: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, tally: Tally) -> None:
        """Count some more."""
        failure = tally.facts.failure
        if failure is None:
            self.good += tally.sessions
        else:
            self.failed += tally.sessions
            self.failures += [str(failure.result)] if failure.result not in self.failures else []
        kind = str(tally.facts.policy.kind)
        self.policies += [kind] if kind not in self.policies else []


def summarize(rows: Iterable[tuple[str, Tally]]) -> list[DomainDay]:
    """What `read_day` gives, one value for each domain."""
    found: dict[str, DomainDay] = {}
    for domain, tally in rows:
        found.setdefault(domain, DomainDay(domain)).add(tally)
    return list(found.values())


def read_unsent(conn: Connection, day: int, after: str, limit: int) -> list[str]:
    """Domains of a day whose report was not sent, those behind `after` in the order of their names."""
    sent = select(tls_reports.c.domain).where(tls_reports.c.day == day)
    wanted = (
        select(tls_results.c.domain)
        .where(tls_results.c.day == day, tls_results.c.domain > after, tls_results.c.domain.not_in(sent))
        .distinct()
        .order_by(tls_results.c.domain)
        .limit(limit)
    )
    return list(conn.execute(wanted).scalars())


def read_tallies(conn: Connection, day: int, domain: str) -> list[Tally]:
    """How sessions with a domain went on a day."""
    wanted = (
        select(tls_results.c.facts, tls_results.c.sessions)
        .where(tls_results.c.day == day, tls_results.c.domain == domain)
        .order_by(tls_results.c.digest)
    )
    return [Tally(decode_facts(facts), int(sessions)) for facts, sessions in conn.execute(wanted)]


_MORE = Query(
    update(tls_results)
    .where(
        tls_results.c.day == bindparam("on"),
        tls_results.c.domain == bindparam("whom"),
        tls_results.c.digest == bindparam("how"),
    )
    .values(sessions=tls_results.c.sessions + bindparam("more"))
)
