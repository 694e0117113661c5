"""Reports of others: taken from mail, kept once, within limits, forgotten, and put together for a person."""

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from dmarc_kit import DAY, NOW, Base, facts_of, result, settings

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Resolution, Status
from estafeta.mail.address import Address
from estafeta.policy import dmarc_inbox, dmarc_received, dmarc_sources
from estafeta.policy.dmarc_reading import ReceivedReport, ReportRow
from estafeta.policy.dmarc_received import (
    Expired,
    Stored,
    forget_received,
    read_domains,
    read_reports,
    store_report,
)
from estafeta.policy.dmarc_sources import read_sources
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import quarantined, rejected
from estafeta.trust.dmarc import DmarcOutcome

ROW = ReportRow("192.0.2.1", "here.test", "none", True, False, "here.test", "here.test", 2)
REPORT = ReceivedReport("here.test", "Big Mail", "id-1", DAY * 86_400, DAY * 86_400 + 86_399, "none", (ROW,))
XML = f"""<feedback><report_metadata><org_name>Big Mail</org_name><report_id>id-1</report_id><date_range>
<begin>{DAY * 86_400}</begin><end>{DAY * 86_400 + 86_399}</end></date_range></report_metadata>
<policy_published><domain>DOMAIN</domain><p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip>
<count>2</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>
</row><identifiers><header_from>here.test</header_from></identifiers><auth_results><dkim><domain>here.test</domain>
<result>pass</result></dkim><spf><domain>here.test</domain><result>fail</result></spf></auth_results></record>
</feedback>"""
TAKEN = Judgement()
SETTINGS = settings(dmarc={"reports_address": "dmarc@here.test"}).current


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    opened = Base(tmp_path)
    yield opened
    opened.close()


def letter(domain: str = "here.test", document: str = XML) -> bytes:
    import base64

    packed = base64.encodebytes(gzip.compress(document.replace("DOMAIN", domain).encode()))
    return b"Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + packed


def mail(content: bytes | None = None, outcome: DmarcOutcome | None = DmarcOutcome.PASS, to: str = "DMARC") -> Facts:
    recipients = [(Address(name, "here.test"), Resolution(Status.LOCAL)) for name in ("ana", to)]
    dmarc = None if outcome is None else result("mail.big.test", outcome, organization="big.test")
    return facts_of(dmarc, letter() if content is None else content, recipients=recipients)


def take(base: Base, facts: Facts, judgement: Judgement = TAKEN) -> list[str]:
    """Ask the check, and tell the learner what became of the message; what the check said."""

    async def main() -> list[str]:
        [check] = dmarc_inbox.checks(lambda domain: domain == "here.test")
        facts.found[check.name] = await check.find(facts, SETTINGS)
        said = check.judge(facts, SETTINGS)
        dmarc_inbox.keeping(base.submit).judged(facts, judgement)
        await asyncio.sleep(0)
        return [verdict.reason for verdict in said]

    return asyncio.run(main())


def kept(base: Base) -> list[tuple[str, str, str, int, int]]:
    with base.database.read() as conn:
        return [(one.domain, one.reporter, one.name, one.messages, one.passed) for one in read_reports(conn, 0)]


def test_a_report_is_read_and_kept_once(base):
    assert take(base, mail()) == ["a report of Big Mail on here.test: 2 messages"]
    take(base, mail())
    assert kept(base) == [("here.test", "big.test", "Big Mail", 2, 2)]


def test_who_is_not_proved_has_no_name_of_its_own(base):
    take(base, mail(outcome=DmarcOutcome.NONE))
    take(base, mail(outcome=None))
    assert kept(base) == [("here.test", "", "Big Mail", 2, 2)]


def test_mail_for_others_is_not_looked_at(base):
    assert take(base, mail(to="other")) == []
    assert kept(base) == []


LEFT_OUT = {
    "no report: the message has no report attached": mail(b"Subject: Hello\r\n\r\nHello\r\n"),
    "no report: the message is too large for one": mail(bytes(11 << 20)),
    "no report: the report declares a document type": mail(letter(document="<!DOCTYPE x>" + XML)),
    "left out: a report on other.test, which is not ours": mail(letter("other.test")),
    "left out: a report that says it is of Big Mail, but DMARC failed": mail(outcome=DmarcOutcome.FAIL),
}


@pytest.mark.parametrize(("words", "facts"), LEFT_OUT.items(), ids=LEFT_OUT)
def test_what_is_left_out_is_told(base, words, facts):
    assert take(base, facts) == [words]
    assert kept(base) == []


def test_below_a_domain_of_ours_is_ours(base):
    take(base, mail(letter("sub.here.test")))
    assert [one[0] for one in kept(base)] == ["sub.here.test"]


@pytest.mark.parametrize("verdict", [rejected("No", "spam"), quarantined("held")])
def test_what_was_not_taken_is_not_kept(base, verdict):
    take(base, mail(), Judgement((verdict,), verdict))
    assert kept(base) == []


def test_a_store_that_fails_costs_no_message(base, caplog):
    base.broken = True
    assert take(base, mail()) == ["a report of Big Mail on here.test: 2 messages"]
    assert "was not kept" in caplog.text


def test_of_many_at_once_the_newest_are_left_out(base):
    async def main() -> list[object]:
        [check] = dmarc_inbox.checks(lambda domain: True)
        return list(await asyncio.gather(*[check.find(mail(), SETTINGS) for _ in range(12)]))

    found = asyncio.run(main())
    assert sum(isinstance(one, ReceivedReport) for one in found) == 8
    assert found[-1] == "not read: too many reports at once"


