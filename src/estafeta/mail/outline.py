"""The outline of a message that only passes through: what its header says, without a look at its body.

Nobody reads such a message by IMAP, so structure, preview and envelope are not made; that saves most of the work of a
scan. Takes the same calls as `estafeta.mail.scan.MessageScanner`, and never raises either.
"""

import re

from estafeta.mail.encodedwords import decode_header
from estafeta.mail.headers import find_header_end
from estafeta.mail.scan import MessageSummary

# As MessageScanner: of a longer header the rest is not read for fields.
_MAX_HEADER = 128 * 1024
# RFC 5322 2.2.3: a field goes on in lines that begin with white space.
_FIELD = rb"^%b[ \t]*:((?:[^\n]|\n[ \t])*)"
_SUBJECT = re.compile(_FIELD % b"subject", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:\s*(<[^<>\s]{1,998}>)", re.IGNORECASE | re.MULTILINE)
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)


class OutlineScanner:
    """Octets in, in pieces of any size; at the end, the summary without what is of the body."""

    __slots__ = ("_end", "_head", "_size")

    def __init__(self) -> None:
        self._head = b""
        self._end = -1
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._size += len(data)
        if self._end < 0 and len(self._head) < _MAX_HEADER:
            self._head += data
            self._end = find_header_end(self._head)

    def close(self) -> MessageSummary:
        """What the header says."""
        head = self._head if self._end < 0 else self._head[: self._end]
        head = head[:_MAX_HEADER]
        subject, message_id = _SUBJECT.search(head), _MESSAGE_ID.search(head)
        return MessageSummary(
            self._size,
            self._end if self._end >= 0 else self._size,
            b"",
            b"",
            b"",
            "",
            decode_header(subject[1].strip()) if subject else "",
            message_id[1].decode("utf-8", "replace") if message_id else "",
            len(_RECEIVED.findall(head)),
            False,
            (),
        )
