"""The queue: destinations, messages that wait, their recipients, and couriers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _make_destinations()
    op.create_table(
        "queue_entries",
        sa.Column("entry_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("skip", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("envid", sa.Text(), nullable=False),
        sa.Column("ret", sa.String(length=8), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    _make_recipients()
    op.create_table(
        "queue_couriers",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )


def _make_destinations() -> None:
    op.create_table(
        "queue_destinations",
        sa.Column("destination_id", _NUMBER, nullable=False),
        sa.Column("hop", sa.String(length=400), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("retry_ms", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("first_failed_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_tried_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ok_ms", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("destination_id"),
        sa.UniqueConstraint("hop"),
        sqlite_autoincrement=True,
    )
    stands = sa.text("line IS NOT NULL")
    op.create_index(
        "queue_destinations_line",
        "queue_destinations",
        ["line", "due_ms"],
        unique=False,
        sqlite_where=stands,
        postgresql_where=stands,
    )


def _make_recipients() -> None:
    op.create_table(
        "queue_recipients",
        sa.Column("destination_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lane", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("warn_ms", sa.BigInteger(), nullable=False),
        sa.Column("notify", sa.String(length=32), nullable=False),
        sa.Column("orcpt", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "lane", "owner", "due_ms", "entry_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("queue_recipients_entry", "queue_recipients", ["entry_id"], unique=False)
