"""Values of MIME fields: a word and its parameters. Never raises.

Implements RFC 2045 5.1 (Content-Type), RFC 2183 2 (Content-Disposition), RFC 2231 3 and 4 (continued parameters,
charsets). Takes what is sent in the world as well: unquoted values with spaces, encoded words inside parameters,
values without an end quote.
"""

import re
from urllib.parse import unquote_to_bytes

from estafeta.mail.charsets import decode_text, decode_unlabelled
from estafeta.mail.encodedwords import decode_header, unfold

Parameters = tuple[tuple[bytes, bytes], ...]
"""Names in lower case and values. Continued values are joined; one in RFC 2231 form keeps the * after its name."""

MAX_PARAMETERS = 64
"""More than ten have not been seen; each costs memory and a place in BODYSTRUCTURE."""

_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^;]*))', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_CONTINUED = re.compile(rb"([^*]+)\*(?:(\d{1,3})(\*)?)?")
_MEDIA_TYPE = re.compile(rb"([a-z0-9!#$&^_.+-]+)\s*/\s*([a-z0-9!#$&^_.+-]+)")
_TEXT_FAST = re.compile(
    rb'text/(plain|html)\s*;\s*charset\s*=\s*"?([a-z0-9_-]+)"?(?:;\s*format="?(flowed)"?)?\s*;?', re.IGNORECASE
)
_NAMES_OF_FILES = (b"name", b"filename")


def parse_parameterised(value: bytes) -> tuple[bytes, Parameters]:
    """The word in front, in lower case, and the parameters."""
    value = unfold(value)
    head, semicolon, _ = value.partition(b";")
    word = head.partition(b"(")[0].strip().lower()
    if not semicolon:
        return word, ()
    found = []
    for match in _PARAMETER.finditer(value, len(head)):
        name, quoted, plain = match.groups()
        found.append((name.lower(), _plain_value(name.lower(), plain) if quoted is None else _unescape(quoted)))
        if len(found) == MAX_PARAMETERS:
            break
    return word, _join_continued(found)


def parse_content_type(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    """Type and subtype in lower case and the parameters; None when it is no media type (RFC 2045 5.2 then)."""
    fast = _TEXT_FAST.fullmatch(value)
    if fast is not None:
        subtype, charset, flowed = fast.groups()
        parameters: Parameters = ((b"charset", charset),)
        return b"text", subtype.lower(), (*parameters, (b"format", flowed)) if flowed else parameters
    word, parameters = parse_parameterised(value)
    media = _MEDIA_TYPE.fullmatch(word)
    return None if media is None else (media.group(1), media.group(2), parameters)


def get_parameter(parameters: Parameters, name: bytes) -> bytes:
    """A parameter's octets as they stand, b"" without it."""
    for key, value in parameters:
        if key == name:
            return value
    return b""


def decode_parameter(parameters: Parameters, name: bytes) -> str:
    """A parameter as a person reads it: RFC 2231 form first, then the plain one, encoded words undone. "" without."""
    extended = get_parameter(parameters, name + b"*")
    if extended:
        # RFC 2231 4: charset'language'percent-encoded
        parts = extended.split(b"'", 2)
        charset, octets = (parts[0].decode("latin-1"), parts[2]) if len(parts) == 3 else ("", extended)
        text = decode_text(unquote_to_bytes(octets), charset.lower())
        return text if text.isprintable() else "".join(c for c in text if c.isprintable())
    value = get_parameter(parameters, name)
    return decode_header(value) if value else ""


def decode_octets(value: bytes) -> str:
    """A word of a MIME field as text."""
    return value.decode("ascii") if value.isascii() else decode_unlabelled(value)


def _unescape(quoted: bytes) -> bytes:
    return _ESCAPE.sub(rb"\1", quoted) if b"\\" in quoted else quoted


def _plain_value(name: bytes, value: bytes) -> bytes:
    value = value.strip()
    if name in _NAMES_OF_FILES:
        return value  # unquoted file names with spaces are sent; a token ends at the first one
    return value.split(None, 1)[0] if value else value


def _join_continued(found: list[tuple[bytes, bytes]]) -> Parameters:
    """RFC 2231 3: name*0, name*1, ... become one. Order of arrival does not matter, the first of equals counts."""
    if not any(b"*" in name for name, _ in found):
        return tuple(found)
    plain: dict[bytes, bytes] = {}
    pieces: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for name, value in found:
        match = _CONTINUED.fullmatch(name)
        if match is None or match.group(2) is None:
            plain.setdefault(name, value)
        else:
            pieces.setdefault(match.group(1), {}).setdefault(int(match.group(2)), (value, bool(match.group(3))))
    for name, numbered in pieces.items():
        joined, extended = _join(numbered)
        plain.setdefault(name + b"*" if extended else name, joined)
    return tuple(plain.items())


def _join(numbered: dict[int, tuple[bytes, bool]]) -> tuple[bytes, bool]:
    extended = any(is_extended for _, is_extended in numbered.values())
    out = []
    for number in range(len(numbered)):
        if number not in numbered:
            break  # a piece is missing: what comes after it belongs nowhere
        value, is_extended = numbered[number]
        out.append(value.replace(b"%", b"%25") if extended and not is_extended else value)
    return b"".join(out), extended
