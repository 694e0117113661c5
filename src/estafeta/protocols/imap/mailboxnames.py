"""Mailbox names between the wire and Unicode: modified UTF-7 (RFC 3501 5.1.3) and UTF-8 (RFC 9051 5.1, RFC 9755 3).

`decode_mailbox` raises EstafetaError (invalid) on octets that are no name. Raw UTF-8 is taken in any session, as RFC
6855 3 asks of servers. A name that holds a control character is none.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from functools import lru_cache

from estafeta.core.errors import EstafetaError, Kind

SEPARATOR = "/"
"""Between the levels of a name."""
_INBOX = "INBOX"
_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_TO_SHIFT = re.compile(r"[^ -~]+|&")
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]").search


def decode_mailbox(data: bytes, *, utf8: bool) -> str:
    """The name that a client sent, INBOX in capitals as a whole and as first level (RFC 9051 5.1)."""
    return _remembered(data, utf8) if len(data) <= _SHORT else _decode(data, utf8)


def _decode(data: bytes, utf8: bool) -> str:
    if utf8 or not data.isascii():
        try:
            name = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise EstafetaError(Kind.INVALID, "The mailbox name is not valid UTF-8.") from error
    else:
        name = decode_utf7(data) if b"&" in data else data.decode("ascii")
    if _CONTROL(name):
        raise EstafetaError(Kind.INVALID, "The mailbox name holds control characters.")
    return with_inbox(name)


_SHORT = 200
"""Octets of names that are remembered: a client says the same few all the time."""
_remembered = lru_cache(maxsize=1024)(_decode)


def with_inbox(name: str) -> str:
    """RFC 9051 5.1: INBOX is one name in any case. So is it as the first level of others."""
    if name[:5].upper() != _INBOX or name[5:6] not in ("", SEPARATOR):
        return name
    return _INBOX + name[5:]


def decode_utf7(data: bytes) -> str:
    """Modified UTF-7. RFC 3501 5.1.3 has one way to write each name; other ways are refused."""
    pieces, at = [], 0
    while (start := data.find(b"&", at)) >= 0:
        match = _SHIFTED.match(data, start)
        if match is None:
            raise _not_utf7()
        pieces += [data[at:start].decode("ascii"), _unshift(match[1])]
        at = match.end()
    pieces.append(data[at:].decode("ascii"))
    name = "".join(pieces)
    if encode_utf7(name) != data:
        raise _not_utf7()
    return name


def _unshift(shifted: bytes) -> str:
    if not shifted:
        return "&"
    padded = shifted.replace(b",", b"/") + b"=" * (-len(shifted) % 4)
    try:
        return a2b_base64(padded).decode("utf-16-be")
    except (Base64Error, UnicodeDecodeError) as error:
        raise _not_utf7() from error


def _not_utf7() -> EstafetaError:
    return EstafetaError(Kind.INVALID, "The mailbox name is not valid modified UTF-7.")


def encode_utf7(name: str) -> bytes:
    """Modified UTF-7. What is no Unicode, half a surrogate pair, becomes a question mark."""
    return _TO_SHIFT.sub(_shift, name).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    text = match[0]
    if text == "&":
        return "&-"
    octets = text.encode("utf-16-be", "replace")
    return "&" + b2a_base64(octets, newline=False).rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"
