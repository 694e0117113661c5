"""DMARC: what came in from whom, and reports of others."""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Nothing yet: its tables come with what uses them."""
