"""`route`: tables of addresses and settings, and what comes of them. The seeds' own cases are among them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.directory.settings_outward import Routing
from estafeta.mail.address import Address, domain_key, parse_address
from estafeta.routing.parsing import parse_host, parse_route_rule, parse_server, parse_source
from estafeta.routing.route import read_percent, route
from estafeta.routing.table import RouteTable, build_route_table
from estafeta.routing.values import NextHop, Route, parse_hop

OURS = ("here.example", "[192.0.2.99]", "xn--mnchen-3ya.example")


def table_of(**settings: object) -> RouteTable:
    return build_route_table(Routing.model_validate(settings), lambda domain: domain_key(domain) in OURS)


def went(text: str, table: RouteTable, sender: str = "ana@here.example") -> Route:
    return route(parse_address(text), table, sender=parse_address(sender) if sender else None)


def key(text: str, sender: str = "ana@here.example", **settings: object) -> str:
    """The key of the next hop, `local`, or the status of the refusal."""
    found = went(text, table_of(**settings), sender)
    return found.hop.key if found.hop else "local" if found.local else found.status


RULES = (
    "*.example.org host:gw.example.org:26",
    "ana@example.net lmtp:/run/x",
    "example.net mx:relay.example",
    "d.* direct",
)

CASES = [
    ("u@Example.ORG", {}, "mx:example.org"),
    ("u@münchen.example", {}, "local"),
    ("u@bücher.example", {}, "mx:xn--bcher-kva.example"),
    ("u@here.example", {}, "local"),
    ("u@[192.0.2.99]", {}, "local"),
    ("u@[192.0.2.1]", {}, "host:192.0.2.1:0"),
    ("u@[IPv6:2001:DB8::1]", {}, "host:[2001:db8::1]:0"),
    ("u@[192.0.2.1]", {"address_literals": False}, "5.1.2"),
    ("u@[x:y]", {}, "5.1.2"),
    # The host table changes how a name is found, not where mail goes.
    ("u@mail.lan", {"host_table": ["mail.lan 192.0.2.7"]}, "mx:mail.lan"),
    # Rules by recipient, the first that matches; then by sender.
    ("u@a.example.org", {"route_rules": RULES}, "host:gw.example.org:26"),
    ("u@example.org", {"route_rules": RULES}, "mx:example.org"),
    ("ANA@example.net", {"route_rules": RULES}, "lmtp:/run/x"),
    ("eva@example.net", {"route_rules": RULES}, "mx:relay.example"),
    ("eva@d.test", {"route_rules": RULES, "smarthost": "isp.example"}, "mx:d.test"),
    ("eva@e.test", {"route_rules": RULES, "smarthost": "isp.example"}, "mx:isp.example"),
    ("u@x.test", {"sender_route_rules": ["here.example [smtp.example]:587"]}, "host:smtp.example:587"),
    ("u@x.test", {"sender_route_rules": ["eva@here.example [smtp.example]"]}, "mx:x.test"),
    ("u@x.test", {"route_rules": ["x.test a.test"], "sender_route_rules": ["* b.test"]}, "mx:a.test"),
    # C: relayhost = [mail.midominio.com]:587
    ("u@gmail.example", {"smarthost": "[mail.midominio.com]:587"}, "host:mail.midominio.com:587"),
    ("u@here.example", {"smarthost": "[mail.midominio.com]:587"}, "local"),
    ("u@gmail.example", {"smarthost": "mail.midominio.com:587"}, "mx:mail.midominio.com:587"),
    # I: the mail router takes what has no address (see test_hosts), with the firewall everything but named domains.
    ("u@far.example", {"mail_router": "FWAS400.company.com"}, "mx:far.example"),
    ("u@far.example", {"mail_router": "FWAS400.company.com", "firewall": True}, "mx:fwas400.company.com"),
    (
        "u@near.company.com",
        {"mail_router": "fw.company.com", "firewall": True, "firewall_except_domains": ["*.company.com"]},
        "mx:near.company.com",
    ),
    (
        "u@near.company.com",
        {"mail_router": "fw.x", "firewall": True, "firewall_except_domains": ["*.company.com"], "hub": "hub.x"},
        "mx:near.company.com",
    ),
    ("u@far.example", {"firewall": True}, "mx:far.example"),
    # I: the forwarding mail hub for all that is not local.
    ("u@far.example", {"hub": "hub.company.com"}, "mx:hub.company.com"),
    ("nobody@here.example", {"hub": "[hub.company.com]"}, "host:hub.company.com:0"),
    ("u@far.example", {"hub": "hub.x", "smarthost": "isp.x", "firewall": True, "mail_router": "r.x"}, "mx:r.x"),
    ("u@far.example", {"hub": "hub.x", "smarthost": "isp.x"}, "mx:hub.x"),
    # Backup MX: to the other exchangers, whatever else takes everything.
    ("u@friend.example", {"backup_mx_domains": ["friend.example"], "smarthost": "isp.x"}, "mx:friend.example"),
    # A domain that is ours in part: only a rule that names it takes what nobody has here.
    ("u@here.example", {"route_rules": ["* [out.example]"]}, "local"),
    ("u@here.example", {"route_rules": ["* [out.example]", "here.example [old.example]"]}, "host:old.example:0"),
    ("u@here.example", {"route_rules": ["u*@here.example [old.example]"]}, "host:old.example:0"),
    # I: the percent sign.
    ("u%far.example@here.example", {}, "local"),
    ("u%far.example@here.example", {"percent_sign": True}, "mx:far.example"),
    ("u%far.example%here.example@here.example", {"percent_sign": True}, "mx:far.example"),
    ("u%here.example@here.example", {"percent_sign": True}, "local"),
    ("u%far.example@near.example", {"percent_sign": True}, "mx:near.example"),
    ("u%-@here.example", {"percent_sign": True}, "local"),
]


@pytest.mark.parametrize(("address", "settings", "expected"), CASES)
def test_where_an_address_goes(address: str, settings: dict[str, object], expected: str) -> None:
    assert key(address, **settings) == expected


def test_every_step_is_told() -> None:
    table = table_of(
        route_rules=["a.test direct"], sender_route_rules=["b.test c.test"], mail_router="r.test", firewall=True
    )
    found = went("u@x.test", table)
    assert [(step.rule, step.words) for step in found.steps] == [
        ("local", "x.test is not one of our domains"),
        ("routing.route_rules", "no rule matches u@x.test"),
        ("routing.sender_route_rules", "no rule matches ana@here.example"),
        ("routing.firewall", "all mail for others goes through the mail router mx:r.test"),
    ]
    assert went("u@a.test", table).steps[1].words == "the first rule that matches is `a.test direct`"


def test_percent_sign_is_told_and_gives_the_address_that_goes_out() -> None:
    table = table_of(percent_sign=True)
    found = went('"a b%far.example"@here.example', table)
    assert str(found.address) == '"a b"@far.example'
    assert found.steps[0].words == '"a b%far.example"@here.example is read as "a b"@far.example'
    assert read_percent(parse_address("a%b.test@here.example"), table_of()) == parse_address("a%b.test@here.example")


def test_without_a_domain_it_is_ours() -> None:
    assert route(Address("postmaster", ""), table_of(hub="h.test")).local


def test_null_sender_matches_only_what_matches_everything() -> None:
    assert key("u@x.test", "", sender_route_rules=["?* a.test"]) == "mx:x.test"
    assert key("u@x.test", "", sender_route_rules=["* a.test"]) == "mx:a.test"


def test_source_address_per_sender_domain() -> None:
    table = table_of(source_address_table=["here.example 192.0.2.1 2001:db8::1", "*.example 192.0.2.2"])
    assert table.find_source(parse_address("a@HERE.example")) == ("192.0.2.1", "2001:db8::1")
    assert table.find_source(parse_address("a@x.example")) == ("192.0.2.2", "")
    assert table.find_source(None) == ("", "")
    assert table_of().find_source(None) == ("", "")


def test_is_local_is_asked_once_for_a_domain() -> None:
    asked: list[str] = []
    table = build_route_table(Routing(), lambda domain: bool(asked.append(domain)))
    for number in range(50):
        route(Address(f"user{number}", "x.test"), table, sender=Address("a", "b.test"))
    assert asked == ["x.test"]


def test_memory_is_bounded() -> None:
    table = build_route_table(Routing(), lambda domain: False, max_remembered=100)
    for number in range(1000):
        route(Address("u", f"d{number}.test"), table)
    assert sum(table.memory.find((f"d{n}.test", "", "")) is not None for n in range(1000)) <= 100
    assert table.memory.find(("d999.test", "", "")) is not None


def test_ten_thousand_exact_rules_are_no_slower_than_one() -> None:
    table = table_of(route_rules=[f"d{number}.example mx:relay{number % 7}.example" for number in range(10_000)])
    began = time.process_time()
    for number in range(2000):
        assert route(Address("u", f"d{number * 5}.example"), table).hop
    assert time.process_time() - began < 5


BAD = [
    (parse_route_rule, "a.test"),
    (parse_route_rule, "a.test b c"),
    (parse_route_rule, "a.test host:"),
    (parse_route_rule, "a.test host:b_!:25"),
    (parse_route_rule, "a.test host:b:70000"),
    (parse_route_rule, "a.test host:b:٣"),
    (parse_server, "[mail.example"),
    (parse_server, "mail.example:"),
    (parse_server, "mail example"),
    (parse_server, "mail..example"),
    (parse_server, "1.2.3"),
    (parse_server, "a" * 70 + ".test"),
    (parse_host, "mail.example"),
    (parse_host, "192.0.2.1"),
    (parse_host, "mail/x 192.0.2.1"),
    (parse_source, "x.test"),
    (parse_source, "x.test 192.0.2.1 192.0.2.2"),
    (parse_source, "x.test fe80::1%eth0"),
]


@pytest.mark.parametrize(("parse", "text"), BAD)
def test_lines_that_cannot_be_understood(parse: object, text: str) -> None:
    with pytest.raises(EstafetaError, match=r"\.$"):
        parse(text)  # type: ignore[operator]


GOOD = [
    ("[mail.midominio.com]:587", "host:mail.midominio.com:587"),
    ("Mail.Example", "mx:mail.example"),
    ("192.0.2.1", "host:192.0.2.1:0"),
    ("[2001:db8::1]:2525", "host:[2001:db8::1]:2525"),
    ("host:mail.example:25", "host:mail.example:25"),
    ("lmtp:/run/lmtp", "lmtp:/run/lmtp"),
    ("mx:bücher.example", "mx:xn--bcher-kva.example"),
]


@pytest.mark.parametrize(("text", "expected"), GOOD)
def test_servers_as_people_write_them(text: str, expected: str) -> None:
    assert parse_server(text).key == expected


def test_a_line_of_etc_hosts_is_taken_too() -> None:
    assert parse_host("192.0.2.1 mail.lan mail # ours") == (("mail.lan", "mail"), ("192.0.2.1",))
    assert parse_host("mail.lan 192.0.2.1 2001:DB8::1") == (("mail.lan",), ("192.0.2.1", "2001:db8::1"))


@given(st.text(max_size=60), st.text(max_size=60))
def test_route_never_raises(local: str, domain: str) -> None:
    table = table_of(route_rules=["*x* a.test", "b?@* c.test"], percent_sign=True, sender_route_rules=["*@q d.test"])
    route(Address(local, domain), table, sender=Address(domain, local))


@given(st.text(max_size=40))
def test_parsers_raise_only_their_own_error(text: str) -> None:
    for parse in (parse_route_rule, parse_server, parse_host, parse_source, parse_hop):
        try:
            parse(text)
        except EstafetaError:
            continue


@given(
    st.sampled_from([("mx", "a.test"), ("host", "a.test"), ("host", "192.0.2.1"), ("lmtp", "2001:db8::1")]),
    st.integers(0, 65535),
)
def test_keys_of_hops_come_back(hop_of: tuple[str, str], port: int) -> None:
    kind, name = hop_of
    hop = parse_hop(f"{kind}:[{name}]:{port}")
    assert parse_hop(hop.key) == hop == NextHop(hop.kind, name, port)
