"""From names to a session in the lab: real DNS, real HTTPS, servers with certificates good and bad."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tls_policy_kit import Base, settings

from estafeta.app.lab.behaviours import Behaviour, TlsKind
from estafeta.app.lab.lab import Lab
from estafeta.delivery.connection import open_connection
from estafeta.delivery.connection_options import ConnectionOptions
from estafeta.delivery.hosts import Hosts, find_hosts
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlsdemand import Level, TlsDemand, TlsNeed, TlsRefusal
from estafeta.delivery.tlspolicy import TlsPolicies
from estafeta.delivery.values import AttemptError
from estafeta.dns.resolver import DnsResolver
from estafeta.routing.values import HopKind, NextHop

HOP = NextHop(HopKind.MX, "far.test")
POLICY = "version: STSv1\nmode: {}\nmx: {}\nmax_age: 86400\n"


class World:
    """What is decided in a lab, and what comes of it."""

    def __init__(self, lab: Lab, base: Base) -> None:
        self.lab = lab
        self.source = settings(
            delivery={"port": lab.port, "https_port": lab.https_port, "ca_file": str(lab.ca_file)},
            dns={"servers": (lab.dns_address,), "validating": True},
        )
        self.resolver = DnsResolver((lab.dns_address,), 3, True)
        self.contexts = TlsContexts(settings=self.source)
        self.policies = TlsPolicies(base.database, base.submit, self.resolver, self.source, lab.clock, self.contexts)

    async def attempt(self, need: TlsNeed = TlsNeed.USUAL) -> tuple[str, str]:
        """The level of the session, and its words; or "refused" or "failed", and why."""
        found = await find_hosts(HOP, self.resolver, self.source.current.delivery)
        assert isinstance(found, Hosts)
        host = found.candidates[0]
        policy = await self.policies.find(HOP)
        demand = await self.policies.demand(policy, host.name, host.port, secure=host.secure, need=need)
        if isinstance(demand, TlsRefusal):
            return "refused", demand.text
        return await self._connect(host.endpoint, demand)

    async def _connect(self, endpoint: Any, demand: TlsDemand) -> tuple[str, str]:
        try:
            connection = await open_connection(endpoint, ConnectionOptions("here.test"), demand, self.contexts)
        except AttemptError as error:
            return "failed", error.text
        await connection.quit()
        return connection.demand.level, connection.tls_words or connection.demand.source


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[World], Awaitable[Any]]], Any]:
    def play(what: Callable[[World], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            base = Base(tmp_path)
            async with Lab() as lab:
                world = World(lab, base)
                try:
                    return await what(world)
                finally:
                    world.policies.close()
                    world.resolver.close()
                    base.close()

        return asyncio.run(main())

    return play


Play = Callable[[Callable[[World], Awaitable[Any]]], Any]

STS = [
    ("enforce", TlsKind.GOOD, Level.VERIFY, "verified by MTA-STS as mx.far.test"),
    ("enforce", TlsKind.EXPIRED, "failed", "certificate has expired"),
    ("enforce", TlsKind.WRONG_NAME, "failed", "mismatch"),
    ("enforce", TlsKind.SELF_SIGNED, "failed", "self-signed"),
    ("enforce", TlsKind.NONE, "failed", "does not offer STARTTLS, which the MTA-STS policy of far.test demands"),
    ("enforce", TlsKind.REFUSE, "failed", "TLS handshake"),
    ("testing", TlsKind.EXPIRED, Level.MAY, "not verified"),
    ("none", TlsKind.WRONG_NAME, Level.MAY, "not verified"),
    ("none", TlsKind.GARBAGE, Level.NONE, "clear text, because TLS failed before"),
]


@pytest.mark.parametrize(("mode", "shown", "level", "words"), STS)
def test_mta_sts(play: Play, mode: str, shown: TlsKind, level: str, words: str) -> None:
    async def main(world: World) -> tuple[str, str]:
        await world.lab.site("far.test", Behaviour(tls=shown))
        await world.lab.policy("far.test", POLICY.format(mode, "*.far.test"))
        return await world.attempt()

    found = play(main)
    assert found[0] == level
    assert words in found[1]


def test_dns_that_names_another_host(play: Play) -> None:
    async def main(world: World) -> tuple[str, str]:
        await world.lab.site("far.test")
        await world.lab.policy("far.test", POLICY.format("enforce", "mail.far.test"))
        return await world.attempt()

    assert play(main) == ("refused", "the MTA-STS policy of far.test does not name the host mx.far.test")


FAULTS = [("redirect", "good"), ("html", "good"), ("giant", "good"), ("", "wrong-name")]


@pytest.mark.parametrize(("fault", "tls"), FAULTS)
def test_policies_that_cannot_be_had(play: Play, fault: str, tls: str) -> None:
    async def main(world: World) -> Any:
        await world.lab.policy("far.test", POLICY.format("enforce", "*.far.test"), fault=fault, tls=tls)
        return await world.policies.find(HOP)

    found = play(main)
    assert found.sts is None
    assert found.failure is not None


DANE = [(True, Level.DANE, "verified by DANE"), (False, "failed", "no TLSA")]


@pytest.mark.parametrize(("good", "level", "words"), DANE)
def test_dane(play: Play, good: bool, level: str, words: str) -> None:
    async def main(world: World) -> tuple[str, str]:
        remote = await world.lab.site("far.test", secure=True)
        other = await world.lab.remote("other.test")
        record = world.lab.tlsa(remote if good else other)
        world.lab.names.add(f"_{world.lab.port}._tcp.mx.far.test", tlsa=[record], secure=True)
        return await world.attempt()

    found = play(main)
    assert found[0] == level
    assert words in found[1]


def test_tlsa_records_that_nobody_can_read_hold_mail_up(play: Play) -> None:
    async def main(world: World) -> tuple[str, str]:
        await world.lab.site("far.test", secure=True)
        world.lab.names.fault(f"_{world.lab.port}._tcp.mx.far.test", "servfail")
        return await world.attempt()

    assert play(main)[0] == "refused"


def test_requiretls(play: Play) -> None:
    async def main(world: World) -> list[tuple[str, str]]:
        remote = await world.lab.site("far.test", Behaviour(without=("REQUIRETLS",)), secure=True)
        first = await world.attempt(TlsNeed.REQUIRED)
        remote.behaviour = Behaviour()
        return [first, await world.attempt(TlsNeed.REQUIRED)]

    without, offered = play(main)
    assert without[0] == "failed"
    assert "REQUIRETLS" in without[1]
    assert offered[0] == Level.VERIFY