def test_it_is_asked_only_where_there_is_an_address_for_reports():
    [check] = dmarc_inbox.checks(lambda domain: True)
    assert check.on(SETTINGS)
    assert not check.on(settings().current)


# Limits


def store(base: Base, number: int = 1, reporter: str = "big.test", rows: int = 1, now: float = NOW, **more) -> bool:
    report = REPORT._replace(report_id=f"id-{number}", rows=(ROW,) * rows)
    return base.group.run(store_report, Stored(report, reporter, int(now), **more))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(dmarc_received, "MAX_REPORTS", 10)
    monkeypatch.setattr(dmarc_received, "MAX_REPORTS_OF_ONE", 4)
    monkeypatch.setattr(dmarc_received, "MAX_ROWS", 100)
    monkeypatch.setattr(dmarc_received, "MAX_ROWS_OF_ONE", 40)


def refused(base: Base, *args, **more) -> bool:
    try:
        store(base, *args, **more)
    except EstafetaError as error:
        return error.kind is Kind.LIMIT
    return False


@pytest.mark.usefixtures("small")
def test_one_reporter_cannot_keep_others_out(base):
    """Those whose origin is not proved are one together."""
    assert [refused(base, number, "") for number in range(6)] == [False] * 4 + [True] * 2
    assert not refused(base, 1, "big.test")
    assert refused(base, 2, "big.test", rows=40)
    assert not refused(base, 2, "big.test", rows=39)


@pytest.mark.usefixtures("small")
def test_a_day_has_a_limit_and_the_next_begins_anew(base):
    assert [refused(base, 1, f"r{number}.test") for number in range(12)] == [False] * 10 + [True] * 2
    assert not refused(base, 1, "file", limited=False)
    assert not refused(base, 1, "next.test", now=NOW + 86_401)


@pytest.mark.usefixtures("small")
def test_a_clock_that_was_ahead_does_not_close_the_door(base):
    for number in range(10):
        store(base, number, f"r{number}.test", now=NOW + 900 * 86_400)
    assert not refused(base, 1, "other.test")


@pytest.mark.parametrize(("begin", "end"), [(0, 2**32 - 1), (2**32 - 1, 2**32 - 1), (0, 0), (NOW, NOW)])
def test_what_a_report_says_of_its_time_has_bounds(base, begin, end):
    """Else one forged report would be about all times, and the time to watch were over at once."""
    report = REPORT._replace(begin_seconds=int(begin), end_seconds=int(end))
    base.group.run(store_report, Stored(report, "", int(NOW)))
    with base.database.read() as conn:
        [one] = read_reports(conn, 0)
        [summed] = read_domains(conn, 0)
    assert one.end_seconds - 32 * 86_400 <= one.begin_seconds <= one.end_seconds <= NOW + 86_400
    assert summed.came_seconds == int(NOW)


def test_old_reports_go_with_their_rows_in_portions(base):
    for number in range(45):
        store(base, number, now=NOW if number else NOW + 900 * 86_400, limited=False)
    store(base, 100, now=NOW + 100 * 86_400)
    gone = []
    while number := base.group.run(forget_received, Expired(int(NOW) + 100 * 86_400, 90)):
        gone.append(number)
    assert gone == [5] * 9
    with base.database.read() as conn:
        assert [one.report_id for one in read_reports(conn, 0)] == ["id-100"]
        assert [one.messages for one in read_sources(conn, 0, "here.test")] == [2]


# For a person


def test_sources_are_put_together_those_that_fail_first(base):
    forged = ReportRow("203.0.113.9", "here.test", "reject", False, False, "", "evil.test", 50)
    spf = ROW._replace(dkim=False, spf=True, dkim_domain="", messages=5)
    for number, (reporter, rows) in enumerate([("big.test", (ROW, forged)), ("", (spf, forged))]):
        report = REPORT._replace(report_id=str(number), rows=rows)
        base.group.run(store_report, Stored(report, reporter, int(NOW)))
    base.group.run(store_report, Stored(REPORT._replace(domain="other.test"), "big.test", int(NOW)))
    with base.database.read() as conn:
        first, second = read_sources(conn, 0, "here.test")
        assert read_sources(conn, (DAY + 1) * 86_400, "here.test") == []
        [ours, other] = read_domains(conn, 0)
    assert (first.source_ip, first.messages, first.failed, first.rejected) == ("203.0.113.9", 100, 100, 100)
    assert (second.passed, second.dkim, second.spf, second.failed) == (7, 2, 5, 0)
    assert second.signed_by == ["here.test"]
    assert sorted(second.reporters) == ["(Big Mail)", "big.test"]
    assert (ours.domain, ours.reports, ours.reporters, ours.messages, ours.passed) == ("here.test", 2, 2, 107, 7)
    assert other.domain == "other.test"


def test_sources_beyond_the_limit_are_one(base, monkeypatch):
    monkeypatch.setattr(dmarc_sources, "MAX_SOURCES", 10)
    rows = tuple(ROW._replace(source_ip=f"192.0.2.{number}") for number in range(30))
    base.group.run(store_report, Stored(REPORT._replace(rows=rows), "big.test", int(NOW)))
    with base.database.read() as conn:
        found = read_sources(conn, 0, "here.test")
    assert len(found) == 11
    assert {one.source_ip: one.messages for one in found}[""] == 40
