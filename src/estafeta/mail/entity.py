"""One MIME entity while its message is scanned: its header read, and at its end the texts that are kept of it.

An entity is a message or a part of one (RFC 2045 2.4). It knows octets only by their offsets; what is inside it
hands up its finished texts, so that no tree is ever walked and depth costs no stack.
"""

from estafeta.mail.encodedwords import unfold
from estafeta.mail.headers import find_fields
from estafeta.mail.imaptext import encode_leaf, encode_multipart, encode_tail, quote
from estafeta.mail.media import ATTACHED, LEAF, MESSAGE, MULTIPART, NOT_ATTACHED, OPAQUE, Media, Role, find_media
from estafeta.mail.mime import decode_octets
from estafeta.mail.structure import encode_part, encode_texts

_JOINED_FIELDS = frozenset({b"to", b"cc", b"bcc"})
"""RFC 5322 3.6 allows one of each; where there are more, readers want to see all addresses."""
_STORED_FIELDS = ((b"content-id", "i"), (b"content-language", "g"), (b"content-location", "o"))
_EMPTY = find_media(None, None, None)


class Fields(dict[bytes, bytes]):
    """The first value of each field by lower-case name, and what was odd about the block."""

    __slots__ = ("defects", "received_count")

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self.received_count = 0
        self.defects: list[str] = []
        found = find_fields(block)
        for name, value in found:
            key = name.lower()
            if key == b"received":
                self.received_count += 1
            elif key not in self:
                self[key] = value.strip()
            elif key in _JOINED_FIELDS:
                self[key] += b", " + value.strip()
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
        "fields",
        "header",
        "in_digest",
        "inner_bodies",
        "inner_envelope",
        "inner_parts",
        "is_message",
        "is_nested",
        "lines_before",
        "media",
        "role",
    )

    def __init__(self, header: int, *, is_message: bool, is_nested: bool, in_digest: bool = False) -> None:
        self.header = header
        self.body = header
        self.lines_before = 0
        self.is_message = is_message
        self.is_nested = is_nested
        self.in_digest = in_digest
        self.fields: Fields | None = None
        self.media: Media = _EMPTY
        self.role: Role = LEAF
        self.boundary = b""
        self.inner_bodies: list[bytes] = []
        self.inner_parts: list[bytes] = []
        self.inner_envelope = b""

    def read(self, block: bytes) -> Fields:
        """Take in the header; what is wrong with it is in the defects of the result."""
        fields = self.fields = Fields(block)
        self._look_at(fields, fields.get(b"content-type"))
        if self.media.defect:
            fields.defects.append(self.media.defect)
        return fields

    def make_opaque(self) -> None:
        """Look no further into it: it is deeper than the limit."""
        self._look_at(self.fields or Fields(b""), OPAQUE)

    def _look_at(self, fields: Fields, content_type: bytes | None) -> None:
        get = fields.get
        encoding, disposition = get(b"content-transfer-encoding"), get(b"content-disposition")
        media = self.media = find_media(content_type, encoding, disposition, self.in_digest)
        self.role, self.boundary = media.role, media.boundary

    @property
    def shows_text(self) -> bool:
        """Whether a preview may come from it."""
        return self.media.shows_text and not self.is_nested

    @property
    def is_attachment(self) -> bool:
        """Whether a program would offer it for download."""
        if self.is_nested or self.media.attached is NOT_ATTACHED:
            return False
        return self.media.attached is ATTACHED or b"content-id" not in (self.fields or ())

    def encode_body(self, size: int, lines: int) -> bytes:
        """BODYSTRUCTURE of it (RFC 9051 7.5.2)."""
        fields, media = self.fields or Fields(b""), self.media
        tail = encode_tail(media.disposition_text, fields)
        if self.role is MULTIPART:
            return encode_multipart(self.inner_bodies, media.type_text, tail)
        core = encode_leaf(media.type_text, fields, media.encoding_text, size)
        if self.role is MESSAGE:
            core += b" %b %b %d" % (self.inner_envelope, self.inner_bodies[0], lines)
        elif media.type == b"text":
            core += b" %d" % lines
        md5 = fields.get(b"content-md5")
        return b"(%b %b %b)" % (core, b"NIL" if md5 is None else quote(unfold(md5)), tail)

    def encode_structure(self, size: int, lines: int) -> bytes:
        """The stored structure of it (estafeta.mail.structure)."""
        fields, texts = self.fields or Fields(b""), []
        for name, key in _STORED_FIELDS:
            value = fields.get(name)
            if value:
                word = decode_octets(unfold(value))
                texts.append((key, word.strip("<>") if key == "i" else word))
        return encode_part(
            (self.header, self.body - self.header, self.body, size, lines),
            self.media.stored + encode_texts(texts) if texts else self.media.stored,
            self.inner_parts if self.role is MULTIPART else (),
            self.inner_parts[0] if self.role is MESSAGE else b"",
        )
