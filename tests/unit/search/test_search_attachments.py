"""Attachments: what text they have, and that hostile ones cost little and break nothing."""

import sys
from collections.abc import Iterator

import pytest
from document_kit import archive, docx, odt, pdf, pptx, xlsx
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.searchtext import AttachmentKind
from estafeta.search.attachments import AttachmentReader
from estafeta.search.extractor import MAX_TEXT, read_text

TEXTS = [
    (AttachmentKind.PDF, pdf("First page", "Second page"), "First page\nSecond page\n"),
    (AttachmentKind.DOCX, docx("One", "Two &amp; three"), "One\nTwo & three\nfoot\n"),
    (AttachmentKind.XLSX, xlsx(), "Turnover\nSpain\n4711.5\ninline\n"),
    (AttachmentKind.PPTX, pptx(), "Slide 1\nSlide 2\nSlide 10\n"),
    (AttachmentKind.OPEN_DOCUMENT, odt(), "Hola señor\nFin al\n"),
]
LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>'
HOSTILE = [
    (AttachmentKind.DOCX, archive({"word/document.xml": LAUGHS}), ""),
    (AttachmentKind.DOCX, archive({"word/document.xml": "<w><t>before</t><broken"}), "before"),
    (AttachmentKind.DOCX, archive({"word/document.xml": "<a>" * 500_000}), ""),
    (AttachmentKind.DOCX, b"PK\x03\x04 and then nothing", ""),
    (AttachmentKind.XLSX, pdf("no sheet"), ""),
    (AttachmentKind.PDF, b"%PDF-1.7\n" + b"\0" * 1000, ""),
    (AttachmentKind.PDF, b"", ""),
]


@pytest.fixture
def reader() -> Iterator[AttachmentReader]:
    made = AttachmentReader()
    yield made
    made.close()


@pytest.mark.parametrize(("kind", "octets", "text"), [*TEXTS, *HOSTILE])
def test_text(kind: AttachmentKind, octets: bytes, text: str) -> None:
    assert read_text(kind, octets) == text


@given(st.sampled_from(TEXTS), st.integers(0, 3000), st.binary(max_size=8))
def test_damaged_documents_never_raise(document: tuple[AttachmentKind, bytes, str], at: int, octets: bytes) -> None:
    kind, whole, _ = document
    at %= len(whole)
    assert isinstance(read_text(kind, whole[:at] + octets + whole[at + len(octets) :]), str)


def test_the_process_reads_and_is_used_again(reader: AttachmentReader) -> None:
    assert [reader(kind, octets) for kind, octets, _ in TEXTS] == [text for _, _, text in TEXTS]
    process = reader._process
    assert [reader(kind, octets) for kind, octets, _ in HOSTILE] == [text for _, _, text in HOSTILE]
    assert reader._process is process


def test_a_bomb_is_refused(reader: AttachmentReader) -> None:
    filling = b"<t>" + b"x" * (64 << 20) + b"</t>"
    text = reader(AttachmentKind.DOCX, archive({"word/document.xml": filling}))
    assert len(text) == MAX_TEXT
    assert reader(*TEXTS[1][:2]) == TEXTS[1][2]


SILENT = "import time; time.sleep(60)"
GREEDY = (
    "from estafeta.search import extractor as e;"
    "e._MEMORY = 200 << 20;"
    "e._READERS[e.AttachmentKind.DOCX] = lambda octets, room: [bytes(1 << 30), room.put('x')];"
    "e.main()"
)
BUSY = (
    "from estafeta.search import extractor as e;"
    "e._SECONDS = 1; e._READERS[e.AttachmentKind.DOCX] = lambda octets, room: [1 for _ in iter(int, 1)];"
    "e.main()"
)
LIAR = "import socket; s = socket.socket(fileno=0); s.recv(5); s.sendall(b'\\xff' * 4)"


@pytest.mark.parametrize(("code", "seconds"), [(SILENT, 0.2), (BUSY, 20), (LIAR, 20), ("1 / 0", 20)])
def test_a_process_that_misbehaves_is_replaced(reader: AttachmentReader, code: str, seconds: float) -> None:
    command, reader._command = reader._command, (sys.executable, "-c", code)
    reader._wall_seconds = seconds
    kind, octets, _ = TEXTS[1]
    assert reader(kind, octets) == ""
    reader._command, reader._wall_seconds = command, 20
    assert reader(kind, octets) == ""  # remembered
    assert reader(*TEXTS[0][:2]) == TEXTS[0][2]


def test_memory_is_limited(reader: AttachmentReader) -> None:
    reader._command = (sys.executable, "-c", GREEDY)
    assert reader(*TEXTS[1][:2]) == ""
    assert reader(*TEXTS[0][:2]) == TEXTS[0][2]


def test_no_process_is_no_text_and_nothing_is_remembered(reader: AttachmentReader) -> None:
    command, reader._command = reader._command, ("/nonexistent/program",)
    kind, octets, text = TEXTS[1]
    assert reader(kind, octets) == ""
    reader._command = command
    assert reader(kind, octets) == text
