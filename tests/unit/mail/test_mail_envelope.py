"""Stored ENVELOPE texts read back, and the dates in them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_checks import read_imap

from estafeta.core.errors import EstafetaError
from estafeta.mail.envelope import (
    Envelope,
    EnvelopeAddress,
    Field,
    envelope_date,
    envelope_string,
    envelope_subject,
    first_address,
    parse_envelope,
)
from estafeta.mail.imaptext import encode_envelope
from estafeta.mail.sentdate import parse_sent_date, sent_date

ANN = EnvelopeAddress(b"Ann", None, b"ann", b"example.org")
BOB = EnvelopeAddress(None, None, b"bob", b"example.net")
FIELDS = {
    b"date": b"Sat, 1 Aug 2026 23:30:00 -0700",
    b"subject": b'say "hi" \\ there',
    b"from": b"Ann <ann@example.org>",
    b"reply-to": b"bob@example.net",
    b"to": b"Team: bob@example.net, Ann <ann@example.org>;, bob@example.net",
    b"cc": "Ünn <ann@example.org>".encode(),
    b"in-reply-to": b"<1@x>\r\n <2@x>",
    b"message-id": b"<3@x>",
}


def test_all_fields() -> None:
    assert parse_envelope(encode_envelope(FIELDS)) == Envelope(
        date=b"Sat, 1 Aug 2026 23:30:00 -0700",
        subject=b'say "hi" \\ there',
        from_=(ANN,),
        sender=(ANN,),
        reply_to=(BOB,),
        to=(
            EnvelopeAddress(None, None, b"Team", None),
            BOB,
            ANN,
            EnvelopeAddress(None, None, None, None),
            BOB,
        ),
        cc=(EnvelopeAddress("Ünn".encode(), None, b"ann", b"example.org"),),
        bcc=(),
        in_reply_to=b"<1@x> <2@x>",
        message_id=b"<3@x>",
    )


def check_partial_readers(text: bytes) -> None:
    whole = parse_envelope(text)
    assert envelope_date(text) == whole.date
    assert envelope_subject(text) == whole.subject
    for field in (Field.DATE, Field.SUBJECT, Field.IN_REPLY_TO, Field.MESSAGE_ID):
        assert envelope_string(text, field) == whole[field]
    for field in (Field.FROM, Field.SENDER, Field.REPLY_TO, Field.TO, Field.CC, Field.BCC):
        assert first_address(text, field) == (whole[field][0] if whole[field] else None)


def test_nothing_there() -> None:
    text = encode_envelope({})
    assert parse_envelope(text) == Envelope(None, None, (), (), (), (), (), (), None, None)
    check_partial_readers(text)


octets = st.one_of(
    st.none(),
    st.binary(max_size=30),
    st.lists(st.sampled_from([b'"', b"\\", b"\r\n", b"(", b")", b"{3}\r\n", b"NIL", b" ", b"a", b"\xff", b"\0"])).map(
        b"".join
    ),
    st.lists(st.sampled_from([b"a@b", b", ", b"<", b">", b'"', b"\\", b":", b";", b"x", b"@", b" "])).map(b"".join),
)
NAMES = (b"date", b"subject", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"in-reply-to", b"message-id")


@given(st.tuples(*[octets] * len(NAMES)))
def test_what_was_written_is_read(values: tuple[bytes | None, ...]) -> None:
    text = encode_envelope({name: value for name, value in zip(NAMES, values, strict=True) if value is not None})
    check_partial_readers(text)
    found = parse_envelope(text)
    assert list(map(_as_lists, found)) == read_imap(text)


def _as_lists(value: object) -> object:
    return ([list(address) for address in value] or None) if isinstance(value, tuple) else value


READERS = [parse_envelope, envelope_subject, envelope_date, sent_date, lambda text: first_address(text, Field.BCC)]


@given(
    st.one_of(
        st.binary(),
        st.lists(st.sampled_from([b"(", b")", b" ", b"NIL", b'"a"', b"((", b"))", b"{1}\r\n", b'"'])).map(b"".join),
    )
)
def test_any_octets(text: bytes) -> None:
    for read in READERS:
        with suppress(EstafetaError):
            read(text)


def test_hostile_texts_are_quick() -> None:
    for text in (
        b'("' + b"\\" * 200_000,
        b'("' + b"a" * 200_000,
        b'("" "" (' + b'("" "" "" "")' * 15_000,
        b"(" * 200_000,
    ):
        for read in READERS:
            with suppress(EstafetaError):
                read(text)
        with pytest.raises(EstafetaError, match="damaged"):
            parse_envelope(text)


def zone(hours: int) -> timezone:
    return timezone(timedelta(hours=hours))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Sat, 1 Aug 2026 23:30:00 -0700", datetime(2026, 8, 1, 23, 30, tzinfo=zone(-7))),
        (b"1 Aug 26 23:30 EST", datetime(2026, 8, 1, 23, 30, tzinfo=zone(-5))),
        (b"1 Aug 2026 23:30:60 +0000", datetime(2026, 8, 1, 23, 31, tzinfo=UTC)),
        (b"1 Aug 2026 24:00:00 +0000", datetime(2026, 8, 2, tzinfo=UTC)),
        # RFC 5256 2.2: what is invalid of it counts as UTC and midnight.
        (b"1 Aug 2026 23:30:00 +9900", datetime(2026, 8, 1, 23, 30, tzinfo=UTC)),
        (b"1 Aug 2026 23:30:00 nonsense", datetime(2026, 8, 1, 23, 30, tzinfo=UTC)),
        (b"Sat, 1 Aug 2026 25:61:00 +0200", datetime(2026, 8, 1, tzinfo=UTC)),
        (b"Sat, 1 Aug 2026", datetime(2026, 8, 1, tzinfo=UTC)),
        (b"2026-08-01T10:00:00Z", datetime(2026, 8, 1, 10, tzinfo=UTC)),
        (b"31 Dec 9999 23:59:59 -0100", None),
        (b"32 Aug 2026", None),
        (b"soon", None),
        (b"", None),
    ],
)
def test_sent_dates(value: bytes, expected: datetime | None) -> None:
    found = parse_sent_date(value)
    assert found == expected
    if found is not None and expected is not None:
        assert found.date() == expected.date()
    assert sent_date(encode_envelope({b"date": value})) == expected


def test_no_date() -> None:
    assert sent_date(encode_envelope({})) is None


@given(st.one_of(st.binary(max_size=60), st.from_regex(rb"\d{1,3} (Jan|Feb) \d{1,5}( \d\d?:\d\d)?( [+-]\d{4})?")))
def test_any_date(value: bytes) -> None:
    found = parse_sent_date(value)
    assert found is None or found.timestamp() is not None
