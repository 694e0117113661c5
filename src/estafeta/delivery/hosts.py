"""`find_hosts`: the hosts of a next hop in the order in which they are tried, or why there are none.

RFC 5321 5.1 (MX by preference, those of one preference in any order, the domain's own addresses where it has no MX),
RFC 7505 (null MX), RFC 7672 2.2 (what of it DNSSEC vouches for). Where DNS has no address, the mail router takes over
(routing.mail_router). We never send to ourselves, nor to hosts that are not preferred to us.
"""

import asyncio
import ipaddress
import random
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from typing import NamedTuple, Protocol

from estafeta.delivery.values import Endpoint, ErrorKind
from estafeta.dns.values import Answer, DnsStatus, Mx, Resolver
from estafeta.routing.parsing import find_ip, parse_server
from estafeta.routing.values import HopKind, NextHop, Step

_MAX_EXCHANGERS = 20
"""Of a domain with more, the best are asked for their addresses: nobody delays us with thousands."""
_MAX_ADDRESSES = 4
"""Of one host and family."""
_USUAL_PORT, _LMTP_PORT = 25, 24
Shuffle = Callable[[list[Mx]], None]


class HostSettings(Protocol):
    """What of the settings is needed: `delivery.port`, `delivery.ip_preference`."""

    @property
    def port(self) -> int: ...
    @property
    def ip_preference(self) -> str: ...


class Host(NamedTuple):
    """One address of one host. `name` as in the MX record or the setting; `canonical` after CNAMEs.

    `secure`: DNSSEC vouches for the way from the domain to this address. `preference` is that of the MX, 0 without."""

    name: str
    ip: str
    port: int
    secure: bool = False
    preference: int = 0
    canonical: str = ""
    lmtp: bool = False
    path: str = ""

    @property
    def endpoint(self) -> Endpoint:
        """Where to connect to."""
        return Endpoint(self.name, self.ip, self.port, self.lmtp, self.path)


class Hosts(NamedTuple):
    """The hosts, best first. `mx`: they are mail exchangers of `domain`. `secure`: DNSSEC vouches for the MX records
    (or for there being none). `routed`: they are the mail router's, as the domain has no address. `steps` say why."""

    candidates: tuple[Host, ...]
    domain: str = ""
    mx: bool = False
    secure: bool = False
    routed: bool = False
    steps: tuple[Step, ...] = ()


class HostProblem(NamedTuple):
    """Why there is no host. `status` is an enhanced status code (RFC 3463), `text` one sentence."""

    permanent: bool
    status: str
    text: str
    error: str = ErrorKind.DNS
    steps: tuple[Step, ...] = ()


async def find_hosts(
    hop: NextHop,
    resolver: Resolver,
    settings: HostSettings,
    *,
    own_names: Collection[str] = (),
    own_addresses: Container[str] = (),
    mail_router: str = "",
    shuffle: Shuffle = random.shuffle,
) -> Hosts | HostProblem:
    """The hosts of `hop`. `own_names` and `own_addresses` (see `OwnAddresses`) are ours; `mail_router` is the setting.

    Never raises for what DNS says; a list has no hosts and is refused."""
    search = _Search(resolver, settings, own_names, own_addresses, shuffle)
    found = await search.find(hop)
    if isinstance(found, Hosts) or not mail_router or found.status not in _NO_ADDRESS or hop.kind is not HopKind.MX:
        return found
    # The i5/OS manual: a router takes the mail when the recipient's address cannot be located.
    router = parse_server(mail_router)
    search.note("routing.mail_router", f"{found.text} The mail router {router.key} takes it.")
    instead = await search.find(router)
    return instead._replace(routed=True) if isinstance(instead, Hosts) else instead


_NO_ADDRESS = ("5.1.2", "5.4.4")


class _Exchanger(NamedTuple):
    """A mail exchanger and its addresses, in the order of the setting."""

    mx: Mx
    answers: tuple[Answer[str], ...]


