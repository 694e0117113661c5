"""Keys that mail is signed with."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "dkim_keys",
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("selector", sa.String(length=63), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_seconds", sa.BigInteger(), nullable=False),
        sa.Column("changed_seconds", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.String(length=16), nullable=False),
        sa.Column("asked_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("domain", "selector"),
    )
