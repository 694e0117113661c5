"""`find_hosts`: a table of names, and the hosts that come of a next hop, in their order, or why there are none."""

import asyncio
import socket
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.delivery.hosts import HostProblem, Hosts, find_hosts
from estafeta.delivery.ownaddresses import OwnAddresses
from estafeta.directory.settings_outward import Delivery, IpPreference
from estafeta.dns.values import Answer, DnsStatus, Mx, Tlsa
from estafeta.routing.values import parse_hop


@dataclass
class Names:
    """A resolver of a table. `failing` names cannot be found, `secure` ones DNSSEC vouches for."""

    mxs: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()
    secure: frozenset[str] = frozenset()
    aliases: dict[str, str] = field(default_factory=dict)

    def _answer(self, name: str, records: tuple[object, ...]) -> Answer[object]:
        end = self.aliases.get(name, name)
        known = end in self.mxs or end in self.addresses
        status = DnsStatus.OK if records else DnsStatus.NO_DATA if known else DnsStatus.NO_NAME
        if name in self.failing:
            return Answer(DnsStatus.FAILED, reason="no name server could say (192.0.2.53 gives no answer)")
        return Answer(status, records, name in self.secure, end)

    async def mx(self, name: str) -> Answer[Mx]:
        records = self.mxs.get(self.aliases.get(name, name), [])
        return self._answer(name, tuple(sorted(Mx(*one) for one in records)))  # type: ignore[return-value]

    async def ipv4(self, name: str) -> Answer[str]:
        return self._address(name, ipv6=False)

    async def ipv6(self, name: str) -> Answer[str]:
        return self._address(name, ipv6=True)

    def _address(self, name: str, *, ipv6: bool) -> Answer[str]:
        found = self.addresses.get(self.aliases.get(name, name), [])
        return self._answer(name, tuple(one for one in found if (":" in one) is ipv6))  # type: ignore[return-value]

    async def txt(self, name: str) -> Answer[bytes]:
        return Answer(DnsStatus.NO_NAME)

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        return Answer(DnsStatus.NO_NAME)

    async def ptr(self, address: str) -> Answer[str]:
        return Answer(DnsStatus.NO_NAME)


# The exchangers of the Exim report, section 3.2, and other cases.
NAMES = Names(
    mxs={
        "cay.oan.es": [
            (300, "mail.rediris.es"),
            (100, "zeus.cay.oan.es"),
            (150, "siva.cay.oan.es"),
            (200, "conga.oan.es"),
        ],
        "null.test": [(0, "")],
        "dotted.test": [(0, ""), (10, "a.test")],
        "twins.test": [(10, "a.test"), (10, "b.test")],
        "lame.test": [(10, "none.test")],
        "half.test": [(10, "down.test"), (20, "a.test")],
        "down-only.test": [(10, "down.test")],
        "zero.test": [(10, "zeros.test")],
        "ours.test": [(10, "us.test")],
        "ours-by-address.test": [(5, "a.test"), (10, "other-name-of-us.test"), (20, "b.test")],
    },
    addresses={
        "zeus.cay.oan.es": ["192.0.2.1"],
        "siva.cay.oan.es": ["192.0.2.2"],
        "conga.oan.es": ["192.0.2.3"],
        "mail.rediris.es": ["192.0.2.4"],
        "a.test": ["192.0.2.10", "2001:db8::10"],
        "b.test": ["192.0.2.11"],
        "us.test": ["192.0.2.99"],
        "other-name-of-us.test": ["192.0.2.99"],
        "zeros.test": ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "::ffff:0.0.0.0"],
        "empty.test": [],
        "router.test": ["192.0.2.50"],
    },
    failing=frozenset({"down.test", "broken.test"}),
    secure=frozenset({"twins.test", "a.test"}),
    aliases={"alias.test": "a.test"},
)


def find(
    hop: str, *, names: Names = NAMES, router: str = "", prefer: str = "ipv6", us: str = "us.test"
) -> Hosts | HostProblem:
    settings = Delivery(ip_preference=IpPreference(prefer))
    return asyncio.run(
        find_hosts(
            parse_hop(hop),
            names,
            settings,
            own_names={us},
            own_addresses={"192.0.2.99"},
            mail_router=router,
            shuffle=lambda records: records.reverse(),
        )
    )


