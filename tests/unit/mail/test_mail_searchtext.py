"""What of a message is searched: cases, and any octets with any structure give text within the limits."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.folding import _LONG_MIXED_RUN, _PIECE, fold, strip_marks
from estafeta.mail.scan import MessageScanner
from estafeta.mail.searchtext import SEPARATOR, AttachmentKind, SearchText, TextLimits, extract, normalise
from estafeta.mail.structure import Part, parse_structure

FOLDED = [
    ("Hello", "HELLO"),
    ("a\0b", "A B"),
    ("é", "E\u0301"),
    ("e\u0301", "E\u0301"),
    ("straße", "STRASSE"),
    ("ẞ", "SS"),
    ("ﬁn", "FIN"),
    ("ıſK", "ISK"),
    ("Σσς", "ΣΣΣ"),
    ("ǆǅǄ", "DZ\u030cDZ\u030cDZ\u030c"),
    ("Ａｂ", "AB"),
    ("ｶﾞ", "カ\u3099"),
    ("\ud800", "?"),
    ("日本", "日本"),
]


@pytest.mark.parametrize(("text", "folded"), FOLDED)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_case_never_matters() -> None:
    """RFC 5051 2: letters that differ in case alone are equal."""
    for code in (*range(0xD800), *range(0xE000, 0x1F000)):
        letter = chr(code)
        folded = fold(letter)
        assert fold(folded) == folded
        for other in (letter.lower(), letter.upper(), letter.title()):
            assert len(other) > 1 or fold(other) == folded, hex(code)


@given(st.text("aé\u0301\u0323日 ", max_size=25), st.sampled_from([" ", "日"]), st.integers(0, 60))
def test_long_texts_fold_as_short_ones(text: str, last: str, more: int) -> None:
    text += last
    long = text * ((_PIECE + more) // len(text) + 1)
    assert fold(long) == unicodedata.normalize("NFKD", long).upper()


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0344\u0f73", "\U0001d165\u0323", "\uff9e\u0301"])
def test_heaps_of_marks_cost_no_time(marks: str) -> None:
    folded = fold("a" + marks * 50_000 + "b")
    assert len(folded) < 100
    assert fold(folded) == folded


def test_all_that_becomes_a_mark_is_known() -> None:
    for code in range(0x110000):
        letter = chr(code)
        if unicodedata.combining(unicodedata.normalize("NFKD", letter)[0]):
            assert _LONG_MIXED_RUN.fullmatch(letter * 31), hex(code)


@given(st.text())
def test_marks_go_and_nothing_else(text: str) -> None:
    folded = fold(text)
    assert strip_marks(folded) == "".join(c for c in folded if not unicodedata.combining(c))
    assert SEPARATOR not in normalise(text)
    assert "\r\n" not in normalise(text)


def structure(message: bytes) -> Part:
    scanner = MessageScanner()
    scanner.feed(message)
    return parse_structure(scanner.close().structure).root


def texts(message: bytes, limits: TextLimits | None = None) -> SearchText:
    return extract(message, structure(message), limits or TextLimits(), lambda kind, octets: f"{kind} {len(octets)}")


MESSAGE = b"""From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r
To: one@example.org,\r
\ttwo@example.org\r
to: three@example.org\r
Subject: =?iso-8859-1?b?R3L832U=?= x\r
Content-Type: multipart/mixed; boundary=b\r
\r
preamble\r
--b\r
Content-Type: text/plain; charset=koi8-r\r
Content-Transfer-Encoding: base64\r
\r
8NLJ18XU\r
--b\r
Content-Type: text/html; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
<style>p{}</style><p>a=\r
&nbsp;&lt;b&gt;<br>c</p>\r
--b\r
Content-Type: application/octet-stream; name="r.DOCX"\r
Content-Disposition: attachment; filename*=utf-8''r%C3%A9.DOCX\r
Content-Transfer-Encoding: base64\r
\r
QUJD\r
--b\r
Content-Type: application/pdf\r
\r
plain\r
--b\r
Content-Type: image/png; name=p.png\r
Content-Transfer-Encoding: base64\r
\r
QUJD\r
--b\r
Content-Type: message/rfc822\r
\r
Subject: inner\r
\r
inner text\r
--b--\r
"""


def test_a_message() -> None:
    text = texts(MESSAGE)
    assert text.subject == fold("Grüße x")
    assert text.sender == fold("Jürgen <j@example.org>")
    assert text.recipient == "ONE@EXAMPLE.ORG, TWO@EXAMPLE.ORG" + SEPARATOR + "THREE@EXAMPLE.ORG"
    assert (text.cc, text.bcc) == ("", "")
    assert f"\nSUBJECT: {fold('Grüße x')}\n" in text.header
    assert text.header.startswith("\nFROM: ")
    assert text.header.endswith("\n")
    assert text.body.split(SEPARATOR) == [
        fold("Привет"),
        "A <B> C",
        fold("ré.docx"),
        "DOCX 3",
        "PDF 5",
        "P.PNG",
        "\nSUBJECT: INNER\n",
        "INNER TEXT",
    ]


def test_limits() -> None:
    assert texts(MESSAGE, TextLimits(max_characters=8)).body == fold("Привет") + SEPARATOR + "RE"
    assert "DOCX 3" not in texts(MESSAGE, TextLimits(max_attachment_octets=2)).body
    assert "PDF 5" not in texts(MESSAGE, TextLimits(max_attachments=1)).body
    assert "DOCX" not in texts(MESSAGE, TextLimits(max_attachment_octets=0)).body.replace("DOCX" + SEPARATOR, "")


@given(st.lists(st.one_of(st.sampled_from(MESSAGE.splitlines(keepends=True)), st.binary(max_size=40)), max_size=40))
def test_any_octets_have_text(lines: list[bytes]) -> None:
    message = b"".join(lines)
    text = texts(message, TextLimits(max_characters=50))
    assert len(text.body) <= 50 + len(SEPARATOR) * 20
    for one in text:
        one.encode()
        assert "\0" not in one
    # Another message's structure, as after a repair, is no error either.
    extract(message[:60], structure(MESSAGE), TextLimits(), lambda kind, octets: str(AttachmentKind(kind)))
