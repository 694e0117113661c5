"""The scanner: tables of messages, the standard library's parser beside it, and what no octets may cause."""

import email
import email.message
import email.policy
import tracemalloc
from collections.abc import Iterator
from email.mime.application import MIMEApplication
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mail_checks import check_summary

from estafeta.mail.media import find_media
from estafeta.mail.scan import MessageScanner, MessageSummary, ScanLimits
from estafeta.mail.structure import Part, find_part, parse_structure, walk

PLAIN = (
    b"Received: from a by b; Sun, 22 Nov 2026 05:30:00 +0000\r\n"
    b"Received: from c\r\n\tby d; Sun, 22 Nov 2026 05:29:00 +0000\r\n"
    b"Date: Sun, 22 Nov 2026 05:30:00 +0000\r\n"
    b'From: "Example, Alice" <alice@example.org>\r\n'
    b"To: bob@example.test, Carol <carol@example.test>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from\r\n Alice\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"In-Reply-To: <0@example.org>\r\n"
    b"References: <r@example.org>\r\n <0@example.org>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"Hello  Bob,\r\nhow are\tyou?\r\n"
)

MIXED = (
    b"From: a@example.org\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="outer"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--outer\r\n"
    b"Content-Type: multipart/alternative; boundary=inner\r\n"
    b"\r\n"
    b"--inner\r\n"
    b"Content-Type: text/plain; charset=us-ascii\r\n"
    b"\r\n"
    b"plain\r\ntext\r\n"
    b"--inner  \r\n"
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b"<p>html</p>\r\n"
    b"--inner--\r\n"
    b"between\r\n"
    b"--outer\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"\r\n"
    b"From: c@example.org\r\n"
    b"Subject: inside\r\n"
    b"\r\n"
    b"inner body\r\n"
    b"--outer\r\n"
    b"Content-Type: application/pdf; name*0*=utf-8''%e2%82; name*1*=%ac.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="euro.pdf"\r\n'
    b"Content-ID: <pdf@example.org>\r\n"
    b"\r\n"
    b"JVBERi0=\r\n"
    b"--outer--\r\n"
    b"epilogue\r\n"
)


def scan(message: bytes, limits: ScanLimits | None = None) -> MessageSummary:
    scanner = MessageScanner(limits) if limits else MessageScanner()
    scanner.feed(message)
    return scanner.close()


def types(part: Part) -> Iterator[str]:
    for each in walk(part):
        yield f"{each.type}/{each.subtype}"


def test_plain_message() -> None:
    summary = scan(PLAIN)
    assert summary.size == len(PLAIN)
    assert summary.header_size == PLAIN.index(b"Hello")
    assert summary.envelope == (
        b'("Sun, 22 Nov 2026 05:30:00 +0000" "=?utf-8?q?Gr=C3=BC=C3=9Fe?= from Alice"'
        b' (("Example, Alice" NIL "alice" "example.org")) (("Example, Alice" NIL "alice" "example.org"))'
        b' (("Example, Alice" NIL "alice" "example.org"))'
        b' ((NIL NIL "bob" "example.test")("Carol" NIL "carol" "example.test")) NIL NIL'
        b' "<0@example.org>" "<1@example.org>")'
    )
    assert summary.bodystructure == (b'("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 27 2 NIL NIL NIL NIL)')
    assert summary.subject == "Grüße from Alice"
    assert summary.preview == "Hello Bob, how are you?"
    assert summary.message_id == "<1@example.org>"
    assert summary.received_count == 2
    assert not summary.has_attachment
    assert summary.defects == ()
    structure = parse_structure(summary.structure)
    assert structure.message_id == "<1@example.org>"
    assert structure.references == ("<r@example.org>", "<0@example.org>")
    assert structure.root.charset == "utf-8"


