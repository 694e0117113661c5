"""DMARC records: what is read, what counts as its default, and what cannot be used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.trust.dmarcrecord import (
    DmarcRecord,
    Policy,
    RecordError,
    ReportUri,
    SeveralRecordsError,
    choose_record,
    parse_record,
    parse_uris,
)

NONE, QUARANTINE, REJECT = Policy.NONE, Policy.QUARANTINE, Policy.REJECT
ME = ReportUri("me@example.com")

RECORDS = [
    (b"v=DMARC1; p=none", DmarcRecord(NONE)),
    (b"v=DMARC1;p=reject;", DmarcRecord(REJECT)),
    (b" V = DMARC1 ; p = Quarantine ; sp=REJECT;np=none", DmarcRecord(QUARANTINE, REJECT, NONE)),
    (b"v=DMARC1; p=none; adkim=s; aspf=s", DmarcRecord(NONE, strict_dkim=True, strict_spf=True)),
    (b"v=DMARC1; p=none; adkim=x; aspf=", DmarcRecord(NONE)),
    (b"v=DMARC1; p=reject; pct=0", DmarcRecord(REJECT, percent=0)),
    (b"v=DMARC1; p=reject; pct=025", DmarcRecord(REJECT, percent=25)),
    (b"v=DMARC1; p=reject; pct=101", DmarcRecord(REJECT)),
    (b"v=DMARC1; p=reject; pct=" + b"0" * 8000, DmarcRecord(REJECT)),
    (b"v=DMARC1; p=reject; pct=-1; t=y; psd=y", DmarcRecord(REJECT, testing=True, psd="y")),
    (b"v=DMARC1; p=reject; p=none; unknown=1; =; ;;", DmarcRecord(REJECT)),
    (b"v=DMARC1; p=reject; fo=1:d:x; ruf=mailto:me@example.com", DmarcRecord(REJECT, fo=frozenset("1d"), ruf=(ME,))),
    (b"v=DMARC1; p=reject; fo=ds", DmarcRecord(REJECT)),
    # RFC 9989 4.7: no p is p=none
    (b"v=DMARC1; rua=mailto:me@example.com", DmarcRecord(NONE, rua=(ME,))),
    (b"v=DMARC1", DmarcRecord(NONE)),
    # RFC 7489 6.6.3 (6): a mistake in a policy, with somebody to tell it
    (b"v=DMARC1; p=rejekt; sp=reject; rua=mailto:me@example.com", DmarcRecord(NONE, rua=(ME,))),
    (b"v=DMARC1; p=reject; sp=x; rua=mailto:me@example.com", DmarcRecord(NONE, rua=(ME,))),
]


@pytest.mark.parametrize(("text", "expected"), RECORDS)
def test_records(text: bytes, expected: DmarcRecord) -> None:
    assert choose_record([text]) == text
    assert parse_record(text)._replace(text="") == expected


@pytest.mark.parametrize(
    "text", [b"v=DMARC1; p=rejekt", b"v=DMARC1; p=reject; np=", b"v=DMARC1; p=; rua=https://example.com/r"]
)
def test_a_mistake_in_a_policy_without_reports(text: bytes) -> None:
    with pytest.raises(RecordError, match="is no policy"):
        parse_record(text)


NOT_RECORDS = [b"", b"v=spf1 -all", b"v=DMARC2; p=none", b"v=dmarc1; p=none", b"p=none; v=DMARC1", b"v=DMARC1x; p=none"]
NOT_RECORDS += [b"v=DMARC1 p=none", b"v=DMARC1;" + b"x" * 9000]


@pytest.mark.parametrize("text", NOT_RECORDS)
def test_what_is_no_record(text: bytes) -> None:
    assert choose_record([text]) is None
    assert choose_record([text, b"v=DMARC1; p=none"]) == b"v=DMARC1; p=none"


def test_several_records() -> None:
    with pytest.raises(SeveralRecordsError):
        choose_record([b"v=DMARC1; p=none", b"v=DMARC1; p=reject"])


URIS = [
    ("mailto:a@x.test", (ReportUri("a@x.test"),)),
    ("mailto:a@x.test!10m , MAILTO:b@x.test!5", (ReportUri("a@x.test", 10 << 20), ReportUri("b@x.test", 5))),
    ("mailto:a@x.test!2G,mailto:a@x.test", (ReportUri("a@x.test", 2 << 30),)),
    ("mailto:a%2Bb%21@x.test?subject=x", (ReportUri("a+b!@x.test"),)),
    ("https://x.test/r, mailto:, mailto:a, a@x.test, mailto:a@x.test%0d%0aBcc:b@x.test", ()),
    ("mailto:a%2Cb@x.test, mailto:<a@x.test>, mailto:%22a b%22@x.test", ()),
    ("mailto:a@x.test!10x", ()),
    ("mailto:a@X.Test", (ReportUri("a@X.Test"),)),
]


@pytest.mark.parametrize(("text", "expected"), URIS)
def test_addresses_for_reports(text: str, expected: tuple[ReportUri, ...]) -> None:
    assert parse_uris(text) == expected


def test_so_many_addresses() -> None:
    assert len(parse_uris(",".join(f"mailto:a{number}@x.test" for number in range(50)))) == 5
    assert ReportUri("a@X.Test").host == "x.test"


@given(st.binary(max_size=200))
def test_reading_raises_only_what_it_says(data: bytes) -> None:
    try:
        record = parse_record(b"v=DMARC1; p=none;" + data)
    except RecordError:
        return
    assert record.fo <= set("01ds")
    assert 0 <= record.percent <= 100
    assert all(uri.address.isascii() and "\n" not in uri.address for uri in record.rua + record.ruf)
