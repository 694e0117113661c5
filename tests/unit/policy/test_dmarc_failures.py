"""Failure reports: when one is due, what it says to who reads it (RFC 7489 7.3, 6591, 5965), who gets it, how many."""

import asyncio
import email
from email.message import Message

import pytest
from dmarc_kit import NOW, Names, Posted, facts_of, result, settings

from estafeta.directory.model import Resolution, Status
from estafeta.mail.address import Address
from estafeta.policy import dmarc_failures
from estafeta.policy.dmarc_failures import MAX_DAILY, MAX_HOURLY, MAX_HOURLY_ALL, MAX_WAITING, FailureReporter
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Verdict, deferred, discarded, passed, quarantined, rejected
from estafeta.protocols.smtp.limits import Mode
from estafeta.trust.arc import ArcResult, ArcSet, ChainStatus
from estafeta.trust.authresults import parse_auth_results
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.spf import SpfResult
from estafeta.trust.spfrecord import SpfStatus

MESSAGE = b"From: CEO <ceo@example.org>\r\nTo: ana@here.test\r\nSubject: Pay\r\n\r\nSECRET BODY\r\n"
REFUSED = rejected("No", "why", 550, "5.7.26")._replace(check="dmarc")


def failed(tags: str = "ruf=mailto:ruf@example.org", domain: str = "example.org", **more: object) -> DmarcResult:
    record = f"v=DMARC1; p=reject; {tags}".encode()
    return result(domain, DmarcOutcome.FAIL, record=record, **more)


class Site:
    """A reporter with a clock that tests set."""

    def __init__(self, **sections: dict[str, object]) -> None:
        self.names, self.posted, self.now = Names(), Posted(), NOW
        source = settings(**({"dmarc": {"failure_reports": True}} | sections))
        self.reporter = FailureReporter(
            self.names,
            self.posted.post,
            source,
            hostname="mx.here.test",
            contact=lambda: "postmaster@here.test",
            clock=lambda: self.now,
        )

    def learn(self, dmarc: DmarcResult | None = None, *verdicts: Verdict, score: float = 0.0, **more: object) -> int:
        facts = facts_of(dmarc or failed(), **({"message": MESSAGE} | more))
        decisive = max(verdicts, key=lambda verdict: verdict.action, default=passed())
        self.reporter.learner.judged(facts, Judgement(verdicts, decisive, score))
        return self.reporter.waiting

    def send(self) -> int:
        return asyncio.run(self.reporter.send())

    def report(self) -> Message:
        self.send()
        [(_, _, content)] = self.posted
        return email.message_from_bytes(content)


def fields_of(report: Message) -> Message:
    """The fields in the second part: Python reads them as a message in a message."""
    part = report.get_payload()[1]
    assert part.get_content_type() == "message/feedback-report"
    return part.get_payload()[0]


def found(spf: SpfStatus = SpfStatus.FAIL, *dkim: DkimWord, **more: object) -> dict[str, object]:
    signatures = [DkimResult(word, "", "example.org", "s1") for word in dkim]
    return {"dmarc": None, "spf": SpfResult(spf, "example.org"), "dkim": signatures} | more


# When one is due


def test_off_unless_switched_on_and_mail_goes_out():
    assert Site().learn() == 1
    assert Site(dmarc={}).learn() == 0
    assert Site(routing={"outward": False}).learn() == 0


PASS, FAIL, NONE = DkimWord.PASS, DkimWord.FAIL, DkimWord.NONE


@pytest.mark.parametrize(
    ("tags", "spf", "dkim", "due"),
    [
        ("", "none", [], True),
        ("fo=0", "pass", [PASS], True),
        ("fo=1", "none", [], True),
        ("fo=x", "none", [], True),
        ("fo=d", "fail", [], False),
        ("fo=d", "fail", [NONE], False),
        ("fo=d", "fail", [PASS], False),
        ("fo=d", "none", [PASS, FAIL], True),
        ("fo=s", "none", [FAIL], False),
        ("fo=s", "pass", [FAIL], False),
        ("fo=s", "softfail", [], True),
        ("fo=D:S", "fail", [], True),
        ("fo=d:0", "none", [], True),
        ("rf=afrf", "none", [], True),
        ("rf=iodef : AFRF", "none", [], True),
        ("rf=iodef", "none", [], False),
        ("psd=y", "none", [], False),
    ],
)
def test_what_the_record_asks_for(tags, spf, dkim, due):
    dmarc = failed(f"{tags}; ruf=mailto:ruf@example.org")
    seen = found(SpfStatus(spf), *dkim) | {"dmarc": dmarc}
    assert Site().learn(dmarc, found=seen) == due


