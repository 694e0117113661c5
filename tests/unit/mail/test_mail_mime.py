"""MIME field values, IMAP strings and previews, as tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_checks import check_envelope, read_imap

from estafeta.core.errors import EstafetaError
from estafeta.mail.imaptext import encode_addresses, encode_envelope, encode_languages, quote
from estafeta.mail.mime import decode_parameter, parse_content_type, parse_parameterised
from estafeta.mail.preview import make_preview, strip_html
from estafeta.mail.structure import parse_structure

VALUES = [
    (b"", (b"", ())),
    (b"Attachment", (b"attachment", ())),
    (b'attachment; filename="a;b \\"c\\".txt"', (b"attachment", ((b"filename", b'a;b "c".txt'),))),
    (
        b"attachment; filename=my file.txt ; size=12 bytes",
        (b"attachment", ((b"filename", b"my file.txt"), (b"size", b"12"))),
    ),
    (b"text/plain;;charset = utf-8 (c); x", (b"text/plain", ((b"charset", b"utf-8"),))),
    (b'inline; filename="unended', (b"inline", ((b"filename", b"unended"),))),
    (b'a; f*0="x"; f*1="y"; f*2="z"', (b"a", ((b"f", b"xyz"),))),
    (b'a; f*1="y"; f*0="x"; f*3="lost"', (b"a", ((b"f", b"xy"),))),
    (b"a; f*0*=utf-8'de'%c3; f*1*=%bc; f*2=%x", (b"a", ((b"f*", b"utf-8'de'%c3%bc%25x"),))),
    (b"a;\r\n\tb=c;\r\n d=e", (b"a", ((b"b", b"c"), (b"d", b"e")))),
    (b"7bit (comment)", (b"7bit", ())),
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_parameters(value: bytes, expected: object) -> None:
    assert parse_parameterised(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"filename=plain.txt", "plain.txt"),
        (b'filename="=?utf-8?q?=C3=BC?=.txt"', "ü.txt"),
        (b"filename*=utf-8''%c3%bc.txt; filename=u.txt", "ü.txt"),
        (b"filename*0*=iso-8859-1''%fc; filename*1=%20.txt", "ü%20.txt"),
        (b"filename*=no-quotes%41", "no-quotesA"),
        (b"filename*=utf-8''a%0d%0ab", "ab"),
        (b"name=x", ""),
    ],
)
def test_decoded_parameters(value: bytes, expected: str) -> None:
    assert decode_parameter(parse_parameterised(b"attachment; " + value)[1], b"filename") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"text/plain", (b"text", b"plain", ())),
        (b"TEXT/Plain; charset=UTF-8", (b"text", b"plain", ((b"charset", b"UTF-8"),))),
        (
            b'text/plain; charset="utf-8"; format=flowed',
            (b"text", b"plain", ((b"charset", b"utf-8"), (b"format", b"flowed"))),
        ),
        (b"application/x-foo; a=b", (b"application", b"x-foo", ((b"a", b"b"),))),
        (b"text", None),
        (b"text/", None),
        (b"te xt/plain", None),
        (b'"text"/plain', None),
    ],
)
def test_content_types(value: bytes, expected: object) -> None:
    assert parse_content_type(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", b'""'),
        (b"abc", b'"abc"'),
        (b'a"b\\c', b'"a\\"b\\\\c"'),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"\xc3\xbc", b"{2}\r\n\xc3\xbc"),
        (b"a\0b", b"{3}\r\na?b"),
        (b"a\tb", b'"a\tb"'),
        (b"x" * 1001, b"{1001}\r\n" + b"x" * 1001),
    ],
)
def test_strings(value: bytes, expected: bytes) -> None:
    assert quote(value) == expected
    assert read_imap(expected) == value.replace(b"\0", b"?")


def test_nil_and_languages() -> None:
    assert encode_languages(None) == b"NIL"
    assert encode_languages(b" , ") == b"NIL"
    assert encode_languages(b"de") == b'"de"'
    assert encode_languages(b"de, en") == b'("de" "en")'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b"NIL"),
        (b"", b"NIL"),
        (b",", b"NIL"),
        (b"a@b", b'((NIL NIL "a" "b"))'),
        (b"local", b'((NIL NIL "local" ""))'),
        (b"g: a@b;", b'((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))'),
        ("ü <a@b>".encode(), b'(({2}\r\n\xc3\xbc NIL "a" "b"))'),
    ],
)
def test_address_texts(value: bytes | None, expected: bytes) -> None:
    assert encode_addresses(value) == expected


def test_sender_and_reply_to_default_to_from() -> None:
    text = encode_envelope({b"from": b"a@b", b"sender": b"", b"reply-to": b","})
    assert text.count(b'((NIL NIL "a" "b"))') == 3


NAMES = st.sampled_from(
    [b"date", b"subject", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"in-reply-to", b"message-id"]
)


@given(st.dictionaries(NAMES, st.binary(max_size=30)))
def test_any_fields_make_a_valid_envelope(fields: dict[bytes, bytes]) -> None:
    check_envelope(read_imap(encode_envelope(fields)))


PREVIEWS = [
    (b"", b"plain", b"7bit", "", ""),
    (b" a\r\n\r\n\tb  c\0", b"plain", b"7bit", "", "a b c"),
    (b"w7w=", b"plain", b"base64", "utf-8", "ü"),
    (b"=C3=BC=\r\nx=", b"plain", b"quoted-printable", "utf-8", "üx"),
    (b"\xfc", b"plain", b"8bit", "iso-8859-1", "ü"),
    (b"\xfc", b"plain", b"8bit", "x-unknown", "ü"),
    (b"x" * 300, b"plain", b"7bit", "", "x" * 255),
    (b"<p>a&amp;b</p><p>c</p>", b"html", b"7bit", "", "a&b c"),
    (
        b"<html><head><title>t</title></head><style>s{}</style>a<b>b</b><!-- c -->d<script>e",
        b"html",
        b"7bit",
        "",
        "abd",
    ),
    (b"1 < 2 <br> <unended", b"html", b"7bit", "", "1 < 2"),
    (b"<STYLE>x</style >y<!DOCTYPE z>", b"html", b"7bit", "", "y"),
    (b"a&nbsp;&#8203;b", b"html", b"7bit", "", "a b"),
    (b"x " * 3000, b"plain", b"7bit", "", ("x " * 128)[:255].rstrip()),
    (b" " * 2000 + b"late", b"plain", b"7bit", "", "late"),
]


@pytest.mark.parametrize(("sample", "subtype", "encoding", "charset", "expected"), PREVIEWS)
def test_previews(sample: bytes, subtype: bytes, encoding: bytes, charset: str, expected: str) -> None:
    assert make_preview(sample, subtype, encoding, charset, torn=False) == expected


def test_preview_of_a_torn_character() -> None:
    assert make_preview("aü".encode()[:2], b"plain", b"8bit", "utf-8", torn=True) == "a"


@given(
    st.lists(st.sampled_from(["word", "ü", " ", "\r\n", "\n", "\t", "\x0c", "\u3000", "\xa0"]), max_size=200).map(
        "".join
    )
)
def test_a_preview_is_the_words_of_the_text(text: str) -> None:
    words = " ".join(text.split())
    assert make_preview(text.encode(), b"plain", b"8bit", "utf-8", torn=False) == words[:255].rstrip()


@given(
    st.binary(max_size=80) | st.text(alphabet="<>/!-styleab &;=\n", max_size=80).map(str.encode),
    st.sampled_from([b"plain", b"html"]),
    st.sampled_from([b"7bit", b"base64", b"quoted-printable", b"x"]),
    st.sampled_from(["", "utf-8", "utf-7", "iso-2022-jp", "utf-16", "hz", "x-unknown"]),
)
def test_any_octets_have_a_preview(sample: bytes, subtype: bytes, encoding: bytes, charset: str) -> None:
    preview = make_preview(sample, subtype, encoding, charset, torn=True)
    assert len(preview) <= 255
    assert preview.isprintable()
    assert preview == preview.strip()


@given(
    st.lists(
        st.sampled_from(
            ["word ", "<p>", "<b>", "&amp;", "&Counter", "ClockwiseContourIntegral;", "&#x0041", "1;", "<", ">", "\n"]
        )
        | st.integers(200, 600).map(lambda count: "ab " * (count // 3)),
        max_size=60,
    ).map("".join)
)
def test_a_preview_of_html_is_the_beginning_of_its_text(text: str) -> None:
    words = " ".join(strip_html(text).split())
    words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    assert make_preview(text.encode(), b"html", b"8bit", "utf-8", torn=False) == words[:255].rstrip()


@pytest.mark.parametrize(
    "text", ["<style>" * 20_000, "<" * 100_000, "<!--" * 30_000, "</script><script>" * 10_000, "&" * 50_000]
)
def test_hostile_html_takes_little_time(text: str) -> None:
    strip_html(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b'{"mid":"","refs":[],"part":{}}', b'{"mid":"","refs":[],"part":{"h":[1],"b":1}}', b"\xff"],
)
def test_damaged_structure(text: bytes) -> None:
    with pytest.raises(EstafetaError, match="damaged"):
        parse_structure(text)
