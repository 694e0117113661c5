"""Restrictions: who read mail a moment ago, what users may send, blocks."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nothing yet: its tables come with what uses them."""
