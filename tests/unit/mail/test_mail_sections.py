"""Which octets BODY[...] and BINARY[...] are: a table over nested messages, and what holds for any octets."""

import base64
import binascii
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.binary import BinaryDecoder, UnknownEncodingError, decode_part
from estafeta.mail.scan import MessageScanner
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
from estafeta.mail.structure import Structure, find_part, parse_structure

PLAIN = b"""From: a@example.org\r
Subject: one\r
 line\r
\r
Text\r
"""
INNER_TEXT_HEADER = b"Content-Type: text/plain\r\n\r\n"
INNER_HTML_HEADER = b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
INNER_HEADER = b"Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
INNER_BODY = (
    b"--in\r\n" + INNER_TEXT_HEADER + b"inner text\r\n--in\r\n" + INNER_HTML_HEADER + b"<b>=C3=BC</b>\r\n--in--\r\n"
)
LONE_HEADER = b"Subject: lone\r\n\r\n"
ROOT_HEADER = b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n"
TEXT_HEADER = b"Content-Type: text/plain\r\nX-A: 1\r\n\r\n"
MESSAGE_HEADER = b"Content-Type: message/rfc822\r\n\r\n"
ROOT_BODY = (
    b"preamble\r\n--out\r\n"
    + (TEXT_HEADER + b"hello\r\n--out\r\n")
    + (MESSAGE_HEADER + INNER_HEADER + INNER_BODY + b"\r\n--out\r\n")
    + (MESSAGE_HEADER + LONE_HEADER + b"lone text\r\n--out\r\n")
    + b"\r\nbare\r\n--out--\r\nepilogue\r\n"
)
NESTED = ROOT_HEADER + ROOT_BODY
FORWARD_HEADER = b"Subject: forward\r\nContent-Type: message/rfc822\r\n\r\n"
FORWARD = FORWARD_HEADER + LONE_HEADER + b"lone text"

WHOLE, HEADER, TEXT, MIME = SectionText.WHOLE, SectionText.HEADER, SectionText.TEXT, SectionText.MIME

TABLE = [
    (PLAIN, (), WHOLE, PLAIN),
    (PLAIN, (), HEADER, PLAIN[:-6]),
    (PLAIN, (), TEXT, b"Text\r\n"),
    (PLAIN, (), MIME, None),
    # RFC 9051 6.4.5.1: every message has at least one part number.
    (PLAIN, (1,), WHOLE, b"Text\r\n"),
    (PLAIN, (1,), MIME, PLAIN[:-6]),
    (PLAIN, (1,), HEADER, None),
    (PLAIN, (1,), TEXT, None),
    (PLAIN, (0,), WHOLE, None),
    (PLAIN, (2,), WHOLE, None),
    (PLAIN, (1, 1), WHOLE, None),
    (NESTED, (), WHOLE, NESTED),
    (NESTED, (), HEADER, ROOT_HEADER),
    (NESTED, (), TEXT, ROOT_BODY),
    (NESTED, (1,), WHOLE, b"hello"),
    (NESTED, (1,), MIME, TEXT_HEADER),
    (NESTED, (1,), HEADER, None),
    (NESTED, (2,), WHOLE, INNER_HEADER + INNER_BODY),
    (NESTED, (2,), MIME, MESSAGE_HEADER),
    (NESTED, (2,), HEADER, INNER_HEADER),
    (NESTED, (2,), TEXT, INNER_BODY),
    (NESTED, (2, 1), WHOLE, b"inner text"),
    (NESTED, (2, 1), MIME, INNER_TEXT_HEADER),
    (NESTED, (2, 2), WHOLE, b"<b>=C3=BC</b>"),
    (NESTED, (2, 3), WHOLE, None),
    (NESTED, (2, 0), WHOLE, None),
    (NESTED, (2, 1, 1), WHOLE, None),
    (NESTED, (3,), HEADER, LONE_HEADER),
    (NESTED, (3, 1), WHOLE, b"lone text"),
    (NESTED, (3, 1), MIME, LONE_HEADER),
    (NESTED, (3, 1), HEADER, None),
    (NESTED, (4,), WHOLE, b"bare"),
    (NESTED, (4,), MIME, b"\r\n"),
    (NESTED, (5,), WHOLE, None),
    (FORWARD, (1,), WHOLE, LONE_HEADER + b"lone text"),
    (FORWARD, (1,), MIME, FORWARD_HEADER),
    (FORWARD, (1,), HEADER, LONE_HEADER),
    (FORWARD, (1,), TEXT, b"lone text"),
    (FORWARD, (1, 1), WHOLE, b"lone text"),
    (b"", (), WHOLE, b""),
    (b"", (), HEADER, b""),
    (b"", (), TEXT, b""),
    (b"", (1,), WHOLE, b""),
]


