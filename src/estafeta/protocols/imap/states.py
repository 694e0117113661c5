"""Where an IMAP session is (RFC 9051 3)."""

from enum import StrEnum


class State(StrEnum):
    """The four states of RFC 9051 3."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


ANY = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
"""Commands of RFC 9051 6.1."""
EARLY = frozenset({State.NOT_AUTHENTICATED})
"""Commands of RFC 9051 6.2."""
SIGNED_IN = frozenset({State.AUTHENTICATED, State.SELECTED})
"""Commands of RFC 9051 6.3, which the selected state has too."""
SELECTED = frozenset({State.SELECTED})
"""Commands of RFC 9051 6.4."""
