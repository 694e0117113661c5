"""Header blocks: where they end, what fields they hold, what a value says. Never raises.

A header ends at the first empty line and nowhere else (RFC 5322 2.1), whatever stands in it: every part of the
server, and every DKIM signature, must see the same end. Lines may end with CRLF or a bare LF. A line that is neither
a field nor the continuation of one is skipped.
"""

import re

from estafeta.mail.addresslist import Group, Mailbox, parse_address_list
from estafeta.mail.dates import format_date, parse_date
from estafeta.mail.encodedwords import decode_header, unfold

__all__ = [
    "Group",
    "Mailbox",
    "decode_header",
    "find_header_end",
    "format_date",
    "header_names",
    "parse_address_list",
    "parse_date",
    "split_header",
    "unfold",
]

# A field (RFC 5322 2.2): a name, the obsolete white space after it (4.5), and all up to a line end that no white space
# follows (2.2.3). No two neighbouring parts can match the same octet, so that a line costs no more than its length; and
# no way back is kept for each fold (*+), which for a header of nothing but folds would be 22 MiB.
_FIELD = re.compile(rb"^([^\x00-\x20\x7f:]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*+)", re.MULTILINE)

find_fields = _FIELD.findall
"""Each field's name and what stands behind its colon, both as written: `split_header` without the strip."""


def find_header_end(data: bytes) -> int:
    """The size of the header with its empty line, in octets; -1 while the empty line has not come."""
    if data[:2] == b"\r\n":
        return 2
    if data[:1] == b"\n":
        return 1
    crlf = data.find(b"\n\r\n")
    bare = data.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(data))
    if bare >= 0:
        return bare + 2
    return crlf + 3 if crlf >= 0 else -1


def split_header(block: bytes) -> list[tuple[bytes, bytes]]:
    """Each field's name as written and its raw value: folds kept, white space around it gone."""
    return [(name, value.strip()) for name, value in find_fields(block)]


def header_names(block: bytes) -> set[bytes]:
    """The names of the fields that are there, in lower case."""
    return {name.lower() for name, _ in split_header(block)}
