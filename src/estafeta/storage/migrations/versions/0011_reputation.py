"""What is remembered of senders: greylisting, reputation, lists."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "greylist",
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("first_seconds", sa.BigInteger(), nullable=False),
        sa.Column("last_seconds", sa.BigInteger(), nullable=False),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reputation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("good", sa.Double(), nullable=False),
        sa.Column("bad", sa.Double(), nullable=False),
        sa.Column("fresh", sa.Double(), nullable=False),
        sa.Column("older", sa.Double(), nullable=False),
        sa.Column("turned_seconds", sa.BigInteger(), nullable=False),
        sa.Column("updated_seconds", sa.BigInteger(), nullable=False),
        sa.Column("wrote_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sender_lists",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("created_seconds", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "pattern"),
        sqlite_with_rowid=False,
    )
