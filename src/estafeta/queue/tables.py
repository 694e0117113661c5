"""Tables of the queue (docs/internals/queue.md). Times are epoch milliseconds."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, SmallInteger, String, Table, Text

from estafeta.storage.tables import metadata

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

#: One row per next hop for which something waits, or which is remembered. `line`: where it stands
#: (estafeta.queue.lines), NULL in none; `due_ms` when it may be tried; `retry_ms`: after trouble, not before (0: none).
#: `holder` the courier that has it, '' nobody.
destinations = Table(
    "queue_destinations",
    metadata,
    Column("destination_id", _NUMBER, primary_key=True),
    Column("hop", String(400), nullable=False, unique=True),
    Column("line", BigInteger),
    Column("due_ms", BigInteger, nullable=False),
    Column("retry_ms", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("first_failed_ms", BigInteger, nullable=False),
    Column("last_tried_ms", BigInteger, nullable=False),
    Column("last_ok_ms", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("holder", String(128), nullable=False),
    # Ids are announced, and kept in memory by couriers: none is used again.
    sqlite_autoincrement=True,
)
_stands = destinations.c.line.is_not(None)
Index(
    "queue_destinations_line",
    destinations.c.line,
    destinations.c.due_ms,
    sqlite_where=_stands,
)

#: One row per message that waits; it counts as one reference to its content. Columns as in values.NewEntry; `lane` is
#: where its recipients go back to when they are released.
entries = Table(
    "queue_entries",
    metadata,
    Column("entry_id", _NUMBER, primary_key=True, autoincrement=False),
    Column("content_id", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
    Column("owner", BigInteger, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("flags", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("skip", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("envid", Text, nullable=False),
    Column("ret", String(8), nullable=False),
    Column("language", String(16), nullable=False),
    Column("subject", Text, nullable=False),
)

#: One row per recipient that waits, clustered in the order in which a destination's work is read.
recipients = Table(
    "queue_recipients",
    metadata,
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", BigInteger, primary_key=True, autoincrement=False),
    Column("due_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("address", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("warn_ms", BigInteger, nullable=False),
    Column("notify", String(32), nullable=False),
    Column("orcpt", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("queue_recipients_entry", recipients.c.entry_id)

#: Couriers, each with the number of its last beat, and the line that it served last.
couriers = Table(
    "queue_couriers",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("beat", BigInteger, nullable=False),
    Column("line", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: One row per message in quarantine: why it is held (`rule` is the filter's name), until when, and what its recipients
#: are shown of it. `by_users`: they may release it themselves, by links signed with `secret`. Its recipients are rows
#: of `queue_recipients` in lane QUARANTINE.
quarantine = Table(
    "quarantine",
    metadata,
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rule", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("held_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("by_users", Boolean, nullable=False),
    Column("secret", LargeBinary, nullable=False),
)
Index("ix_quarantine_expires_ms", quarantine.c.expires_ms)

#: One row per recipient of such a message who was written that it is held.
quarantine_told = Table(
    "quarantine_told",
    metadata,
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
)
