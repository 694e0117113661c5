"""Values of responses, ready to be sent (RFC 9051 9). What is called for each message of a FETCH is quick.

Times are epoch milliseconds. Nothing raises: a time beyond the years 1 to 9999 becomes the nearest there is.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from time import gmtime

from estafeta.mail.imaptext import quote
from estafeta.protocols.imap.mailboxnames import decode_mailbox, encode_utf7
from estafeta.protocols.imap.values import Ranges

__all__ = [
    "decode_mailbox",
    "encode_astring",
    "encode_date",
    "encode_flags",
    "encode_mailbox",
    "encode_ranges",
    "quote",
    "quote_utf8",
    "ranges_of",
]

_ASTRING = re.compile(rb"[!#$&'+-Z\[\]^-z|}~]{1,1000}").fullmatch
_QUOTABLE_UTF8 = re.compile(r'[^\0\r\n"\\]{0,1000}').fullmatch
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_FIRST_DAY, _LAST_DAY = -719162, 2932896
"""Days of the years 1 and 9999, counted from 1970."""
_SYSTEM = (b"\\Seen", b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Draft", b"\\Recent")
_RECENT = 32
_FLAG_TEXTS = tuple(
    b" ".join(name for bit, name in enumerate(_SYSTEM) if flags >> bit & 1) for flags in range(2 * _RECENT)
)
"""The names of system flags for each combination, with \\Recent as the bit 32."""
_FLAG_LISTS = tuple(b"(" + text + b")" for text in _FLAG_TEXTS)


def encode_astring(value: bytes) -> bytes:
    """`astring`: an atom where that is possible. NIL is quoted: some clients take the atom for no string."""
    if _ASTRING(value) and value.upper() != b"NIL":
        return value
    return quote(value)


def quote_utf8(text: str) -> bytes:
    """`string` in a session with UTF-8, where quoted strings may hold it (RFC 9051 4.3, RFC 9755 3)."""
    if _QUOTABLE_UTF8(text):
        return b'"' + text.encode("utf-8", "replace") + b'"'
    return quote(text.encode("utf-8", "replace"))


def encode_mailbox(name: str, *, utf8: bool) -> bytes:
    """A mailbox name as a quoted string or a literal: UTF-8 where the client enabled it, else modified UTF-7."""
    return _remembered_mailbox(name, utf8) if len(name) <= _SHORT_NAME else _encode_mailbox(name, utf8)


def _encode_mailbox(name: str, utf8: bool) -> bytes:
    return quote_utf8(name) if utf8 else quote(encode_utf7(name))


_SHORT_NAME = 200
"""Characters of names that are remembered: LIST says the same ones over and over."""
_remembered_mailbox = lru_cache(maxsize=1024)(_encode_mailbox)


def encode_flags(flags: int, keywords: str = "", recent: bool = False) -> bytes:
    r"""`(\Seen $Junk)`. `flags` are bits of `values`; `keywords` are separated by spaces."""
    if recent:
        flags |= _RECENT
    if not keywords:
        return _FLAG_LISTS[flags & 63]
    system = _FLAG_TEXTS[flags & 63]
    return b"(%b %b)" % (system, keywords.encode()) if system else b"(%b)" % keywords.encode()


def encode_date(epoch_ms: int) -> bytes:
    """`"22-Nov-2026 08:00:00 +0000"`, quotes included."""
    day, second = divmod(epoch_ms // 1000, 86400)
    return b'"%b %02d:%02d:%02d +0000"' % (_day(day), second // 3600, second // 60 % 60, second % 60)


@lru_cache(maxsize=4096)
def _day(day: int) -> bytes:
    """`22-Nov-2026` for a day counted from 1970."""
    t = gmtime(max(_FIRST_DAY, min(_LAST_DAY, day)) * 86400)
    return b"%02d-%b-%04d" % (t.tm_mday, _MONTHS[t.tm_mon - 1], t.tm_year)


def encode_ranges(ranges: Iterable[tuple[int, int]]) -> bytes:
    """`1:5,7`; empty for none."""
    return ",".join([f"{low}:{high}" if low != high else str(low) for low, high in ranges]).encode()


def ranges_of(numbers: Iterable[int]) -> Ranges:
    """The ranges of numbers that ascend; one that comes twice counts once."""
    found: list[tuple[int, int]] = []
    start = end = 0
    for number in numbers:
        if start and number == end + 1:
            end = number
        elif number != end:
            if start:
                found.append((start, end))
            start = end = number
    if start:
        found.append((start, end))
    return tuple(found)
