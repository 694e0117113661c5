"""Reports on DMARC: the document against the schema of RFC 7489, the message, who gets it, and once."""

import asyncio
import email
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from dmarc_kit import DAY, NOW, RECORD, Base, Names, Posted, document_of, settings

from estafeta.policy import dmarc_reports
from estafeta.policy.dmarc_reading import read_report
from estafeta.policy.dmarc_received import read_reports
from estafeta.policy.dmarc_report import encode_message, make_report
from estafeta.policy.dmarc_reports import DmarcReporter
from estafeta.policy.dmarc_results import Count, add_counts, read_day
from estafeta.policy.dmarc_unpacking import find_document
from estafeta.policy.dmarc_values import DmarcFacts, Signature, Tally, encode_facts
from estafeta.trust.dmarcrecord import parse_record
from vectors_kit import source_file

FACTS = DmarcFacts("192.0.2.1", "none", True, False, "example.org", "example.org", "example.org", "fail")
TOMORROW = NOW + 86_400


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    opened = Base(tmp_path)
    yield opened
    opened.close()


def report_on(*tallies: Tally, record: bytes = RECORD):
    return make_report(
        "example.org", DAY, parse_record(record), tallies, submitter="mx.here.test", contact="postmaster@here.test"
    )


ODD = [
    FACTS,
    FACTS._replace(source_ip="2001:db8::1", signatures=(Signature("a.test", "s1", "pass"), Signature("b", "", "odd"))),
    FACTS._replace(source_ip="::ffff:192.0.2.1", spf_result="none", spf_scope="helo", envelope_from=""),
    FACTS._replace(disposition="reject", override="policy_test_mode"),
    FACTS._replace(disposition="odd", override="local_policy", comment="<&>\x00\ud800\U0001f4e7"),
    FACTS._replace(header_from="a]]><b>.test", spf_domain="[192.0.2.1]"),
]


@pytest.mark.parametrize(
    "record",
    [RECORD, b"v=DMARC1; p=none; sp=reject; pct=20; fo=1:d; adkim=s; aspf=s; np=reject; t=y; rua=mailto:a@b.test"],
)
def test_it_is_valid_by_the_schema_of_the_standard(record):
    xmlschema = pytest.importorskip("xmlschema")
    schema = xmlschema.XMLSchema(str(source_file("dmarc==1.2.1", "dmarc/report/schemas/dmarc.xsd")))
    document = report_on(*[Tally(facts, 3) for facts in ODD], record=record).document
    schema.validate(document.decode())


def test_what_it_says_is_what_was_counted():
    report = report_on(*[Tally(facts, 3) for facts in ODD])
    root = ET.fromstring(report.document)
    assert root.findtext("report_metadata/report_id") == report.report_id
    assert root.findtext("report_metadata/date_range/begin") == str(DAY * 86_400)
    assert root.findtext("report_metadata/date_range/end") == str(DAY * 86_400 + 86_399)
    assert root.findtext("policy_published/p") == "reject"
    [_, second, _, testing, commented, _] = root.findall("record")
    assert second.findtext("row/source_ip") == "2001:0db8:0000:0000:0000:0000:0000:0001"
    assert [one.findtext("result") for one in second.findall("auth_results/dkim")] == ["pass", "permerror"]
    assert testing.findtext("row/policy_evaluated/reason/type") == "other"
    assert testing.findtext("row/policy_evaluated/reason/comment") == "policy_test_mode"
    assert commented.findtext("row/policy_evaluated/disposition") == "none"
    assert commented.findtext("row/policy_evaluated/reason/comment") == "<&>\ufffd\ufffd\U0001f4e7"


def test_we_can_read_what_we_write():
    report = report_on(*[Tally(facts, 3) for facts in ODD])
    message = encode_message(report, "pm@here.test", ("a@example.org",), "Wed, 15 Nov 2023 00:01:40 +0000", "<1@h>")
    found = read_report(find_document(message))
    assert (found.domain, found.name, found.report_id) == ("example.org", "mx.here.test", report.report_id)
    assert found.messages == 3 * len(ODD)
    assert found.rows[0].source_ip == "192.0.2.1"