def ips(hop: str, **options: str) -> list[str]:
    found = find(hop, **options)  # type: ignore[arg-type]
    assert isinstance(found, Hosts), found
    return [f"{one.ip}:{one.port}" for one in found.candidates]


def problem(hop: str, **options: str) -> HostProblem:
    found = find(hop, **options)  # type: ignore[arg-type]
    assert isinstance(found, HostProblem), found
    return found


def test_the_exchangers_of_the_report_in_their_order() -> None:
    found = find("mx:cay.oan.es")
    assert isinstance(found, Hosts)
    assert [(one.preference, one.name) for one in found.candidates] == [
        (100, "zeus.cay.oan.es"),
        (150, "siva.cay.oan.es"),
        (200, "conga.oan.es"),
        (300, "mail.rediris.es"),
    ]
    assert found.mx


def test_the_tertiary_exchanger_sends_only_to_better_ones() -> None:
    found = find("mx:cay.oan.es", us="conga.oan.es")
    assert isinstance(found, Hosts)
    assert [one.name for one in found.candidates] == ["zeus.cay.oan.es", "siva.cay.oan.es"]
    assert found.steps[-1].words == "we are an MX of preference 200 ourselves: only better ones count"


HOSTS = [
    ("mx:twins.test", ["2001:db8::10:25", "192.0.2.10:25", "192.0.2.11:25"]),
    ("mx:a.test", ["2001:db8::10:25", "192.0.2.10:25"]),
    ("mx:a.test:26", ["2001:db8::10:26", "192.0.2.10:26"]),
    ("mx:alias.test", ["2001:db8::10:25", "192.0.2.10:25"]),
    ("mx:dotted.test", ["2001:db8::10:25", "192.0.2.10:25"]),
    ("mx:half.test", ["2001:db8::10:25", "192.0.2.10:25"]),
    ("mx:ours-by-address.test", ["2001:db8::10:25", "192.0.2.10:25"]),
    ("host:b.test:587", ["192.0.2.11:587"]),
    ("host:192.0.2.7:0", ["192.0.2.7:25"]),
    ("host:[2001:db8::7]:26", ["2001:db8::7:26"]),
    ("host:us.test:2525", ["192.0.2.99:2525"]),
    ("lmtp:us.test:0", ["192.0.2.99:24"]),
]


@pytest.mark.parametrize(("hop", "expected"), HOSTS)
def test_hosts_in_their_order(hop: str, expected: list[str]) -> None:
    found = ips(hop)
    if hop == "mx:twins.test":  # those of one preference come in any order
        assert sorted(found) == sorted(expected)
    else:
        assert found == expected


FAMILIES = [
    ("ipv4", ["192.0.2.10:25", "2001:db8::10:25"]),
    ("ipv4-only", ["192.0.2.10:25"]),
    ("ipv6-only", ["2001:db8::10:25"]),
]


@pytest.mark.parametrize(("prefer", "expected"), FAMILIES)
def test_families(prefer: str, expected: list[str]) -> None:
    assert ips("mx:a.test", prefer=prefer) == expected


PROBLEMS = [
    ("mx:nowhere.test", True, "5.1.2", "The domain nowhere.test does not exist."),
    ("mx:null.test", True, "5.1.10", "null.test takes no mail (null MX)."),
    ("mx:empty.test", True, "5.4.4", "No host for empty.test has an address that can be used."),
    ("mx:lame.test", True, "5.4.4", "No host for lame.test has an address that can be used."),
    ("mx:zero.test", True, "5.4.4", "No host for zero.test has an address that can be used."),
    ("mx:broken.test", False, "4.4.3", "The MX records of broken.test cannot be found: "),
    ("mx:down-only.test", False, "4.4.3", "The addresses of down-only.test cannot be found: "),
    ("host:down.test:25", False, "4.4.3", "The addresses of down.test cannot be found: "),
    ("host:none.test:25", True, "5.4.4", "No host for none.test has an address that can be used."),
    ("host:0.0.0.0:25", True, "5.4.4", "No mail can be sent to 0.0.0.0."),
    ("mx:ours.test", True, "5.4.6", "Mail for ours.test would come back to this host."),
    ("mx:us.test", True, "5.4.6", "Mail for us.test would come back to this host."),
    ("mx:other-name-of-us.test", True, "5.4.6", "Mail for other-name-of-us.test would come back to this host."),
    ("host:other-name-of-us.test:25", True, "5.4.6", "Mail for other-name-of-us.test would come back to this host."),
    ("list:news@us.test", True, "5.3.5", "list:news@us.test has no hosts."),
]


