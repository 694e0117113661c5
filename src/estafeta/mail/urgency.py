"""Whether a message says of itself that it is urgent (row Q6)."""

import re

from estafeta.mail.headers import find_header_end

# RFC 2156 5.3.6 (Priority), RFC 4021 2.1.54 (Importance), and the field that mail programs write.
_URGENT = re.compile(
    rb"^(?:priority:[ \t]*urgent|importance:[ \t]*high|x-priority:[ \t]*[12](?![0-9]))", re.IGNORECASE | re.MULTILINE
)
_FIRST = 16 << 10


def is_urgent(message: bytes) -> bool:
    """Whether the header section in front of `message` asks for priority; what it says beyond 16 KiB is not heard."""
    head = message[:_FIRST]
    end = find_header_end(head)
    return _URGENT.search(head if end < 0 else head[:end]) is not None
