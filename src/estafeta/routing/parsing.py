"""The small languages of the settings `routing.*`: each parser takes one line and gives a value.

Every failure is `EstafetaError(Kind.INVALID, one sentence)`. Nothing here asks DNS.
"""

import ipaddress
import re
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.address import domain_key
from estafeta.routing.patterns import Pattern, parse_pattern
from estafeta.routing.values import HopKind, NextHop, parse_hop

DIRECT = "direct"
"""Instead of a next hop: the usual way, by DNS."""
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_LAST_LABEL_OF_DIGITS = re.compile(r"(?:.*\.)?\d+")
_SERVER = re.compile(r"(?:\[(?P<literal>[^\[\]]+)\]|(?P<name>[^\[\]:\s]+))(?::(?P<port>\d{1,5}))?")


class RouteRule(NamedTuple):
    """One line of route_rules or sender_route_rules. `hop` None: directly."""

    pattern: Pattern
    hop: NextHop | None


class HostEntry(NamedTuple):
    """One line of host_table: names in lower case as A-labels, addresses as text in their canonical form."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]


class SourceEntry(NamedTuple):
    """One line of source_address_table; "" for a family that is left to the system."""

    pattern: Pattern
    ipv4: str
    ipv6: str


def parse_route_rule(line: str) -> RouteRule:
    """`*.example.org host:gateway.example.org:25`, `ana@example.net [mail.example.net]:587`, `x.test direct`."""
    words = line.split()
    if len(words) != 2:
        raise _invalid(line, "a routing rule is a pattern and a next hop, as in `*.example.org host:gw.example.org:25`")
    pattern = parse_pattern(words[0])
    if words[1].lower() == DIRECT:
        return RouteRule(pattern, None)
    if words[1].partition(":")[0] in list(HopKind):
        return RouteRule(pattern, _checked(parse_hop(words[1]), line))
    return RouteRule(pattern, parse_server(words[1]))


def parse_server(text: str) -> NextHop:
    """A server as a person writes it: `[mail.example.com]:587` (that host), `example.com` (its mail exchangers, else
    itself), `mail.example.com:587` likewise with a port, `[192.0.2.1]`, `host:...` and the other next hops."""
    text = text.strip()
    if text.partition(":")[0] in list(HopKind):
        return _checked(parse_hop(text), text)
    match = _SERVER.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        raise _invalid(text, "a server is written as [mail.example.com]:587, mail.example.com or [192.0.2.1]")
    literal = match["literal"] or match["name"]
    kind = HopKind.HOST if match["literal"] or find_ip(literal) else HopKind.MX
    return NextHop(kind, _host_name(literal, text), int(match["port"] or 0))


def parse_host(line: str) -> HostEntry:
    """`mail.example.org 192.0.2.1 2001:db8::1`, or a line of /etc/hosts (the address first, then names)."""
    words = line.partition("#")[0].split()
    addresses = tuple(dict.fromkeys(found for found in map(find_ip, words) if found))
    names = tuple(dict.fromkeys(_host_name(word, line) for word in words if not find_ip(word)))
    if not addresses or not names:
        raise _invalid(line, "a host is a name and its IP addresses, as in `mail.example.org 192.0.2.1`")
    return HostEntry(names, addresses)


def parse_source(line: str) -> SourceEntry:
    """`example.org 192.0.2.1 2001:db8::1`: a pattern of sender domains, then one or two addresses of ours."""
    words = line.split()
    addresses = [find_ip(word) for word in words[1:]]
    if not 2 <= len(words) <= 3 or not all(addresses):
        raise _invalid(line, "write a sender domain and one or two IP addresses, as in `example.org 192.0.2.1`")
    ipv4 = [address for address in addresses if ":" not in address]
    ipv6 = [address for address in addresses if ":" in address]
    if len(ipv4) > 1 or len(ipv6) > 1:
        raise _invalid(line, "of each kind, IPv4 and IPv6, only one address can be given")
    return SourceEntry(parse_pattern(words[0]), "".join(ipv4), "".join(ipv6))


def find_ip(text: str) -> str:
    """The IP address that `text` is, with brackets, `IPv6:` or without, in its canonical form; "" if it is none."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    if "%" in text:  # a zone is of this machine only
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def host_key(text: str) -> str:
    """A host name in lower case as A-labels without the final dot; "" if it is none. Never raises."""
    name = domain_key(text.strip()).rstrip(".")
    return name if _NAME.fullmatch(name) and not _LAST_LABEL_OF_DIGITS.fullmatch(name) else ""


def _checked(hop: NextHop, line: str) -> NextHop:
    if hop.kind is HopKind.LIST or hop.name.startswith("/"):
        return hop
    return hop._replace(name=_host_name(hop.name, line))


def _host_name(text: str, line: str) -> str:
    name = find_ip(text) or host_key(text)
    if not name:
        raise _invalid(line, f"{text[:80]!r} is neither a host name nor an IP address")
    return name


def _invalid(line: str, sentence: str) -> EstafetaError:
    return EstafetaError(Kind.INVALID, f"{line[:120]!r}: {sentence}.")