def test_the_message_is_as_the_standard_wants_it():
    """RFC 7489 7.2.1.1."""
    report = report_on(Tally(FACTS, 1))
    message = encode_message(report, "pm@here.test", ("a@x.test", "b@x.test"), "Wed, 15 Nov 2023 00:01:40 +0000", "<1>")
    parsed = email.message_from_bytes(message)
    assert not parsed.defects
    assert parsed["Subject"].replace("\r\n", "") == (
        f"Report Domain: example.org Submitter: mx.here.test Report-ID: <{report.report_id}>"
    )
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["To"].split() == ["a@x.test,", "b@x.test"]
    text, attached = parsed.get_payload()
    assert "2023-11-14" in text.get_payload()
    assert attached.get_content_type() == "application/gzip"
    begin = DAY * 86_400
    assert attached.get_filename().startswith(f"mx.here.test!example.org!{begin}!{begin + 86_399}!")
    assert attached.get_filename().endswith(".xml.gz")
    assert document_of(message) == report.document
    assert max(map(len, message.split(b"\r\n"))) < 200


def test_made_again_it_is_the_same_to_its_receiver():
    assert report_on(Tally(FACTS, 1)).report_id == report_on(Tally(FACTS, 9)).report_id


def count(base: Base, *domains: str, day: int = DAY, kinds: int = 1, messages: int = 3) -> None:
    for domain in domains:
        made = [FACTS._replace(header_from=f"{number}.{domain}") for number in range(kinds)]
        counts = [Count(day, domain, f"{at}", domain, messages, encode_facts(one)) for at, one in enumerate(made)]
        base.group.run(add_counts, tuple(counts))


