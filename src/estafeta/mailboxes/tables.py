"""Tables of the mailboxes. What belongs to an account has account_id first in its key."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, true

from estafeta.storage.tables import metadata

#: One row per account: the MODSEQ of its last change, what it holds (octets before compression, messages).
account_state = Table(
    "account_state",
    metadata,
    Column("account_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("modseq", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("last_mailbox_id", Integer, nullable=False),
)

#: One row per mailbox, with the counters that STATUS answers from. `modseq` is its highest; `special_use` an RFC 6154
#: attribute without backslash or empty.
mailboxes = Table(
    "mailboxes",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(1000), nullable=False),
    Column("special_use", String(32), nullable=False),
    Column("subscribed", Boolean, nullable=False, server_default=true()),
    Column("uid_validity", BigInteger, nullable=False),
    Column("uid_next", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("unseen", BigInteger, nullable=False),
    Column("deleted", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("mailboxes_name", mailboxes.c.account_id, mailboxes.c.name, unique=True)

#: One row per message in a mailbox, clustered in the order in which a mailbox is read. `flags` is a bit set of Flag,
#: `keywords` are separated by spaces, dates are epoch milliseconds, `size` is in octets as stored.
messages = Table(
    "messages",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    Column("content_id", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("created_modseq", BigInteger, nullable=False),
    Column("flags", Integer, nullable=False),
    Column("keywords", Text, nullable=False),
    Column("internal_date_ms", BigInteger, nullable=False),
    Column("save_date_ms", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
# Only messages changed after they came: delivery does not pay for it (docs/internals/store.md).
_changed = messages.c.modseq > messages.c.created_modseq
Index(
    "messages_changed",
    messages.c.account_id,
    messages.c.mailbox_id,
    messages.c.modseq,
    sqlite_where=_changed,
    postgresql_where=_changed,
)

#: UIDs that are gone, and at which MODSEQ they went (RFC 7162).
tombstones = Table(
    "tombstones",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("modseq", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
