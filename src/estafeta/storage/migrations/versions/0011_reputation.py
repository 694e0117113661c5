"""What is remembered of senders: greylisting, reputation, lists."""

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Nothing yet: its tables come with what uses them."""
