"""The document inside a message that brings an aggregate report: XML as it is, in gzip, or in a zip archive.

Nothing is unpacked beyond `MAX_DOCUMENT_BYTES`, however little a sender had to send for more. Of a zip archive only the
first file is read, from its own header on: what the directory at the end claims does not matter. Every failure is
ReportError.
"""

import zlib
from collections.abc import Iterator

from estafeta.core.errors import EstafetaError
from estafeta.mail.binary import decode_part
from estafeta.mail.scan import MessageScanner, ScanLimits
from estafeta.mail.structure import Part, parse_structure, walk

MAX_DOCUMENT_BYTES = 10 << 20
"""Unpacked. The largest providers' reports on the largest domains stay under it, and it is parsed in about a second."""
MAX_MESSAGE_BYTES = 10 << 20
"""As it came; packed reports are twenty times smaller than what they unpack to."""
_PIECE = 64 << 10
_MAX_PARTS = 20
_LIMITS = ScanLimits(max_parts=50, max_depth=5)
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_ZIP_HEADER = 30
_STORED, _DEFLATED = 0, 8


class ReportError(ValueError):
    """No report, or one that cannot be read. The message is a phrase without a full stop."""


def find_document(content: bytes) -> bytes:
    """The document of a message (RFC 7489 7.2.1.1). Raises ReportError."""
    if len(content) > MAX_MESSAGE_BYTES:
        raise ReportError("the message is too large for a report")
    scanner = MessageScanner(_LIMITS)
    scanner.feed(content)
    root = parse_structure(scanner.close().structure).root
    problem = "the message has no report attached"
    for part in _candidates(root):
        try:
            return unpack(decode_part(content, part))
        except EstafetaError:
            problem = "the attachment has an unknown encoding"
        except ReportError as error:
            problem = str(error)
    raise ReportError(problem)


def find_in_file(data: bytes) -> bytes:
    """The document of a file: a message, or the document alone, packed or not. Raises ReportError."""
    return unpack(data) if _is_packed(data) or _is_xml(data) else find_document(data)


def _candidates(root: Part) -> Iterator[Part]:
    """Parts that may be a report, those that say so first."""
    leaves = [part for part in walk(root) if not part.parts and part.message is None][:_MAX_PARTS]
    yield from sorted((part for part in leaves if _may_be(part)), key=lambda part: not _says_so(part))


def _says_so(part: Part) -> bool:
    return part.filename.lower().endswith((".xml.gz", ".xml", ".zip", ".gz"))


def _may_be(part: Part) -> bool:
    return _says_so(part) or part.type == "application" or part.subtype == "xml"


def unpack(data: bytes) -> bytes:
    """What gzip or zip data holds, or the data when it is XML. Raises ReportError."""
    if data.startswith(_GZIP):
        return _inflate(data, 16 + zlib.MAX_WBITS)
    if data.startswith(_ZIP):
        return _unzip(data)
    if not _is_xml(data):
        raise ReportError("the attachment is neither XML nor gzip nor zip")
    if len(data) > MAX_DOCUMENT_BYTES:
        raise ReportError("the report is too large")
    return data


def _is_packed(data: bytes) -> bool:
    return data.startswith((_GZIP, _ZIP))


def _is_xml(data: bytes) -> bool:
    # Blanks and byte order marks may come first.
    return data[:100].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<")


def _unzip(data: bytes) -> bytes:
    """The first file of an archive (PKWARE APPNOTE 4.3.7)."""
    if len(data) < _ZIP_HEADER:
        raise ReportError("the archive is damaged")
    flags, method = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    size = int.from_bytes(data[18:22], "little")
    names = int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    if flags & 1:
        raise ReportError("the archive is encrypted")
    packed = data[_ZIP_HEADER + names :]
    if method == _DEFLATED:
        return _inflate(packed, -zlib.MAX_WBITS)
    if method == _STORED and not flags & 8 and size <= len(packed):
        if size > MAX_DOCUMENT_BYTES:
            raise ReportError("the report is too large")
        return packed[:size]
    raise ReportError("the archive is packed in a way that is not known")


def _inflate(data: bytes, window_bits: int) -> bytes:
    unpacker = zlib.decompressobj(window_bits)
    pieces, size = [], 0
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(data, _PIECE)
            data = unpacker.unconsumed_tail
            size += len(piece)
            if size > MAX_DOCUMENT_BYTES:
                raise ReportError("the report is too large")
            if not piece and not data:
                raise ReportError("the attachment ends too early")
            pieces.append(piece)
    except zlib.error:
        raise ReportError("the attachment is damaged") from None
    return b"".join(pieces)