def scan(message: bytes) -> Structure:
    scanner = MessageScanner()
    scanner.feed(message)
    return parse_structure(scanner.close().structure)


@pytest.mark.parametrize(("message", "part", "text", "expected"), TABLE)
def test_sections(message: bytes, part: tuple[int, ...], text: SectionText, expected: bytes | None) -> None:
    assert extract(message, scan(message), Section(part, text)) == expected


def test_fields_of_an_inner_message() -> None:
    structure = scan(NESTED)
    assert extract(NESTED, structure, Section((2,), SectionText.FIELDS, (b"SUBJECT",))) == b"Subject: inner\r\n\r\n"
    assert extract(NESTED, structure, Section((2,), SectionText.FIELDS_NOT, (b"content-type",))) == (
        b"Subject: inner\r\n\r\n"
    )
    assert extract(NESTED, structure, Section((1,), SectionText.FIELDS, (b"X-A",))) is None
    assert section_span(structure, Section((), SectionText.FIELDS, (b"X",))) == Span(0, len(ROOT_HEADER))


HEADERS = [
    (b"A: 1\r\nB: 2\r\n\r\n", [b"b"], False, b"B: 2\r\n\r\n"),
    (b"A: 1\r\nB: 2\r\n\r\n", [b"b"], True, b"A: 1\r\n\r\n"),
    (b"A: 1\r\nB: 2\r\na: 3\r\n\r\n", [b"A", b"a"], False, b"A: 1\r\na: 3\r\n\r\n"),
    (b"A: 1\r\n x\r\n\ty\r\nB: 2\r\n\r\n", [b"A"], False, b"A: 1\r\n x\r\n\ty\r\n\r\n"),
    (b"A: 1\r\n x\r\n\ty\r\nB: 2\r\n\r\n", [b"A"], True, b"B: 2\r\n\r\n"),
    (b"A: 1\r\n B: 2\r\n\r\n", [b"B"], False, b"\r\n"),
    (b"A: 1\r\n\r\n", [b"Z"], False, b"\r\n"),
    (b"A: 1\r\n\r\n", [b"A"], True, b"\r\n"),
    (b"A: 1", [b"A"], False, b"A: 1\r\n\r\n"),
    (b"A: 1", [b"B"], True, b"A: 1\r\n\r\n"),
    (b"A: 1\r\n", [b"B"], True, b"A: 1\r\n\r\n"),
    (b"", [b"A"], False, b"\r\n"),
    (b"", [b"A"], True, b"\r\n"),
    (b"A : 1\nAB: 2\n\n", [b"A"], False, b"A : 1\n\r\n"),
    (b"A : 1\nAB: 2\n\n", [b"A"], True, b"AB: 2\n\n"),
    (b"no field\r\nA: 1\r\n\r\n", [b"A"], True, b"no field\r\n\r\n"),
    (b"A.B: 1\r\nAxB: 2\r\n\r\n", [b"a.b"], False, b"A.B: 1\r\n\r\n"),
    (b"A:\r\n\r\n", [b"A"], False, b"A:\r\n\r\n"),
    (b"A: 1\r\n\r\n", [], False, b"\r\n"),
    (b"A: 1\r\n\r\n", [], True, b"A: 1\r\n\r\n"),
]


@pytest.mark.parametrize(("block", "fields", "negate", "expected"), HEADERS)
def test_filter_header(block: bytes, fields: list[bytes], negate: bool, expected: bytes) -> None:
    assert filter_header(block, fields, negate=negate) == expected


def test_filter_of_hostile_headers_is_quick() -> None:
    for block in (b"A:" + b"\r\n " * 60_000, b"A: " * 60_000, b"\r\n" * 60_000, b" " * 180_000, b"A\r\n" * 60_000):
        filter_header(block, [b"a", b"aa", b"aaa"])
        filter_header(block, [b"a", b"aa", b"aaa"], negate=True)


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        (None, None, b"abcdef"),
        (0, 3, b"abc"),
        (4, 10, b"ef"),
        (6, 1, b""),
        (99, 1, b""),
        (2**62, 2**62, b""),
        (2, 0, b""),
        (3, None, b"def"),
    ],
)
def test_partial(start: int | None, count: int | None, expected: bytes) -> None:
    data = b"abcdef"
    assert slice_partial(data, start, count) == expected
    span = slice_span(Span(10, len(data)), start, count)
    assert (b"." * 10 + data)[span.offset : span.offset + span.size] == expected