def test_nested_message() -> None:
    summary = scan(MIXED)
    assert summary.bodystructure == (
        b'((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 11 1 NIL NIL NIL NIL)'
        b'("text" "html" ("charset" "utf-8") NIL NIL "quoted-printable" 11 0 NIL NIL NIL NIL)'
        b' "alternative" ("boundary" "inner") NIL NIL NIL)'
        b'("message" "rfc822" NIL NIL NIL "7bit" 50'
        b' (NIL "inside" ((NIL NIL "c" "example.org")) ((NIL NIL "c" "example.org"))'
        b' ((NIL NIL "c" "example.org")) NIL NIL NIL NIL NIL)'
        b' ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 10 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)'
        b'("application" "pdf" ("name*" "utf-8\'\'%e2%82%ac.pdf") "<pdf@example.org>" NIL "base64" 8 NIL'
        b' ("attachment" ("filename" "euro.pdf")) NIL NIL)'
        b' "mixed" ("boundary" "outer") NIL NIL NIL)'
    )
    assert summary.preview == "plain text"
    assert summary.has_attachment
    assert summary.defects == ()


@pytest.mark.parametrize(
    ("section", "body"),
    [
        ((), MIXED[MIXED.index(b"preamble") :]),
        ((1,), None),
        ((1, 1), b"plain\r\ntext"),
        ((1, 2), b"<p>html</p>"),
        ((2,), b"From: c@example.org\r\nSubject: inside\r\n\r\ninner body"),
        ((2, 1), b"inner body"),
        ((3,), b"JVBERi0="),
        ((3, 1), False),
        ((2, 2), False),
        ((2, 1, 1), False),
        ((1, 3), False),
        ((4,), False),
        ((0,), False),
    ],
)
def test_sections(section: tuple[int, ...], body: bytes | bool | None) -> None:
    part = find_part(parse_structure(scan(MIXED).structure).root, section)
    if body is False:
        assert part is None
        return
    assert part is not None
    found = MIXED[part.body_offset : part.body_offset + part.body_size]
    assert body is None or found == body
    header = MIXED[part.header_offset : part.header_offset + part.header_size]
    assert header.endswith(b"\r\n\r\n")
    assert part.header_offset + part.header_size == part.body_offset
    assert part.lines == found.count(b"\n")


def test_section_of_a_message_in_one_part() -> None:
    root = parse_structure(scan(PLAIN).structure).root
    assert find_part(root, (1,)) is root
    assert find_part(root, (2,)) is None
    assert find_part(root, (1, 1)) is None


def test_decoded_file_name_and_content_id() -> None:
    part = find_part(parse_structure(scan(MIXED).structure).root, (3,))
    assert part is not None
    assert (part.filename, part.content_id, part.disposition) == ("euro.pdf", "pdf@example.org", "attachment")


def multipart(body: bytes, content_type: bytes = b"multipart/mixed; boundary=b") -> bytes:
    return b"Content-Type: " + content_type + b"\r\n\r\n" + body


