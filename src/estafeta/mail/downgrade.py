"""Messages for servers that take only 7 bits: ASCII without NUL, lines that end with CRLF. Never raises.

`to_seven_bit` re-encodes the leaves of the MIME tree that need it (RFC 6152 3, RFC 2045 6): text becomes
quoted-printable or, where most of it is beyond ASCII, base64; anything else, and what came by BINARYMIME (RFC 3030),
base64. What decodes to the same octets as before is the invariant, and doing it twice changes nothing. Time and
memory grow with the size; the message is in memory.

Headers in ASCII are left as they are, but for Content-Transfer-Encoding. Raw octets beyond ASCII in fields become
encoded words (RFC 2047) or parameters of RFC 2231; where neither may stand (Received, Message-ID, an address itself)
they become `?`: a message with addresses in UTF-8 needs SMTPUTF8 and never comes here.

Signatures (multipart/signed, DKIM) over what is re-encoded no longer verify. The choice is between that and no
delivery, and, as other servers do, we deliver. Who signs well signs 7 bits (RFC 1847 2.1 demands it).
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

from estafeta.core.errors import EstafetaError
from estafeta.mail.charsets import decode_unlabelled
from estafeta.mail.composing import base64_lines, encode_words, quoted_printable
from estafeta.mail.encodedwords import decode_header, unfold
from estafeta.mail.mime import get_parameter, parse_parameterised
from estafeta.mail.newlines import needs_crlf_normalising, normalise_newlines
from estafeta.mail.scan import MessageScanner, ScanLimits
from estafeta.mail.structure import Part, parse_structure

_LIMITS = ScanLimits(max_parts=20_000)
_MAX_LINE = 998
"""RFC 5321 4.5.3.1.6, without CRLF."""
_TO_ASCII = bytes(range(1, 128)).rjust(128, b"?") + b"?" * 128
"""Octets that may not be sent become `?`."""
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_QUOTED = rb'"(?:[^"\\]|\\.)*+"?'
"""One without an end goes to the end: each octet is looked at once."""
_PHRASE = re.compile(
    rb"(?P<comment>\([^()]*+\))|(?P<path><[^<>]*+>)"
    rb"|(?P<phrase>(?:%b|[^\s\"<>(),;:@]++)(?:\s++(?:%b|[^\s\"<>(),;:@]++))*+)(?P<at>@?)" % (_QUOTED, _QUOTED),
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_SPACES = re.compile(rb"(\s+)")
_HIGH = bytes(range(128, 256))
_IDENTITY = frozenset({"", "7bit", "8bit", "binary"})
_ADDRESS_FIELDS = frozenset(
    {b"from", b"to", b"cc", b"bcc", b"sender", b"reply-to", b"disposition-notification-to"}
    | {b"resent-" + name for name in (b"from", b"to", b"cc", b"bcc", b"sender", b"reply-to")}
)
_STRUCTURED_FIELDS = frozenset(
    {b"received", b"return-path", b"message-id", b"in-reply-to", b"references", b"date", b"mime-version"}
    | {b"dkim-signature", b"authentication-results", b"arc-seal", b"arc-message-signature", b"content-id"}
    | {b"arc-authentication-results", b"content-transfer-encoding", b"received-spf", b"resent-message-id"}
)
_PARAMETER_FIELDS = frozenset({b"content-type", b"content-disposition"})


def to_seven_bit(content: bytes) -> bytes:
    """The message in 7 bits; the same object when it is so already."""
    if _is_plain(content) and not _has_long_line(content):
        return content
    scanner = MessageScanner(_LIMITS)
    scanner.feed(content)
    try:
        root = parse_structure(scanner.close().structure).root
    except EstafetaError:  # deeper than can be read back; the scanner's limits are below that
        return normalise_newlines(content.translate(_TO_ASCII))
    return b"".join(_Rebuilder(content).whole(root))


def _is_plain(data: bytes) -> bool:
    return data.isascii() and b"\0" not in data and not needs_crlf_normalising(data)


def _has_long_line(data: bytes) -> bool:
    at = 0
    while len(data) - at > _MAX_LINE + 1:
        at = data.rfind(b"\n", at, at + _MAX_LINE + 2) + 1
        if not at:
            return True
    return False


class _Rebuilder:
    """Walks the parts in the order of their octets; whatever lies between them (delimiters) is passed on."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def whole(self, root: Part) -> Iterator[bytes]:
        yield from self._part(root, is_message=True)
        yield _clean(self._content[root.body_offset + root.body_size :])

    def _part(self, part: Part, *, is_message: bool) -> Iterator[bytes]:
        content, start, end = self._content, part.body_offset, part.body_offset + part.body_size
        header = content[part.header_offset : start]
        children = part.parts or ((part.message,) if part.message is not None else ())
        # RFC 2045 6.4: a multipart is never encoded, whatever its header says. RFC 6532 3.7: message/global holds
        # UTF-8 in its headers, and may be encoded as a whole.
        if part.type == "multipart" or (children and part.subtype != "global" and part.encoding in _IDENTITY):
            yield _rewrite_header(header, b"" if part.encoding in ("", "7bit") else b"7bit", part, is_message)
            at = start
            for child in children:
                yield _clean(content[at : child.header_offset])
                yield from self._part(child, is_message=part.message is not None)
                at = max(at, child.body_offset + child.body_size)
            yield _clean(content[at:end])
            return
        encoding, body = _encode(content[start:end], part)
        yield _rewrite_header(header, encoding, part, is_message)
        yield body