@pytest.mark.parametrize("tags", ["rua=mailto:agg@example.org", "ruf=https://example.org/"])
def test_none_without_an_address_for_them(tags):
    assert Site().learn(failed(tags)) == 0


@pytest.mark.parametrize("outcome", [one for one in DmarcOutcome if one is not DmarcOutcome.FAIL])
def test_none_of_what_did_not_fail(outcome):
    assert Site().learn(result(outcome=outcome, record=b"v=DMARC1; p=none; fo=1:d:s; ruf=mailto:r@example.org")) == 0


@pytest.mark.parametrize(
    "head",
    [
        b"Auto-Submitted: auto-replied (vacation)",
        b"Auto-Submitted: Auto-Generated; x=y",
        b"Content-Type: multipart/report; report-type=feedback-report",
        b"Content-Type: Multipart/\r\n Report",
        b"Subject: Report Domain: example.org Submitter: x",
    ],
)
def test_none_of_reports_and_of_machines(head):
    assert Site().learn(message=head + b"\r\n" + MESSAGE.replace(b"Subject: Pay\r\n", b"")) == 0


def test_a_person_may_say_that_it_is_one():
    assert Site().learn(message=b"Auto-Submitted: no\r\n" + MESSAGE) == 1


def test_none_of_these():
    many = [(Address("ana", f"{n}.test"), Resolution(Status.LOCAL)) for n in range(21)]
    sealed = ArcResult(
        ChainStatus.PASS, sets=(ArcSet(1, "lists.test", "s", "lists.test; dmarc=pass header.from=example.org"),)
    )
    site = Site(dmarc={"failure_reports": True, "trusted_sealers": ["lists.test"]})
    site.learn(sender=None)
    site.learn(None, deferred("Later", "why"))
    site.learn(mode=Mode.LMTP)
    site.learn(trusted=True)
    site.learn(recipients=many)
    dmarc = failed()
    site.learn(dmarc, found=found() | {"dmarc": dmarc, "arc": sealed})
    assert site.reporter.waiting == 0
    assert site.learn() == 1
    at = Site(dmarc={"failure_reports": True, "reports_address": "ana@here.test"})
    assert at.learn() == 0


# What it says


def test_the_report():
    site = Site()
    site.names.put("example.org", b"other", b"v=spf1 ip4:192.0.2.9 -all")
    dmarc = failed()
    signatures = [
        DkimResult(DkimWord.PASS, "", "else.test", "k"),
        DkimResult(DkimWord.FAIL, "changed", "example.org", "s1", "@mail.example.org"),
    ]
    site.learn(dmarc, REFUSED, found=found(dkim=signatures) | {"dmarc": dmarc})
    report = site.report()
    assert not report.defects
    assert site.posted[0][:2] == ("postmaster@here.test", ("ruf@example.org",))
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "feedback-report"
    assert report["Auto-Submitted"] == "auto-generated"
    assert (report["From"], report["To"]) == ("postmaster@here.test", "ruf@example.org")
    assert report["Message-ID"].endswith("@mx.here.test>")
    human, _, header = report.get_payload()
    assert human.get_content_type() == "text/plain"
    assert "192.0.2.1" in human.get_payload()
    # RFC 5965 3.1 and 3.2: once each; RFC 6591 3.1; RFC 9991 4.
    fields = fields_of(report)
    assert [name for name in set(fields) if fields.get_all(name)[1:]] == []
    results = fields["Authentication-Results"]
    del fields["Authentication-Results"], fields["User-Agent"]
    assert dict(fields) == {
        "Feedback-Type": "auth-failure",
        "Version": "1",
        "Auth-Failure": "dmarc",
        "Original-Mail-From": "<u@example.org>",
        "Source-IP": "192.0.2.1",
        "Arrival-Date": "Tue, 14 Nov 2023 00:01:40 +0000",
        "Reported-Domain": "example.org",
        "Delivery-Result": "reject",
        "Identity-Alignment": "dkim, spf",
        "DKIM-Domain": "example.org",
        "DKIM-Identity": "@mail.example.org",
        "DKIM-Selector": "s1",
        "SPF-DNS": 'txt : example.org :\r\n\t"v=spf1 ip4:192.0.2.9 -all"',
    }
    # RFC 6591 3.1: of one method; all are in front of the header, as in the example of RFC 9991.
    assert [one.method for one in parse_auth_results(results.encode()).results] == ["dmarc"]
    assert header.get_content_type() == "text/rfc822-headers"
    shown = email.message_from_string(header.get_payload())
    (name, all_results), *rest = shown.items()
    assert name == "Authentication-Results"
    said = [(one.method, one.result) for one in parse_auth_results(all_results.encode()).results]
    assert said == [("spf", "fail"), ("dkim", "pass"), ("dkim", "fail"), ("dmarc", "fail")]
    assert rest == [("From", "CEO <ceo@example.org>"), ("To", "[redacted]"), ("Subject", "Pay")]
    content = site.posted[0][2]
    assert b"SECRET" not in content
    assert b"ana@" not in content


