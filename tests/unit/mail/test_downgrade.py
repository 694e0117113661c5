"""Messages in 7 bits: every leaf decodes to what it was, the result is ASCII in CRLF lines, twice is once."""

import email
import email.policy
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.binary import UnknownEncodingError, decode_part
from estafeta.mail.downgrade import to_seven_bit
from estafeta.mail.encodedwords import decode_header
from estafeta.mail.headers import find_header_end, split_header
from estafeta.mail.newlines import needs_crlf_normalising
from estafeta.mail.scan import MessageScanner
from estafeta.mail.structure import Part, parse_structure, walk


def scan(content: bytes) -> Part:
    scanner = MessageScanner()
    scanner.feed(content)
    return parse_structure(scanner.close().structure).root


def leaves(content: bytes) -> list[bytes]:
    found = []
    for part in walk(scan(content)):
        if not part.parts and part.message is None:
            try:
                found.append(decode_part(content, part))
            except UnknownEncodingError:
                found.append(content[part.body_offset : part.body_offset + part.body_size])
    return found


def fields(content: bytes) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in split_header(content[: find_header_end(content)])}


SPANISH = "Mañana nos vemos en el café.\r\nSaludos,\r\n-- \r\nÁngel\r\n".encode()
JAPANESE = "明日、喫茶店で会いましょう。\r\n".encode() * 3


def part(head: str, body: bytes) -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


MIXED = b"".join(
    [
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n\r\n",
        "Preámbulo\r\n--b\r\n".encode(),
        part("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit", SPANISH),
        b"\r\n--b\r\n",
        part("Content-Type: text/plain", b"plain"),
        b"\r\n--b\r\n",
        part("Content-Type: image/png\nContent-Transfer-Encoding: binary", bytes(range(256)) * 4),
        b"\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        part("Subject: inside\nContent-Type: text/html; charset=utf-8", JAPANESE),
        b"\r\n--b--\r\n",
    ]
)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (part("Subject: a\nContent-Type: text/plain; charset=utf-8", SPANISH), b"quoted-printable"),
        (part("Subject: a\nContent-Type: text/plain; charset=utf-8", JAPANESE), b"base64"),
        (part("Content-Type: application/pdf\ncontent-transfer-encoding: 8bit", SPANISH), b"base64"),
        (part("Content-Type: text/plain\nContent-Transfer-Encoding: binary", b"bare\nlines\r"), b"base64"),
        (part("Content-Type: text/plain\nContent-Transfer-Encoding: binary", b"x" * 2000), b"quoted-printable"),
        (part("Subject: no MIME", b"caf\xe9\r\n"), b"quoted-printable"),
        (part("Content-Type: text/plain\nContent-Transfer-Encoding: 8bit", b"only ASCII"), None),
    ],
)
def test_a_single_body(content: bytes, encoding: bytes | None) -> None:
    out = to_seven_bit(content)
    if encoding is None:
        assert out is content
    else:
        assert fields(out)[b"content-transfer-encoding"] == encoding
        assert leaves(out) == leaves(content)
        assert b"MIME-Version: 1.0\r\n" in out
    assert out.isascii()


def test_what_has_no_mime_fields_gets_them() -> None:
    out = fields(to_seven_bit(part("Subject: old", b"caf\xe9 y nada mas que esto, en fin\r\n")))
    assert out[b"content-type"] == b"text/plain; charset=unknown-8bit"
    assert out[b"content-transfer-encoding"] == b"quoted-printable"


def test_only_parts_that_need_it_change() -> None:
    out = to_seven_bit(MIXED)
    assert leaves(out) == leaves(MIXED)
    assert part("Content-Type: text/plain", b"plain") in out
    assert [p.encoding for p in walk(scan(out))] == ["7bit", "quoted-printable", "7bit", "base64", "7bit", "base64"]
    assert b"8bit" not in out
    theirs = email.message_from_bytes(out, policy=email.policy.default)
    assert [p.get_content_type() for p in theirs.walk()] == [
        "multipart/mixed",
        "text/plain",
        "text/plain",
        "image/png",
        "message/rfc822",
        "text/html",
    ]
    assert next(theirs.iter_parts()).get_content().split() == SPANISH.decode().split()


