"""Tables of restrictions: who read mail a moment ago, whose names users may send in, blocks, what users send.

Times are epoch seconds. All workers and machines share these rows; each remembers them for a few seconds.
"""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from estafeta.storage.tables import metadata

#: POP before SMTP: a client that signed in to read mail may relay until then.
recent_readers = Table(
    "recent_readers",
    metadata,
    Column("address", String(64), primary_key=True),
    Column("until_seconds", BigInteger, nullable=False, index=True),
)

#: In whose name a user may send besides its own addresses: the key of an address, or `@domain`.
send_grants = Table(
    "send_grants",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("identity", Text, primary_key=True),
)

#: `network` "" with a `login`: sign-ins of that user wait, from wherever; `login` "" blocks the whole network; both,
#: that user from there. `failures` is what the wait was computed from. `made_by` is "" for the server's own. Until 0 is
#: for good.
blocks = Table(
    "blocks",
    metadata,
    Column("network", String(64), primary_key=True),
    Column("login", String(320), primary_key=True),
    Column("begun_seconds", BigInteger, nullable=False),
    Column("until_seconds", BigInteger, nullable=False, index=True),
    Column("failures", Integer, nullable=False),
    Column("made_by", String(128), nullable=False),
    Column("reason", Text, nullable=False),
)

#: What an account sent in an hour or a day: `span` is `hour` or `day`, `number` counts them from the epoch. `held`
#: recipients went nowhere yet, and are no part of what is normal.
sending_counts = Table(
    "sending_counts",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("span", String(4), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("messages", Integer, nullable=False),
    Column("recipients", Integer, nullable=False),
    Column("held", Integer, nullable=False),
)

#: Accounts whose mail is held since they sent too much, and those that an operator let go on.
sending_brakes = Table(
    "sending_brakes",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("held_since_seconds", BigInteger, nullable=False),
    Column("released_until_seconds", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)
