"""Who sent in the names of our domains, by the reports of others, put together for a person."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from estafeta.policy.dmarc_reading import ReportRow
from estafeta.policy.dmarc_tables import dmarc_received, dmarc_received_rows

#: Sources told apart; what is beyond, by the age of reports, is one more without an address.
MAX_SOURCES = 20_000
# Names kept of each kind for one source.
_MAX_NAMES = 10


@dataclass(slots=True)
class Source:
    """An address that sent in the name of a domain: so many messages, how many of them passed DMARC, by DKIM, by SPF,
    and how many were quarantined or rejected. `signed_by`, `envelope`: domains that DKIM and SPF were about. Those in
    `reporters` that are in brackets are not proved."""

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

    @property
    def failed(self) -> int:
        """Messages that did not pass."""
        return self.messages - self.passed

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


def reporter_words(reporter: str, name: str) -> str:
    """Who made a report: the domain that DMARC proved, else what it says itself, in brackets."""
    return reporter or f"({name})"


def read_sources(conn: Connection, since_seconds: int, domain: str) -> list[Source]:
    """Who sent in the name of a domain by the reports on the time since then, those with the most messages that failed
    first."""
    head, rows = dmarc_received.c, dmarc_received_rows.c
    wanted = (
        select(head.reporter, head.name, *(rows[name] for name in ReportRow._fields))
        .join(dmarc_received, head.digest == rows.digest)
        .where(head.end_seconds >= since_seconds, head.domain == domain)
        .order_by(head.received_seconds.desc(), head.digest, rows.number)
    )
    found: dict[str, Source] = {}
    for reporter, name, *values in conn.execute(wanted):
        row = ReportRow(*values)
        ip = row.source_ip if row.source_ip in found or len(found) < MAX_SOURCES else ""
        if ip not in found:
            found[ip] = Source(domain, ip)
        found[ip].add(row, reporter_words(reporter, name))
    return sorted(found.values(), key=lambda one: (-one.failed, -one.messages, one.source_ip))
