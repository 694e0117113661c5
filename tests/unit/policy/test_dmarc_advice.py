"""What an operator is told: what a source looks like, and the next step for a domain."""

import asyncio

import pytest
from dmarc_kit import DAY, Names

from estafeta.policy.dmarc_advice import Published, Txt, advise, find_published, what_it_is
from estafeta.policy.dmarc_received import DomainSum
from estafeta.policy.dmarc_sources import Source
from estafeta.trust.dmarcrecord import parse_record

NOW = (DAY + 40) * 86_400.0
TO = "dmarc@here.test"
UNKNOWN = Published(problem="x", known=False)
SUM = DomainSum("here.test", 9, 3, 100, 90, DAY * 86_400, (DAY + 30) * 86_400, DAY * 86_400)
FINE = Source("here.test", "192.0.2.1", 10, 10, 10, 10)
FORGED = Source("here.test", "203.0.113.9", 10, envelope=["evil.test"])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (FINE, "passes"),
        (Source("here.test", "192.0.2.1", 10, 8, 8, 0), "signs, not always"),
        (Source("here.test", "192.0.2.1", 10, 8, 0, 8), "does not sign"),
        (Source("here.test", "192.0.2.1", 10, signed_by=["x.test", "mail.here.test"]), "a signature of yours that"),
        (Source("here.test", "192.0.2.1", 10, signed_by=["mailer.test"]), "have it sign as here.test"),
        (Source("here.test", "192.0.2.1", 10, envelope=["bounce.here.test"]), "is not in SPF"),
        (FORGED, "a forgery"),
        (Source("here.test", "", 10), "beyond the limits"),
    ],
)
def test_what_a_source_looks_like(source, words):
    assert words in what_it_is(source)


def published(text: str) -> Published:
    return Published(text, parse_record(text.encode()))


def step(text: str = "", reports: DomainSum | None = SUM, sources=(FINE, FORGED), address: str = TO, now: float = NOW):
    found = published(text) if text else Published()
    return advise("here.test", found, reports, sources, address=address, now=now)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "v=DMARC1; p=none; rua=mailto:dmarc@here.test"),
        ("v=DMARC1; p=none; rua=mailto:dmarc@here.test", "v=DMARC1; p=quarantine; rua=mailto:dmarc@here.test"),
        (
            "v=DMARC1;p=quarantine; pct=10; sp=none; adkim=s; fo=1; rua=mailto:x@y.test!10m,mailto:DMARC@here.test",
            "v=DMARC1; p=reject; sp=none; adkim=s; fo=1; rua=mailto:x@y.test!10m,mailto:DMARC@here.test",
        ),
        ("v=DMARC1; p=reject; rua=mailto:x@y.test", "v=DMARC1; p=reject; rua=mailto:dmarc@here.test,mailto:x@y.test"),
        ("v=DMARC1; p=reject", "v=DMARC1; p=reject; rua=mailto:dmarc@here.test"),
    ],
)
def test_the_next_record(before, after):
    assert step(before).publish == (Txt("_dmarc.here.test", after),)


@pytest.mark.parametrize(
    ("advice", "words"),
    [
        (step("v=DMARC1; p=reject; rua=mailto:dmarc@here.test"), "The policy is reject"),
        (step("v=DMARC1; p=none; rua=mailto:dmarc@here.test", None, ()), "No reports have come yet"),
        (step("v=DMARC1; p=none; rua=mailto:dmarc@here.test", now=NOW - 20 * 86_400), "Reports have come for 20 days"),
        # A clock that went back.
        (step("v=DMARC1; p=none; rua=mailto:dmarc@here.test", now=NOW - 90 * 86_400), "Reports have come for 0 days"),
        (
            advise("here.test", UNKNOWN, None, (), address=TO, now=NOW),
            "nothing can be said",
        ),
    ],
)
def test_where_nothing_is_to_be_changed_no_record_is_given(advice, words):
    assert any(words in one for one in advice.words)
    assert advice.publish == ()


def test_what_fails_is_counted():
    assert step("v=DMARC1; p=none; rua=mailto:dmarc@here.test").words[0].startswith("10 messages of 1 sources failed")
    assert "All messages" in step("v=DMARC1; p=none; rua=mailto:dmarc@here.test", sources=(FINE,)).words[0]


def test_reports_elsewhere_need_a_record_there():
    """RFC 7489 7.1."""
    advice = step(address="dmarc@other.test")
    assert advice.publish[1] == Txt("here.test._report._dmarc.other.test", "v=DMARC1")
    assert len(step(address="dmarc@sub.here.test").publish) == 1


def test_without_an_address_none_is_invented():
    assert step(address="").publish == (Txt("_dmarc.here.test", "v=DMARC1; p=none"),)


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ((b"v=DMARC1; p=none",), ""),
        ((b"v=spf1 -all",), ""),
        ((), ""),
        ((b"v=DMARC1; p=none", b"v=DMARC1; p=reject"), "several"),
        ((b"v=DMARC1; p=odd",), "no policy"),
    ],
)
def test_dns_is_asked_for_the_record(records, problem):
    names = Names()
    names.put("_dmarc.here.test", *records)
    found = asyncio.run(find_published("here.test", names))
    assert problem in found.problem
    assert (found.record is not None) == (records == (b"v=DMARC1; p=none",))
    names.failing.add("_dmarc.here.test")
    assert not asyncio.run(find_published("here.test", names)).known
