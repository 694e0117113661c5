"""The text in PDF, OOXML (ECMA-376) and OpenDocument (OASIS, ISO/IEC 26300) files. Runs in the extractor process only.

Readers put text into a `Room` and may raise anything: what is in the room by then is the text. Office files are zip
archives of XML; document types and entities are refused, since neither format has any and attackers do.
"""

import re
import time
import zipfile
from collections.abc import Iterable
from io import BytesIO
from typing import IO
from xml.parsers import expat

_MAX_ENTRIES = 10_000
"""Files in an archive; documents of a thousand pages have hundreds."""
_MAX_XML = 200 << 20
"""Octets of XML read of one document: archives can promise terabytes."""
_MAX_PAGES = 500
"""Of a PDF."""
_PIECE = 64 << 10


class RefusedError(Exception):
    """Not read any further: too much, or dangerous."""


class Room:
    """Takes in text until it is full or the time is up, and then refuses."""

    def __init__(self, characters: int, seconds: float) -> None:
        self._left = characters
        self._until = time.process_time() + seconds
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that was put in."""
        return "".join(self._pieces)

    def put(self, text: str) -> None:
        """Take in text. Raises RefusedError when full."""
        self._pieces.append(text[: self._left])
        self._left -= len(self._pieces[-1])
        if self._left <= 0:
            raise RefusedError

    def look_at_the_clock(self) -> None:
        """Raises RefusedError when the time is up."""
        if time.process_time() > self._until:
            raise RefusedError


def read_pdf(octets: bytes, room: Room) -> None:
    """Pages one by one; a page that cannot be read is left out. Encrypted files open with the empty password or not."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    reader = PdfReader(BytesIO(octets), strict=False)
    if reader.is_encrypted:
        reader.decrypt("")
    for number in range(min(len(reader.pages), _MAX_PAGES)):
        room.look_at_the_clock()
        try:
            text = reader.pages[number].extract_text()
        except (PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            continue
        room.put(text + "\n")


def read_docx(octets: bytes, room: Room) -> None:
    """The document, then headers, footers, notes and comments (ECMA-376 part 1, 17)."""
    archive = _open(octets)
    _read(archive, r"word/document\d*\.xml", room, _Texts(texts={"t"}, ends={"p", "tr"}, spaces={"tab", "br", "cr"}))
    others = r"word/(header|footer|footnotes|endnotes|comments)\d*\.xml"
    _read(archive, others, room, _Texts(texts={"t"}, ends={"p", "tr"}, spaces={"tab", "br", "cr"}))


def read_pptx(octets: bytes, room: Room) -> None:
    """The slides and their notes (ECMA-376 part 1, 19)."""
    pattern = r"ppt/(slides/slide|notesSlides/notesSlide|comments/comment)\d*\.xml"
    _read(_open(octets), pattern, room, _Texts(texts={"t", "text"}, ends={"p", "cm"}, spaces={"br"}))


def read_xlsx(octets: bytes, room: Room) -> None:
    """Shared strings, then what stands in cells itself: text, numbers, results (ECMA-376 part 1, 18)."""
    archive = _open(octets)
    _read(archive, r"xl/sharedStrings\.xml", room, _Texts(texts={"t"}, ends={"si"}))
    _read(archive, r"xl/worksheets/sheet\d*\.xml", room, _Cells())
    _read(archive, r"xl/comments\d*\.xml", room, _Texts(texts={"t"}, ends={"comment"}))


def read_open_document(octets: bytes, room: Room) -> None:
    """All text of the body (OpenDocument 1.3 part 3, 3.3)."""
    pattern = r"(content|styles)\.xml"
    _read(_open(octets), pattern, room, _Texts(texts={"p", "h"}, ends={"p", "h"}, spaces={"s", "tab", "line-break"}))


class _Texts:
    """Collects text inside elements of some names; others end a line or stand for a space. Prefixes go."""

    def __init__(self, *, texts: Iterable[str], ends: Iterable[str] = (), spaces: Iterable[str] = ()) -> None:
        self._texts, self._ends, self._spaces = frozenset(texts), frozenset(ends), frozenset(spaces)
        self._inside = 0

    def begin(self, room: Room) -> None:
        """A new XML file."""
        self._room, self._inside = room, 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = name.rpartition(":")[2]
        if name in self._spaces:
            self._room.put(" ")
        self._inside += name in self._texts

    def end(self, name: str) -> None:
        """An element ends."""
        name = name.rpartition(":")[2]
        self._inside -= name in self._texts
        if name in self._ends:
            self._room.put("\n")

    def data(self, text: str) -> None:
        """Characters."""
        if self._inside:
            self._room.put(text)


class _Cells(_Texts):
    """Values of cells but for indexes of shared strings."""

    def __init__(self) -> None:
        super().__init__(texts={"t", "v"}, ends={"c"})
        self._shared = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; `c` says what its value is."""
        if name.rpartition(":")[2] == "c":
            self._shared = attributes.get("t") == "s"
        super().start(name, attributes)

    def end(self, name: str) -> None:
        """An element ends; a cell that only points to a shared string says nothing."""
        if not (self._shared and name.rpartition(":")[2] == "c"):
            super().end(name)

    def data(self, text: str) -> None:
        """Characters."""
        if not self._shared:
            super().data(text)


def _open(octets: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(BytesIO(octets))
    if len(archive.infolist()) > _MAX_ENTRIES:
        raise RefusedError
    return archive


def _read(archive: zipfile.ZipFile, pattern: str, room: Room, into: _Texts) -> None:
    """Parse every file of the archive whose name matches, in the order of the numbers in their names."""
    names = [name for name in archive.namelist() if re.fullmatch(pattern, name)]
    left = _MAX_XML
    for name in sorted(names, key=lambda name: (len(name), name)):
        with archive.open(name) as file:
            left -= _parse(file, room, into, left)


def _parse(file: IO[bytes], room: Room, into: _Texts, most: int) -> int:
    """Parse one XML file; its octets."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler, parser.EndElementHandler = into.start, into.end
    parser.CharacterDataHandler = into.data
    into.begin(room)
    done = 0
    while piece := file.read(_PIECE):
        done += len(piece)
        if done > most:
            raise RefusedError
        room.look_at_the_clock()
        parser.Parse(piece, False)
    parser.Parse(b"", True)
    return done


def _refuse(*declaration: object) -> None:
    raise RefusedError