def _encode(body: bytes, part: Part) -> tuple[bytes, bytes]:
    """The new encoding (b"" when it stays) and the body in it."""
    if _is_plain(body) and not (part.encoding == "binary" and _has_long_line(body)):
        return b"7bit" if part.encoding in ("8bit", "binary") else b"", body
    if part.encoding == "quoted-printable":
        return b"", _clean_quoted_printable(body)
    if part.encoding == "base64":
        return b"", _clean_base64(body)
    # RFC 2045 6.4: an encoding that nobody knows makes it octets; they go as they are.
    is_text = part.type == "text" and not needs_crlf_normalising(body) and b"\0" not in body
    if is_text and _is_mostly_ascii(body):
        return b"quoted-printable", quoted_printable(body)
    return b"base64", base64_lines(body)


def _is_mostly_ascii(body: bytes) -> bool:
    """Base64 costs a third, quoted-printable two octets for each one beyond ASCII."""
    return (len(body) - len(body.translate(None, _HIGH))) * 6 <= len(body)


def _clean_quoted_printable(body: bytes) -> bytes:
    """Octets that should not be there, written as RFC 2045 6.7 has it: what decodes stays the same."""
    body = normalise_newlines(body)
    return re.sub(rb"[\x00\x80-\xff]", lambda found: b"=%02X" % found.group()[0], body)


def _clean_base64(body: bytes) -> bytes:
    # RFC 2045 6.8: characters outside the alphabet are ignored by who decodes.
    return normalise_newlines(body).translate(None, b"\0" + _HIGH)


def _clean(between: bytes) -> bytes:
    """Preamble, delimiters, epilogue: nobody reads the text, and boundaries changed the same way in their parameter."""
    return between if _is_plain(between) else normalise_newlines(between).translate(_TO_ASCII)


def _rewrite_header(header: bytes, encoding: bytes, part: Part, is_message: bool) -> bytes:
    """The header with another encoding and without octets beyond ASCII; the empty line at its end, if any, stays."""
    if not encoding and _is_plain(header):
        return header
    header = normalise_newlines(header)
    names = {field.partition(b":")[0].strip().lower() for field in _FIELD.findall(header)}
    out, at = [], 0
    for found in _FIELD.finditer(header):
        field = found.group()
        if field == b"\r\n":
            break
        at = found.end()
        if encoding and field.partition(b":")[0].strip().lower() == b"content-transfer-encoding":
            continue
        out.append(_rewrite_field(field))
    if encoding:
        out.append(_new_fields(names, encoding, part, is_message))
    rest = header[at:].translate(_TO_ASCII)
    # A body without the empty line before it (damaged) must not become part of the header.
    return b"".join(out) + (rest or (b"\r\n" if encoding and part.body_size else b""))


