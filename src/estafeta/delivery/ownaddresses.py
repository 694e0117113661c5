"""Which IP addresses are this host's own, so that mail never goes round in circles (RFC 5321 5.1)."""

import ipaddress
import socket
from collections.abc import Iterable


class OwnAddresses:
    """A container of addresses as text: those that are named, and any other that this host has at the moment.

    Whether it has one is found out by binding a socket to it, which takes microseconds and sends nothing. Addresses of
    the loopback network count only when named: all 16 million belong to the host, also where another server has one.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(named)

    def __contains__(self, address: object) -> bool:
        return address in self._named or (isinstance(address, str) and _can_be_bound(address))


def _can_be_bound(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
        if ip.is_loopback or ip.is_unspecified or ip.is_multicast:
            return False
        family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True