def test_a_line_that_encoding_would_make_a_delimiter() -> None:
    hostile = b"x" * 73 + b"--b\r\n" + "ñ\r\n".encode()
    content = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part(
        "Content-Type: text/plain", hostile * 3
    )
    content += b"\r\n--b--\r\n"
    assert leaves(to_seven_bit(content)) == [hostile * 3]


def test_message_global_is_encoded_as_a_whole() -> None:
    inner = "From: José <josé@ejemplo.test>\r\nSubject: año\r\n\r\nhola\r\n".encode()
    content = part("MIME-Version: 1.0\nContent-Type: message/global\nContent-Transfer-Encoding: 8bit", inner)
    out = email.message_from_bytes(to_seven_bit(content))
    assert out["content-transfer-encoding"] == "base64"
    assert to_seven_bit(content).isascii()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Subject: año nuevo".encode(), "año nuevo"),
        (b"Subject: a\xf1o", "año"),
        ("Subject: Re: el año de la ñ está aquí, now".encode(), "Re: el año de la ñ está aquí, now"),
        ("Subject: =?utf-8?Q?uno?= dós".encode(), "uno dós"),
        ("Subject: 明日\r\n 会いましょう".encode(), "明日 会いましょう"),
        ("From: José García <jose@example.org>".encode(), "José García <jose@example.org>"),
        (
            'To: "García, José" <j@example.org>, Ana <a@example.org>'.encode(),
            "García, José <j@example.org>, Ana <a@example.org>",
        ),
        ("From: jose@example.org (José)".encode(), "jose@example.org (José)"),
        ("From: josé@example.org".encode(), "jos??@example.org"),
        ("Received: from ñ by b; date".encode(), "from ?? by b; date"),
    ],
)
def test_fields(field: bytes, text: str) -> None:
    out = to_seven_bit(field + b"\r\nX: y\r\n\r\nbody\r\n")
    assert out.isascii()
    value = next(iter(fields(out).values()))
    assert decode_header(value) == text
    assert out.endswith(b"\r\nX: y\r\n\r\nbody\r\n")


def test_file_names_become_extended_parameters() -> None:
    content = part(
        'Content-Type: application/pdf; name="año.pdf"\nContent-Disposition: attachment; filename="año.pdf"', b"x"
    )
    out = to_seven_bit(content)
    assert scan(out).filename == "año.pdf"
    assert b"filename*=utf-8''a%C3%B1o.pdf" in out


def test_a_boundary_beyond_ascii() -> None:
    content = 'Content-Type: multipart/mixed; boundary="ñ"\r\n\r\n--ñ\r\n\r\nuno\r\n--ñ--\r\n'.encode()
    assert leaves(to_seven_bit(content)) == [b"uno"]


_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=b",
                b"Content-Type: message/rfc822",
                b"Content-Type: text/plain; charset=utf-8",
                b"Content-Transfer-Encoding: 8bit",
                b"Content-Transfer-Encoding: base64",
                b"Content-Transfer-Encoding: quoted-printable",
                b"Content-Transfer-Encoding: x-odd",
                b"--b",
                b"--b--",
                b"",
                b" folded",
                "Subject: ñandú".encode(),
                b'From: "\xf1',
            ]
        ),
        st.binary(max_size=100),
    ),
    max_size=30,
)


@given(_LINES, st.sampled_from([b"\r\n", b"\n"]))
def test_never_raises_and_is_plain(lines: list[bytes], end: bytes) -> None:
    content = end.join(lines)
    out = to_seven_bit(content)
    assert out.isascii()
    assert b"\0" not in out
    assert not needs_crlf_normalising(out)
    assert to_seven_bit(out) == out


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=200),
        max_size=8,
    )
)
def test_text_survives(lines: list[str]) -> None:
    body = "\r\n".join(lines).encode()
    content = part("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8", body)
    assert leaves(to_seven_bit(content)) == [body]


@pytest.mark.parametrize(
    "hostile", [b'"', b'"\\', b"\xf1 (", b"<\xf1", b"a ", b'\xf1\\\\"', b"\xf1@", b"\xf1; a=", b"=?"]
)
@pytest.mark.parametrize("name", [b"From", b"Subject", b"Content-Type"])
def test_hostile_fields_take_linear_time(name: bytes, hostile: bytes) -> None:
    content = name + b": \xf1 ;" + hostile * 50_000 + b"@\r\n\r\n" + b"\xf1" * 10
    started = time.process_time()
    assert to_seven_bit(content).isascii()
    assert time.process_time() - started < 2
