"""Mail that a filter holds."""

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Nothing yet: its tables come with what uses them."""
