"""Which IP addresses are this host's own, so that mail never goes round in circles (RFC 5321 5.1)."""

import ipaddress
import socket
from collections.abc import Iterable


class OwnAddresses:
    """A container of addresses as text: those that are named, and any other that this host has at the moment.

    Whether it has one is found out by binding a socket to it, which takes microseconds and sends nothing. All 16
    million addresses of the loopback network belong to the host, also where another server has one: they count only
    when they are named, or when `0.0.0.0` or `::` is, since who listens there listens at all of them.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(named)
        self._everywhere = not self._named.isdisjoint(("0.0.0.0", "::"))  # noqa: S104 - nothing is bound here

    def __contains__(self, address: object) -> bool:
        return address in self._named or (isinstance(address, str) and _is_own(address, loopback=self._everywhere))


def _is_own(address: str, *, loopback: bool) -> bool:
    try:
        ip = ipaddress.ip_address(address)
        if ip.is_loopback:
            return loopback
        if ip.is_unspecified or ip.is_multicast:
            return False
        family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True
