"""Tables of Bayes. Account 0 is the site. Days are days since 1970 (UTC)."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table

from estafeta.storage.tables import metadata

#: One row for the site and for each user that taught: messages learnt. `version` grows with each change; `today`
#: counts what went into the site's words on `day`: by this user, or, for the site, by itself.
bayes_totals = Table(
    "bayes_totals",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ham", BigInteger, nullable=False),
    Column("spam", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),
    Column("today", Integer, nullable=False),
)

#: How many messages with a word in this bucket were learnt as good and as spam, and the day of the last one.
bayes_counts = Table(
    "bayes_counts",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("ham", Integer, nullable=False),
    Column("spam", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: The site's buckets that changed with a version: what a worker that knows the one before has to read again.
bayes_changes = Table(
    "bayes_changes",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("buckets", LargeBinary, nullable=False),
)

#: What was learnt from which message, so that it can be taken back. `content_id`: of the store; below 0 for a file that
#: is not in it. `in_site`: the site's words learnt it too.
bayes_learnt = Table(
    "bayes_learnt",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("content_id", BigInteger, primary_key=True, autoincrement=False),
    Column("spam", Boolean, nullable=False),
    Column("in_site", Boolean, nullable=False),
    Column("day", Integer, nullable=False),
    Column("buckets", LargeBinary, nullable=False),
)
