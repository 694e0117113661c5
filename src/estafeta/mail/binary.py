"""Parts without their Content-Transfer-Encoding: BINARY of RFC 3516, decoding of RFC 2045 6.

What can be decoded is decoded, damage and all: octets that are no base64 are skipped (RFC 2045 6.8), a torn end gives
what is whole, and an `=` in quoted-printable that says nothing stays. The result is the same however the octets are
cut, takes time in proportion to them, and a decoder keeps no more than `_PIECE` of them.

An encoding that is not known is `UnknownEncodingError`: RFC 3516 4.3, NO with [UNKNOWN-CTE].
"""

import binascii
import re
from collections.abc import Callable

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.encodedwords import decode_base64
from estafeta.mail.structure import Part

_PIECE = 64 * 1024
"""Octets decoded in one go. A line of quoted-printable that is longer (RFC 2045 6.7 allows 76) is cut there."""
_IDENTITY = frozenset({"", "7bit", "8bit", "binary"})
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_PADDED_ENDS = (b" \n", b"\t\n", b" \r\n", b"\t\r\n")
_LONE_CR = re.compile(rb"=(?=\r(?!\n))")


class UnknownEncodingError(EstafetaError):
    """The part has a Content-Transfer-Encoding that nobody registered."""

    def __init__(self, encoding: str) -> None:
        super().__init__(Kind.INVALID, "The part has an unknown Content-Transfer-Encoding.", encoding[:100])


class BinaryDecoder:
    """Takes a body as it was sent, piece by piece, and gives it as it was meant."""

    __slots__ = ("_carry", "_decode", "_is_over")

    def __init__(self, encoding: str) -> None:
        """`encoding`: the word in lower case, "" for none. Raises UnknownEncodingError."""
        self._decode = self._find_decoder(encoding)
        self._carry = b""
        self._is_over = False

    def _find_decoder(self, encoding: str) -> Callable[[bytes, bool], bytes] | None:
        if encoding in _IDENTITY:
            return None
        if encoding == "base64":
            return self._base64
        if encoding == "quoted-printable":
            return self._quoted_printable
        raise UnknownEncodingError(encoding)

    def feed(self, data: bytes) -> bytes:
        """What the next octets decode to, as far as that is clear by now."""
        decode = self._decode
        if decode is None:
            return data
        if len(data) <= _PIECE:
            return decode(data, False)
        return b"".join([decode(data[at : at + _PIECE], False) for at in range(0, len(data), _PIECE)])

    def close(self) -> bytes:
        """The rest, after the last octet."""
        return b"" if self._decode is None else self._decode(b"", True)

    def _base64(self, data: bytes, final: bool) -> bytes:
        if self._is_over:
            return b""
        head, padding, _ = data.partition(b"=")
        # RFC 2045 6.8: "=" occurs at the end of the data only.
        self._is_over = final = bool(padding) or final
        clean = self._carry + head.translate(None, _NOT_BASE64)
        whole = len(clean) if final else len(clean) & ~3
        self._carry = clean[whole:]
        return decode_base64(clean[:whole])

    def _quoted_printable(self, data: bytes, final: bool) -> bytes:
        data = self._carry + data
        out = []
        first = data.find(b"\n", 0, _PIECE) if len(data) >= _PIECE else 0
        if first < 0:  # the carried line is too long; all others began in this piece
            out.append(_decode_lines(data[:_PIECE], False))
            data = data[_PIECE:]
        cut = len(data) if final else data.rfind(b"\n") + 1
        self._carry = data[cut:]
        out.append(_decode_lines(data[:cut], final))
        return b"".join(out)


def _decode_lines(data: bytes, final: bool) -> bytes:
    if final or any(end in data for end in _PADDED_ENDS):
        data = _strip_lines(data, final)
    if data.count(b"=\r") != data.count(b"=\r\n"):
        data = _LONE_CR.sub(b"=3D", data)  # not a line end, so no soft line break
    return binascii.a2b_qp(data)


def _strip_lines(data: bytes, final: bool) -> bytes:
    # RFC 2045 6.7 (3): white space at the end of a line was added on the way.
    *lines, last = data.split(b"\n")
    out = [line[:-1].rstrip(b" \t") + b"\r" if line[-1:] == b"\r" else line.rstrip(b" \t") for line in lines]
    out.append(last.rstrip(b" \t") if final else last)
    return b"\n".join(out)


def transfer_encoding(part: Part) -> str:
    """What to give `BinaryDecoder` for a part's body.

    RFC 2045 6.4: a multipart may only have 7bit, 8bit and binary. Its parts were found in it as it stands, so
    another word there means nothing.
    """
    return "" if part.type == "multipart" else part.encoding


def decode_part(content: bytes, part: Part) -> bytes:
    """The body of a part of the message `content`, decoded. Raises UnknownEncodingError."""
    decoder = BinaryDecoder(transfer_encoding(part))
    body = content[part.body_offset : part.body_offset + part.body_size]
    return decoder.feed(body) + decoder.close()