DEFECTIVE = [
    # name, message, types found, defects
    ("empty", b"", ["text/plain"], ("blank_line_missing",)),
    ("only a blank line", b"\r\n", ["text/plain"], ()),
    ("only a body", b"\r\nhello", ["text/plain"], ()),
    ("no blank line", b"Subject: x\r\n", ["text/plain"], ("blank_line_missing",)),
    ("bare lf", b"Subject: x\n\nhello\n", ["text/plain"], ("bare_lf_in_header",)),
    (
        "bare lf multipart",
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n",
        ["multipart/mixed", "text/plain", "text/plain"],
        ("bare_lf_in_header",),
    ),
    ("no colon", b"From a b\r\nSubject: x\r\nno\r\n\r\nhello", ["text/plain"], ("header_line_without_colon",)),
    ("8 bit", b"Subject: \xfc\r\n\r\n", ["text/plain"], ("8bit_in_header",)),
    ("nul", b"Subject: a\0b\r\n\r\n\0", ["text/plain"], ("nul",)),
    ("bad type", b"Content-Type: nonsense\r\n\r\nx", ["text/plain"], ("content_type_invalid",)),
    ("no boundary", multipart(b"--b\r\n\r\nx", b"multipart/mixed"), ["text/plain"], ("boundary_parameter_missing",)),
    (
        "boundary never seen",
        multipart(b"hello"),
        ["multipart/mixed"],
        ("multipart_without_parts", "close_delimiter_missing"),
    ),
    (
        "not closed",
        multipart(b"--b\r\n\r\none\r\n--b\r\n\r\ntwo"),
        ["multipart/mixed", "text/plain", "text/plain"],
        ("close_delimiter_missing",),
    ),
    (
        "part without blank line",
        multipart(b"--b\r\nContent-Type: image/png\r\n--b--\r\n"),
        ["multipart/mixed", "image/png"],
        ("blank_line_missing",),
    ),
    (
        "empty part",
        multipart(b"--b\r\n--b\r\n\r\n--b--\r\n"),
        ["multipart/mixed", "text/plain", "text/plain"],
        ("blank_line_missing",),
    ),
    (
        "ends after delimiter",
        multipart(b"--b"),
        ["multipart/mixed", "text/plain"],
        ("blank_line_missing", "close_delimiter_missing"),
    ),
    ("close without line end", multipart(b"--b\r\n\r\nx\r\n--b--"), ["multipart/mixed", "text/plain"], ()),
    ("longer line is no delimiter", multipart(b"--b\r\n\r\nx\r\n--bb\r\n--b--"), ["multipart/mixed", "text/plain"], ()),
    (
        "same boundary inside",
        multipart(
            b"--b\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n"
            b"--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--\r\n"
        ),
        ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"],
        (),
    ),
    (
        "inner not closed",
        multipart(
            b"--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\none\r\n"
            b"--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--\r\n"
        ),
        ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"],
        ("close_delimiter_missing",),
    ),
    (
        "delimiter inside a nested header",
        multipart(b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n--b--\r\n"),
        ["multipart/mixed", "message/rfc822", "text/plain"],
        ("blank_line_missing",),
    ),
    (
        "delimiter right after a nested header",
        multipart(b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n--b--\r\n"),
        ["multipart/mixed", "message/rfc822", "text/plain"],
        (),
    ),
    (
        "digest part that is only a broken header",
        multipart(b"--b\r\nSubject\r\n--b--\r\nmore\r\n", b"multipart/digest; boundary=b"),
        ["multipart/digest", "message/rfc822", "text/plain"],
        ("blank_line_missing", "header_line_without_colon"),
    ),
    (
        "digest",
        multipart(
            b"--b\r\n\r\nSubject: x\r\n\r\none\r\n--b\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b--\r\n",
            b"multipart/digest; boundary=b",
        ),
        ["multipart/digest", "message/rfc822", "text/plain", "text/plain"],
        (),
    ),
    (
        "rfc822 without body",
        b"Content-Type: message/rfc822\r\n\r\n",
        ["message/rfc822", "text/plain"],
        ("blank_line_missing",),
    ),
    (
        "rfc822 without anything",
        b"Content-Type: message/rfc822",
        ["message/rfc822", "text/plain"],
        ("blank_line_missing",),
    ),
    ("global", b"Content-Type: message/global\r\n\r\nSubject: x\r\n\r\n", ["message/global", "text/plain"], ()),
]


@pytest.mark.parametrize(
    ("message", "expected", "defects"), [case[1:] for case in DEFECTIVE], ids=[c[0] for c in DEFECTIVE]
)
def test_defective_messages(message: bytes, expected: list[str], defects: tuple[str, ...]) -> None:
    summary = scan(message)
    assert list(types(parse_structure(summary.structure).root)) == expected
    assert summary.defects == tuple(sorted(defects))
    check_summary(message, summary)


PIECES = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"--", b"-", b":", b";", b"=", b'"', b"<", b">", b"(", b")", b",", b"@",
    b"--b", b"--b--", b"--bb", b"--b\r\n", b"\r\n--b\r\n", b"\n--b\n", b"\r\n--bb\r\n", b"\r\n--b--\r\n", b"\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: multipart/digest; boundary=bb\r\n\r\n",
    b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: text/html; charset=x-none\r\n", b"content-type:",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Disposition: attachment; filename*0*=a'b'%ff; filename*1=\"c\\\"\r\n", b"Subject: =?utf-8?b?w7w=?=\r\n",
    b"From: A <a@b>, g: c@d;\r\n", b"To: \"x\\\" y\" (c(d)) <@r:a@b>\r\n", b"Received: x\r\n", b"<style>", b"&amp;",
    b"=C3=", b"\xff\xfe", "ü".encode(), b"text", b"References: <a@b> <c@d>\r\n", b"Content-Language: de, en\r\n",
]  # fmt: skip

MESSAGES = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=40).map(b"".join)


