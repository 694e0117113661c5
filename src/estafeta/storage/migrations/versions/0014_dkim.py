"""Keys that mail is signed with."""

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Nothing yet: its tables come with what uses them."""
