"""DNS lists in sessions: what is asked about, what it counts, who is refused, and lists that cannot be used."""

import logging
from typing import Any

import pytest
from spam_kit import FAILED, PEER, FakeClock, Names, ask, facts, local, message, run, session, settings

from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.dnslists import MAX_QUESTIONS, DnsListChecks, ListWatch, envelope_names
from estafeta.policy.senderlists import Action
from estafeta.policy.wanted import SITE_LIST
from estafeta.trust.dnsbl import parse_dns_list

ANA, BOB = local("ana@here.test", 1), local("bob@here.test", 2)
LISTED = {"A 99.2.0.192.bl.example": ["127.0.0.2"]}


def rows(zone: Names, clock: FakeClock | None = None) -> Any:
    return DnsListChecks(zone, ListWatch(clock or FakeClock())).checks()


def test_nothing_is_asked_by_default() -> None:
    zone = Names({})
    run(session(rows(zone), settings(), facts(), message(body="http://bad.test/"), [ANA]))
    assert zone.asked == []


def test_a_listed_client_gets_points_and_stays() -> None:
    wanted = settings(address_list_rules=["bl.example 127.0.0.2=3"])
    said, judgement = run(session(rows(Names(LISTED)), wanted, facts(), message(), [ANA]))
    assert said == [None]
    assert judgement is not None
    assert judgement.score == 3.0
    assert judgement.verdicts[0].reason == f"{PEER} is on bl.example (127.0.0.2)"


def test_reject_refuses_everybody_but_postmaster() -> None:
    wanted = settings(address_list_rules=["bl.example 127.0.0.2=3 reject"])
    postmaster = local("Postmaster@here.test", 3)
    said, judgement = run(session(rows(Names(LISTED)), wanted, facts(), message(), [ANA, postmaster]))
    assert said[0] is not None
    assert (said[0].code, said[0].enhanced, said[1]) == (550, "5.7.1", None)
    assert judgement is not None
    assert judgement.score == 3.0


def test_who_is_allowed_is_not_refused_for_its_neighbours() -> None:
    wanted = settings(address_list_rules=["bl.example 127.0.0.2=3 reject"])
    known = facts(spf="there.test")
    known.found[SITE_LIST] = {"eve@there.test": Action.ALLOW}
    said, _ = run(session(rows(Names(LISTED)), wanted, known, message(), [ANA]))
    assert said == [None]


@pytest.mark.parametrize(
    ("helo", "sender", "names"),
    [
        ("mx.there.test", "eve@mail.there.test", {"there.test"}),
        ("mx.a.co.uk", "eve@b.co.uk", {"a.co.uk", "b.co.uk"}),
        ("[192.0.2.99]", "", set()),
        ("192.0.2.99", "", set()),
        ("localhost", "", set()),
        ("co.uk", "", set()),
        ("", "eve@Bücher.example", {"xn--bcher-kva.example"}),
    ],
)
def test_names_of_the_envelope(helo: str, sender: str, names: set[str]) -> None:
    known = facts("")
    known.helo = helo
    if sender:
        known.sender = local(sender, 1)[0]
    assert envelope_names(known) == names


def test_each_list_counts_once_whatever_it_lists() -> None:
    zone = Names({"A bad.test.uri.example": ["127.0.0.2"], "A worse.test.uri.example": ["127.0.0.3"]})
    body = "http://a.bad.test/ http://worse.test/ http://b.bad.test/ mailto:x@bad.test"
    wanted = settings(link_list_rules=["uri.example 127.0.0.2=2 127.0.0.3=4"])
    _, judgement = run(session(rows(zone), wanted, facts(), message(body=body), [ANA]))
    assert judgement is not None
    assert judgement.score == 4.0
    assert zone.asked.count("A bad.test.uri.example") == 1


def test_questions_are_bounded() -> None:
    zone = Names({})
    body = " ".join(f"http://bad{number}.test/" for number in range(500))
    lists = [f"uri{number}.example 2" for number in range(20)]
    run(session(rows(zone), settings(link_list_rules=lists), facts(), message(body=body), [ANA]))
    assert len(zone.asked) == MAX_QUESTIONS
    few = Names({})
    run(session(rows(few), settings(link_list_rules=lists[:1], max_links=7), facts(), message(body=body), [ANA]))
    assert len(few.asked) == 7


def test_the_author_is_asked_about_but_not_twice() -> None:
    zone = Names({"A spam.test.dbl.example": ["127.0.1.2"]})
    wanted = settings(domain_list_rules=["dbl.example 127.0.1.2=2.5"])
    content = message(author="x@www.spam.test")
    _, judgement = run(session(rows(zone), wanted, facts(), content, [ANA]))
    assert judgement is not None
    assert [one.reason for one in judgement.verdicts] == ["spam.test is on dbl.example (127.0.1.2)"]
    assert zone.asked.count("A there.test.dbl.example") == 1


def test_a_list_that_cannot_be_used_is_left_in_peace_for_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    zone = Names({"A 99.2.0.192.bl.example": ["127.255.255.254"]})
    clock = FakeClock()
    table = Chain(rows(zone, clock), settings(address_list_rules=["bl.example 3"]))
    with caplog.at_level(logging.WARNING, "estafeta.policy"):
        for _ in range(3):
            assert run(ask(table, Stage.CONNECT, facts())) == []
    assert len(zone.asked) == 1
    clock.now += 3601
    run(ask(table, Stage.CONNECT, facts()))
    assert len(zone.asked) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "DNS list bl.example cannot be used: it does not answer public name servers: ask it through a name server of "
        "your own"
    ]


def test_dns_that_does_not_answer_costs_nobody_anything() -> None:
    zone = Names({"A 99.2.0.192.bl.example": [FAILED]})
    table = Chain(rows(zone), settings(address_list_rules=["bl.example 3 reject"]))
    assert run(ask(table, Stage.CONNECT, facts())) == []
    assert ListWatch(FakeClock()).usable(parse_dns_list("bl.example 3"))
