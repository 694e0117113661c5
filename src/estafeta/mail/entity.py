"""One MIME entity while its message is scanned: its header read, and at its end the texts that are kept of it.

An entity is a message or a part of one (RFC 2045 2.4). It knows octets only by their offsets; what is inside it
hands up its finished texts, so that no tree is ever walked and depth costs no stack.
"""

from enum import Enum, auto

from estafeta.mail.encodedwords import unfold
from estafeta.mail.headers import split_header
from estafeta.mail.imaptext import encode_disposition, encode_leaf, encode_multipart, encode_tail, quote
from estafeta.mail.mime import (
    Parameters,
    decode_octets,
    decode_parameter,
    get_parameter,
    parse_content_type,
    parse_parameterised,
)
from estafeta.mail.structure import encode_part

MAX_BOUNDARY = 200
"""RFC 2046 5.1.1 allows 70 octets; a few programs go beyond."""
_JOINED_FIELDS = frozenset({b"to", b"cc", b"bcc"})
"""RFC 5322 3.6 allows one of each; where there are more, readers want to see all addresses."""
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


class Fields(dict[bytes, bytes]):
    """The first value of each field by lower-case name, and what was odd about the block."""

    __slots__ = ("defects", "received_count")

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self.received_count = 0
        self.defects: list[str] = []
        found = split_header(block)
        for name, value in found:
            key = name.lower()
            if key == b"received":
                self.received_count += 1
            elif key not in self:
                self[key] = value
            elif key in _JOINED_FIELDS:
                self[key] += b", " + value
        self._find_defects(block, len(found))

    def _find_defects(self, block: bytes, field_count: int) -> None:
        line_count = block.count(b"\n")
        folds = block.count(b"\n ") + block.count(b"\n\t")
        if block and block[-1] != 10:
            folds -= 1
        if line_count - folds != field_count:
            self.defects.append("header_line_without_colon")
        if line_count != block.count(b"\r\n"):
            self.defects.append("bare_lf_in_header")
        if not block.isascii():
            self.defects.append("8bit_in_header")


