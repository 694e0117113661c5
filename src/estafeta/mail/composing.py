"""Writing messages: transfer encodings, encoded words, fields, text parts. All that is made is ASCII with CRLF.

Implements RFC 2045 6.7 and 6.8 (quoted-printable, base64), RFC 2047 (encoded words, always UTF-8), RFC 5322 2.2.3
(folding). Never raises: what cannot stand in a field (control characters, lone surrogates) becomes a space or `?`.
"""

import binascii
import re
from collections.abc import Iterator

_LINE_OCTETS = 57
"""What 76 characters of base64 say."""
_WORD_ROOM = 75 - len("=?utf-8?B??=")
"""RFC 2047 2: an encoded word has at most 75 characters."""
_LINE_ROOM = 76
_NOT_PLAIN = re.compile(r"[\x00-\x1f\x7f]+")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
"""RFC 2047 5 (3): these may stand for themselves in a phrase, and so anywhere."""
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


def quoted_printable(data: bytes) -> bytes:
    """Lines of text with CRLF ends, encoded. No line of the result begins with `--`, so none is a delimiter."""
    encoded = binascii.b2a_qp(data, istext=True)
    if b"\n" not in data:
        encoded = encoded.replace(b"=\n", b"=\r\n")  # the soft line ends follow the hard ones, and there are none
    if encoded.startswith(b"--"):
        encoded = b"=2D" + encoded[1:]
    return encoded.replace(b"\n--", b"\n=2D-")


def base64_lines(data: bytes) -> bytes:
    """Lines of 76 characters, each with its CRLF."""
    encoded = binascii.b2a_base64(data, newline=False)
    return b"".join([encoded[at : at + 76] + b"\r\n" for at in range(0, len(encoded), 76)])


def encode_words(text: str) -> bytes:
    """Text as encoded words, separated by folds; in Q or B, whichever is shorter."""
    octets = text.encode("utf-8", "replace")
    plain = sum(octet in _Q_SAFE or octet == 32 for octet in octets)
    encode = _q_word if plain + 3 * (len(octets) - plain) <= len(octets) * 4 // 3 + 3 else _b_word
    room = _WORD_ROOM if encode is _q_word else _WORD_ROOM // 4 * 3
    return b"\r\n ".join([encode(piece) for piece in _cut(text, room, quoted=encode is _q_word)])


def _cut(text: str, room: int, *, quoted: bool) -> Iterator[bytes]:
    """Pieces that fit, never through a character (RFC 2047 5)."""
    piece, used = bytearray(), 0
    for character in text:
        octets = character.encode("utf-8", "replace")
        cost = sum(1 if o in _Q_SAFE or o == 32 else 3 for o in octets) if quoted else len(octets)
        if used + cost > room and piece:
            yield bytes(piece)
            piece, used = bytearray(), 0
        piece += octets
        used += cost
    yield bytes(piece)


def _q_word(octets: bytes) -> bytes:
    spelled = b"".join([bytes((o,)) if o in _Q_SAFE else b"_" if o == 32 else b"=%02X" % o for o in octets])
    return b"=?utf-8?Q?" + spelled + b"?="


def _b_word(octets: bytes) -> bytes:
    return b"=?utf-8?B?" + binascii.b2a_base64(octets, newline=False) + b"?="


def text_field(name: str, text: str) -> bytes:
    """An unstructured field, folded, with its CRLF."""
    text = _NOT_PLAIN.sub(" ", text).strip()
    if not text.isascii() or "=?" in text:
        return name.encode("ascii") + b": " + encode_words(text) + b"\r\n"
    lines, line = [], f"{name}:"
    for word in text.split():
        if len(line) + 1 + len(word) > _LINE_ROOM and line.strip() not in ("", f"{name}:"):
            lines.append(line)
            line = ""
        line += " " + word[:900]
    return "\r\n".join([*lines, line]).encode("ascii") + b"\r\n"


def mailbox_field(name: str, display: str, address: str) -> bytes:
    """A field with one mailbox, with its CRLF. An address beyond ASCII stands as it is (RFC 6532 3.2)."""
    display = _NOT_PLAIN.sub(" ", display).strip()
    spec = b"<" + _NOT_PLAIN.sub("?", address).encode("utf-8", "replace") + b">"
    if not display:
        return name.encode("ascii") + b": " + spec[1:-1] + b"\r\n"
    if not display.isascii():
        phrase = encode_words(display)
    elif _ATOMS.fullmatch(display) and "=?" not in display:
        phrase = display.encode("ascii")
    else:
        phrase = b'"' + display.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
    return name.encode("ascii") + b": " + phrase + b" " + spec + b"\r\n"


def text_part(text: str, subtype: str = "plain") -> bytes:
    """A part of type text with its MIME fields: as it is when it is ASCII in short lines, else encoded."""
    data = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    if data.isascii() and b"\0" not in data and max(map(len, data.split(b"\r\n"))) < 200:
        head, body = b"Content-Type: text/%b; charset=us-ascii\r\n\r\n", data
    elif sum(octet > 127 for octet in data) * 6 > len(data):
        head = b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        body = base64_lines(data)
    else:
        head = b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        body = quoted_printable(data)
    return head % subtype.encode("ascii") + body


def boundary_for(ident: str, *bodies: bytes) -> bytes:
    """A boundary (RFC 2046 5.1.1) made of `ident`, longer where a body has it already."""
    boundary = b"=_" + re.sub(r"[^A-Za-z0-9]", "", ident).encode("ascii")[:40]
    while any(boundary in body for body in bodies):
        digest = binascii.crc32(boundary + b"".join(body[-4096:] for body in bodies))
        boundary = boundary[:50] + b"_%08x" % digest
    return boundary
