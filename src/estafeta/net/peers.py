"""Who is at the other end of a socket."""

import ipaddress
from typing import Any, Protocol


def address_of(name: Any) -> str:
    """The IP address of a socket name, IPv4-mapped IPv6 as IPv4; `local` for Unix sockets."""
    if not isinstance(name, tuple):
        return "local"
    address = str(name[0])
    return address[7:] if address.startswith("::ffff:") else address


def network_of(peer: str) -> str:
    """What the limits per address count: an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in peer:
        return peer
    return str(ipaddress.ip_network((peer.partition("%")[0], 64), strict=False))


class Guest(Protocol):
    """A connection as `Connections` (net.connections) sees it: a pump, or a protocol with a transport of its own."""

    peer: str
    deadline: float

    def overdue(self, now: float) -> None: ...
    def stop(self) -> None: ...
    def abort(self) -> None: ...