def _new_fields(names: set[bytes], encoding: bytes, part: Part, is_message: bool) -> bytes:
    """What says how the body is encoded; RFC 2045 4 and 6: neither field means anything without MIME-Version."""
    out = b""
    if is_message and b"mime-version" not in names:
        out += b"MIME-Version: 1.0\r\n"
    if is_message and b"content-type" not in names and encoding != b"7bit":
        # RFC 1428 3: what nobody has named.
        out += b"Content-Type: text/plain; charset=unknown-8bit\r\n"
    return out + b"Content-Transfer-Encoding: " + encoding + b"\r\n"


def _rewrite_field(field: bytes) -> bytes:
    if field.isascii() and b"\0" not in field:
        return field
    name, colon, value = field.partition(b":")
    key = name.strip().lower()
    if not colon or not name.isascii() or key in _STRUCTURED_FIELDS:
        return field.translate(_TO_ASCII)
    if key in _PARAMETER_FIELDS:
        value = _encode_parameters(value, key)
    elif key in _ADDRESS_FIELDS:
        value = _encode_phrases(value)
    else:
        value = _encode_unstructured(value)
    return (name + b":" + value).translate(_TO_ASCII).rstrip(b"\r\n \t") + b"\r\n"


def _encode_unstructured(value: bytes) -> bytes:
    """From the first to the last word beyond ASCII, in encoded words; what is around them stays."""
    if b"=?" in value:  # RFC 2047 6.2: white space between neighbours would be lost
        return b" " + encode_words(decode_header(value.strip()))
    words = _SPACES.split(value)
    beyond = [place for place, word in enumerate(words) if not word.isascii()]
    if not beyond:
        return value
    first, last = beyond[0], beyond[-1] + 1
    middle = unfold(b"".join(words[first:last])).translate(None, b"\0\r")
    return b"".join(words[:first]) + encode_words(decode_unlabelled(middle)) + b"".join(words[last:])


def _encode_phrases(value: bytes) -> bytes:
    """Names of addresses: phrases and comments beyond ASCII become encoded words (RFC 2047 5 (2) and (3))."""
    return _PHRASE.sub(_encode_phrase, value)


def _encode_phrase(found: re.Match[bytes]) -> bytes:
    token = found.group()
    if token.isascii() or found["path"] or found["at"]:
        return token
    if found["comment"]:
        return b"(" + encode_words(decode_unlabelled(unfold(token[1:-1]))) + b")"
    plain = _ESCAPE.sub(rb"\1", token.replace(b'"', b"")) if b'"' in token else token
    return encode_words(decode_header(plain))


def _encode_parameters(value: bytes, key: bytes) -> bytes:
    """Parameters beyond ASCII as RFC 2231 4 writes them; but the boundary, which delimiters repeat (`_clean`)."""
    word, parameters = parse_parameterised(value)
    if not parameters or not get_parameter(parameters, b"boundary").isascii():
        return value.translate(_TO_ASCII)
    return b" " + word.translate(_TO_ASCII) + b"".join([_parameter(name, text) for name, text in parameters])


def _parameter(name: bytes, value: bytes) -> bytes:
    if name[-1:] == b"*":  # RFC 2231 form: percent-encoded already, whatever else was in it
        return b";\r\n " + name + b"=" + value.translate(_TO_ASCII)
    if value.isascii():
        return b";\r\n " + name + b'="' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b";\r\n " + name + b"*=utf-8''" + quote(decode_unlabelled(value), safe="").encode("ascii")
