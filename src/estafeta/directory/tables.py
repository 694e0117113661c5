"""Tables of the directory.

`addresses` says for each address of ours what it is: one lookup answers a RCPT. Keys of addresses are
`Address.key` (folded, A-label domain); the columns without `_key` hold what a person typed. Tables that belong to an
account carry `account_id` first in their key. A user's row stays after its removal until the account is purged.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from estafeta.directory import listtables as listtables  # declared with the others
from estafeta.directory import restriction_tables as restriction_tables  # likewise
from estafeta.directory import signing_tables as signing_tables  # likewise
from estafeta.storage.tables import metadata

#: `name` is the A-label form in lower case. `catch_all` is an address or empty. 0 = the site's own value or no limit.
domains = Table(
    "domains",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("alias_of", String(255), nullable=False, default=""),
    Column("catch_all", Text, nullable=False, default=""),
    Column("max_message_bytes", BigInteger, nullable=False, default=0),
    Column("default_quota_bytes", BigInteger, nullable=False, default=0),
    Column("default_quota_messages", BigInteger, nullable=False, default=0, server_default="0"),
    Column("max_users", Integer, nullable=False, default=0),
    Column("created_seconds", BigInteger, nullable=False),
)

#: `account_id` comes from the sequence `account` and is never used again. Quotas: -1 inherits, 0 is no limit.
#: `services` is a comma list of Service, `redirect_mode` a RedirectMode. `removed_seconds` is 0 while the user exists.
users = Table(
    "users",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("local", Text, nullable=False),
    Column("local_key", Text, nullable=False),
    Column("domain", String(255), nullable=False),
    Column("display_name", Text, nullable=False, default=""),
    Column("preferred_address", Text, nullable=False),
    Column("quota_bytes", BigInteger, nullable=False, default=-1),
    Column("quota_messages", BigInteger, nullable=False, default=-1, server_default="-1"),
    Column("language", String(8), nullable=False, default="en"),
    Column("services", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("redirect_mode", String(8), nullable=False, default="none"),
    Column("created_seconds", BigInteger, nullable=False),
    Column("removed_seconds", BigInteger, nullable=False, default=0),
    Index("ix_users_domain", "domain", "local_key"),
)

#: Every address of ours and what it is: `kind` is an AddressKind; `account_id` is set for users only.
addresses = Table(
    "addresses",
    metadata,
    Column("address_key", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("domain", String(255), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("account_id", BigInteger, nullable=True, index=True),
)

alias_targets = Table(
    "alias_targets",
    metadata,
    Column("alias_key", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("target", Text, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    Column("group_key", Text, primary_key=True),
    Column("display_name", Text, nullable=False, default=""),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_key", Text, primary_key=True),
    Column("member_key", Text, primary_key=True),
    Column("member", Text, nullable=False),
    Index("ix_group_members_member", "member_key"),
)

#: Where a redirected user's mail goes; `users.redirect_mode` says whether there is any and who keeps a copy.
redirects = Table(
    "redirects",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("target", Text, nullable=False),
)

#: `kind` is a CredentialKind; `data` is a hash, SCRAM keys, or an encrypted APOP secret: never a password.
credentials = Table(
    "credentials",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), primary_key=True),
    Column("data", Text, nullable=False),
    Column("changed_seconds", BigInteger, nullable=False),
)

#: How we sign in to other servers. `host` is the name of a next hop in lower case, `port` 0 stands for any; `data` is
#: the password, encrypted under the node's key.
host_credentials = Table(
    "host_credentials",
    metadata,
    Column("host", String(255), primary_key=True),
    Column("port", Integer, primary_key=True, autoincrement=False),
    Column("login", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("changed_seconds", BigInteger, nullable=False),
)

#: Only what differs from the default; `value` is JSON.
settings = Table(
    "settings",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("value", Text, nullable=False),
)

#: One row per key of a change; `old` and `new` are JSON, NULL for the default.
setting_changes = Table(
    "setting_changes",
    metadata,
    Column("change_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", String(128), primary_key=True),
    Column("changed_seconds", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("old", Text, nullable=True),
    Column("new", Text, nullable=True),
)
