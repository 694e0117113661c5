"""MTA-STS policies of others, results of TLS, and the reports that were made of them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sts_policies",
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("policy_id", sa.String(32), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("fetched_seconds", sa.BigInteger(), nullable=False),
        sa.Column("expires_seconds", sa.BigInteger(), nullable=False),
        sa.Column("used_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("domain"),
    )
    op.create_index("ix_sts_policies_expires", "sts_policies", ["expires_seconds"], unique=False)
    op.create_table(
        "tls_results",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", "domain", "digest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tls_reports",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("report_id", sa.String(255), nullable=False),
        sa.Column("sent_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "domain"),
        sqlite_with_rowid=False,
    )
