"""The header field `TLS-Required: No` (RFC 8689 3): a sender who would rather have a message arrive than be secret."""

import re

_FIELD = re.compile(rb"^tls-required[ \t]*:[ \t\r\n]*no[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def tls_not_required(header: bytes) -> bool:
    """Whether the header section `header` says so. REQUIRETLS on the envelope goes before it (RFC 8689 3)."""
    return _FIELD.search(header) is not None
