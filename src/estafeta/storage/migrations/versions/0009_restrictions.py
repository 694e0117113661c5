"""Restrictions: who read mail a moment ago, what users may send, blocks."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "recent_readers",
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("until_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address"),
    )
    op.create_index("ix_recent_readers_until_seconds", "recent_readers", ["until_seconds"])
    op.create_table(
        "send_grants",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "identity"),
    )
    op.create_table(
        "blocks",
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("login", sa.String(length=320), nullable=False),
        sa.Column("begun_seconds", sa.BigInteger(), nullable=False),
        sa.Column("until_seconds", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("network", "login"),
    )
    op.create_index("ix_blocks_until_seconds", "blocks", ["until_seconds"])
    op.create_table(
        "sending_counts",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("span", sa.String(length=4), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "span", "number"),
    )
    op.create_table(
        "sending_brakes",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("held_since_seconds", sa.BigInteger(), nullable=False),
        sa.Column("released_until_seconds", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
    )