@pytest.mark.parametrize(
    ("verdicts", "score", "word"),
    [
        ([], 0.0, "delivered"),
        ([], 5.0, "spam"),
        ([quarantined("why")], 0.0, "policy"),
        ([discarded("why")], 0.0, "policy"),
        ([REFUSED], 9.0, "reject"),
    ],
)
def test_what_became_of_it(verdicts, score, word):
    site = Site()
    site.learn(None, *verdicts, score=score)
    assert fields_of(site.report())["Delivery-Result"] == word


@pytest.mark.parametrize(
    ("spf", "dkim", "tags", "failed_ones"),
    [
        (("pass", "else.test"), [], "", "none"),
        (("fail", "else.test"), [("fail", "else.test")], "", "none"),
        (("softfail", "example.org"), [], "", "spf"),
        (("none", "example.org"), [], "", "none"),
        (("pass", "else.test"), [("fail", "mail.example.org")], "", "dkim"),
        (("fail", "bounce.example.org"), [("policy", "example.org")], "", "dkim, spf"),
        (("fail", "bounce.example.org"), [("fail", "mail.example.org")], "; adkim=s; aspf=s", "none"),
        (("fail", "notexample.org"), [("pass", "example.org.test")], "", "none"),
    ],
)
def test_which_methods_failed_for_the_author(spf, dkim, tags, failed_ones):
    """RFC 9991 4 Identity-Alignment."""
    site, dmarc = Site(), failed(f"ruf=mailto:ruf@example.org{tags}")
    signatures = [DkimResult(DkimWord(word), "", domain, "s") for word, domain in dkim]
    site.learn(dmarc, found={"dmarc": dmarc, "spf": SpfResult(SpfStatus(spf[0]), spf[1]), "dkim": signatures})
    assert fields_of(site.report())["Identity-Alignment"] == failed_ones


def test_many_receivers_make_no_long_line():
    site = Site()
    uris = ",".join(f"mailto:{letter * 60}@{'.'.join([letter * 60] * 3)}.example.org" for letter in "abcde")
    site.learn(failed(f"ruf={uris}"))
    report = site.report()
    assert len(report["To"].split(",")) == 5
    assert max(map(len, site.posted[0][2].split(b"\r\n"))) < 998


def test_without_signature_and_spf_record():
    site = Site()
    dmarc = failed()
    site.learn(dmarc, found=found() | {"dmarc": dmarc})
    fields = fields_of(site.report())
    assert "DKIM-Domain" not in fields
    assert fields["SPF-DNS"].split() == ["txt", ":", "example.org", ":", '""']


def test_what_dns_cannot_say_is_left_out():
    site = Site()
    site.names.failing.add("example.org")
    site.learn()
    assert "SPF-DNS" not in fields_of(site.report())


