"""Entries of the i5/OS system distribution directory for users elsewhere, as the guide to restrictions writes them:
the directory's answer, the routes and the rule of relaying together, as a session asks them."""

from typing import Any

import pytest

from estafeta.directory.resolver import Resolver
from estafeta.intake.conditions import Onward, Recipient
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.mail.address import Address, parse_address
from estafeta.policy.facts import Facts
from estafeta.policy.recipient import check_recipient
from estafeta.policy.restrictions import Restrictions
from estafeta.policy.verdict import Verdict
from estafeta.routing.table import build_route_table

STRANGER, OURS = "192.0.2.1", "127.0.0.1"


def taken(site: Any, address: str, peer: str = STRANGER) -> Onward | str:
    """Where a recipient goes, or why the client is refused."""
    settings, found = site.settings.current, parse_address(address)
    resolver = Resolver(site.database, site.settings)
    routes = build_route_table(settings.routing, resolver.is_local)
    planner = Planner(settings, routes, "mx.example.org", resolver.resolve, Idents(), site.clock)
    sender = Address("eve", "there.test")
    facts = Facts(peer, sender=sender)
    resolution = planner.with_routes(found, resolver.resolve(found))
    verdict = check_recipient(facts, found, resolution, Restrictions(settings))
    if not verdict.accepted:
        return verdict.reason
    placed = planner.place(found, resolution, sender)
    if isinstance(placed, Verdict):
        return placed.reason
    assert isinstance(placed, Recipient)
    [onward] = placed.onward
    return onward


def test_a_user_id_at_a_system_is_an_alias(site: Any) -> None:
    site.directory.add_alias("anna@example.org", ["anna@rchas1.example.org"])
    assert taken(site, "anna@example.org") == Onward("mx:rchas1.example.org", "anna@rchas1.example.org")
    assert taken(site, "ben@example.org") == "unknown"
    assert taken(site, "anna@rchas1.example.org") == "relay"


def test_any_at_a_system_is_a_rule_of_routing(site: Any) -> None:
    site.set("routing.route_rules", "rchas1.example.org host:rchas1.example.org")
    for name in ("anna", "ben"):
        onward = Onward("host:rchas1.example.org:0", f"{name}@rchas1.example.org")
        assert taken(site, f"{name}@rchas1.example.org", OURS) == onward
    assert taken(site, "anna@rchas1.example.org") == "relay"
    assert taken(site, "anna@rchas2.example.org", OURS) == Onward("mx:rchas2.example.org", "anna@rchas2.example.org")
    # Strangers may write there once the system is a domain of ours; who is here stays here.
    site.directory.add_domain("rchas1.example.org")
    assert taken(site, "anna@rchas1.example.org") == Onward("host:rchas1.example.org:0", "anna@rchas1.example.org")
    site.directory.add_alias("ben@rchas1.example.org", ["ben@elsewhere.test"])
    assert taken(site, "ben@rchas1.example.org") == Onward("mx:elsewhere.test", "ben@elsewhere.test")


def test_any_any_is_the_hub(site: Any) -> None:
    site.set("routing.hub", "[hub.example.net]")
    assert taken(site, "anna@far.test", OURS) == Onward("host:hub.example.net:0", "anna@far.test")
    assert taken(site, "anna@far.test") == "relay"
    # The price of it: a mistyped address of ours is somebody else's problem.
    assert taken(site, "anan@example.org") == Onward("host:hub.example.net:0", "anan@example.org")


@pytest.mark.parametrize("local", ["victim%far.test", "far.test!victim", '"victim@far.test"', '"far.test:victim"'])
@pytest.mark.parametrize(
    ("key", "value"),
    [("routing.route_rules", "example.org host:rchas1.example.net"), ("routing.hub", "[hub.example.net]")],
)
def test_none_of_them_is_a_way_out_for_strangers(site: Any, key: str, value: str, local: str) -> None:
    site.set(key, value)
    assert isinstance(taken(site, "anan@example.org"), Onward)
    assert taken(site, f"{local}@example.org") == "relay"
