"""Words of good mail and of junk."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Nothing yet: its tables come with what uses them."""
