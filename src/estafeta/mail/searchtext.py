"""The texts of a message that are searched (docs/internals/search.md): folded, decoded, one function for all searches.

`extract` takes the octets of a message and the root of its stored structure. It never raises and keeps within
`TextLimits`; whatever in the structure does not fit the octets reads as nothing. What text an attachment has is asked
of `read_attachment(kind, octets)`; this module reads no foreign formats itself.
"""

import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from estafeta.mail.charsets import decode_text
from estafeta.mail.encodedwords import decode_base64, decode_header
from estafeta.mail.folding import fold
from estafeta.mail.headers import split_header
from estafeta.mail.preview import strip_html
from estafeta.mail.structure import Part, walk

SEPARATOR = "\x1e"
"""Between the texts of parts. Needles never have it, so that no match spans two parts."""

_HEADER_OCTETS = 256 * 1024
"""Of one header; as much as the scanner keeps of all (estafeta.mail.scan)."""
_NAMED_FIELDS = {b"subject": 0, b"from": 1, b"to": 2, b"cc": 3, b"bcc": 4}


class SearchText(NamedTuple):
    """Everything folded. `header`: each field as a line `NAME: value`, with a line feed before the first and after the
    last. Several fields of one name stand in `subject` and so on with SEPARATOR between."""

    subject: str
    sender: str
    recipient: str
    cc: str
    bcc: str
    header: str
    body: str


NO_TEXT = SearchText("", "", "", "", "", "", "")


class AttachmentKind(StrEnum):
    """Formats whose text can be read."""

    PDF = "pdf"
    DOCX = "docx"
    XLSX = "xlsx"
    PPTX = "pptx"
    OPEN_DOCUMENT = "opendocument"


@dataclass(frozen=True, slots=True)
class TextLimits:
    """What of a message becomes text."""

    max_characters: int = 4 << 20
    """Of one message's body, all parts together: the Bible has as many."""
    max_attachment_octets: int = 20 << 20
    """Of one attachment, decoded. 0: none are read."""
    max_attachments: int = 20
    """Of one message."""


ReadAttachment = Callable[[AttachmentKind, bytes], str]
"""The text of an attachment, empty when there is none or it cannot be read. Never raises."""

_OOXML = "vnd.openxmlformats-officedocument."
_KINDS_BY_TYPE = {
    "pdf": AttachmentKind.PDF,
    "x-pdf": AttachmentKind.PDF,
    f"{_OOXML}wordprocessingml.document": AttachmentKind.DOCX,
    f"{_OOXML}spreadsheetml.sheet": AttachmentKind.XLSX,
    f"{_OOXML}presentationml.presentation": AttachmentKind.PPTX,
    "vnd.oasis.opendocument.text": AttachmentKind.OPEN_DOCUMENT,
    "vnd.oasis.opendocument.spreadsheet": AttachmentKind.OPEN_DOCUMENT,
    "vnd.oasis.opendocument.presentation": AttachmentKind.OPEN_DOCUMENT,
}
_KINDS_BY_ENDING = {
    "pdf": AttachmentKind.PDF,
    "docx": AttachmentKind.DOCX,
    "xlsx": AttachmentKind.XLSX,
    "pptx": AttachmentKind.PPTX,
    "odt": AttachmentKind.OPEN_DOCUMENT,
    "ods": AttachmentKind.OPEN_DOCUMENT,
    "odp": AttachmentKind.OPEN_DOCUMENT,
}


def no_attachments(kind: AttachmentKind, octets: bytes) -> str:
    """A `ReadAttachment` that reads none."""
    return ""


def extract(
    content: bytes, root: Part, limits: TextLimits, read_attachment: ReadAttachment = no_attachments
) -> SearchText:
    """All texts of a message."""
    named, header = _header_texts(content, root)
    bodies: list[str] = []
    room = limits.max_characters
    attachments = limits.max_attachments
    for part in walk(root):
        for text in _part_texts(content, part, room):
            bodies.append(text[:room])
            room -= len(bodies[-1])
        kind = find_kind(part)
        if kind is not None and attachments and room and limits.max_attachment_octets:
            attachments -= 1
            octets = _decoded(content, part, limits.max_attachment_octets * 4 // 3 + 4096)
            if 0 < len(octets) <= limits.max_attachment_octets:
                bodies.append(normalise(read_attachment(kind, octets)[:room]))
                room -= len(bodies[-1])
        if room <= 0:
            break
    subject, sender, recipient, cc, bcc = named
    body = SEPARATOR.join(text for text in bodies if text)
    return SearchText(subject, sender, recipient, cc, bcc, header, body)


def normalise(text: str) -> str:
    """Text or a needle as it is compared: folded, one kind of line end, without the separator."""
    folded = fold(text)
    if "\r" in folded:
        folded = folded.replace("\r\n", "\n")
    return folded.replace(SEPARATOR, " ") if SEPARATOR in folded else folded


def find_kind(part: Part) -> AttachmentKind | None:
    """The format of a part, by its type, or by the ending of its name where the type says nothing (RFC 2046 4.5.1)."""
    if part.type != "application":
        return None
    kind = _KINDS_BY_TYPE.get(part.subtype)
    if kind is None and part.subtype not in _KINDS_BY_TYPE and "." in part.filename:
        kind = _KINDS_BY_ENDING.get(part.filename.rpartition(".")[2].lower())
    return kind


def _header_texts(content: bytes, root: Part) -> tuple[list[str], str]:
    named: list[list[str]] = [[], [], [], [], []]
    lines = [""]
    for name, value in _fields(content, root):
        text = decode_header(value)
        column = _NAMED_FIELDS.get(name.lower())
        if column is not None:
            named[column].append(text)
        lines.append(f"{name.decode('latin-1')}: {text}")
    if len(lines) == 1:
        return ["", "", "", "", ""], ""
    lines.append("")
    return [SEPARATOR.join(map(normalise, texts)) for texts in named], normalise("\n".join(lines))


def _fields(content: bytes, part: Part) -> list[tuple[bytes, bytes]]:
    size = min(part.header_size, _HEADER_OCTETS)
    return split_header(content[part.header_offset : part.header_offset + size])


def _part_texts(content: bytes, part: Part, room: int) -> Iterator[str]:
    """What of a part is text by itself: the text, its name, the header of a message inside."""
    if part.type == "text":
        yield _text(content, part, room)
    if part.filename:
        yield normalise(part.filename)
    if part.message is not None:
        yield _header_texts(content, part.message)[1]


def _text(content: bytes, part: Part, room: int) -> str:
    # A character takes four octets at most; what encodes it costs about as much as most characters take less.
    text = decode_text(_decoded(content, part, room * 4), part.charset)
    if part.subtype == "html":
        text = " ".join(strip_html(text).split())
    return normalise(text[:room])


def _decoded(content: bytes, part: Part, most: int) -> bytes:
    """The body without its transfer encoding (RFC 2045 6), of which at most `most` octets are looked at."""
    body = content[part.body_offset : part.body_offset + min(part.body_size, most)]
    if part.encoding == "base64":
        return decode_base64(body)
    if part.encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    return body
