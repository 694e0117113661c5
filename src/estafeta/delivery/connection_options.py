"""What a connection outward is told: names, time limits, source addresses, credentials."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

Watch = Callable[[str, bytes], None]
"""Called with "out" or "in" (or "note") and octets as they pass, secrets masked: for `estafeta trace`."""


class Credentials(NamedTuple):
    """Name and password for AUTH."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r})"


@dataclass(frozen=True, slots=True)
class ConnectionTimes:
    """Time limits in seconds, those of RFC 5321 4.5.3.2 unless the operator says otherwise."""

    connect: float = 30.0
    greeting: float = 300.0
    """The greeting, and the reply to EHLO (4.5.3.2.1)."""
    tls: float = 30.0
    command: float = 300.0
    """The reply to a command (4.5.3.2.2 and 4.5.3.2.3)."""
    data_block: float = 180.0
    """Until the other side takes more of the content (4.5.3.2.5)."""
    data: float = 600.0
    """The reply after the final dot (4.5.3.2.6)."""
    quit: float = 2.0
    """The reply to QUIT, which nobody needs."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How a connection is made and used.

    `hello_name` is said in EHLO and LHLO. `proxy` is HOST and port of a SOCKS5 proxy. `source_ipv4`, `source_ipv6`: our
    addresses, "" for whichever the system takes. `auth_in_clear`: PLAIN and LOGIN also where TLS was wanted and there
    is none. `max_messages`: transactions after which the connection is done."""

    hello_name: str
    times: ConnectionTimes = field(default_factory=ConnectionTimes)
    proxy: tuple[str, int] | None = None
    source_ipv4: str = ""
    source_ipv6: str = ""
    pipelining: bool = True
    chunking: bool = True
    auth_in_clear: bool = False
    max_messages: int = 100
