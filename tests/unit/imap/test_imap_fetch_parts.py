"""What FETCH answers are made of: choices of messages, BODY without extensions, sections whole and streamed, URLs."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.core.ids import ContentId, PackId
from estafeta.mail.basicbody import basic_body
from estafeta.mail.scan import MessageScanner
from estafeta.mail.sections import Section, SectionText
from estafeta.mailboxes.service import Mailboxes
from estafeta.protocols.imap.values import Partial
from estafeta.servers.imap.bodies import BinaryPart, Body, BodySection, binary_size
from estafeta.servers.imap.imapurl import parse_section, parse_url
from estafeta.servers.imap.portion import LOCATION, Portion, Trouble
from estafeta.servers.imap.reading import Bookmark
from estafeta.servers.imap.wanted import in_ranges, sequences, take_partial
from estafeta.storage.packs import Location

PARTS = (
    b"From: Ann <ann@example.test>\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=q\r\n\r\n"
    b"--q\r\nContent-Type: text/plain\r\n\r\nhi \0 there\r\n"
    b"--q\r\nContent-Type: message/rfc822\r\n\r\nSubject: in(ner\r\n\r\ninside\r\n"
    b'--q\r\nContent-Type: image/png; name="\xff.png"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n'
    b"--q\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: rot13\r\n\r\nuryyb\r\n--q--\r\n"
)


def uids(*numbers: int) -> "array[int]":
    return array("I", numbers)


@pytest.mark.parametrize(
    ("partial", "wanted"),
    [
        (Partial(1, 2), [10, 11]),
        (Partial(4, 9), [13, 14]),
        (Partial(6, 9), []),
        (Partial(-1, -2), [13, 14]),
        (Partial(-4, -9), [10, 11]),
        (Partial(-6, -9), []),
        (Partial(-1, -1), [14]),
    ],
)
def test_partial(partial: Partial, wanted: list[int]) -> None:
    assert list(take_partial(uids(10, 11, 12, 13, 14), partial)) == wanted


@given(st.sets(st.integers(1, 60)), st.randoms())
def test_sequences_are_places_in_the_view(numbers: set[int], random: "st.Random") -> None:
    view = uids(*sorted(numbers))
    some = [uid for uid in view if random.random() < 0.7]
    assert list(sequences(view, some)) == [bisect_left(view, uid) + 1 for uid in some]


@given(st.sets(st.integers(1, 60)), st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9))))
def test_in_ranges(numbers: set[int], pairs: list[tuple[int, int]]) -> None:
    ranges: list[tuple[int, int]] = []
    for low, size in sorted(pairs):
        if not ranges or low > ranges[-1][1] + 1:
            ranges.append((low, low + size))
    inside = [uid for uid in sorted(numbers) if any(low <= uid <= high for low, high in ranges)]
    assert in_ranges(sorted(numbers), tuple(ranges)) == inside


def test_basic_body() -> None:
    scanner = MessageScanner()
    scanner.feed(PARTS)
    assert basic_body(scanner.close().bodystructure) == (
        b'(("text" "plain" NIL NIL NIL "7bit" 10 0)("message" "rfc822" NIL NIL NIL "7bit" 25 '
        b'(NIL "in(ner" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 0) 2)'
        b'("image" "png" ("name" {5}\r\n\xff.png) NIL NIL "base64" 16)("text" "plain" NIL NIL NIL "rot13" 5 0) "mixed")'
    )


@given(st.binary(max_size=60) | st.text('() "{}1\\\r\nN', max_size=60).map(str.encode))
def test_basic_body_of_anything_ends(text: bytes) -> None:
    with suppress(EstafetaError):
        basic_body(text)


def portion(content: bytes, *, whole: bool, size: int = 7) -> Portion:
    """The content at hand, or in pieces of `size`."""
    scanner = MessageScanner()
    scanner.feed(content)
    summary = scanner.close()
    row = (1, 5, 1, 0, 99, len(content), summary.header_size, summary.structure)
    made = Portion(("uid", *LOCATION, "structure"), [row], [1], Trouble())
    if whole:
        made.contents = [content]
    else:
        made.read = lambda offset, count: (
            content[at : min(at + size, offset + count)] for at in range(offset, offset + count, size)
        )
    return made


SECTIONS = [
    Section(part, text, (b"Subject",) if "FIELDS" in text else ())
    for part in ((), (1,), (2,), (2, 1), (3,), (9,))
    for text in SectionText
    if part or text is not SectionText.MIME
]


@pytest.mark.parametrize("partial", [(None, None), (0, 5), (3, 4), (20, 1000), (5000, 1)])
@pytest.mark.parametrize("section", SECTIONS)
def test_a_stream_gives_what_the_whole_message_gives(section: Section, partial: tuple[int | None, int | None]) -> None:
    same(BodySection(section, *partial))


@pytest.mark.parametrize("partial", [(None, None), (0, 5), (3, 4), (20, 1000)])
@pytest.mark.parametrize("part", [(), (1,), (2,), (2, 1), (3,), (4,), (9,)])
def test_binary_streams(part: tuple[int, ...], partial: tuple[int | None, int | None]) -> None:
    same(BinaryPart(part, *partial))
    assert list(binary_size(part)(portion(PARTS, whole=True))) == list(binary_size(part)(portion(PARTS, whole=False)))


def same(body: Body) -> None:
    whole, pieces = portion(PARTS, whole=True), portion(PARTS, whole=False)
    (octets,) = body.octets(whole)
    stream = body.stream(pieces)
    assert (None if stream is None else b"".join(stream.pieces)) == octets
    assert stream is None or stream.size == len(octets or b"")
    assert whole.trouble.unknown_encoding == pieces.trouble.unknown_encoding


class Chunks:
    """Packs and mailboxes of one content, which is read in chunks of ten octets; `read` says which were."""

    def __init__(self, content: bytes) -> None:
        self.packs = self
        self.content = content
        self.read: list[int] = []

    def chunks(self, location: Location) -> Iterator[bytes]:
        for at in range(0, len(self.content), 10):
            self.read.append(at)
            yield self.content[at : at + 10]


def test_a_stretch_is_read_from_where_the_last_one_ended() -> None:
    content = bytes(range(95))
    chunks, bookmark = Chunks(content), Bookmark()
    places = {1: Location(ContentId(1), PackId(1), 0, 99, 95), 2: Location(ContentId(2), PackId(1), 0, 99, 95)}
    for place, offset, size, read in [
        (1, 5, 10, [0, 10]),
        (1, 15, 15, [20]),
        (1, 40, 5, [30, 40]),
        (1, 40, 5, []),
        (2, 0, 3, [0]),
        (1, 30, 1, [0, 10, 20, 30]),
        (1, 20, 1, [0, 10, 20]),
        (1, 90, 5, [30, 40, 50, 60, 70, 80, 90]),
        (1, 94, 1, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]),
        (1, 94, 0, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]),
    ]:
        chunks.read.clear()
        assert (
            b"".join(bookmark.read(cast(Mailboxes, chunks), places[place], offset, size))
            == (content[offset : offset + size])
        )
        assert chunks.read == read


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("", Section()),
        ("TEXT", Section((), SectionText.TEXT)),
        ("1.2", Section((1, 2))),
        ("1.2.mime", Section((1, 2), SectionText.MIME)),
        ("HEADER", Section((), SectionText.HEADER)),
        ("HEADER.FIELDS (From To)", Section((), SectionText.FIELDS, (b"From", b"To"))),
        ("3.HEADER.FIELDS.NOT (To)", Section((3,), SectionText.FIELDS_NOT, (b"To",))),
        ("MIME", None),
        ("0", None),
        ("1.", None),
        ("1TEXT", None),
        (".TEXT", None),
        ("HEADER.FIELDS", None),
        ("TEXT (a)", None),
        ("nonsense", None),
    ],
)
def test_sections_of_urls(text: str, section: Section | None) -> None:
    assert parse_section(text) == section


def test_urls() -> None:
    url = parse_url(
        "imap://ann%40x.test;AUTH=*@host:143/a%2Fb/c%20d;UIDVALIDITY=7/;UID=5/;SECTION=1.2/;PARTIAL=3.4"
        ";EXPIRE=2026-01-01T00:00:00Z;URLAUTH=user+bob:internal:00FF"
    )
    assert url is not None
    assert (url.user, url.mailbox, url.uid_validity, url.uid) == ("ann@x.test", "a/b/c d", 7, 5)
    assert (url.section, url.start, url.octets, url.expire) == (Section((1, 2)), 3, 4, 1767225600.0)
    assert (url.access, url.mechanism, url.token) == ("user+bob", "INTERNAL", "00ff")
    assert url.rump.endswith("URLAUTH=user+bob")
    relative = parse_url("/INBOX/;UID=20")
    assert relative is not None
    assert (relative.user, relative.mailbox, relative.access, relative.rump) == (None, "INBOX", "", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INBOX/;UID=1",
        "/INBOX",
        "/INBOX/;UID=0",
        "/INBOX/;UID=x",
        "/INBOX/;UID=1/;SECTION=MIME",
        "/IN%00BOX/;UID=1",
        "/INBOX /;UID=1",
        "http://host/INBOX/;UID=1",
        "/INBOX/;UID=1;EXPIRE=yesterday;URLAUTH=authuser",
        "/INBOX/;UID=1;EXPIRE=2026-99-01T00:00:00Z;URLAUTH=authuser",
    ],
)
def test_no_urls(text: str) -> None:
    assert parse_url(text) is None


@given(st.text(max_size=80) | st.from_regex(r"/[a-z%;/=]{1,40}/;UID=\d{1,12}[;/=a-z0-9]{0,30}"))
def test_parsing_a_url_never_raises(text: str) -> None:
    parse_url(text)