class Site:
    """A reporter with a clock that tests set."""

    def __init__(self, base: Base, names: Names | None = None, source=None) -> None:
        self.names = names or Names()
        self.posted = Posted()
        self.now = TOMORROW
        self.base = base
        self.reporter = self.worker(source or settings())

    def worker(self, source, posted=None) -> DmarcReporter:
        return DmarcReporter(
            self.base.database,
            self.base.submit,
            self.names,
            (posted or self.posted).post,
            source,
            hostname="mx.here.test",
            contact=lambda: "postmaster@here.test",
            clock=lambda: self.now,
        )

    def asks(self, domain: str, *uris: str) -> None:
        self.names.put(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua={','.join(uris)}".encode())

    def send(self) -> int:
        return asyncio.run(self.reporter.send())

    @property
    def receivers(self) -> list[tuple[str, ...]]:
        return [recipients for _, recipients, _ in self.posted]


def test_reports_go_to_who_asks_and_once(base):
    site = Site(base)
    count(base, "example.org", "broken.test", "quiet.test", "slow.test", "two.test")
    site.asks("example.org", "mailto:agg@reports.example.org")
    site.asks("broken.test", "mailto:a@broken.test")
    site.asks("slow.test", "mailto:a@slow.test")
    site.names.failing.add("_dmarc.slow.test")
    site.names.put("_dmarc.two.test", RECORD, RECORD)
    assert [site.send(), site.send()] == [1, 0]
    assert site.receivers == [("agg@reports.example.org",)]
    sender, _, content = site.posted[0]
    assert sender == "postmaster@here.test"
    assert ET.fromstring(document_of(content)).findtext("record/row/count") == "3"
    # A day later DNS works again.
    site.names.failing.clear()
    site.now += 86_400
    assert site.send() == 1
    assert site.receivers[1:] == [("a@slow.test",)]
    with base.database.read() as conn:
        sent = {one.domain: one.report_id for one in read_day(conn, DAY)}
    assert sent["quiet.test"] == sent["two.test"] == ""
    assert sent["example.org"].endswith("@mx.here.test")


def test_a_day_that_is_not_over_is_not_reported(base):
    site = Site(base)
    site.asks("example.org", "mailto:agg@example.org")
    count(base, "example.org", day=DAY + 1)
    assert site.send() == 0


@pytest.mark.parametrize("sections", [{"dmarc": {}}, {"routing": {"outward": False}}])
def test_nothing_is_sent_where_the_settings_say_so(base, sections):
    site = Site(base, source=settings(**sections))
    site.asks("example.org", "mailto:agg@example.org")
    count(base, "example.org")
    assert site.send() == 0
    assert site.names.asked == []


def test_other_organizations_are_asked_first(base):
    """RFC 7489 7.1: nobody can have reports sent to somebody who does not want them."""
    site = Site(base)
    count(base, "example.org")
    site.asks(
        "example.org", "mailto:a@victim.test", "mailto:b@agrees.test", "mailto:c@moves.test", "mailto:d@sub.example.org"
    )
    site.names.put("example.org._report._dmarc.agrees.test", b"v=DMARC1")
    site.names.put("example.org._report._dmarc.moves.test", b"v=DMARC1; rua=mailto:x@victim.test")
    assert site.send() == 1
    assert site.receivers == [("b@agrees.test", "d@sub.example.org")]


def test_while_one_of_them_cannot_be_asked_it_waits(base):
    site = Site(base)
    count(base, "example.org")
    site.asks("example.org", "mailto:a@slow.test")
    site.names.failing.add("example.org._report._dmarc.slow.test")
    assert site.send() == 0
    with base.database.read() as conn:
        assert read_day(conn, DAY)[0].report_id is None


def test_a_report_that_is_too_large_for_one_goes_to_the_others(base):
    site = Site(base)
    count(base, "example.org", kinds=400)
    site.asks("example.org", "mailto:small@example.org!1k", "mailto:large@example.org!10m")
    assert site.send() == 1
    assert site.receivers == [("large@example.org",)]
    assert b"small@" not in site.posted[0][2]


def test_a_report_that_is_too_large_for_all_is_given_up(base):
    site = Site(base)
    count(base, "example.org", kinds=400)
    site.asks("example.org", "mailto:small@example.org!1k")
    assert [site.send(), site.send()] == [0, 0]
    assert len(site.names.asked) == 1


def test_what_we_report_to_ourselves_is_read_as_well(base):
    site = Site(base, source=settings(dmarc={"reports": True, "reports_address": "dmarc@here.test"}))
    count(base, "here.test", "example.org")
    site.asks("here.test", "mailto:DMARC@here.test")
    site.asks("example.org", "mailto:a@example.org")
    assert site.send() == 2
    with base.database.read() as conn:
        [kept] = read_reports(conn, 0)
    assert (kept.domain, kept.reporter, kept.messages, kept.policy) == ("here.test", "here.test", 3, "none")


def test_two_workers_at_once_send_each_report_once(base):
    site = Site(base)
    domains = [f"d{number}.test" for number in range(40)]
    count(base, *domains)
    for domain in domains:
        site.asks(domain, f"mailto:a@{domain}")
    other = site.worker(settings())

    async def both() -> list[int]:
        return list(await asyncio.gather(site.reporter.send(), other.send()))

    assert sum(asyncio.run(both())) == 40
    assert sorted(site.receivers) == sorted((f"a@{domain}",) for domain in domains)


def test_an_owner_of_many_domains_gets_few_reports_and_few_questions(base, monkeypatch):
    monkeypatch.setattr(dmarc_reports, "MAX_REPORTS_OF_ONE", 5)
    monkeypatch.setattr(dmarc_reports, "_PAGE", 7)
    site = Site(base)
    domains = [f"d{number:03}.evil.test" for number in range(60)]
    count(base, *domains, "example.org", "zz.test")
    for domain in (*domains, "example.org", "zz.test"):
        site.asks(domain, f"mailto:a@{domain}")
    assert site.send() == 7
    assert ("a@zz.test",) in site.receivers
    assert len(site.names.asked) == 7


def test_a_run_ends_when_the_worker_does_or_time_is_over(base):
    domains = [f"d{number:03}.test" for number in range(60)]
    count(base, *domains)
    site = Site(base)
    for domain in domains:
        site.asks(domain, f"mailto:a@{domain}")
    ask = site.names.txt

    async def slow(name: str):
        site.now += 3600
        return await ask(name)

    site.names.txt = slow
    assert 0 < site.send() < 60
    site.names.txt = ask
    rest = site.worker(settings())
    rest.stop()
    assert asyncio.run(rest.send()) == 0
    # What is left goes out the next time.
    site.now = TOMORROW + 86_400
    site.send()
    assert len(set(site.receivers)) == len(site.receivers) == 60


def test_a_clock_that_jumps_sends_nothing_twice(base):
    site = Site(base)
    site.asks("example.org", "mailto:agg@example.org")
    count(base, "example.org")
    moments = [TOMORROW + 86_400, NOW, TOMORROW, NOW - 5 * 86_400, TOMORROW + 30, TOMORROW + 300 * 86_400]
    sent = []
    for site.now in moments:
        sent.append(site.send())
    assert sent == [1, 0, 0, 0, 0, 0]
