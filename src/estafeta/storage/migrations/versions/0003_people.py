"""Quotas in messages, the groups of a member found quickly, and whether an account has got its first folders."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns and the index."""
    op.add_column("users", sa.Column("quota_messages", sa.BigInteger(), server_default="-1", nullable=False))
    op.add_column("domains", sa.Column("default_quota_messages", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("account_state", sa.Column("furnished", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_group_members_member", "group_members", ["member_key"], unique=False)
