"""Everything that routing needs to know, compiled once when the settings change.

A table is asked for every recipient elsewhere, and again before each attempt: patterns are compiled, exact ones are in
a dict, and decisions are remembered (`max_remembered` of them, about 600 octets each). Threads may share a table.
Build a new one when the settings or the domains of the directory change: `is_local` is asked once for a domain.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from estafeta.mail.address import Address, domain_key
from estafeta.routing.parsing import DIRECT, RouteRule, parse_host, parse_route_rule, parse_server, parse_source
from estafeta.routing.patterns import Pattern, PatternTable, parse_pattern
from estafeta.routing.values import NextHop, Step

IsLocal = Callable[[str], bool]
"""Whether mail for a domain (any form; an address literal too) is ours."""


class RoutingSettings(Protocol):
    """The section `routing` of the settings, as far as routes depend on it."""

    @property
    def host_table(self) -> Sequence[str]: ...
    @property
    def route_rules(self) -> Sequence[str]: ...
    @property
    def sender_route_rules(self) -> Sequence[str]: ...
    @property
    def smarthost(self) -> str: ...
    @property
    def mail_router(self) -> str: ...
    @property
    def firewall(self) -> bool: ...
    @property
    def firewall_except_domains(self) -> Sequence[str]: ...
    @property
    def hub(self) -> str: ...
    @property
    def backup_mx_domains(self) -> Sequence[str]: ...
    @property
    def percent_sign(self) -> bool: ...
    @property
    def address_literals(self) -> bool: ...
    @property
    def source_address_table(self) -> Sequence[str]: ...


class Decision(NamedTuple):
    """A route without its address: what is remembered."""

    hop: NextHop | None
    local: bool
    code: int
    status: str
    text: str
    steps: tuple[Step, ...]


class SourceAddresses(NamedTuple):
    """Our addresses for outgoing connections; "" leaves the choice to the system."""

    ipv4: str = ""
    ipv6: str = ""


class Memory:
    """Decisions made so far, the oldest tenth thrown out when there are too many."""

    def __init__(self, max_remembered: int) -> None:
        self._max = max_remembered
        self._known: dict[tuple[str, str, str], Decision] = {}
        self.find = self._known.get

    def add(self, key: tuple[str, str, str], decision: Decision) -> None:
        """Remember `decision`; several threads may do so."""
        known = self._known
        if len(known) >= self._max:
            for old in list(known)[: max(1, self._max // 10)]:
                known.pop(old, None)
        known[key] = decision


class RouteTable(NamedTuple):
    """See the module. Made by `build_route_table`."""

    is_local: IsLocal
    hosts: frozenset[str]
    rules: PatternTable[RouteRule]
    own_rules: PatternTable[RouteRule]
    sender_rules: PatternTable[RouteRule]
    smarthost: NextHop | None
    router: NextHop | None
    firewall: bool
    firewall_except: PatternTable[None]
    hub: NextHop | None
    backup_domains: frozenset[str]
    percent_sign: bool
    address_literals: bool
    sources: PatternTable[SourceAddresses]
    memory: Memory

    def find_source(self, sender: Address | None) -> SourceAddresses:
        """Which addresses of ours connections for mail of `sender` (None: notices) come from."""
        if not self.sources:
            return _ANY_SOURCE
        found = self.sources.find(sender or _NULL_SENDER)
        return _ANY_SOURCE if found is None else found[1]


def build_route_table(settings: RoutingSettings, is_local: IsLocal, *, max_remembered: int = 10_000) -> RouteTable:
    """Compile the section `routing`. Raises EstafetaError INVALID for a line that cannot be understood."""
    rules = [parse_route_rule(line) for line in settings.route_rules]
    sender_rules = [parse_route_rule(line) for line in settings.sender_route_rules]
    sources = [parse_source(line) for line in settings.source_address_table]
    return RouteTable(
        is_local=is_local,
        hosts=frozenset(name for line in settings.host_table for name in parse_host(line).names),
        rules=PatternTable((rule.pattern, rule) for rule in rules),
        own_rules=PatternTable((rule.pattern, rule) for rule in rules if _names_domain(rule.pattern)),
        sender_rules=PatternTable((rule.pattern, rule) for rule in sender_rules),
        smarthost=_server(settings.smarthost),
        router=_server(settings.mail_router),
        firewall=settings.firewall,
        firewall_except=PatternTable((parse_pattern(text), None) for text in settings.firewall_except_domains),
        hub=_server(settings.hub),
        backup_domains=frozenset(map(domain_key, settings.backup_mx_domains)),
        percent_sign=settings.percent_sign,
        address_literals=settings.address_literals,
        sources=PatternTable((entry.pattern, SourceAddresses(entry.ipv4, entry.ipv6)) for entry in sources),
        memory=Memory(max_remembered),
    )


def _names_domain(pattern: Pattern) -> bool:
    """Whether the domain of `pattern` has no wildcard. Only such rules count for domains of our own: `*` in a rule
    means the world outside, and must not take in what nobody has here."""
    return not set("*?") & set(pattern.text.rpartition("@")[2])


def _server(text: str) -> NextHop | None:
    return parse_server(text) if text.strip() else None


def written(rule: tuple[Pattern, RouteRule]) -> str:
    """A rule as it is shown in a step."""
    return f"{rule[0].text} {rule[1].hop.key if rule[1].hop else DIRECT}"


_ANY_SOURCE = SourceAddresses()
_NULL_SENDER = Address("", "")
