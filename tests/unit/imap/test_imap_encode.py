"""Values of responses, and mailbox names both ways."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.protocols.imap.encode import (
    encode_astring,
    encode_date,
    encode_flags,
    encode_mailbox,
    encode_ranges,
    quote_utf8,
    ranges_of,
)
from estafeta.protocols.imap.mailboxnames import decode_mailbox, decode_utf7, encode_utf7
from estafeta.protocols.imap.replies import Status
from estafeta.protocols.imap.sentences import SENTENCES
from estafeta.protocols.imap.texts import LANGUAGES, Text, find_language, say
from estafeta.protocols.imap.values import SequenceSet

NAMES = [
    ("INBOX", b"INBOX"),
    ("a&b", b"a&-b"),
    ("été", b"&AOk-t&AOk-"),
    ("台北", b"&U,BTFw-"),
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
    ("📫", b"&2D3c6w-"),
    ("", b""),
]


@pytest.mark.parametrize(("name", "octets"), NAMES)
def test_modified_utf7(name: str, octets: bytes) -> None:
    assert encode_utf7(name) == octets
    assert decode_utf7(octets) == name
    assert decode_mailbox(octets, utf8=False) == name
    assert decode_mailbox(name.encode(), utf8=True) == name


@pytest.mark.parametrize(
    "octets",
    [b"&", b"a&b", b"&AOk", b"&AO-", b"&AGE-", b"&AOk-&AOk-", b"&2D0-", b"&A-", b"&+++-", b"&,-", b"&AAA-\t"],
)
def test_no_modified_utf7(octets: bytes) -> None:
    with pytest.raises(EstafetaError):
        decode_mailbox(octets, utf8=False)


@pytest.mark.parametrize("octets", [b"\xff", b"a\0b", b"a\nb", b"\xc2\x85", "\u2028".encode()])
def test_no_names(octets: bytes) -> None:
    with pytest.raises(EstafetaError):
        decode_mailbox(octets, utf8=True)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_names_round_trip(name: str) -> None:
    assert decode_utf7(encode_utf7(name)) == name


@given(st.binary(max_size=40))
def test_any_octets_are_a_name_or_an_error(octets: bytes) -> None:
    for utf8 in (True, False):
        try:
            name = decode_mailbox(octets, utf8=utf8)
        except EstafetaError:
            continue
        assert decode_mailbox(name.encode() if utf8 else encode_utf7(name), utf8=utf8) == name


@pytest.mark.parametrize(
    ("name", "utf8", "octets"),
    [
        ("a b", False, b'"a b"'),
        ("é", False, b'"&AOk-"'),
        ("é&", True, '"é&"'.encode()),
        ('a"b\\', False, b'"a\\"b\\\\"'),
        ('é"', True, b'{3}\r\n\xc3\xa9"'),
        ("\udcff", False, b'"&AD8-"'),
        ("\udcff", True, b'"?"'),
    ],
)
def test_encode_mailbox(name: str, utf8: bool, octets: bytes) -> None:
    assert encode_mailbox(name, utf8=utf8) == octets


def test_quote_utf8() -> None:
    assert quote_utf8("日本") == '"日本"'.encode()
    assert quote_utf8("a\nb") == b"{3}\r\na\nb"


@pytest.mark.parametrize(
    ("value", "octets"),
    [(b"abc", b"abc"), (b"", b'""'), (b"nil", b'"nil"'), (b"a]", b"a]"), (b"a b", b'"a b"'), (b"a(", b'"a("')],
)
def test_encode_astring(value: bytes, octets: bytes) -> None:
    assert encode_astring(value) == octets


@pytest.mark.parametrize(
    ("flags", "keywords", "recent", "octets"),
    [
        (0, "", False, rb"()"),
        (1, "", False, rb"(\Seen)"),
        (31, "", True, rb"(\Seen \Answered \Flagged \Deleted \Draft \Recent)"),
        (0, "$Junk Work", False, rb"($Junk Work)"),
        (5, "$Junk", True, rb"(\Seen \Flagged \Recent $Junk)"),
    ],
)
def test_encode_flags(flags: int, keywords: str, recent: bool, octets: bytes) -> None:
    assert encode_flags(flags, keywords, recent) == octets


@given(st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_encode_date(moment: datetime) -> None:
    ms = int(moment.timestamp()) * 1000
    whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    # strftime does not pad years below 1000 everywhere, and its names follow the locale; here it is C.
    assert encode_date(ms).decode() == f'"{whole:%d-%b-%Y %H:%M:%S} +0000"'


@given(st.integers(-(1 << 70), 1 << 70))
def test_any_time_is_a_date(ms: int) -> None:
    assert len(encode_date(ms)) == 28


def test_ranges() -> None:
    assert ranges_of([]) == ()
    assert ranges_of([1, 2, 3, 5, 7, 8]) == ((1, 3), (5, 5), (7, 8))
    assert ranges_of([4, 4, 5]) == ((4, 5),)
    assert encode_ranges(((1, 3), (5, 5))) == b"1:3,5"
    assert encode_ranges(()) == b""


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_the_numbers(numbers: set[int]) -> None:
    ranges = ranges_of(sorted(numbers))
    assert {number for low, high in ranges for number in range(low, high + 1)} == numbers
    assert SequenceSet(ranges).resolve(100) == ranges


def test_every_sentence_of_the_machine_is_in_every_language() -> None:
    for text in Text:
        if text in (Text.IDLING, Text.READY_FOR_LITERAL):
            continue
        for language in LANGUAGES[1:]:
            assert say(text, language) != text, text
            assert say(text, language).count("{}") == text.count("{}")


def test_languages() -> None:
    assert find_language("es-MX") == "es"
    assert find_language("JA") == "ja"
    assert find_language("i-default") == "en"
    assert find_language("fr") is None
    assert [status.value for status in Status] == ["OK", "NO", "BAD"]


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_sentences_of_sessions(language: str) -> None:
    for sentence in SENTENCES:
        assert say(sentence, language) != sentence
    assert "{" not in "".join(map(str, SENTENCES.values()))
