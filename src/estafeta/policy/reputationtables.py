"""Tables of what is remembered of senders: greylisting, reputation, lists of whom to allow and to block."""

from sqlalchemy import BigInteger, Column, Double, Integer, String, Table, Text

from estafeta.storage.tables import metadata

#: Who was put off and came again: `key` is a hash of what was seen together (policy.greylist), so that rows are short
#: whatever senders write. `passes`: how often it came after its time; 0: not yet.
greylist = Table(
    "greylist",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("first_seconds", BigInteger, nullable=False),
    Column("last_seconds", BigInteger, nullable=False),
    Column("passes", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: Experience with senders: `name` is `a:` and an address, `d:` and a domain, `n:` and a network. `good` and `bad` are
#: decayed sums as of `updated_seconds`; `fresh` and `older` are what may still turn out bad, since `turned_seconds` in
#: `fresh` (policy.experience). `wrote_seconds`: when a user here last wrote to it, 0 for never.
reputation = Table(
    "reputation",
    metadata,
    Column("name", Text, primary_key=True),
    Column("good", Double, nullable=False),
    Column("bad", Double, nullable=False),
    Column("fresh", Double, nullable=False),
    Column("older", Double, nullable=False),
    Column("turned_seconds", BigInteger, nullable=False),
    Column("updated_seconds", BigInteger, nullable=False),
    Column("wrote_seconds", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Whom a site (account 0) or a user wants to hear of or not: `pattern` as in policy.senderlists, `action` allow or
#: block.
sender_lists = Table(
    "sender_lists",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("pattern", Text, primary_key=True),
    Column("action", String(8), nullable=False),
    Column("created_seconds", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    sqlite_with_rowid=False,
)