class _Search:
    """One search: what it has seen so far goes into the steps."""

    def __init__(
        self,
        resolver: Resolver,
        settings: HostSettings,
        own_names: Collection[str],
        own_addresses: Container[str],
        shuffle: Shuffle,
    ) -> None:
        self._resolver = resolver
        self._settings = settings
        self._own_names = frozenset(name.lower().rstrip(".") for name in own_names)
        self._own_addresses = own_addresses
        self._shuffle = shuffle
        self._steps: list[Step] = []

    def note(self, rule: str, words: str) -> None:
        """Take down a step."""
        self._steps.append(Step(rule, words))

    async def find(self, hop: NextHop) -> Hosts | HostProblem:
        """The hosts of one next hop."""
        match hop.kind:
            case HopKind.MX:
                return await self._find_exchangers(hop)
            case HopKind.LMTP if hop.name.startswith("/"):
                return self._hosts((Host("localhost", "", 0, lmtp=True, path=hop.name),))
            case HopKind.HOST | HopKind.LMTP:
                return await self._find_host(hop)
        return self._problem(True, "5.3.5", f"{hop.key} has no hosts.", ErrorKind.LOCAL)

    async def _find_exchangers(self, hop: NextHop) -> Hosts | HostProblem:
        domain, port = hop.name, hop.port or self._settings.port
        answer = await self._resolver.mx(domain)
        match answer.status:
            case DnsStatus.FAILED:
                return self._problem(False, "4.4.3", f"The MX records of {domain} cannot be found: {answer.reason}.")
            case DnsStatus.NO_NAME:
                self.note("dns", f"{domain} does not exist")
                return self._problem(True, "5.1.2", f"The domain {domain} does not exist.")
            case DnsStatus.NO_DATA:
                self.note("dns", f"{domain} has no MX records: its own addresses count")  # RFC 5321 5.1
                return await self._find_implicit(domain, port, answer.secure)
        if _is_null(answer.records):
            return self._problem(True, "5.1.10", f"{domain} takes no mail (null MX).")  # RFC 7505 4.2
        return await self._of_exchangers(domain, port, answer)

    async def _find_implicit(self, domain: str, port: int, secure: bool) -> Hosts | HostProblem:
        if domain in self._own_names:
            return self._loop(domain)
        answers = await self._addresses(domain)
        found = _hosts_of(domain, answers, port, secure, 0)
        if found and self._is_own(found, port):
            return self._loop(domain)
        if found:
            return self._hosts(found, domain, secure=secure)
        return self._without_address(domain, answers)

    async def _of_exchangers(self, domain: str, port: int, answer: Answer[Mx]) -> Hosts | HostProblem:
        wanted = self._ordered(answer.records)
        self.note("dns", f"MX of {domain}: " + ", ".join(f"{one.preference} {one.exchange or '.'}" for one in wanted))
        answers = await asyncio.gather(*(self._addresses(one.exchange) for one in wanted))
        exchangers = [_Exchanger(one, found) for one, found in zip(wanted, answers, strict=True)]
        usable = self._before_ourselves(exchangers, port)
        if not usable:
            return self._loop(domain)
        found = tuple(
            host
            for mx, answers_of in usable
            for host in _hosts_of(mx.exchange, answers_of, port, answer.secure, mx.preference)
        )
        if found:
            return self._hosts(found, answer.name or domain, mx=True, secure=answer.secure)
        # RFC 5321 5.1: MX records of which none is usable are an error; the domain's own addresses do not count.
        return self._without_address(domain, [one for _, answers_of in usable for one in answers_of])

    def _ordered(self, records: Iterable[Mx]) -> list[Mx]:
        """By preference, those of one preference shuffled (RFC 5321 5.1)."""
        wanted = list(records)
        self._shuffle(wanted)
        wanted.sort(key=lambda one: one.preference)
        return wanted[:_MAX_EXCHANGERS]

    def _before_ourselves(self, exchangers: Sequence[_Exchanger], port: int) -> list[_Exchanger]:
        """RFC 5321 5.1: where we are among the exchangers, only those preferred to us."""
        ours = [
            one.mx.preference
            for one in exchangers
            if one.mx.exchange in self._own_names
            or self._is_own(_hosts_of(one.mx.exchange, one.answers, port, False, 0), port)
        ]
        if not ours:
            return list(exchangers)
        self.note("loop", f"we are an MX of preference {min(ours)} ourselves: only better ones count")
        return [one for one in exchangers if one.mx.preference < min(ours)]

    async def _find_host(self, hop: NextHop) -> Hosts | HostProblem:
        lmtp = hop.kind is HopKind.LMTP
        port = hop.port or (_LMTP_PORT if lmtp else self._settings.port)
        literal = find_ip(hop.name)
        if literal:
            hosts: tuple[Host, ...] = (
                (Host(f"[{literal}]", literal, port, lmtp=lmtp),) if _can_be_sent_to(literal) else ()
            )
        else:
            answers = await self._addresses(hop.name)
            hosts = tuple(host._replace(lmtp=lmtp) for host in _hosts_of(hop.name, answers, port, True, 0))
            if not hosts:
                return self._without_address(hop.name, answers)
        if not hosts:
            return self._problem(True, "5.4.4", f"No mail can be sent to {hop.name}.")
        if not lmtp and self._is_own(hosts, port):
            return self._loop(hop.name)
        return self._hosts(hosts, hop.name, secure=all(host.secure for host in hosts))

    async def _addresses(self, name: str) -> tuple[Answer[str], ...]:
        preference = str(self._settings.ip_preference)
        if not name:
            return ()
        if preference == "ipv4-only":
            return (await self._resolver.ipv4(name),)
        if preference == "ipv6-only":
            return (await self._resolver.ipv6(name),)
        ipv4, ipv6 = await asyncio.gather(self._resolver.ipv4(name), self._resolver.ipv6(name))
        return (ipv4, ipv6) if preference == "ipv4" else (ipv6, ipv4)

    def _is_own(self, hosts: Iterable[Host], port: int) -> bool:
        """Another port of this machine may be another server; the one for mail between servers is us."""
        return port in (_USUAL_PORT, self._settings.port) and any(host.ip in self._own_addresses for host in hosts)

    def _hosts(
        self, hosts: tuple[Host, ...], domain: str = "", *, mx: bool = False, secure: bool = False
    ) -> Hosts | HostProblem:
        return Hosts(hosts, domain, mx, secure, False, tuple(self._steps))

    def _without_address(self, name: str, answers: Iterable[Answer[str]]) -> HostProblem:
        failed = [answer for answer in answers if answer.status is DnsStatus.FAILED]
        if failed:
            return self._problem(False, "4.4.3", f"The addresses of {name} cannot be found: {failed[0].reason}.")
        return self._problem(True, "5.4.4", f"No host for {name} has an address that can be used.")

    def _loop(self, name: str) -> HostProblem:
        return self._problem(True, "5.4.6", f"Mail for {name} would come back to this host.", ErrorKind.LOCAL)

    def _problem(self, permanent: bool, status: str, text: str, error: str = ErrorKind.DNS) -> HostProblem:
        return HostProblem(permanent, status, text, error, tuple(self._steps))


def _is_null(records: Sequence[Mx]) -> bool:
    """RFC 7505 3: one MX record, whose exchange is the root."""
    return len(records) == 1 and not records[0].exchange


def _hosts_of(name: str, answers: Iterable[Answer[str]], port: int, secure: bool, preference: int) -> tuple[Host, ...]:
    return tuple(
        Host(name, ip, port, secure and answer.secure, preference, answer.name or name)
        for answer in answers
        for ip in answer.records[:_MAX_ADDRESSES]
        if _can_be_sent_to(ip)
    )


def _can_be_sent_to(ip: str) -> bool:
    """Not `0.0.0.0`, which means this host, nor a group of hosts."""
    address = ipaddress.ip_address(ip)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return not (address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255")
