"""Reports of others on our domains: kept summarised, within limits, since anybody may write to the address for them.

A report is kept once, by who made it, the domain and its id. Operations of the group commit, and reading.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, or_, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.policy.dmarc_reading import ReceivedReport
from estafeta.policy.dmarc_tables import dmarc_received, dmarc_received_rows
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction

#: Reports, and rows of them, that are kept of one day. A large organization has some hundred reporters.
MAX_REPORTS = 2_000
MAX_ROWS = 50_000
#: Of one reporter: a tenth, so that ten are needed to keep the others out; all whose origin is not proved are one.
MAX_REPORTS_OF_ONE = 200
MAX_ROWS_OF_ONE = 5_000
_DAY_SECONDS = 86_400
# A report is on a day, now and then on a week; what it says of its time beyond this is not believed.
_LONGEST_DAYS = 32
# Reports that are removed in one commit; each has up to a thousand rows.
_PORTION = 5


class Stored(NamedTuple):
    """Payload of `store_report`. `reporter`: the domain that DMARC proved to have sent it, "" for none. `limited`:
    whether the limits of a day hold; not for what an operator reads from files."""

    report: ReceivedReport
    reporter: str
    received_seconds: int
    limited: bool = True


# Operations of the group commit


def store_report(tx: Transaction, items: Sequence[Item]) -> list[bool | EstafetaError]:
    """Payload `Stored`. True: kept; False: it was there before. LIMIT where too many came within a day."""
    return [_store(tx, item.payload) for item in items]


def _store(tx: Transaction, stored: Stored) -> bool | EstafetaError:
    report, now = stored.report, stored.received_seconds
    name = f"{stored.reporter or report.name.lower()}\n{report.domain}\n{report.report_id}"
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).hexdigest()
    if tx.conn.execute(select(dmarc_received.c.digest).where(dmarc_received.c.digest == digest)).first() is not None:
        return False
    if stored.limited and not _has_room(tx, stored):
        return EstafetaError(Kind.LIMIT, "Too many reports on DMARC came within a day.")
    end = min(report.end_seconds, now + _DAY_SECONDS)
    row = {
        "digest": digest,
        "domain": report.domain,
        "reporter": stored.reporter,
        "name": report.name,
        "report_id": report.report_id,
        "policy": report.policy,
        "begin_seconds": min(max(report.begin_seconds, end - _LONGEST_DAYS * _DAY_SECONDS), end),
        "end_seconds": end,
        "received_seconds": now,
        "kinds": len(report.rows),
        "messages": report.messages,
        "passed": report.passed,
    }
    tx.conn.execute(insert(dmarc_received), row)
    if report.rows:
        rows = [one._asdict() | {"digest": digest, "number": number} for number, one in enumerate(report.rows)]
        tx.conn.execute(insert(dmarc_received_rows), rows)
    return True


def _has_room(tx: Transaction, stored: Stored) -> bool:
    columns, now, kinds = dmarc_received.c, stored.received_seconds, len(stored.report.rows)
    today = select(func.count(), func.coalesce(func.sum(columns.kinds), 0)).where(
        columns.received_seconds > now - _DAY_SECONDS, columns.received_seconds <= now
    )
    reports, rows = tx.conn.execute(today).one()
    if reports >= MAX_REPORTS or rows + kinds > MAX_ROWS:
        return False
    reports, rows = tx.conn.execute(today.where(columns.reporter == stored.reporter)).one()
    return bool(reports < MAX_REPORTS_OF_ONE and rows + kinds <= MAX_ROWS_OF_ONE)


class Expired(NamedTuple):
    """Payload of `forget_received`."""

    now_seconds: int
    keep_days: int


def forget_received(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Payload `Expired`. Some of the reports that are older go, and of those that a wrong clock put so far into the
    future; how many, 0 when all are gone."""
    gone = []
    for item in items:
        now, kept = item.payload.now_seconds, item.payload.keep_days * _DAY_SECONDS
        came = dmarc_received.c.received_seconds
        some = select(dmarc_received.c.digest).where(or_(came < now - kept, came > now + kept)).limit(_PORTION)
        digests = list(tx.conn.execute(some).scalars())
        tx.conn.execute(delete(dmarc_received_rows).where(dmarc_received_rows.c.digest.in_(digests)))
        tx.conn.execute(delete(dmarc_received).where(dmarc_received.c.digest.in_(digests)))
        gone.append(len(digests))
    return gone


# Reading


@dataclass(frozen=True, slots=True)
class Report:
    """A report that came. `reporter` as of `Stored`; `name`: who made it, as the report itself says."""

    domain: str
    reporter: str
    name: str
    report_id: str
    policy: str
    begin_seconds: int
    end_seconds: int
    received_seconds: int
    messages: int
    passed: int


def read_reports(conn: Connection, since_seconds: int, domain: str = "", limit: int = 1000) -> list[Report]:
    """Those on the time since then, the newest first, on all domains or on one."""
    columns = dmarc_received.c
    wanted = (
        select(*(columns[name] for name in Report.__slots__))
        .where(columns.end_seconds >= since_seconds)
        .order_by(columns.end_seconds.desc(), columns.digest)
        .limit(limit)
    )
    if domain:
        wanted = wanted.where(columns.domain == domain)
    return [Report(*row) for row in conn.execute(wanted)]


@dataclass(frozen=True, slots=True)
class DomainSum:
    """What all reports on a domain say together. `first_seconds` to `last_seconds` is the time that they are about;
    `came_seconds`: when the first of them came."""

    domain: str
    reports: int
    reporters: int
    messages: int
    passed: int
    first_seconds: int
    last_seconds: int
    came_seconds: int


def read_domains(conn: Connection, since_seconds: int) -> list[DomainSum]:
    """Domains with reports on the time since then, in the order of their names."""
    columns = dmarc_received.c
    wanted = (
        select(
            columns.domain,
            func.count(),
            func.count(columns.reporter.distinct()),
            func.sum(columns.messages),
            func.sum(columns.passed),
            func.min(columns.begin_seconds),
            func.max(columns.end_seconds),
            func.min(columns.received_seconds),
        )
        .where(columns.end_seconds >= since_seconds)
        .group_by(columns.domain)
        .order_by(columns.domain)
    )
    return [DomainSum(row[0], *map(int, row[1:])) for row in conn.execute(wanted)]
