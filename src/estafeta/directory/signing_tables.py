"""Tables of what this site signs with. Times are epoch seconds."""

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, Text

from estafeta.storage.tables import metadata

#: `state` is a KeyState, `seen` what DNS said when it was asked last (Seen); `record` is the text to publish; `data`
#: the private key, encrypted under the node's key, "" when it was erased.
dkim_keys = Table(
    "dkim_keys",
    metadata,
    Column("domain", String(255), primary_key=True),
    Column("selector", String(63), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("record", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("created_seconds", BigInteger, nullable=False),
    Column("changed_seconds", BigInteger, nullable=False),
    Column("seen", String(16), nullable=False),
    Column("asked_seconds", BigInteger, nullable=False),
)

#: Secrets that all machines of a site share (estafeta.directory.sitesecrets), as those of lists are: plain, since what
#: they guard, the way back for bounces, is worth no more than the rest of the database.
site_secrets = Table(
    "site_secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
)
