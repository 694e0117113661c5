"""What `BODY[...]` and RFC822.* mean in a message: which octets they are (RFC 9051 6.4.5.1).

Almost every section is one stretch of the message, so that a large one can be read by range: `section_span`. Only
HEADER.FIELDS and HEADER.FIELDS.NOT are made of pieces, of a header that is small: `filter_header`. `extract` does
either with the message at hand. None is a section that the message does not have, which IMAP answers with NIL.
Nothing here raises, whatever the octets are.

What the outermost message is asked for needs no structure, only `contents.header_size` and `contents.size`:
`BODY[]` (RFC822) is all of it, `BODY[HEADER]` (RFC822.HEADER) the first `header_size` octets, `BODY[TEXT]`
(RFC822.TEXT) what comes after them.
"""

import re
from collections.abc import Collection
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from estafeta.mail.structure import Part, Structure, find_part


class SectionText(StrEnum):
    """`section-text` of RFC 9051 9; WHOLE is none."""

    WHOLE = ""
    HEADER = "HEADER"
    FIELDS = "HEADER.FIELDS"
    FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"


_FILTERED = (SectionText.FIELDS, SectionText.FIELDS_NOT)


class Section(NamedTuple):
    """A section: the numbers of the part, () for the message; what of it; and for the FIELDS which, in any case."""

    part: tuple[int, ...] = ()
    text: SectionText = SectionText.WHOLE
    fields: tuple[bytes, ...] = ()


class Span(NamedTuple):
    """A stretch of the message, in octets from its first."""

    offset: int
    size: int


def section_span(structure: Structure, section: Section) -> Span | None:
    """The octets that the section is, or for HEADER.FIELDS and HEADER.FIELDS.NOT those of the header to filter.

    RFC 9051 6.4.5.1: HEADER and TEXT of a numbered part are those of the message inside it, so only a message/rfc822
    part has them; MIME is a part's own header, so the message has none (there it is called HEADER).
    """
    part = find_part(structure.root, section.part)
    if part is None:
        return None
    if section.text is SectionText.WHOLE:
        return _body(part) if section.part else _whole(part)
    if section.text is SectionText.MIME:
        return Span(part.header_offset, part.header_size) if section.part else None
    message = part.message if section.part else part
    if message is None:
        return None
    return _body(message) if section.text is SectionText.TEXT else Span(message.header_offset, message.header_size)


def _body(part: Part) -> Span:
    return Span(part.body_offset, part.body_size)


def _whole(part: Part) -> Span:
    return Span(part.header_offset, part.body_offset + part.body_size - part.header_offset)


def extract(content: bytes, structure: Structure, section: Section) -> bytes | None:
    """The section's octets out of the whole message; None when there is no such part."""
    span = section_span(structure, section)
    if span is None:
        return None
    octets = content[span.offset : span.offset + span.size]
    if section.text in _FILTERED:
        return filter_header(octets, section.fields, negate=section.text is SectionText.FIELDS_NOT)
    return octets


def slice_partial(data: bytes, start: int | None, count: int | None) -> bytes:
    """`<start.count>` of RFC 9051 6.4.5: what is there of it, b"" beyond the end. Without a start: everything."""
    if start is None:
        return data
    return data[start:] if count is None else data[start : start + count]


def slice_span(span: Span, start: int | None, count: int | None) -> Span:
    """The same of a stretch that is still to be read."""
    if start is None:
        return span
    first = min(start, span.size)
    rest = span.size - first
    return Span(span.offset + first, rest if count is None else min(count, rest))


def filter_header(block: bytes, fields: Collection[bytes], *, negate: bool = False) -> bytes:
    """The fields of a header with one of these names (with `negate`: with none of them), as they stand, and an empty
    line.

    RFC 9051 6.4.5.1: case does not matter, the order stays, folded lines stay whole. A line that is no field belongs
    to none and so to what is left with `negate`, which loses nothing that way.
    """
    wanted = _field_pattern(tuple(fields))
    if negate:
        rest = wanted.sub(b"", block)
        return rest if _ENDED(rest) else _end(rest)
    return _end(b"".join(wanted.findall(block)))


_ENDED = re.compile(rb"(?s:.*\n)?\r?\n").fullmatch


def _end(header: bytes) -> bytes:
    # RFC 9051 6.4.5.1: the empty line is part of every answer, also when the message lacks it.
    return header + (b"\r\n" if not header or header[-1] == 10 else b"\r\n\r\n")


@lru_cache(maxsize=32)
def _field_pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Finds whole fields with these names. Remembered, since a client asks for the same ones of each message."""
    words = b"|".join(sorted({re.escape(name.strip().lower()) for name in names})) or rb"(?!)"
    # RFC 5322 4.5: white space before the colon is obsolete, but sent.
    return re.compile(rb"^(?:%b)[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*\n?" % words, re.IGNORECASE | re.MULTILINE)