part_numbers = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@given(
    st.lists(st.sampled_from([ROOT_HEADER, TEXT_HEADER, MESSAGE_HEADER, b"--out\r\n", b"--out--", b"x\r\n", b"\r\n"])),
    part_numbers,
    st.sampled_from(SectionText),
)
def test_any_message(pieces: list[bytes], part: tuple[int, ...], text: SectionText) -> None:
    message = b"".join(pieces)
    structure = scan(message)
    section = Section(part, text, (b"Subject",))
    octets, span = extract(message, structure, section), section_span(structure, section)
    assert (octets is None) == (span is None)
    if span is not None and octets is not None:
        assert 0 <= span.offset <= span.offset + span.size <= len(message)
        if text in (SectionText.FIELDS, SectionText.FIELDS_NOT):
            assert octets.endswith(b"\n")
        else:
            assert octets == message[span.offset : span.offset + span.size]


@given(st.binary(), st.lists(st.sampled_from([b"a", b"subject", b"\xff", b"(", b""]), max_size=3))
def test_filters_of_any_header_are_complements(block: bytes, fields: list[bytes]) -> None:
    kept, rest = filter_header(block, fields), filter_header(block, fields, negate=True)
    assert kept.endswith(b"\n")
    assert rest.endswith(b"\n")
    assert len(block) <= len(kept) + len(rest) <= len(block) + 8


ENCODED = [
    ("", b"a=3D", b"a=3D"),
    ("8bit", b"\xff\0", b"\xff\0"),
    ("binary", b"\r\n", b"\r\n"),
    ("base64", b"aGVs\r\nbG8=\r\n", b"hello"),
    ("base64", b"a G!V\0s\r\nbG8", b"hello"),
    ("base64", b"aGVsbG8=trailer", b"hello"),
    ("base64", b"aGVsb", b"hel"),
    ("base64", b"=", b""),
    ("base64", b"AAD/", b"\0\0\xff"),
    ("quoted-printable", b"=C3=bc=\r\nx=\ny", b"\xc3\xbcxy"),
    ("quoted-printable", b"end  \r\nmore\t\nlast ", b"end\r\nmore\nlast"),
    ("quoted-printable", b"soft= \r\nbreak", b"softbreak"),
    ("quoted-printable", b"a=", b"a"),
    ("quoted-printable", b"a=4", b"a=4"),
    ("quoted-printable", b"a=ZZ b==", b"a=ZZ b="),
    ("quoted-printable", b"a=\rb\r\n", b"a=\rb\r\n"),
]


def decode(encoding: str, pieces: list[bytes]) -> bytes:
    decoder = BinaryDecoder(encoding)
    return b"".join(map(decoder.feed, pieces)) + decoder.close()


@pytest.mark.parametrize(("encoding", "body", "expected"), ENCODED)
def test_decoder(encoding: str, body: bytes, expected: bytes) -> None:
    assert decode(encoding, [body]) == expected
    assert decode(encoding, [body[at : at + 1] for at in range(len(body))]) == expected


def test_decoded_parts() -> None:
    root = scan(NESTED).root
    assert decode_part(NESTED, find_part(root, (2, 2))) == "<b>ü</b>".encode()
    assert decode_part(NESTED, find_part(root, (2,))) == INNER_HEADER + INNER_BODY
    with pytest.raises(UnknownEncodingError):
        decode_part(b"", scan(b"Content-Transfer-Encoding: x-uuencode\r\n\r\n").root)
    multipart = b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\nx"
    assert decode_part(multipart, scan(multipart).root) == b"--b\r\n\r\nx"


@given(st.binary(max_size=500), st.integers(1, 100))
def test_what_is_encoded_is_decoded(data: bytes, size: int) -> None:
    for encoding, body in (
        ("base64", base64.encodebytes(data)),
        ("quoted-printable", binascii.b2a_qp(data, istext=False)),
    ):
        assert decode(encoding, [body[at : at + size] for at in range(0, len(body), size)]) == data


@given(
    st.lists(st.sampled_from([b"=", b"a", b"4", b" ", b"\t", b"\r", b"\n", b"==", b"\r\n", b"Z", b"\0"]), max_size=40),
    st.sampled_from(["base64", "quoted-printable"]),
)
def test_any_cut_decodes_the_same(pieces: list[bytes], encoding: str) -> None:
    assert decode(encoding, pieces) == decode(encoding, [b"".join(pieces)])


@pytest.mark.parametrize("filler", [b" ", b"=", b"=4", b"\r", b"a", b"=\r\n", b" \n"])
def test_long_lines_are_cut_at_the_same_place(filler: bytes) -> None:
    body = filler * (300_000 // len(filler)) + b"\nx"
    whole = decode("quoted-printable", [body])
    assert decode("quoted-printable", [body[at : at + 7001] for at in range(0, len(body), 7001)]) == whole


def test_usual_text_agrees_with_the_standard_library() -> None:
    text = "Grüße, wie wär's mit =?= und so weiter? \r\n".encode() * 5000
    assert decode("quoted-printable", [quopri.encodestring(text)]) == text
