"""Values of routing: the next hop of a message, and a decision with its steps.

A next hop is written as a key that names it in the queue, in settings and on the command line:

    mx:example.org            the mail exchangers of a domain, else its addresses (RFC 5321 5.1)
    mx:example.org:587        likewise, at that port
    host:mail.example.org:587 that host, without MX; IPv6 addresses in brackets; port 0 is the usual one
    lmtp:mail.example.org:24  LMTP to that host
    lmtp:/run/dovecot/lmtp    LMTP to a Unix socket
    list:news@example.org     a distribution list of ours, expanded by ourselves
    join:KEY                  pieces of a message for mailboxes here wait for the others
    local:here                ourselves: the address is looked up anew when its time has come
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.address import Address


class HopKind(StrEnum):
    """How a next hop is reached."""

    MX = "mx"
    HOST = "host"
    LMTP = "lmtp"
    LIST = "list"
    LOCAL = "local"
    JOIN = "join"


_WITHOUT_PORT = (HopKind.LIST, HopKind.LOCAL, HopKind.JOIN)


class NextHop(NamedTuple):
    """One next hop. `name`: a domain, a host, an IP address without brackets, the path of a socket, or the address of a
    list. `port` 0: the usual one."""

    kind: HopKind
    name: str
    port: int = 0

    @property
    def key(self) -> str:
        """How it is written."""
        if self.kind in _WITHOUT_PORT or self.name.startswith("/") or (self.kind is HopKind.MX and not self.port):
            return f"{self.kind}:{self.name}"
        return f"{self.kind}:[{self.name}]:{self.port}" if ":" in self.name else f"{self.kind}:{self.name}:{self.port}"


HERE = NextHop(HopKind.LOCAL, "here")
"""What waits for its time and is looked up anew then."""


def parse_hop(key: str) -> NextHop:
    """The next hop that `key` names. Raises EstafetaError INVALID."""
    kind, _, rest = key.strip().partition(":")
    if kind not in list(HopKind) or not rest:
        raise _invalid(key)
    if kind in _WITHOUT_PORT or rest.startswith("/"):
        return NextHop(HopKind(kind), rest)
    name, port = rest, ""
    if rest.startswith("["):
        name, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    elif ":" in rest:
        name, _, port = rest.rpartition(":")
    if not name or not re.fullmatch(r"\d{0,5}", port, re.ASCII) or int(port or 0) > 65535:
        raise _invalid(key)
    return NextHop(HopKind(kind), name, int(port or 0))


def _invalid(key: str) -> EstafetaError:
    return EstafetaError(
        Kind.INVALID, f"{key!r} is no next hop: write it as mx:DOMAIN, host:NAME:PORT or lmtp:NAME:PORT."
    )


class Step(NamedTuple):
    """One step of a decision: the rule that was asked (the name of a setting, or a word), and what came of it."""

    rule: str
    words: str


@dataclass(frozen=True, slots=True)
class Route:
    """Where mail for `address` (as it goes out, after the percent sign was read) goes.

    `hop` None: it is ours (`local`) or it is refused, with the code, enhanced status and text of the refusal.
    `steps` say why, in order."""

    address: Address
    hop: NextHop | None = None
    local: bool = False
    code: int = 0
    status: str = ""
    text: str = ""
    steps: tuple[Step, ...] = ()
