"""Tables of the mailboxes. What belongs to an account has account_id first in its key."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, false, text

from estafeta.storage.tables import metadata

#: One row per account: the MODSEQ of its last change, what it holds (octets before compression, messages), and whether
#: it has got the folders that every account begins with.
account_state = Table(
    "account_state",
    metadata,
    Column("account_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("modseq", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("last_mailbox_id", Integer, nullable=False),
    Column("furnished", Boolean, nullable=False, server_default=false()),
)

#: One row per mailbox, with the counters that STATUS answers from. `modseq` is its highest; `special_use` holds
#: attributes of RFC 6154 without backslash, `keywords` all that its messages ever had in the order of first use, both
#: separated by spaces; UIDs up to `recent_uid` were announced as recent.
mailboxes = Table(
    "mailboxes",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(1000), nullable=False),
    Column("special_use", String(80), nullable=False),
    Column("uid_validity", BigInteger, nullable=False),
    Column("uid_next", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("unseen", BigInteger, nullable=False),
    Column("deleted", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("keywords", Text, nullable=False, server_default=text("''")),
    Column("recent_uid", BigInteger, nullable=False, server_default="0"),
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

#: Names of mailboxes that a person's client shows, as IMAP clients say them ("INBOX", "a/b", "#shared/News").
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(1000), primary_key=True),
)

#: Access control lists: who (an address, `@domain`, `group:address`, `anyone`; a leading `-` takes away) has which
#: rights.
acl = Table(
    "acl",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("identifier", String(320), primary_key=True),
    Column("rights", String(16), nullable=False),
)
Index("acl_identifier", acl.c.identifier)

#: Annotations of RFC 5464. `mailbox_id` 0: of the account; `person_id` 0: /shared, else whose /private it is; `entry`
#: in lower case, without /shared or /private.
annotations = Table(
    "annotations",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("person_id", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
Index("annotations_person", annotations.c.person_id)

#: Keys that URLs of RFC 4467 are signed with: of `person_id` for a mailbox.
urlauth_keys = Table(
    "urlauth_keys",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("person_id", BigInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
)
Index("urlauth_keys_person", urlauth_keys.c.person_id)

#: What people showed by moving or marking messages, until it is learnt: `lesson` is a Lesson, of which the last one
#: counts; `at_ms` when it was given.
learn_queue = Table(
    "learn_queue",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("content_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lesson", String(6), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("learn_queue_at", learn_queue.c.at_ms)

#: What belongs to a mailbox besides its messages, and goes with it.
BELONGINGS = (acl, annotations, urlauth_keys)
