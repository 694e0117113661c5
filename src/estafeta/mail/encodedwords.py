"""Header text as a person reads it: unfolding, RFC 2047 encoded words, raw 8-bit. Never raises.

Departures, for what is sent in the world: an encoded word is seen wherever it stands, also in the middle of a word
and inside quotes; its encoded text may hold spaces; neighbours in one charset are joined before decoding, since
senders cut characters in two (RFC 2047 5 (3) forbids it).
"""

import binascii
import re

from estafeta.mail.charsets import decode_text, decode_unlabelled

_WORD = re.compile(rb"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def unfold(value: bytes) -> bytes:
    """A field's value in one line (RFC 5322 2.2.3): the line ends go, the space after them stays."""
    if b"\n" in value:
        return value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value


def decode_base64(data: bytes) -> bytes:
    """As many octets as there are: what is no base64 is skipped (RFC 2045 6.8), a torn end is dropped."""
    clean = data.translate(None, _NOT_BASE64)
    cut = len(clean) & 3
    if cut == 1:
        clean, cut = clean[:-1], 0
    return binascii.a2b_base64(clean + b"==="[: (4 - cut) & 3])


def decode_header(value: bytes) -> str:
    """The text of an unstructured field's value, or of a phrase: one line without control characters."""
    value = unfold(value)
    text = _decode_words(value) if b"=?" in value else decode_unlabelled(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _decode_words(value: bytes) -> str:
    out: list[str] = []
    pending, pending_charset = b"", ""
    end = 0
    for word in _WORD.finditer(value):
        between = value[end : word.start()]
        charset = word.group(1).decode("latin-1").lower()
        # RFC 2047 6.2: white space between two encoded words is not shown.
        if (between.strip() or end == 0 or charset != pending_charset) and pending:
            out.append(decode_text(pending, pending_charset))
            pending = b""
        if between.strip() or (end == 0 and between):
            out.append(decode_unlabelled(between))
        pending += _word_octets(word)
        pending_charset = charset
        end = word.end()
    if pending:
        out.append(decode_text(pending, pending_charset))
    out.append(decode_unlabelled(value[end:]))
    return "".join(out)


def _word_octets(word: re.Match[bytes]) -> bytes:
    encoded = word.group(3)
    if word.group(2) in b"bB":
        return decode_base64(encoded)
    return binascii.a2b_qp(encoded, header=True)
