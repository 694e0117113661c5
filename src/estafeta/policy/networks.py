"""Sets of networks, asked for every connection."""

import ipaddress
from collections.abc import Iterable

# Answers are remembered for this many addresses; then the memory starts anew.
_REMEMBERED = 4096


class Networks:
    """Addresses and CIDR networks, IPv4 and IPv6. `local` (a Unix socket) counts as loopback."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]
        self._known: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[address] = self._look(address)
        return known

    def _look(self, address: str) -> bool:
        try:
            wanted = ipaddress.ip_address("127.0.0.1" if address == "local" else address.partition("%")[0])
        except ValueError:
            return False
        return any(wanted in network for network in self._networks)