def test_odd_values_make_no_fields_of_their_own():
    site = Site()
    site.names.put("example.org", b'v=spf1 "\\\r\nX: y \xff ' + b"a" * 3000)
    dmarc = failed()
    odd = DkimResult(DkimWord.FAIL, "bad\r\nX: y", "example.org", "s\r\n\r\nX: y", 'ana@here.test\nX: "', mark="\xff")
    sender = Address("v+ana=here.test\r\nX: y" + "z" * 900, "example.org")
    seen = found(dkim=[odd]) | {"dmarc": dmarc}
    site.learn(dmarc, found=seen, sender=sender, message=b"--=_dmarc_: x\r\nA: b\r\n --=_dmarc_\r\n" + MESSAGE)
    report = site.report()
    fields = fields_of(report)
    assert not report.defects
    assert len(report.get_payload()) == 3
    assert "X" not in fields
    assert len(fields) == 15
    content = site.posted[0][2]
    assert content.isascii()
    assert b"ana" not in content
    assert max(map(len, content.split(b"\r\n"))) < 998


def test_the_size_of_a_report_is_bounded():
    site = Site()
    site.learn(message=b"".join(b"X-%d: %s\r\n" % (n, b"y" * 900) for n in range(500)) + MESSAGE)
    site.report()
    assert len(site.posted[0][2]) < 24 << 10


# Who gets it


def test_others_get_it_only_where_they_agree():
    """RFC 7489 7.1."""
    site = Site()
    site.names.put("example.org._report._dmarc.agrees.test", b"v=DMARC1")
    site.names.put(
        "example.org._report._dmarc.instead.test", b"v=DMARC1; rua=mailto:no@instead.test; ruf=mailto:b@instead.test"
    )
    uris = [f"mailto:a@{host}" for host in ("agrees.test", "victim.test", "instead.test", "sub.example.org")]
    site.learn(failed(f"ruf={','.join(uris)}"))
    assert site.send() == 1
    assert site.posted[0][1] == ("a@agrees.test", "b@instead.test", "a@sub.example.org")


def test_nobody_gets_what_nobody_wants():
    site = Site()
    site.learn(failed("ruf=mailto:a@victim.test"))
    site.learn(failed("ruf=mailto:a@example.org!100"))
    assert site.send() == 0
    assert site.posted == []


def test_one_that_cannot_be_sent_does_not_keep_back_others(caplog):
    site = Site()
    site.learn(failed("ruf=mailto:a@broken.test", "broken.test"))
    site.learn()
    assert site.send() == 1
    assert [one.cause for one in caplog.records] == ["Too many."]


def test_name_servers_that_do_not_answer_do_not_hold_up_others(caplog, monkeypatch):
    monkeypatch.setattr(dmarc_failures, "MAX_SECONDS", 0)
    site = Site()
    site.learn(failed("ruf=mailto:a@agrees.test"))
    assert site.send() == 0
    assert [one.cause for one in caplog.records] == ["name servers did not answer in time"]


# How many


def learn_and_send(site: Site, times: int, domain: str = "example.org") -> int:
    for number in range(times):
        name = domain.format(number)
        site.learn(failed(f"ruf=mailto:r@{name}", name))
    return site.send()


def test_so_many_an_hour_and_a_day_of_an_organization():
    site = Site()
    assert learn_and_send(site, MAX_HOURLY + 5, "{}.example.org") == MAX_HOURLY
    assert learn_and_send(site, 1, "else.test") == 1
    sent = 0
    for _ in range(10):
        site.now += 3600
        sent += learn_and_send(site, MAX_HOURLY + 5)
    assert sent == MAX_DAILY - MAX_HOURLY
    site.now += 86_400
    assert learn_and_send(site, 1) == 1


def test_so_many_an_hour_of_all():
    site = Site()
    sent = sum(learn_and_send(site, 50, f"{{}}-{turn}.test") for turn in range(5))
    assert sent == MAX_HOURLY_ALL


def test_so_many_wait():
    site = Site()
    for number in range(MAX_WAITING + 20):
        site.learn(failed(domain=f"{number}.test"))
    assert site.reporter.waiting == MAX_WAITING
