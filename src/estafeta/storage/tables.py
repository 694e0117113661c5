"""Tables of the store itself; other packages declare theirs on the same `metadata`.

Migrations make them (storage/migrations). An index of some rows says of which for SQLite alone, though in PostgreSQL it
is the same: a word for a dialect imports it, and PostgreSQL's takes 3 MiB of each process.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData()

#: Numbers given out once and never again: one row per name, `value` is the last one taken.
sequences = Table(
    "sequences",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

#: Who does a piece of periodic work, and until when (epoch seconds) nobody else may.
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("until_seconds", BigInteger, nullable=False),
)

#: `end` is the octet behind the last record; `state` a PackState, in which it is since `since_seconds`; `dead_bytes`
#: counts records whose content is gone or moved away (records of failed operations are not counted).
packs = Table(
    "packs",
    metadata,
    Column("pack_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(8), nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("dead_bytes", BigInteger, nullable=False),
    Column("since_seconds", BigInteger, nullable=False),
)

#: One row per stored content. `length` is the record's, header included; `size` the content's before compression;
#: `refs` counts the messages that refer to it, without those in `more_refs`.
#: envelope, bodystructure, structure, preview: what was parsed at intake (estafeta.mail.scan.MessageSummary).
#: `ident`: the message in the journal; 0 where it has none.
contents = Table(
    "contents",
    metadata,
    Column("content_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("pack_id", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("refs", Integer, nullable=False),
    Column("moved", Boolean, nullable=False, server_default=false()),
    Column("header_size", Integer, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("bodystructure", LargeBinary, nullable=False),
    Column("structure", LargeBinary, nullable=False),
    Column("preview", Text, nullable=False),
    Column("ident", BigInteger, nullable=False, server_default="0"),
)
# Contents still in the pack they were born in are found by the range of their ids; only moved ones need an index.
Index("contents_moved", contents.c.pack_id, sqlite_where=contents.c.moved)

#: References that came after a content did (COPY), never 0: a row of `contents` is wide, and dear to change. They are
#: the first to go.
more_refs = Table(
    "more_refs",
    metadata,
    Column("content_id", BigInteger, primary_key=True, autoincrement=False),
    Column("refs", Integer, nullable=False),
    sqlite_with_rowid=False,
)
