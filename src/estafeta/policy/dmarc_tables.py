"""Tables of DMARC: results for the reports that we send, reports sent, and what the reports of others say."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from estafeta.storage.tables import metadata

#: Messages of one day (UTC, days since 1970) and policy domain that went alike: `digest` is of `facts`, which say how
#: (JSON, `policy.dmarc_values`).
dmarc_results = Table(
    "dmarc_results",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("domain", String(255), primary_key=True),
    Column("digest", String(32), primary_key=True),
    Column("messages", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: How many rows of `dmarc_results` a day has: of each organization, and of all ("").
dmarc_kinds = Table(
    "dmarc_kinds",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(255), primary_key=True),
    Column("kinds", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: Reports that went out, so that none goes twice. `report_id` is "" where the domain wants none.
dmarc_sent = Table(
    "dmarc_sent",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("domain", String(255), primary_key=True),
    Column("report_id", String(255), nullable=False),
    Column("sent_seconds", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Reports of others on a domain of ours. `digest` is of who made it, the domain and its id, so that none counts twice.
#: `reporter`: the domain that DMARC proved to have sent it, "" for none; `name`: who the report says made it. `kinds`:
#: its rows below; `messages`, and how many of them passed.
dmarc_received = Table(
    "dmarc_received",
    metadata,
    Column("digest", String(32), primary_key=True),
    Column("domain", String(255), nullable=False),
    Column("reporter", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("report_id", String(255), nullable=False),
    Column("policy", String(16), nullable=False),
    Column("begin_seconds", BigInteger, nullable=False),
    Column("end_seconds", BigInteger, nullable=False),
    Column("received_seconds", BigInteger, nullable=False),
    Column("kinds", Integer, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("passed", BigInteger, nullable=False),
    Index("ix_dmarc_received_received", "received_seconds"),
)

#: What such a report says, summarised: one row for each source, author domain and way in which messages went.
dmarc_received_rows = Table(
    "dmarc_received_rows",
    metadata,
    Column("digest", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("source_ip", String(45), nullable=False),
    Column("header_from", String(255), nullable=False),
    Column("disposition", String(16), nullable=False),
    Column("dkim", Boolean, nullable=False),
    Column("spf", Boolean, nullable=False),
    Column("dkim_domain", String(255), nullable=False),
    Column("spf_domain", String(255), nullable=False),
    Column("messages", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