class Entity:
    """An entity that is open. Offsets are octets from the beginning of the message."""

    __slots__ = (
        "body",
        "boundary",
        "disposition",
        "disposition_parameters",
        "encoding",
        "fields",
        "header",
        "in_digest",
        "inner_bodies",
        "inner_envelope",
        "inner_parts",
        "is_message",
        "is_nested",
        "lines_before",
        "parameters",
        "role",
        "subtype",
        "type",
    )

    def __init__(self, header: int, *, is_message: bool, is_nested: bool, in_digest: bool = False) -> None:
        self.header = header
        self.body = header
        self.lines_before = 0
        self.is_message = is_message
        self.is_nested = is_nested
        self.in_digest = in_digest
        self.fields: Fields | None = None
        self.role = Role.LEAF
        self.boundary = b""
        self.inner_bodies: list[bytes] = []
        self.inner_parts: list[bytes] = []
        self.inner_envelope = b""

    def read(self, block: bytes) -> Fields:
        """Take in the header; what is wrong with it is in the defects of the result."""
        fields = self.fields = Fields(block)
        get = fields.get
        self._read_content_type(fields, get(b"content-type"))
        encoding = get(b"content-transfer-encoding")
        self.encoding = (parse_parameterised(encoding)[0] if encoding else b"") or b"7bit"
        disposition = get(b"content-disposition")
        self.disposition, self.disposition_parameters = parse_parameterised(disposition) if disposition else (b"", ())
        return fields

    def _read_content_type(self, fields: Fields, value: bytes | None) -> None:
        content = parse_content_type(value) if value else None
        if content is not None:
            self.type, self.subtype, self.parameters = content
        elif self.in_digest and value is None:
            self.type, self.subtype, self.parameters = b"message", b"rfc822", ()  # RFC 2046 5.1.5
        else:
            # RFC 2045 5.2: without a field, and with one that cannot be read.
            self.type, self.subtype, self.parameters = b"text", b"plain", _DEFAULT_PARAMETERS
            if value:
                fields.defects.append("content_type_invalid")
        if self.type == b"multipart":
            self._read_boundary(fields)
        elif self.type == b"message" and self.subtype in (b"rfc822", b"global"):
            self.role = Role.MESSAGE

    def _read_boundary(self, fields: Fields) -> None:
        boundary = get_parameter(self.parameters, b"boundary").rstrip()
        if boundary and len(boundary) <= MAX_BOUNDARY and b"\n" not in boundary:
            self.role, self.boundary = Role.MULTIPART, boundary
        else:
            # RFC 2046 5.1.1: the parameter is required; without it nothing can be told apart.
            self.type, self.subtype, self.parameters = b"text", b"plain", _DEFAULT_PARAMETERS
            fields.defects.append("boundary_parameter_missing")

    def make_opaque(self) -> None:
        """Look no further into it: it is deeper than the limit."""
        self.role, self.boundary = Role.LEAF, b""
        self.type, self.subtype, self.parameters = b"application", b"octet-stream", ()

    @property
    def filename(self) -> str:
        """RFC 2183 2.3, or the older name parameter of Content-Type."""
        name = decode_parameter(self.disposition_parameters, b"filename") if self.disposition_parameters else ""
        return name or self._named()

    @property
    def other_name(self) -> str:
        """What Content-Type calls the file where Content-Disposition calls it otherwise, as some who have something to
        hide do; "" elsewhere. Mail programs differ in which of the two they take."""
        if not self.disposition_parameters:
            return ""
        named = self._named()
        return named if named != self.filename else ""

    def _named(self) -> str:
        return decode_parameter(self.parameters, b"name") if self.parameters else ""

    @property
    def charset(self) -> str:
        """The charset parameter in lower case; "" without one."""
        return decode_octets(get_parameter(self.parameters, b"charset")).lower() if self.parameters else ""

    @property
    def shows_text(self) -> bool:
        """Whether a preview may come from it."""
        return (
            self.type == b"text"
            and self.role is Role.LEAF
            and self.subtype in (b"plain", b"html")
            and self.disposition != b"attachment"
            and not self.is_nested
        )

    @property
    def is_attachment(self) -> bool:
        """Whether a program would offer it for download (RFC 8621 4.1.4, hasAttachment)."""
        if self.role is Role.MULTIPART or self.is_nested or (self.type, self.subtype) in _NEVER_ATTACHED:
            return False
        if self.disposition:
            return self.disposition != b"inline"
        if self.type == b"text":
            return bool(self.filename)
        return not (self.type == b"image" and b"content-id" in (self.fields or ()))

    def encode_body(self, size: int, lines: int) -> bytes:
        """BODYSTRUCTURE of it (RFC 9051 7.5.2)."""
        fields = self.fields or Fields(b"")
        tail = encode_tail(encode_disposition(self.disposition, self.disposition_parameters), fields)
        if self.role is Role.MULTIPART:
            return encode_multipart(self.inner_bodies, self.subtype, self.parameters, tail)
        core = encode_leaf((self.type, self.subtype), self.parameters, fields, self.encoding, size)
        if self.role is Role.MESSAGE:
            core += b" %b %b %d" % (self.inner_envelope, self.inner_bodies[0], lines)
        elif self.type == b"text":
            core += b" %d" % lines
        md5 = fields.get(b"content-md5")
        return b"(%b %b %b)" % (core, b"NIL" if md5 is None else quote(unfold(md5)), tail)

    def encode_structure(self, size: int, lines: int) -> bytes:
        """The stored structure of it (estafeta.mail.structure)."""
        get = (self.fields or Fields(b"")).get
        texts = [("c", self.charset), ("e", decode_octets(self.encoding)), ("f", self.filename)]
        texts.append(("n", self.other_name))
        if self.disposition:
            texts.append(("d", decode_octets(self.disposition)))
        for key, value in (
            ("i", get(b"content-id")),
            ("g", get(b"content-language")),
            ("o", get(b"content-location")),
        ):
            if value:
                word = decode_octets(unfold(value))
                texts.append((key, word.strip("<>") if key == "i" else word))
        return encode_part(
            (self.header, self.body - self.header, self.body, size, lines),
            (decode_octets(self.type), decode_octets(self.subtype)),
            texts,
            self.inner_parts if self.role is Role.MULTIPART else (),
            self.inner_parts[0] if self.role is Role.MESSAGE else b"",
        )
