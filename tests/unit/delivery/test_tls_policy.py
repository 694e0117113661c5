"""What TLS a host must have: rules, DANE, MTA-STS and settings, and what messages ask for."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tls_policy_kit import FAILED, Base, Names, WebServer, answer, settings

from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.stscache import read_policy
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlsdemand import Level, TlsDemand, TlsNeed, TlsRefusal, missing_starttls
from estafeta.delivery.tlspolicy import DestinationPolicy, TlsPolicies
from estafeta.dns.values import Tlsa
from estafeta.routing.values import HopKind, NextHop, parse_hop
from estafeta.trust.mtasts import Mode
from estafeta.trust.results import PolicyKind, ResultType
from tls_kit import make

ROOT = make("Root", ca=True)
GOOD = ROOT.issue("mta-sts.example.org")
HOP = NextHop(HopKind.MX, "example.org")
HOST = "mx.example.org"
DAY = 86_400


def document(mode: str = "enforce", *, mx: str = HOST, max_age: int = 10 * DAY) -> bytes:
    return f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {max_age}\n".encode()


@dataclass
class World:
    """Names, a web server, a clock, and policies that are decided from them."""

    names: Names
    web: WebServer
    base: Base
    source: Any
    now: float = 1_700_000_000.0

    def policies(self) -> TlsPolicies:
        contexts = TlsContexts(settings=self.source)
        return TlsPolicies(self.base.database, self.base.submit, self.names, self.source, lambda: self.now, contexts)

    def announce(self, policy_id: str) -> None:
        self.names.put("txt", "_mta-sts.example.org", f"v=STSv1; id={policy_id}".encode())

    def run(self, what: Callable[[TlsPolicies], Awaitable[Any]]) -> Any:
        """With policies that know nothing yet, as after a restart."""

        async def main() -> Any:
            policies = self.policies()
            try:
                return await what(policies)
            finally:
                policies.close()

        return asyncio.run(main())

    def find(self, hop: NextHop = HOP) -> DestinationPolicy:
        return self.run(lambda policies: policies.find(hop))

    def demand(self, host: str = HOST, hop: NextHop = HOP, *, port: int = 0, **how: Any) -> TlsDemand | TlsRefusal:
        async def ask(policies: TlsPolicies) -> Any:
            return await policies.demand(await policies.find(hop), host, port, **{"secure": False, **how})

        return self.run(ask)

    def configure(self, **delivery: Any) -> None:
        dns = delivery.pop("dns", {"validating": True})
        kept = {"ca_file": self.source.current.delivery.ca_file, "https_port": self.web.port}
        self.source.current = settings(delivery=kept | delivery, dns=dns).current


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    web = WebServer(GOOD.server_context(tmp_path), answer(document()))
    made = World(Names(), web, Base(tmp_path), settings(delivery={"ca_file": str(tmp_path / "ca.pem")}))
    made.configure()
    made.names.put("a", "mta-sts.example.org", "127.0.0.1")
    yield made
    web.close()
    made.base.close()


# The setting and the rules


@pytest.mark.parametrize("level", ["none", "may", "encrypt", "verify"])
def test_the_setting_where_nothing_says_more(world: World, level: str) -> None:
    world.configure(tls_level=level)
    found = world.demand()
    assert (found.level, found.names, found.policy.kind) == (Level(level), (HOST,), PolicyKind.NONE)
    assert found.source == "the setting delivery.tls_level"


def test_rules_go_before_everything(world: World) -> None:
    world.announce("a1")
    world.names.put("tlsa", f"_25._tcp.{HOST}", Tlsa(3, 1, 1, b"x" * 32), secure=True)
    world.configure(tls_rules=("other.test none", "*.org verify ca=/ca.pem cert=client name=relay.test"))
    found = world.demand(secure=True)
    assert found == TlsDemand(
        Level.VERIFY, ("relay.test",), (), "the TLS rule for *.org", found.policy, "/ca.pem", "client"
    )
    assert world.web.requests == [], "no policy is fetched that does not count"
    world.configure(tls_rules=("mx.* none",))
    assert world.demand(secure=True).level is Level.NONE
    world.configure(tls_rules=("mx.* usual cert=client",))
    found = world.demand(secure=True)
    assert (found.level, found.certificate) == (Level.DANE, "client")


def test_a_changed_rule_counts_at_once(world: World) -> None:
    async def ask(policies: TlsPolicies) -> list[Level]:
        levels = []
        for rules in ((), ("* encrypt",), ()):
            world.configure(tls_rules=rules)
            found = await policies.demand(await policies.find(HOP), HOST, 0, secure=False)
            levels.append(found.level)
        return levels

    assert world.run(ask) == [Level.MAY, Level.ENCRYPT, Level.MAY]


def test_a_unix_socket_has_no_tls(world: World) -> None:
    assert world.demand("/run/lmtp", parse_hop("lmtp:/run/lmtp")).level is Level.NONE


# MTA-STS


def test_enforce(world: World) -> None:
    world.announce("a1")
    found = world.demand()
    assert (found.level, found.names, found.testing) == (Level.VERIFY, (HOST,), False)
    assert found.policy.kind is PolicyKind.STS
    assert found.policy.hosts == (HOST,)
    refused = world.demand("evil.test")
    assert isinstance(refused, TlsRefusal)
    assert (refused.permanent, refused.status) == (False, "4.7.5")
    assert refused.text == "the MTA-STS policy of example.org does not name the host evil.test"
    assert refused.failure.result is ResultType.VALIDATION_FAILURE


def test_testing_is_for_reports_only(world: World) -> None:
    world.announce("a1")
    world.web.behave = answer(document("testing"))
    found = world.demand()
    assert (found.level, found.testing, found.known) == (Level.MAY, True, None)
    lied = world.demand("evil.test")
    assert (lied.level, lied.testing, lied.known.reason) == (Level.MAY, False, "mx-mismatch")
    world.configure(tls_level="encrypt")
    assert (world.demand().level, world.demand().testing) == (Level.ENCRYPT, False)


def test_mode_none_is_as_no_policy(world: World) -> None:
    world.announce("a1")
    world.web.behave = answer(document("none"))
    assert world.find().sts is None
    assert world.demand().policy.kind is PolicyKind.NONE


def test_it_applies_to_mx_only_and_can_be_switched_off(world: World) -> None:
    world.announce("a1")
    assert world.find(parse_hop("host:example.org:587")).sts is None
    world.configure(mta_sts=False)
    assert world.find().sts is None
    assert world.web.requests == []


def test_a_policy_survives_a_restart_and_is_fetched_once(world: World) -> None:
    world.announce("a1")
    assert world.find().sts.mode is Mode.ENFORCE
    assert world.find().sts.mode is Mode.ENFORCE
    assert len(world.web.requests) == 1
    world.names.table.clear()
    assert world.find().sts.mode is Mode.ENFORCE, "DNS has fallen silent"
    world.names.table["txt", "_mta-sts.example.org"] = FAILED
    assert world.find().sts.mode is Mode.ENFORCE, "DNS does not answer"
    world.now += 10 * DAY
    assert world.find().sts is None, "max_age is over"


def test_another_id_brings_another_policy(world: World) -> None:
    async def ask(policies: TlsPolicies) -> list[Any]:
        found = []
        for policy_id, mode in (("a1", "enforce"), ("a1", "none"), ("a2", "testing")):
            world.announce(policy_id)
            world.web.behave = answer(document(mode))
            found.append((await policies.find(HOP)).sts.mode)
        return found

    assert world.run(ask) == [Mode.ENFORCE, Mode.ENFORCE, Mode.TESTING]
    assert world.find().sts.mode is Mode.TESTING


def test_where_fetching_fails_the_old_policy_holds(world: World) -> None:
    world.announce("a1")
    world.find()
    world.announce("a2")
    world.web.behave = answer(b"", status="500 Oh")
    found = world.find()
    assert found.sts.mode is Mode.ENFORCE
    assert found.failure.result is ResultType.STS_FETCH_ERROR
    assert world.demand().level is Level.VERIFY


def test_where_there_never_was_one_mail_goes_on(world: World) -> None:
    world.announce("a1")
    world.web.behave = answer(b"version: STSv1\n")
    found = world.demand()
    assert found.level is Level.MAY
    assert found.policy.kind is PolicyKind.STS
    assert found.known.result is ResultType.STS_INVALID


def test_a_failure_is_not_repeated_for_five_minutes(world: World) -> None:
    world.announce("a1")
    world.web.behave = answer(b"", status="404 No")

    async def ask(policies: TlsPolicies) -> list[int]:
        counts = []
        for seconds in (0, 299, 2):
            world.now += seconds
            assert (await policies.find(HOP)).failure.result is ResultType.STS_FETCH_ERROR
            counts.append(len(world.web.requests))
        world.announce("a2")
        await policies.find(HOP)
        return [*counts, len(world.web.requests)]

    assert world.run(ask) == [1, 1, 2, 3]


def test_many_at_once_fetch_once(world: World) -> None:
    world.announce("a1")

    async def ask(policies: TlsPolicies) -> list[Any]:
        return await asyncio.gather(*(policies.find(HOP) for _ in range(20)))

    assert {found.sts.mode for found in world.run(ask)} == {Mode.ENFORCE}
    assert len(world.web.requests) == 1


async def settled(policies: TlsPolicies) -> None:
    """Fetches in the background are done."""
    while policies._sts._fetching:
        await asyncio.gather(*policies._sts._fetching.values(), return_exceptions=True)


def test_in_use_it_is_fetched_again_before_it_expires(world: World) -> None:
    world.announce("a1")

    async def ask(policies: TlsPolicies) -> list[int]:
        counts = []
        for days in (0, 0.9, 0.2, 0.1, 1):
            world.now += days * DAY
            assert (await policies.find(HOP)).sts is not None
            await settled(policies)
            counts.append(len(world.web.requests))
        return counts

    assert world.run(ask) == [1, 1, 2, 2, 3]


def test_unused_for_a_while_it_is_refreshed_by_the_job(world: World) -> None:
    world.announce("a1")
    world.find()
    refresh = TlsPolicies.refresh
    assert world.run(refresh) == 0
    world.now += 9 * DAY
    assert world.run(refresh) == 1
    assert len(world.web.requests) == 2
    world.now += 9 * DAY
    assert world.find().sts is not None
    world.now += 9 * DAY
    world.web.behave = answer(b"", status="503 Busy")
    assert world.run(refresh) == 0
    world.configure(mta_sts=False)
    assert world.run(refresh) == 0


def test_use_is_noted_once_a_day(world: World) -> None:
    world.announce("a1")
    world.find()
    world.now += DAY
    world.find()
    with world.base.database.read() as conn:
        stored = read_policy(conn, "example.org")
    assert stored is not None
    assert stored.used_seconds == int(world.now)


def test_a_policy_that_cannot_be_kept_holds_all_the_same(world: World) -> None:
    world.announce("a1")
    world.base.broken = True
    assert world.find().sts is not None


def test_without_a_database_nothing_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.base.database, "read", broken)
    refused = world.demand()
    assert isinstance(refused, TlsRefusal)
    assert not refused.permanent


def broken() -> Any:
    raise EstafetaError(Kind.TEMPORARY, "The mail store cannot be reached now; try again later.")


# DANE

LEAF = make(HOST)
RECORD = Tlsa(3, 1, 1, hashlib.sha256(LEAF.spki).digest())


def test_dane_goes_before_mta_sts(world: World) -> None:
    world.announce("a1")
    world.names.put("tlsa", f"_25._tcp.{HOST}", RECORD, secure=True)
    found = world.demand(secure=True)
    assert (found.level, found.names, found.tlsa) == (Level.DANE, (HOST, "example.org"), (RECORD,))
    assert found.policy.kind is PolicyKind.TLSA
    assert found.policy.lines == (f"3 1 1 {RECORD.data.hex()}",)


def test_dane_needs_dnssec_all_the_way(world: World) -> None:
    world.names.put("tlsa", f"_25._tcp.{HOST}", RECORD, secure=True)
    assert world.demand(secure=False).level is Level.MAY, "MX or address are not secure"
    world.configure(dns={"validating": False})
    assert world.demand(secure=True).level is Level.MAY, "nobody validates"
    world.configure(dane=False)
    assert world.demand(secure=True).level is Level.MAY
    assert not [name for kind, name in world.names.asked if kind == "tlsa"]
    world.configure()
    world.names.put("tlsa", f"_25._tcp.{HOST}", RECORD, secure=False)
    assert world.demand(secure=True).level is Level.MAY, "TLSA records are not secure"


def test_unusable_records_demand_encryption(world: World) -> None:
    world.names.put("tlsa", f"_25._tcp.{HOST}", Tlsa(1, 1, 1, b"x" * 32), secure=True)
    found = world.demand(secure=True)
    assert (found.level, found.tlsa, found.known.result) == (Level.ENCRYPT, (), ResultType.TLSA_INVALID)


def test_dns_that_lies_defers(world: World) -> None:
    world.names.table["tlsa", f"_25._tcp.{HOST}"] = FAILED
    refused = world.demand(secure=True)
    assert isinstance(refused, TlsRefusal)
    assert (refused.permanent, refused.status, refused.dns) == (False, "4.7.5", True)
    assert refused.text == "TLSA records of mx.example.org cannot be looked up: SERVFAIL"
    assert refused.failure.result is ResultType.DNSSEC_INVALID


def test_the_port_and_the_name_behind_an_alias(world: World) -> None:
    world.names.put("a", HOST, "192.0.2.1", secure=True, real="real.example.net")
    world.names.put("tlsa", "_587._tcp.real.example.net", RECORD, secure=True)
    found = world.demand(hop=parse_hop("host:mx.example.org:587"), port=587, secure=True)
    assert (found.level, found.names) == (Level.DANE, ("real.example.net", HOST))


# What messages ask for


def test_requiretls_needs_a_sure_name(world: World) -> None:
    refused = world.demand(need=TlsNeed.REQUIRED)
    assert isinstance(refused, TlsRefusal)
    assert (refused.permanent, refused.status) == (True, "5.7.30")
    found = world.demand(need=TlsNeed.REQUIRED, secure=True)
    assert (found.level, found.names, found.require_tls) == (Level.VERIFY, (HOST,), True)
    smarthost = world.demand("smart.test", parse_hop("host:smart.test:587"), need=TlsNeed.REQUIRED)
    assert (smarthost.level, smarthost.names) == (Level.VERIFY, ("smart.test",))
    world.configure(tls_rules=("example.org may name=mx.example.net",))
    assert world.demand(need=TlsNeed.REQUIRED).names == ("mx.example.net",)


def test_requiretls_with_policies(world: World) -> None:
    world.announce("a1")
    world.web.behave = answer(document("testing"))
    found = world.demand(need=TlsNeed.REQUIRED)
    assert (found.level, found.testing, found.require_tls) == (Level.VERIFY, False, True)
    assert isinstance(world.demand("evil.test", need=TlsNeed.REQUIRED), TlsRefusal)
    world.names.put("tlsa", f"_25._tcp.{HOST}", RECORD, secure=True)
    found = world.demand(need=TlsNeed.REQUIRED, secure=True)
    assert (found.level, found.require_tls) == (Level.DANE, True)


def test_tls_required_no_goes_past_policies_but_not_past_rules(world: World) -> None:
    world.announce("a1")
    world.names.table["tlsa", f"_25._tcp.{HOST}"] = FAILED
    found = world.demand("evil.test", need=TlsNeed.OPTIONAL, secure=True)
    assert (found.level, found.source) == (Level.MAY, "TLS-Required: No")
    world.configure(tls_rules=("*.org verify",))
    assert world.demand(need=TlsNeed.OPTIONAL).level is Level.VERIFY


# Memory of failed handshakes


def test_a_host_whose_handshake_failed_gets_clear_text_for_an_hour(world: World) -> None:
    async def ask(policies: TlsPolicies) -> list[Level]:
        levels = []
        for seconds in (0, 3599, 2):
            world.now += seconds
            found = await policies.demand(DestinationPolicy(HOP), HOST, 0, secure=False)
            levels.append(found.level)
            if not seconds:
                policies.handshake_failed(found, HOST, "it broke")
                strict = found._replace(level=Level.VERIFY)
                policies.handshake_failed(strict, "other.test", "it broke")
                levels.append((await policies.demand(DestinationPolicy(HOP), "other.test", 0, secure=False)).level)
        return levels

    assert world.run(ask) == [Level.MAY, Level.MAY, Level.NONE, Level.MAY]


def test_a_server_without_starttls_is_asked_again(world: World) -> None:
    async def ask(policies: TlsPolicies) -> Level:
        found = await policies.demand(DestinationPolicy(HOP), HOST, 0, secure=False)
        policies.handshake_failed(found, HOST, missing_starttls(found).words)
        return (await policies.demand(DestinationPolicy(HOP), HOST, 0, secure=False)).level

    assert world.run(ask) is Level.MAY
