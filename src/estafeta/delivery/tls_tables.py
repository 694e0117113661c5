"""Tables of TLS outward: MTA-STS policies of others as they were fetched, results for reports, and reports sent."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from estafeta.storage.tables import metadata

#: `content` is the policy as it came, `policy_id` what announced it. Valid until `expires_seconds` (RFC 8461 3.2);
#: `used_seconds` is when it last decided something, to the hour.
sts_policies = Table(
    "sts_policies",
    metadata,
    Column("domain", String(255), primary_key=True),
    Column("policy_id", String(32), nullable=False),
    Column("content", Text, nullable=False),
    Column("fetched_seconds", BigInteger, nullable=False),
    Column("expires_seconds", BigInteger, nullable=False),
    Column("used_seconds", BigInteger, nullable=False),
    Index("ix_sts_policies_expires", "expires_seconds"),
)

#: Sessions of one day (UTC, days since 1970) and policy domain that went alike: `digest` is of `facts`, which say how
#: (JSON, `delivery.tlsresults`).
tls_results = Table(
    "tls_results",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("domain", String(255), primary_key=True),
    Column("digest", String(32), primary_key=True),
    Column("sessions", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: Reports that went out, so that none goes twice. `report_id` is "" where the domain wants none.
tls_reports = Table(
    "tls_reports",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("domain", String(255), primary_key=True),
    Column("report_id", String(255), nullable=False),
    Column("sent_seconds", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
