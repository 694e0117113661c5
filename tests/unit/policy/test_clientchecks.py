"""What counts about a client: its name, how it introduces itself, whether it waits, its sender's domain."""

import pytest
from spam_kit import FAILED, Names, ask, facts, message, run, settings

from estafeta.dns.values import Mx
from estafeta.mail.address import parse_address
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.clientchecks import POINTS, checks, is_home_name
from estafeta.policy.senderlists import Action
from estafeta.policy.wanted import SITE_LIST
from estafeta.trust.iprev import ClientName, IprevStatus

HOST = "mx.here.test"


def said(table: Names, stage: Stage, known, **spam):  # type: ignore[no-untyped-def]
    return run(ask(Chain(checks(table, HOST), settings(**spam)), stage, known))


@pytest.mark.parametrize(
    ("helo", "peer", "rule"),
    [
        ("mx.there.test", "192.0.2.99", ""),
        ("MX.THERE.TEST.", "192.0.2.99", ""),
        ("mx", "192.0.2.99", "helo-no-name"),
        ("", "192.0.2.99", "helo-no-name"),
        ("Mx.Here.Test", "192.0.2.99", "helo-ours"),
        ("[192.0.2.99]", "192.0.2.99", ""),
        ("[192.0.2.98]", "192.0.2.99", "helo-false-address"),
        ("192.0.2.99", "192.0.2.99", "helo-no-name"),
        ("192.0.2.98", "192.0.2.99", "helo-false-address"),
        ("[IPv6:2001:db8::1]", "2001:db8::1", ""),
        ("[IPv6:2001:db8::2]", "2001:db8::1", "helo-false-address"),
        ("[192.0.2.99]", "::ffff:192.0.2.99", ""),
        ("[nothing", "192.0.2.99", "helo-no-name"),
    ],
)
def test_introductions(helo: str, peer: str, rule: str) -> None:
    known = facts(peer=peer)
    known.helo = helo
    assert [verdict.tag for verdict in said(Names({}), Stage.HEADERS, known)] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (ClientName("mx.there.test", IprevStatus.PASS), ""),
        (ClientName("", IprevStatus.TEMPERROR), ""),
        (ClientName("", IprevStatus.PERMERROR, (), "no name"), "client-no-name"),
        (ClientName("", IprevStatus.FAIL, ("x.test",), "false"), "client-false-name"),
        (ClientName("dsl-192-0-2-99.isp.test", IprevStatus.PASS), "client-home-name"),
    ],
)
def test_names_of_clients(name: ClientName, rule: str) -> None:
    known = facts()
    known.found["client-name"] = name
    assert [verdict.tag for verdict in said(Names({}), Stage.HEADERS, known)] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("name", "peer", "home"),
    [
        ("99.2.0.192.dyn.isp.test", "192.0.2.99", True),
        ("host192-0-2-99.isp.test", "192.0.2.99", True),
        ("192000002099.isp.test", "192.0.2.99", True),
        ("c0000263.isp.test", "192.0.2.99", True),
        ("mail99.isp.test", "192.0.2.99", False),
        ("o1.mail.isp.test", "192.0.2.1", False),
        ("mx-2.isp.test", "2001:db8::2", False),
        ("mx.isp.test", "local", False),
    ],
)
def test_names_of_home_connections(name: str, peer: str, home: bool) -> None:
    assert is_home_name(name, peer) is home


def test_an_early_talker() -> None:
    known = facts()
    known.early = True
    [verdict] = said(Names({}), Stage.HEADERS, known)
    assert (verdict.tag, verdict.score) == ("early-talker", POINTS["early-talker"][0])
    assert said(Names({}), Stage.HEADERS, known, points_rules=["early-talker=0"]) == []


@pytest.mark.parametrize(
    ("table", "codes", "score"),
    [
        ({"MX there.test": [Mx(10, "mx.there.test")]}, [], 0),
        ({"A there.test": ["192.0.2.1"]}, [], 0),
        ({"AAAA there.test": ["2001:db8::1"]}, [], 0),
        ({"MX there.test": [Mx(0, "")]}, ["5.7.27"], 0),
        ({}, ["5.1.8"], 0),
        ({"TXT there.test": [b"x"]}, [], 1.5),
        ({"MX there.test": [FAILED]}, [], 0),
        ({"MX there.test": [], "A there.test": [FAILED]}, [], 0),
    ],
)
def test_domains_of_senders(table: dict[str, list[object]], codes: list[str], score: float) -> None:
    verdicts = said(Names(table), Stage.MAIL, facts())
    assert [verdict.enhanced for verdict in verdicts if not verdict.accepted] == codes
    assert sum(verdict.score for verdict in verdicts) == score


def test_a_domain_that_does_not_exist_may_be_let_in() -> None:
    [verdict] = said(Names({}), Stage.MAIL, facts(), reject_unknown_sender_domain=False)
    assert (verdict.accepted, verdict.score) == (True, 1.5)
    allowed = facts(spf="there.test", content=message())
    allowed.found[SITE_LIST] = {"@there.test": Action.ALLOW}
    assert said(Names({}), Stage.MAIL, allowed) == []


def test_null_senders_and_literals_have_no_domain_to_ask_about() -> None:
    table = Names({})
    literal = facts()
    literal.sender = parse_address("x@[192.0.2.1]")
    assert said(table, Stage.MAIL, facts("")) == said(table, Stage.MAIL, literal) == []
    assert table.asked == []
