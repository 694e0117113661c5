"""Hosts that are known without DNS: what the setting `routing.host_table` says, and `localhost` (RFC 6761 6.3)."""

from collections.abc import Iterable

from estafeta.routing.parsing import parse_host

_LOCALHOST = ("127.0.0.1", "::1")


class HostTable:
    """Names to addresses and back. What is in it is not asked of DNS, MX records included (the host has none)."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """Raises EstafetaError INVALID for a line that cannot be understood."""
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        for line in lines:
            entry = parse_host(line)
            for name in entry.names:
                self._addresses[name] = tuple(dict.fromkeys((*self._addresses.get(name, ()), *entry.addresses)))
            for address in entry.addresses:
                self._names[address] = tuple(dict.fromkeys((*self._names.get(address, ()), *entry.names)))
        self._addresses.setdefault("localhost", _LOCALHOST)

    def __contains__(self, name: str) -> bool:
        return name in self._addresses

    def ipv4(self, name: str) -> tuple[str, ...]:
        """The IPv4 addresses of a host of the table."""
        return tuple(address for address in self._addresses.get(name, ()) if ":" not in address)

    def ipv6(self, name: str) -> tuple[str, ...]:
        """The IPv6 addresses of a host of the table."""
        return tuple(address for address in self._addresses.get(name, ()) if ":" in address)

    def ptr(self, address: str) -> tuple[str, ...]:
        """The names of an IP address of the table, which is given as `str` of `ipaddress` writes it."""
        return self._names.get(address, ())
