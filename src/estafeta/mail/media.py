"""What the fields of MIME say of an entity: its type, its encoding, its disposition. Never raises.

All of it follows from three values, which programs write the same every day; so what was made of them is remembered,
with the texts of BODYSTRUCTURE and of the stored structure that follow from them as well.

Members of the enumerations are named again as globals: looking one up in its class is slow (Python 3.11).
"""

from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple

from estafeta.mail.imaptext import encode_disposition, encode_type, quote
from estafeta.mail.mime import (
    Parameters,
    decode_octets,
    decode_parameter,
    get_parameter,
    parse_content_type,
    parse_parameterised,
)
from estafeta.mail.structure import encode_media

MAX_BOUNDARY = 200
"""RFC 2046 5.1.1 allows 70 octets; a few programs go beyond."""
_DEFAULT_PARAMETERS: Parameters = ((b"charset", b"us-ascii"),)
_NEVER_ATTACHED = frozenset(
    {
        (b"application", b"pgp-signature"),
        (b"application", b"pkcs7-signature"),
        (b"application", b"x-pkcs7-signature"),
        (b"application", b"pgp-encrypted"),
        (b"message", b"delivery-status"),
        (b"message", b"global-delivery-status"),
        (b"message", b"disposition-notification"),
    }
)


class Role(Enum):
    """What the body of an entity is to the scanner."""

    LEAF = auto()
    MULTIPART = auto()
    MESSAGE = auto()


class Attached(Enum):
    """Whether a program would offer an entity for download (RFC 8621 4.1.4, hasAttachment)."""

    NO = auto()
    YES = auto()
    UNLESS_NAMED = auto()
    """Pictures that a text can show: not where they have a Content-ID."""


LEAF: Final = Role.LEAF
MULTIPART: Final = Role.MULTIPART
MESSAGE: Final = Role.MESSAGE
NOT_ATTACHED: Final = Attached.NO
ATTACHED: Final = Attached.YES


class Media(NamedTuple):
    """What the body of an entity is: words in lower case, `charset` "" without one, `boundary` of a multipart only."""

    type: bytes
    subtype: bytes
    role: Role
    boundary: bytes
    encoding: bytes
    charset: str
    shows_text: bool
    """A preview may come from it."""
    attached: Attached
    defect: str
    """What is wrong with Content-Type, or ""."""
    type_text: bytes
    """For BODYSTRUCTURE: type, subtype and parameters; of a multipart without its type."""
    encoding_text: bytes
    disposition_text: bytes
    stored: str
    """For the stored structure."""


OPAQUE = b"application/octet-stream"
"""The Content-Type of what is not looked into."""

# Of longer values few are seen twice: those with boundaries, and names of files.
_SHORT = 200


def find_media(
    content_type: bytes | None, encoding: bytes | None, disposition: bytes | None, in_digest: bool = False
) -> Media:
    """From the values of Content-Type, Content-Transfer-Encoding and Content-Disposition; None for a field that is not
    there. `in_digest`: it is a part of a multipart/digest (RFC 2046 5.1.5)."""
    size = len(content_type or b"") + len(encoding or b"") + len(disposition or b"")
    find = _remembered if size <= _SHORT else _find_media
    return find(content_type, encoding, disposition, in_digest)


def _find_media(
    content_type: bytes | None, encoding: bytes | None, disposition: bytes | None, in_digest: bool
) -> Media:
    kind, subtype, parameters, defect = _read_type(content_type, in_digest)
    role, boundary = LEAF, b""
    if kind == b"multipart":
        boundary = get_parameter(parameters, b"boundary").rstrip()
        if boundary and len(boundary) <= MAX_BOUNDARY and b"\n" not in boundary:
            role = MULTIPART
        else:
            # RFC 2046 5.1.1: the parameter is required; without it nothing can be told apart.
            kind, subtype, parameters, boundary = b"text", b"plain", _DEFAULT_PARAMETERS, b""
            defect = "boundary_parameter_missing"
    elif kind == b"message" and subtype in (b"rfc822", b"global"):
        role = MESSAGE
    coding = (parse_parameterised(encoding)[0] if encoding else b"") or b"7bit"
    word, named = parse_parameterised(disposition) if disposition else (b"", ())
    charset = decode_octets(get_parameter(parameters, b"charset")).lower() if parameters else ""
    filename, other_name = _names(parameters, named)
    return Media(
        kind,
        subtype,
        role,
        boundary,
        coding,
        charset,
        kind == b"text" and role is LEAF and subtype in (b"plain", b"html") and word != b"attachment",
        _attached((kind, subtype), role, word, filename),
        defect,
        encode_type(b"" if role is MULTIPART else kind, subtype, parameters),
        quote(coding),
        encode_disposition(word, named),
        encode_media(
            (decode_octets(kind), decode_octets(subtype)),
            (
                ("c", charset),
                ("e", decode_octets(coding)),
                ("f", filename),
                ("n", other_name),
                ("d", decode_octets(word)),
            ),
        ),
    )


_remembered = lru_cache(maxsize=256)(_find_media)


def _read_type(value: bytes | None, in_digest: bool) -> tuple[bytes, bytes, Parameters, str]:
    """Type, subtype, parameters, and what is wrong."""
    content = parse_content_type(value) if value else None
    if content is not None:
        return *content, ""
    if in_digest and value is None:
        return b"message", b"rfc822", (), ""  # RFC 2046 5.1.5
    # RFC 2045 5.2: without a field, and with one that cannot be read.
    return b"text", b"plain", _DEFAULT_PARAMETERS, "content_type_invalid" if value else ""


def _names(parameters: Parameters, disposition: Parameters) -> tuple[str, str]:
    """What the file is called (RFC 2183 2.3, or the older name parameter of Content-Type); and what Content-Type calls
    it where Content-Disposition calls it otherwise, as some who have something to hide do. "" for none. Mail programs
    differ in which of the two they take."""
    named = decode_parameter(parameters, b"name") if parameters else ""
    if not disposition:
        return named, ""
    filename = decode_parameter(disposition, b"filename") or named
    return filename, named if named != filename else ""


def _attached(media: tuple[bytes, bytes], role: Role, disposition: bytes, filename: str) -> Attached:
    if role is MULTIPART or media in _NEVER_ATTACHED:
        return NOT_ATTACHED
    if disposition:
        return NOT_ATTACHED if disposition == b"inline" else ATTACHED
    if media[0] == b"text":
        return ATTACHED if filename else NOT_ATTACHED
    return Attached.UNLESS_NAMED if media[0] == b"image" else ATTACHED
