"""Tables of the journal: its records, and the receivers that they are kept by."""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from estafeta.storage.tables import metadata

#: One row per transition (journal.records.Record), clustered by message: a story is read in one place, and since idents
#: begin with the time, new rows go to the end of the tree. `at_us` is epoch microseconds. No other index: every message
#: pays for each.
journal = Table(
    "journal",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("code", String(2), nullable=False),
    Column("address", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: A receiver holds the stories of the messages that came from `begun_ms` up to `ended_ms` (0: it is the open one).
#: `records` and `bytes` were counted up to the message `counted_id`: near enough to know when it is full.
journal_receivers = Table(
    "journal_receivers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("counted_id", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