@given(MESSAGES)
@example(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b--")
def test_any_octets_give_a_sound_summary(message: bytes) -> None:
    check_summary(message, scan(message))


@given(MESSAGES, st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_result_is_the_same_however_it_is_cut(message: bytes, cuts: list[int]) -> None:
    scanner = MessageScanner()
    at = index = 0
    while at < len(message):
        size = cuts[index % len(cuts)]
        scanner.feed(memoryview(message)[at : at + size])
        at, index = at + size, index + 1
    assert scanner.close() == scan(message)


@given(MESSAGES, st.integers(1, 60), st.integers(1, 7))
def test_small_limits_hold_however_it_is_cut(message: bytes, header: int, count: int) -> None:
    limits = ScanLimits(
        max_header_octets=header,
        max_total_header_octets=2 * header,
        max_parts=count,
        max_depth=count,
        preview_octets=header,
    )
    whole = scan(message, limits)
    scanner = MessageScanner(limits)
    for octet in message:
        scanner.feed(bytes([octet]))
    assert scanner.close() == whole
    check_summary(message, whole)


@pytest.mark.parametrize("message", [PLAIN, MIXED, *(case[1] for case in DEFECTIVE)])
def test_octet_by_octet(message: bytes) -> None:
    scanner = MessageScanner()
    for octet in message:
        scanner.feed(bytes([octet]))
    assert scanner.close() == scan(message)


def test_close_again_and_feeding_after_it() -> None:
    scanner = MessageScanner()
    scanner.feed(PLAIN)
    summary = scanner.close()
    scanner.feed(b"more")
    assert scanner.close() is summary


def test_nesting_limit() -> None:
    message = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500))
    summary = scan(message)
    assert "too_deep" in summary.defects
    found = list(types(parse_structure(summary.structure).root))
    assert found[-1] == "application/octet-stream"
    assert len(found) == ScanLimits().max_depth
    check_summary(message, summary)


def test_nested_messages_limit() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\n" * 500
    summary = scan(message)
    assert "too_deep" in summary.defects
    check_summary(message, summary)


def test_part_limit() -> None:
    message = multipart(b"--b\r\n\r\nx\r\n" * 5000)
    summary = scan(message)
    assert "too_many_parts" in summary.defects
    assert len(list(types(parse_structure(summary.structure).root))) == ScanLimits().max_parts
    check_summary(message, summary)


def test_header_limit() -> None:
    message = b"Subject: first\r\n" + b"X-Filler: " + b"x" * 300_000 + b"\r\nSubject2: y\r\n\r\nbody"
    summary = scan(message)
    assert summary.defects == ("header_too_big",)
    assert summary.subject == "first"
    assert summary.preview == "body"
    check_summary(message, summary)


def test_a_message_does_not_change_what_is_remembered_of_mime_fields() -> None:
    # A close-delimiter takes the boundary from its entity.
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    assert scan(message) == scan(message)
    assert scan(message).defects == ()


@pytest.mark.parametrize(
    ("content_type", "disposition"),
    [
        (b"text/plain; charset=utf-8", None),
        (b"multipart/mixed; boundary=b", b"inline"),
        (b"image/png; name=a.png", b"attachment; filename=b.png"),
        (b"nonsense", b""),
    ],
)
def test_long_mime_fields_say_what_short_ones_do(content_type: bytes, disposition: bytes | None) -> None:
    short = find_media(content_type, b"base64", disposition)
    assert find_media(content_type, b"base64" + b" " * 300, disposition) == short


