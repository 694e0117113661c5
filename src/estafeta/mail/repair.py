"""What a submission server may add to a message that lacks it (RFC 6409 8), and line ends for imports.

Only fields that RFC 5322 3.6 requires are added, and never one that is there; a Sender field is left alone.
"""

import re

from estafeta.mail.address import Address
from estafeta.mail.dates import format_date
from estafeta.mail.headers import header_names, split_header
from estafeta.mail.newlines import NewlineNormaliser, needs_crlf_normalising, normalise_newlines

__all__ = ["NewlineNormaliser", "missing_fields", "needs_crlf_normalising", "normalise_newlines"]

_NOT_ID = re.compile(r"[^A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]")


def missing_fields(header_block: bytes, *, sender: Address | None, ident: str, hostname: str, now: float) -> bytes:
    """Header lines with CRLF to put in front of the message; b"" when nothing is missing.

    Date is `now` (epoch seconds) in UTC, Message-ID is made of `ident` (unique on this host) and `hostname`, From is
    the envelope's sender, if there is one. A message that begins with text instead of a field also gets the empty
    line, so that its first lines stay text.
    """
    names = header_names(header_block)
    added = []
    if b"date" not in names:  # RFC 6409 8.2
        added.append(b"Date: " + format_date(now))
    if b"from" not in names and sender is not None:
        added.append(b"From: " + str(sender).encode("utf-8", "replace"))
    if b"message-id" not in names:  # RFC 6409 8.3
        added.append(f"Message-ID: <{_NOT_ID.sub('-', ident)}@{_NOT_ID.sub('-', hostname)}>".encode("ascii"))
    if not added:
        return b""
    added.append(b"")
    if not _begins_with_field(header_block):
        added.append(b"")
    return b"\r\n".join(added)


def _begins_with_field(header_block: bytes) -> bool:
    first = header_block.partition(b"\n")[0]
    return first in (b"", b"\r") or bool(split_header(first))