@pytest.mark.parametrize(("hop", "permanent", "status", "text"), PROBLEMS)
def test_why_there_are_none(hop: str, permanent: bool, status: str, text: str) -> None:
    found = problem(hop)
    assert (found.permanent, found.status) == (permanent, status)
    assert found.text.startswith(text)


@pytest.mark.parametrize("hop", ["mx:nowhere.test", "mx:empty.test", "mx:lame.test"])
def test_the_mail_router_takes_what_has_no_address(hop: str) -> None:
    found = find(hop, router="router.test")
    assert isinstance(found, Hosts)
    assert (found.candidates[0].ip, found.routed) == ("192.0.2.50", True)
    assert any("The mail router mx:router.test takes it." in step.words for step in found.steps)


@pytest.mark.parametrize("hop", ["mx:null.test", "mx:broken.test", "mx:ours.test", "host:none.test:25"])
def test_the_mail_router_takes_nothing_else(hop: str) -> None:
    assert problem(hop, router="router.test") == problem(hop)


def test_a_mail_router_without_an_address_is_a_problem_of_its_own() -> None:
    assert (
        problem("mx:nowhere.test", router="[gone.test]").text
        == "No host for gone.test has an address that can be used."
    )


def test_what_dnssec_vouches_for() -> None:
    found = find("mx:twins.test")
    assert isinstance(found, Hosts)
    assert found.secure
    assert {one.name: one.secure for one in found.candidates} == {"a.test": True, "b.test": False}
    implicit = find("mx:b.test")
    assert isinstance(implicit, Hosts)
    assert not implicit.secure


def test_the_name_after_cnames_is_kept() -> None:
    found = find("host:alias.test:25")
    assert isinstance(found, Hosts)
    assert {(one.name, one.canonical) for one in found.candidates} == {("alias.test", "a.test")}


def test_a_socket_needs_no_name() -> None:
    found = find("lmtp:/run/lmtp")
    assert isinstance(found, Hosts)
    assert found.candidates[0].endpoint.path == "/run/lmtp"
    assert found.candidates[0].endpoint.lmtp


def test_thousands_of_exchangers_cost_no_thousands_of_questions() -> None:
    names = Names(mxs={"many.test": [(number, f"m{number}.test") for number in range(5000)]})
    names.addresses = {f"m{number}.test": [f"192.0.2.{n}" for n in range(1, 200)] for number in range(5000)}
    found = find("mx:many.test", names=names)
    assert isinstance(found, Hosts)
    assert len(found.candidates) == 80


@given(
    st.dictionaries(
        st.text(max_size=5), st.lists(st.tuples(st.integers(0, 3), st.text("ab.", max_size=3)), max_size=4)
    ),
    st.dictionaries(
        st.text("ab.", max_size=3), st.lists(st.sampled_from(["192.0.2.1", "::1", "0.0.0.0", "192.0.2.99"]))
    ),
)
def test_whatever_dns_says_there_are_hosts_or_a_problem(
    mxs: dict[str, list[tuple[int, str]]], addresses: dict[str, list[str]]
) -> None:
    names = Names(mxs=mxs, addresses=addresses)
    for domain in [*mxs, *addresses]:
        if domain.strip() and ":" not in domain and "[" not in domain:
            found = find(f"mx:{domain}", names=names)
            assert isinstance(found, HostProblem) or found.candidates


def test_own_addresses_are_those_named_and_those_of_the_host() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; says which address would be used
        except OSError:
            pytest.skip("this host has no network")
        mine = probe.getsockname()[0]
    own = OwnAddresses(["127.0.0.1"])
    assert mine in own
    assert "127.0.0.1" in own
    for other in ("127.77.1.1", "192.0.2.1", "2001:db8::1", "0.0.0.0", "224.0.0.1", "nonsense", 5):
        assert other not in own
