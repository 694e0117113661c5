"""Results of DMARC: what is counted, how it went, committed, bounded, forgotten."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from dmarc_kit import DAY, NOW, Base, facts_of, result, settings
from sqlalchemy import func, select

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Resolution, Status
from estafeta.mail.address import Address
from estafeta.policy import dmarc_results
from estafeta.policy.dmarc_counts import DmarcCounts
from estafeta.policy.dmarc_learning import counting
from estafeta.policy.dmarc_results import Count, add_counts, forget_others, read_day, read_tallies
from estafeta.policy.dmarc_tables import dmarc_kinds
from estafeta.policy.dmarc_tables import dmarc_results as results_table
from estafeta.policy.dmarc_values import DmarcFacts, Signature, decode_facts, encode_facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import deferred, passed, rejected, scored
from estafeta.storage.commit import Item
from estafeta.trust.arc import ArcResult, ArcSet, ChainStatus
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.dmarc import DmarcOutcome, Override

REPORTS = "dmarc@here.test"
REFUSED = rejected("No", "why", 550, "5.7.26")._replace(check="dmarc")
JUNK = scored(5.0, "why", "dmarc-quarantine")._replace(check="dmarc")


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    opened = Base(tmp_path)
    yield opened
    opened.close()


def tallies(base: Base, domain: str = "example.org", day: int = DAY) -> dict[DmarcFacts, int]:
    with base.database.read() as conn:
        return dict(read_tallies(conn, day, domain))


def learn(base: Base, *messages, source=None, clock=lambda: NOW) -> DmarcCounts:
    """Tell the learner of messages, and commit what it counted."""
    source = source or settings()
    counts = DmarcCounts(base.submit, source, clock)
    learner = counting(counts, source)
    for facts, *verdicts in messages:
        decisive = max(verdicts, key=lambda verdict: verdict.action, default=passed())
        learner.judged(facts, Judgement(tuple(verdicts), decisive))

    asyncio.run(counts.flush())
    return counts


def the_facts(base: Base) -> DmarcFacts:
    [facts] = tallies(base)
    return facts


def test_messages_are_counted_by_how_they_went(base):
    passing, failing = result(), result(outcome=DmarcOutcome.FAIL)
    learn(base, *[(facts_of(passing),)] * 3, (facts_of(failing), REFUSED))
    fine = DmarcFacts(
        "192.0.2.1",
        "none",
        True,
        False,
        "example.org",
        "example.org",
        "example.org",
        "fail",
        signatures=(Signature("example.org", "s1", "pass"),),
    )
    assert tallies(base) == {fine: 3, fine._replace(disposition="reject", dkim=False): 1}


@pytest.mark.parametrize(
    ("verdict", "apply", "expected"),
    [
        (REFUSED, "reject", ("reject", "")),
        (JUNK, "quarantine", ("quarantine", "")),
        (JUNK, "reject", ("quarantine", "local_policy")),
        (passed("marked")._replace(check="dmarc"), "reject", ("none", "local_policy")),
        # Somebody else refused it: not because of DMARC.
        (rejected("No", "virus")._replace(check="clamav"), "none", ("none", "")),
    ],
)
def test_what_was_done_and_why_not_what_is_asked_for(base, verdict, apply, expected):
    learn(base, (facts_of(result(outcome=DmarcOutcome.FAIL, apply=apply)), verdict))
    assert (the_facts(base).disposition, the_facts(base).override) == expected


def test_a_believed_sealer_is_named(base):
    facts = facts_of(result(outcome=DmarcOutcome.FAIL))
    sealer = ArcSet(1, "lists.test", "s", "mx.lists.test; dmarc=pass header.from=example.org")
    facts.found["arc"] = ArcResult(ChainStatus.PASS, sets=(sealer,))
    source = settings(dmarc={"reports": True, "trusted_sealers": ["lists.test"]})
    learn(base, (facts, passed()._replace(check="dmarc")), source=source)
    assert (the_facts(base).override, the_facts(base).comment) == ("trusted_forwarder", "ARC chain of lists.test")


def test_sampling_is_told(base):
    learn(base, (facts_of(result(outcome=DmarcOutcome.FAIL, apply="none", override=Override.SAMPLED_OUT)),))
    assert the_facts(base).override == "sampled_out"


def test_a_null_reverse_path_is_that_of_helo(base):
    learn(base, (facts_of(result(), sender=None),))
    assert (the_facts(base).envelope_from, the_facts(base).spf_scope) == ("", "helo")


def test_the_zone_of_a_link_is_not_reported(base):
    facts = facts_of(result())
    facts.peer = "fe80::1%eth0"
    learn(base, (facts,))
    assert the_facts(base).source_ip == "fe80::1"


def test_signatures_near_to_the_author_come_first_and_are_few(base):
    found = [
        DkimResult(DkimWord.FAIL, "", "example.org", "bad"),
        *[DkimResult(DkimWord.PASS, "", f"list{number}.test", "s") for number in range(30)],
        DkimResult(DkimWord.PASS, "", "mail.example.org", "s"),
        DkimResult(DkimWord.NONE),
    ]
    facts = facts_of(result())
    facts.found["dkim"] = found
    learn(base, (facts,))
    signatures = the_facts(base).signatures
    assert len(signatures) == 10
    assert signatures[0].domain == "mail.example.org"


def no_rua():
    return facts_of(result(record=b"v=DMARC1; p=reject"))


def for_reports():
    return facts_of(result(), recipients=[(Address("DMARC", "here.test"), Resolution(Status.LOCAL))])


def is_report():
    return facts_of(result(), b"Subject: Report domain: here.test Submitter: example.org\r\n\r\n")


NOT_COUNTED = {
    "the domain asks for no reports": no_rua,
    "no result": lambda: facts_of(None),
    "no policy": lambda: facts_of(result(outcome=DmarcOutcome.NONE)),
    "a Unix socket": lambda: local(),
    "it is for our reports": for_reports,
    "it is a report": is_report,
}


def local():
    facts = facts_of(result())
    facts.peer = "local"
    return facts


@pytest.mark.parametrize("make", NOT_COUNTED.values(), ids=NOT_COUNTED)
def test_what_is_not_counted(base, make):
    learn(base, (make(),), source=settings(dmarc={"reports": True, "reports_address": REPORTS}))
    assert tallies(base) == {}


def test_what_comes_again_is_counted_then(base):
    learn(base, (facts_of(result()), deferred("Later", "greylisted")))
    assert tallies(base) == {}


def test_a_forgery_cannot_hide_behind_the_subject_of_reports(base):
    message = b"Subject: Report Domain: here.test\r\n\r\n"
    learn(base, (facts_of(result(outcome=DmarcOutcome.FAIL), message), REFUSED))
    assert the_facts(base).disposition == "reject"


def test_nothing_is_counted_unless_reports_are_sent(base):
    learn(base, (facts_of(result()),), source=settings(dmarc={}))
    assert tallies(base) == {}


def test_what_cannot_be_committed_is_counted_later(base):
    counts = DmarcCounts(base.submit, settings(), lambda: NOW)
    learner = counting(counts, settings())

    async def main() -> None:
        learner.judged(facts_of(result()), Judgement())
        base.broken = True
        with pytest.raises(EstafetaError):
            await counts.flush()
        base.broken = False
        learner.judged(facts_of(result()), Judgement())
        await counts.flush()
        await counts.flush()

    asyncio.run(main())
    assert list(tallies(base).values()) == [2]


def test_two_workers_add_up_and_days_do_not(base):
    now = [NOW]
    for _ in range(2):
        learn(base, (facts_of(result()),), clock=lambda: now[0])
    now[0] += 86_400
    learn(base, (facts_of(result()),), clock=lambda: now[0])
    # A clock that was set back counts for the day that it says.
    now[0] -= 2 * 86_400
    learn(base, (facts_of(result()),), clock=lambda: now[0])
    assert [sum(tallies(base, day=day).values()) for day in (DAY - 1, DAY, DAY + 1)] == [1, 2, 1]


def test_the_memory_of_a_minute_is_bounded_for_all_and_for_one_owner(base):
    counts = DmarcCounts(base.submit, settings(), lambda: NOW)
    learner = counting(counts, settings())
    forged = facts_of(None)
    for number in range(3000):
        forged.found["dmarc"] = result(f"d{number}.evil.test", organization="evil.test")
        learner.judged(forged, Judgement())
    assert len(counts._counts) == 2000
    for number in range(100_000):
        forged.found["dmarc"] = result(f"d{number}.test")
        learner.judged(forged, Judgement())
    assert len(counts._counts) == 20_000


def counted(number: int, owner: str, day: int = DAY) -> Count:
    return Count(day, f"d{number}.{owner}", f"{number}", owner, 1, "[]")


def kinds(base: Base) -> dict[tuple[int, str], int]:
    with base.database.read() as conn:
        found = conn.execute(select(dmarc_kinds.c.day, dmarc_kinds.c.owner, dmarc_kinds.c.kinds))
        return {(day, owner): number for day, owner, number in found}


def rows(base: Base) -> int:
    with base.database.read() as conn:
        return conn.execute(select(func.count()).select_from(results_table)).scalar_one()


def test_a_day_is_bounded_for_all_and_for_one_owner(base, monkeypatch, caplog):
    monkeypatch.setattr(dmarc_results, "MAX_KINDS", 30)
    monkeypatch.setattr(dmarc_results, "MAX_KINDS_OF_ONE", 10)
    run = base.group.run
    run(add_counts, tuple(counted(number, "evil.test") for number in range(25)))
    run(add_counts, tuple(counted(number, "evil.test") for number in range(20, 40)))
    assert kinds(base) == {(DAY, ""): 10, (DAY, "evil.test"): 10}
    assert "too many kinds" in caplog.text
    # The others still have room, and so has the next day.
    for owner in range(50):
        run(add_counts, (counted(0, f"o{owner}.test"),))
    run(add_counts, (counted(0, "late.test", DAY + 1),))
    assert rows(base) == 31
    # What is told apart already goes on being counted.
    first = run(add_counts, (counted(0, "o0.test"),))
    assert first is None
    with base.database.read() as conn:
        assert {one.domain: one.messages for one in read_day(conn, DAY)}["d0.o0.test"] == 2


def test_one_batch_of_several_workers_is_one_sum(base):
    with base.database.write() as tx:
        items = [Item((counted(1, "a.test"),), ()), Item((counted(1, "a.test"), counted(2, "a.test")), ())]
        assert add_counts(tx, items) == [None, None]
    with base.database.read() as conn:
        assert [(one.domain, one.messages) for one in read_day(conn, DAY)] == [("d1.a.test", 2), ("d2.a.test", 1)]


def test_old_days_go_in_portions_and_so_do_those_of_a_wrong_clock(base):
    many = tuple(counted(number, "a.test", day) for day in (DAY - 8, DAY, DAY + 5000) for number in range(2100))
    base.group.run(add_counts, many)
    gone = []
    while number := base.group.run(forget_others, DAY):
        gone.append(number)
    assert len(gone) >= 9
    assert max(gone) <= 1004
    assert rows(base) == 2100
    assert {day for day, _ in kinds(base)} == {DAY}


def test_facts_are_kept_whole():
    facts = DmarcFacts("::1", "none", True, False, "a", "b", "c", "pass", signatures=(Signature("d", "s", "fail"),))
    assert decode_facts(encode_facts(facts)) == facts
