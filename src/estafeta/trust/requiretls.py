"""The header field `TLS-Required: No` (RFC 8689 3): a sender who would rather have a message arrive than be secret."""

import re

from estafeta.mail.headers import find_header_end

_FIELD = re.compile(rb"^tls-required[ \t]*:[ \t\r\n]*no[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def tls_not_required(message: bytes) -> bool:
    """Whether the header section that `message` begins with says so. REQUIRETLS on the envelope goes before it (RFC
    8689 3). What the text says does not count: people quote each other."""
    if b"equired" not in message:
        return False
    end = find_header_end(message)
    return _FIELD.search(message if end < 0 else message[:end]) is not None
