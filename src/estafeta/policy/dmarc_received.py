"""Reports of others on our domains: taken from mail, kept summarised, and put together for a person."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.mailboxes.service import Submit
from estafeta.policy.dmarc_reading import ReceivedReport, ReportRow, read_report
from estafeta.policy.dmarc_tables import dmarc_received, dmarc_received_rows
from estafeta.policy.dmarc_unpacking import ReportError, find_document
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction

log = logging.getLogger("estafeta.policy")

#: Days for which reports are kept.
KEEP_DAYS = 180
#: Of reports that came within a day; anybody may write to the address. More than ten thousand reporters do not exist.
MAX_REPORTS_A_DAY = 5000
_DAY_SECONDS = 86_400
_MAX_WAITING = 8
"""Messages held in memory while one is read."""


class Stored(NamedTuple):
    """Payload of `store_report`."""

    report: ReceivedReport
    received_seconds: int


class DmarcInbox:
    """Takes what comes to `dmarc.reports_address`, in one worker. `is_ours`: whether a domain is one of ours."""

    def __init__(self, submit: Submit, settings: SettingsSource, is_ours: Callable[[str], bool], clock: Clock) -> None:
        self._submit = submit
        self._settings = settings
        self._is_ours = is_ours
        self._clock = clock
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    def is_for_reports(self, recipient: str) -> bool:
        """Whether reports come to this address."""
        address = self._settings.current.dmarc.reports_address
        return bool(address) and recipient.lower() == address.lower()

    async def take(self, content: bytes) -> str:
        """A message that came there: what became of it, a phrase for the log. One is read at a time, in a thread; where
        many wait the newest is left out. Raises nothing that a message can cause; a commit may raise EstafetaError."""
        if self._waiting >= _MAX_WAITING:
            return "left out: too many reports at once"
        self._waiting += 1
        try:
            async with self._turn:
                report = await asyncio.to_thread(_read, content)
        except ReportError as error:
            return f"no report: {error}"
        finally:
            self._waiting -= 1
        if not self._is_ours(report.domain):
            return f"left out: a report on {report.domain}, which is not ours"
        try:
            new = await self._submit(store_report, Stored(report, int(self._clock())), ())
        except EstafetaError as error:
            if error.kind is Kind.LIMIT:
                return "left out: too many reports today"
            raise
        return f"kept: {report.messages} messages of {report.domain}" if new else "left out: it came before"


def _read(content: bytes) -> ReceivedReport:
    return read_report(find_document(content))


# Operations of the group commit


def store_report(tx: Transaction, items: Sequence[Item]) -> list[bool | EstafetaError]:
    """Payload `Stored`. True: kept; False: it was there before. LIMIT where too many came within a day."""
    results: list[bool | EstafetaError] = []
    for item in items:
        stored: Stored = item.payload
        results.append(_store(tx, stored.report, stored.received_seconds))
    return results


def _store(tx: Transaction, report: ReceivedReport, now: int) -> bool | EstafetaError:
    name = f"{report.reporter.lower()}\n{report.domain}\n{report.report_id}"
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).hexdigest()
    if tx.conn.execute(select(dmarc_received.c.digest).where(dmarc_received.c.digest == digest)).first() is not None:
        return False
    today = select(func.count()).where(dmarc_received.c.received_seconds > now - _DAY_SECONDS)
    if tx.conn.execute(today).scalar_one() >= MAX_REPORTS_A_DAY:
        return EstafetaError(Kind.LIMIT, "Too many reports on DMARC came within a day.")
    head = report._asdict() | {"digest": digest, "received_seconds": now}
    del head["rows"]
    tx.conn.execute(insert(dmarc_received), head)
    if report.rows:
        rows = [row._asdict() | {"digest": digest, "number": number} for number, row in enumerate(report.rows)]
        tx.conn.execute(insert(dmarc_received_rows), rows)
    return True


def forget_received(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Payload: a moment in seconds. Reports that came before it go; how many."""
    gone = []
    for item in items:
        old = select(dmarc_received.c.digest).where(dmarc_received.c.received_seconds < item.payload)
        tx.conn.execute(delete(dmarc_received_rows).where(dmarc_received_rows.c.digest.in_(old)))
        before = dmarc_received.c.received_seconds < item.payload
        gone.append(int(tx.conn.execute(delete(dmarc_received).where(before)).rowcount))
    return gone


# For a person


@dataclass(slots=True)
class Source:
    """Who sent in the name of a domain: so many messages, how many of them passed DMARC, by DKIM, by SPF, and how many
    were quarantined or rejected. `signed_by`, `envelope`: domains that DKIM and SPF were about."""

    domain: str
    source_ip: str
    messages: int = 0
    passed: int = 0
    dkim: int = 0
    spf: int = 0
    quarantined: int = 0
    rejected: int = 0
    signed_by: list[str] = field(default_factory=list)
    envelope: list[str] = field(default_factory=list)
    reporters: list[str] = field(default_factory=list)

    def add(self, row: ReportRow, reporter: str) -> None:
        """Count the messages of a row."""
        self.messages += row.messages
        self.passed += row.messages if row.dkim or row.spf else 0
        self.dkim += row.messages if row.dkim else 0
        self.spf += row.messages if row.spf else 0
        self.quarantined += row.messages if row.disposition == "quarantine" else 0
        self.rejected += row.messages if row.disposition == "reject" else 0
        for names, name in (
            (self.signed_by, row.dkim_domain),
            (self.envelope, row.spf_domain),
            (self.reporters, reporter),
        ):
            if name and name not in names and len(names) < _MAX_NAMES:
                names.append(name)


_MAX_NAMES = 10


def read_sources(conn: Connection, since_seconds: int, domain: str = "") -> list[Source]:
    """Who sent in the names of our domains (or of one of them) by the reports on the time since then, those with the
    most messages that failed first."""
    head, rows = dmarc_received.c, dmarc_received_rows.c
    wanted = (
        select(head.domain, head.reporter, *(getattr(rows, name) for name in ReportRow._fields))
        .join(dmarc_received, head.digest == rows.digest)
        .where(head.end_seconds >= since_seconds)
        .order_by(head.received_seconds.desc(), head.digest, rows.number)
    )
    if domain:
        wanted = wanted.where(head.domain == domain)
    found: dict[tuple[str, str], Source] = {}
    for of_domain, reporter, *values in conn.execute(wanted):
        row = ReportRow(*values)
        key = (of_domain, row.source_ip)
        found.setdefault(key, Source(*key)).add(row, reporter)
    return sorted(found.values(), key=lambda one: (one.passed - one.messages, -one.messages, one.source_ip))
