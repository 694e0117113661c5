"""DMARC: what came in from whom, and reports of others."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "dmarc_results",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", "domain", "digest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dmarc_kinds",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("kinds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "owner"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dmarc_sent",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("report_id", sa.String(255), nullable=False),
        sa.Column("sent_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "domain"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dmarc_received",
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("reporter", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("report_id", sa.String(255), nullable=False),
        sa.Column("policy", sa.String(16), nullable=False),
        sa.Column("begin_seconds", sa.BigInteger(), nullable=False),
        sa.Column("end_seconds", sa.BigInteger(), nullable=False),
        sa.Column("received_seconds", sa.BigInteger(), nullable=False),
        sa.Column("kinds", sa.Integer(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_dmarc_received_received", "dmarc_received", ["received_seconds"], unique=False)
    op.create_table(
        "dmarc_received_rows",
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source_ip", sa.String(45), nullable=False),
        sa.Column("header_from", sa.String(255), nullable=False),
        sa.Column("disposition", sa.String(16), nullable=False),
        sa.Column("dkim", sa.Boolean(), nullable=False),
        sa.Column("spf", sa.Boolean(), nullable=False),
        sa.Column("dkim_domain", sa.String(255), nullable=False),
        sa.Column("spf_domain", sa.String(255), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "number"),
        sqlite_with_rowid=False,
    )
