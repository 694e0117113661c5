"""TLS reports: who wants them, what they say, how they travel (RFC 8460)."""

import gzip
import json
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.trust.results import AppliedPolicy, PolicyKind, ResultType, TlsFailure
from estafeta.trust.tlsrpt import SessionFacts, Tally, day_of, encode_message, make_report, parse_receivers, start_of

STS = AppliedPolicy(PolicyKind.STS, "example.org", ("version: STSv1", "mode: testing"), ("*.example.org",))
NONE = AppliedPolicy(PolicyKind.NONE, "example.org")
EXPIRED = TlsFailure(ResultType.EXPIRED, "the certificate expired", "")

RECEIVERS = [
    ([b"v=TLSRPTv1; rua=mailto:reports@example.com"], ("reports@example.com",)),
    ([b"v=TLSRPTv1;rua=mailto:a@x.test,https://x.test/v1,mailto:b%2bc@x.test!10m"], ("a@x.test",)),
    ([b"v=TLSRPTv1; rua=mailto:b%2Bc@x.test?subject=x"], ("b+c@x.test",)),
    ([b"v=TLSRPTv1; rua=https://x.test/v1"], ()),
    ([b"v=TLSRPTv1; rua=mailto:a@x.test", b"v=TLSRPTv1; rua=mailto:b@x.test"], ()),
    ([b"v=spf1", b"v=TLSRPTv1; ext=1; rua = mailto:a@x.test ; "], ("a@x.test",)),
    ([b"v=TLSRPTv1; rua=mailto:a@x.test%0d%0aBcc:y@x.test"], ()),
    ([b"v=TLSRPTv1; rua=mailto:" + b",mailto:".join(b"a%d@x.test" % n for n in range(99))], None),
    ([b"v=TLSRPTv2; rua=mailto:a@x.test"], ()),
    ([], ()),
]


@pytest.mark.parametrize(("records", "expected"), RECEIVERS)
def test_receivers(records: list[bytes], expected: tuple[str, ...] | None) -> None:
    found = parse_receivers(records)
    assert len(found) == 5 if expected is None else found == expected


@given(st.binary(max_size=200))
def test_receivers_never_raises(data: bytes) -> None:
    for address in parse_receivers([b"v=TLSRPTv1;" + data]):
        assert address.isascii()
        assert "\r" not in address


def report():
    tallies = [
        Tally(SessionFacts(STS), 5326),
        Tally(SessionFacts(STS, EXPIRED, "mx1.example.org", "192.0.2.1", "mx1", "198.51.100.9"), 100),
        Tally(SessionFacts(STS, EXPIRED, "mx2.example.org", "192.0.2.2"), 3),
        Tally(SessionFacts(NONE), 1),
    ]
    return make_report(
        "example.org", day_of(1_700_000_000), tallies, submitter="mx.here.test", contact="pm@here.test", unique="u1"
    )


def test_the_document() -> None:
    document = json.loads(report().document)
    assert document == {
        "organization-name": "mx.here.test",
        "date-range": {"start-datetime": "2023-11-14T00:00:00Z", "end-datetime": "2023-11-14T23:59:59Z"},
        "contact-info": "pm@here.test",
        "report-id": "2023-11-14T00:00:00Z-u1@mx.here.test",
        "policies": [
            {
                "policy": {"policy-type": "no-policy-found", "policy-domain": "example.org"},
                "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0},
            },
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-domain": "example.org",
                    "policy-string": ["version: STSv1", "mode: testing"],
                    "mx-host": ["*.example.org"],
                },
                "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 103},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "198.51.100.9",
                        "receiving-mx-hostname": "mx1.example.org",
                        "receiving-mx-helo": "mx1",
                        "receiving-ip": "192.0.2.1",
                        "failed-session-count": 100,
                        "additional-information": "the certificate expired",
                    },
                    {
                        "result-type": "certificate-expired",
                        "receiving-mx-hostname": "mx2.example.org",
                        "receiving-ip": "192.0.2.2",
                        "failed-session-count": 3,
                        "additional-information": "the certificate expired",
                    },
                ],
            },
        ],
    }


def test_the_message() -> None:
    made = report()
    content = encode_message(made, "pm@here.test", ("a@x.test", "b@x.test"), "Tue, 14 Nov 2023 00:00:00 +0000", "<1@x>")
    assert content == encode_message(
        made, "pm@here.test", ("a@x.test", "b@x.test"), "Tue, 14 Nov 2023 00:00:00 +0000", "<1@x>"
    )
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")
    message = message_from_bytes(content, policy=default)
    assert message["TLS-Report-Domain"] == "example.org"
    assert message["TLS-Report-Submitter"] == "mx.here.test"
    assert message["TLS-Required"] == "No"
    assert message["Subject"] == (
        "Report Domain: example.org Submitter: mx.here.test Report-ID: <2023-11-14T00:00:00Z-u1@mx.here.test>"
    )
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    words, packed = message.iter_parts()
    assert "example.org" in words.get_content()
    assert packed.get_content_type() == "application/tlsrpt+gzip"
    assert packed.get_filename() == "mx.here.test!example.org!1699920000!1700006399!2023-11-14T00:00:00Z-u1.json.gz"
    assert gzip.decompress(packed.get_content()) == made.document


def test_days_are_utc() -> None:
    assert day_of(start_of(20_000).timestamp()) == 20_000
    assert day_of(start_of(20_000).timestamp() - 1) == 19_999
