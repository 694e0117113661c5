"""Which flags a person may change, by the letters of RFC 4314 2.1."""

from collections.abc import Collection

from estafeta.protocols.imap.values import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

ALL_FLAGS = SEEN | ANSWERED | FLAGGED | DELETED | DRAFT


def allowed_flags(rights: Collection[str]) -> tuple[int, bool]:
    """The system flags that may be changed, and whether keywords may. RFC 4314 4: s for \\Seen, t for \\Deleted, w for
    the others."""
    flags = SEEN if "s" in rights else 0
    if "t" in rights:
        flags |= DELETED
    if "w" in rights:
        flags |= ANSWERED | FLAGGED | DRAFT
    return flags, "w" in rights
