"""Tables of distribution lists.

A list is an address of kind `list` with a row here; its options are JSON of what differs from the defaults
(`listvalues.ListOptions`). Members have a number that is never used again in their list: links to leave carry it, and
an expansion goes from number to number.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from estafeta.storage.tables import metadata

#: `secret` (hexadecimal) signs the tokens of a list; a new one makes all old links worthless. `last_number`: the last
#: one that a member got.
lists = Table(
    "lists",
    metadata,
    Column("list_key", Text, primary_key=True),
    Column("list_id", BigInteger, nullable=False, unique=True),
    Column("options", Text, nullable=False),
    Column("secret", String(64), nullable=False),
    Column("last_number", BigInteger, nullable=False),
    Column("created_seconds", BigInteger, nullable=False),
)

#: `member` is the address as typed, `state` a MemberState, `how` who put the member in. `bounces` counts days with
#: bounces, `bounce_day` is the last of them in days since 1970.
list_members = Table(
    "list_members",
    metadata,
    Column("list_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("member_key", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("how", String(16), nullable=False),
    Column("joined_seconds", BigInteger, nullable=False),
    Column("bounces", Integer, nullable=False),
    Column("bounce_day", Integer, nullable=False),
    # Also finds the lists that somebody is on.
    Index("ix_list_members_member", "member_key", "list_id", unique=True),
    sqlite_with_rowid=False,
)
