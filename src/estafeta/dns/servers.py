"""Which name servers are asked: those of the settings, else those of /etc/resolv.conf, else one on this host."""

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind

RESOLV_CONF = Path("/etc/resolv.conf")
_MAX_SERVERS = 8
_PORT = 53


class NameServer(NamedTuple):
    """One name server; `address` is an IP address, with a zone (`fe80::1%eth0`) where it needs one."""

    address: str
    port: int = _PORT

    def __str__(self) -> str:
        if self.port == _PORT:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_name_server(text: str) -> NameServer:
    """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`. Raises EstafetaError INVALID."""
    address, port = text.strip(), ""
    if address.startswith("["):
        address, _, rest = address[1:].partition("]")
        port = rest.removeprefix(":")
    elif address.count(":") == 1:
        address, _, port = address.partition(":")
    try:
        ipaddress.ip_address(address)
        number = int(port or _PORT) if port.isascii() else 0
        if not 0 < number < 65536:
            raise ValueError(port)
    except ValueError:
        raise EstafetaError(
            Kind.INVALID, f"{text[:80]!r} is no name server: write its IP address, as in 192.0.2.1 or 192.0.2.1:5353."
        ) from None
    return NameServer(address, number)


def find_name_servers(texts: Iterable[str], resolv_conf: Path = RESOLV_CONF) -> tuple[NameServer, ...]:
    """The servers to ask, in order. Raises EstafetaError INVALID for a text that is no server."""
    return tuple(map(parse_name_server, texts)) or _read(resolv_conf) or (NameServer("127.0.0.1"),)


def _read(path: Path) -> tuple[NameServer, ...]:
    try:
        lines = path.read_text("utf-8", "replace")[:65_536].splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                found.append(parse_name_server(words[1]))
            except EstafetaError:
                continue
    return tuple(found[:_MAX_SERVERS])
