"""Octets of messages for FETCH: BODY[...] (RFC 9051 6.4.5.1) and BINARY[...] (RFC 3516).

Each kind answers for many messages whose contents are at hand (`octets`), or for one that is too large for that and is
read as a stream (`stream`). None is a section that the message does not have.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from estafeta.mail.binary import BinaryDecoder, UnknownEncodingError, decode_part, transfer_encoding
from estafeta.mail.sections import (
    Section,
    SectionText,
    Span,
    extract,
    filter_header,
    section_span,
    slice_partial,
    slice_span,
)
from estafeta.mail.structure import Part, Structure, find_part
from estafeta.servers.imap.portion import Portion

# Of a header that is larger, the fields behind this are not looked for: ten times what the store reads of any.
_MOST_HEADER = 1 << 20
# RFC 9051 4.3.1: a literal may not hold NUL. Another octet takes its place, as Dovecot does, so that sizes stay right.
_FOR_NUL = b"\x80"
_ROOT = (SectionText.WHOLE, SectionText.HEADER, SectionText.TEXT, SectionText.FIELDS, SectionText.FIELDS_NOT)
_FILTERED = (SectionText.FIELDS, SectionText.FIELDS_NOT)


class Stream(NamedTuple):
    """Octets that come in pieces, and how many they are together."""

    size: int
    pieces: Iterator[bytes]


class Body(Protocol):
    """Octets that a FETCH item stands for. `columns` of the row that it needs; `literal` begins the answer."""

    columns: tuple[str, ...]
    literal: bytes

    def octets(self, portion: Portion) -> list[bytes | None]:
        """Of each message of the portion, out of its contents."""

    def stream(self, portion: Portion) -> Stream | None:
        """Of the one message of the portion, which is read in pieces."""


class BodySection:
    """`BODY[section]<partial>`. `exact`: streams are octet for octet, also where no literal could hold them."""

    __slots__ = ("_count", "_exact", "_section", "_start", "columns")
    literal = b"{%d}\r\n"

    def __init__(self, section: Section, start: int | None, count: int | None, *, exact: bool = False) -> None:
        self._section = section
        self._exact = exact
        self._start = start
        self._count = count
        # What the message itself is asked for needs no structure.
        self.columns: tuple[str, ...] = () if not section.part and section.text in _ROOT else ("structure",)

    def octets(self, portion: Portion) -> list[bytes | None]:
        """See `Body`."""
        found = self._pick(portion)
        start, count = self._start, self._count
        if start is not None:
            found = [None if octets is None else slice_partial(octets, start, count) for octets in found]
        return [octets.replace(b"\0", _FOR_NUL) if octets and b"\0" in octets else octets for octets in found]

    def _pick(self, portion: Portion) -> Iterable[bytes | None]:
        contents, section = portion.contents, self._section
        if self.columns:
            pairs = zip(contents, portion.structures(), strict=True)
            return [None if structure is None else extract(content, structure, section) for content, structure in pairs]
        if section.text is SectionText.WHOLE:
            return contents
        cuts = zip(contents, portion["header_size"], strict=True)
        if section.text is SectionText.TEXT:
            return [content[size:] for content, size in cuts]
        if section.text is SectionText.HEADER:
            return [content[:size] for content, size in cuts]
        fields, negate = section.fields, section.text is SectionText.FIELDS_NOT
        return [filter_header(content[:size], fields, negate=negate) for content, size in cuts]

    def stream(self, portion: Portion) -> Stream | None:
        """See `Body`."""
        span = self._span(portion)
        if span is None:
            return None
        if self._section.text in _FILTERED:
            octets = slice_partial(self._filtered(portion, span), self._start, self._count)
            return Stream(len(octets), self._printable([octets] if octets else []))
        span = slice_span(span, self._start, self._count)
        return Stream(span.size, self._printable(read_span(portion, span)))

    def _filtered(self, portion: Portion, span: Span) -> bytes:
        block = b"".join(read_span(portion, Span(span.offset, min(span.size, _MOST_HEADER))))
        return filter_header(block, self._section.fields, negate=self._section.text is SectionText.FIELDS_NOT)

    def _printable(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        return iter(pieces) if self._exact else (piece.replace(b"\0", _FOR_NUL) for piece in pieces)

    def _span(self, portion: Portion) -> Span | None:
        text = self._section.text
        if self.columns:
            structure = portion.structures()[0]
            return None if structure is None else section_span(structure, self._section)
        size, header = portion["content_size"][0], portion["header_size"][0]
        if text is SectionText.WHOLE:
            return Span(0, size)
        return Span(header, size - header) if text is SectionText.TEXT else Span(0, header)


class BinaryPart:
    """`BINARY[part]<partial>` (RFC 3516 4.3), always as literal8. A part that cannot be decoded counts as trouble."""

    __slots__ = ("_count", "_part", "_start")
    columns: tuple[str, ...] = ("structure",)
    literal = b"~{%d}\r\n"

    def __init__(self, part: tuple[int, ...], start: int | None, count: int | None) -> None:
        self._part = part
        self._start = start
        self._count = count

    def octets(self, portion: Portion) -> list[bytes | None]:
        """See `Body`."""
        return [
            None if octets is None else slice_partial(octets, self._start, self._count)
            for octets in _decoded(portion, self._part)
        ]

    def stream(self, portion: Portion) -> Stream | None:
        """See `Body`. Read twice: once to know the size, which comes first."""
        span, encoding = _binary_span(portion, self._part)
        if span is None:
            return None
        start = self._start or 0
        stop = None if self._start is None or self._count is None else start + self._count
        size = sum(map(len, _cut(_decode_stream(portion, span, encoding), start, stop)))
        return Stream(size, _cut(_decode_stream(portion, span, encoding), start, stop))


def binary_size(numbers: tuple[int, ...]) -> Callable[[Portion], Iterable[int]]:
    """`BINARY.SIZE[part]`: octets of the part once decoded, 0 where there is none."""

    def sizes(portion: Portion) -> Iterable[int]:
        if portion.read is None:
            return [len(octets or b"") for octets in _decoded(portion, numbers)]
        span, encoding = _binary_span(portion, numbers)
        return [0 if span is None else sum(map(len, _decode_stream(portion, span, encoding)))]

    return sizes


def _decoded(portion: Portion, numbers: tuple[int, ...]) -> Iterator[bytes | None]:
    for content, structure in zip(portion.contents, portion.structures(), strict=True):
        yield _decode(portion, content, structure, numbers)


def _decode(portion: Portion, content: bytes, structure: Structure | None, numbers: tuple[int, ...]) -> bytes | None:
    part = None if structure is None else find_part(structure.root, numbers)
    if part is None:
        return None
    if not numbers:
        return content
    try:
        return decode_part(content, part)
    except UnknownEncodingError:
        portion.trouble.unknown_encoding = True
        return None


def _binary_span(portion: Portion, numbers: tuple[int, ...]) -> tuple[Span | None, str]:
    """Where the part's body is, and how it is encoded."""
    if not numbers:
        return Span(0, portion["content_size"][0]), ""
    structure = portion.structures()[0]
    part: Part | None = None if structure is None else find_part(structure.root, numbers)
    if part is None:
        return None, ""
    try:
        BinaryDecoder(transfer_encoding(part))
    except UnknownEncodingError:
        portion.trouble.unknown_encoding = True
        return None, ""
    return Span(part.body_offset, part.body_size), transfer_encoding(part)


def _decode_stream(portion: Portion, span: Span, encoding: str) -> Iterator[bytes]:
    decoder = BinaryDecoder(encoding)
    for piece in read_span(portion, span):
        yield decoder.feed(piece)
    yield decoder.close()


def _cut(pieces: Iterable[bytes], start: int, stop: int | None) -> Iterator[bytes]:
    """From the octet `start` up to, without, `stop`; reads no further than that. Gives no empty pieces."""
    at = 0
    for piece in pieces:
        cut = piece[max(0, start - at) : None if stop is None else max(0, stop - at)]
        if cut:
            yield cut
        at += len(piece)
        if stop is not None and at >= stop:
            return


def read_span(portion: Portion, span: Span) -> Iterator[bytes]:
    """A stretch of the one message of the portion, read no further than its end."""
    if portion.read is None:
        raise RuntimeError("the message is not open for reading")
    return portion.read(span.offset, span.size)