def test_second_subject_and_repeated_recipients() -> None:
    summary = scan(b"Subject: one\r\nSubject: two\r\nTo: a@b\r\nTo: c@d\r\n\r\n")
    assert summary.subject == "one"
    assert b'((NIL NIL "a" "b")(NIL NIL "c" "d"))' in summary.envelope


def feed_large(blocks: int) -> MessageSummary:
    scanner = MessageScanner()
    scanner.feed(multipart(b"--b\r\nContent-Type: application/octet-stream\r\n\r\n"))
    block = (b"QUJD" * 19 + b"\r\n") * 840
    for _ in range(blocks):
        scanner.feed(block)
    scanner.feed(b"--b--\r\n")
    return scanner.close()


def traced_peak(action: object) -> int:
    tracemalloc.start()
    try:
        assert callable(action)
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_stays_small_for_a_large_message() -> None:
    assert traced_peak(lambda: feed_large(1600)) < 1024 * 1024  # 100 MiB


def test_memory_stays_small_for_lines_without_end_and_delimiters_without_number() -> None:
    hostile = [
        b"x" * 60_000,
        b"--b",
        b"\r\n--b" * 10_000,
        b"\r\n--b\r\nSubject: " + b"y" * 9_000 + b"\r\n",
        b"\r\n\r\n" + b"-" * 50_000,
    ]

    def run() -> None:
        for block in hostile:
            scanner = MessageScanner()
            scanner.feed(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n")
            for _ in range(20):
                scanner.feed(block)
            scanner.close()

    assert traced_peak(run) < 2 * 1024 * 1024


def test_one_feed_of_a_large_message_copies_little() -> None:
    message = multipart(b"--b\r\n\r\n" + b"0123456789abcdef\r\n" * 600_000)

    def run() -> None:
        scanner = MessageScanner()
        scanner.feed(message)
        scanner.close()

    assert traced_peak(run) < 1024 * 1024


def well_formed() -> Iterator[email.message.Message]:
    text = MIMEText("Grüße\n" * 20, "plain", "utf-8")
    yield text
    alternative = MIMEMultipart("alternative")
    alternative.attach(MIMEText("plain"))
    alternative.attach(MIMEText("<b>html</b>", "html"))
    yield alternative
    mixed = MIMEMultipart("mixed")
    mixed.attach(alternative)
    pdf = MIMEApplication(b"%PDF-" * 1000, "pdf")
    pdf.add_header("Content-Disposition", "attachment", filename=("utf-8", "", "naïve file.pdf"))
    mixed.attach(pdf)
    yield mixed
    forwarded = MIMEMultipart("mixed")
    forwarded.attach(MIMEText("see below"))
    forwarded.attach(MIMEMessage(mixed))
    yield forwarded
    digest = MIMEMultipart("digest")
    digest.attach(MIMEMessage(text))
    digest.attach(MIMEMessage(forwarded))
    yield digest


@pytest.mark.parametrize("message", list(well_formed()), ids=lambda m: m.get_content_type())
def test_agrees_with_the_standard_library(message: email.message.Message) -> None:
    message["Subject"] = "Prüfung"
    raw = message.as_bytes(policy=email.policy.compat32.clone(linesep="\r\n"))
    reference = email.message_from_bytes(raw)
    summary = scan(raw)
    root = parse_structure(summary.structure).root
    assert list(types(root)) == [part.get_content_type() for part in reference.walk()]
    for ours, theirs in zip(walk(root), reference.walk(), strict=True):
        if not theirs.is_multipart():
            body = raw[ours.body_offset : ours.body_offset + ours.body_size]
            assert body == theirs.get_payload().encode()
        assert ours.filename == (theirs.get_filename() or "")
    assert summary.subject == "Prüfung"
    assert summary.defects == ()
    check_summary(raw, summary)
