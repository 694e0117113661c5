"""Distribution lists and their members."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "lists",
        sa.Column("list_key", sa.Text(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("created_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("list_key"),
        sa.UniqueConstraint("list_id"),
    )
    op.create_table(
        "list_members",
        sa.Column("list_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_key", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("joined_seconds", sa.BigInteger(), nullable=False),
        sa.Column("bounces", sa.Integer(), nullable=False),
        sa.Column("bounce_day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_list_members_member", "list_members", ["member_key", "list_id"], unique=True)
