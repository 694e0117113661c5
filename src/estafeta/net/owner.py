"""Which user of this system a local connection belongs to (Linux).

Of a Unix socket the kernel says so (SO_PEERCRED); of a connection over loopback its table of sockets does, in which the
client's end stands with its user (proc(5), /proc/net/tcp). Never raises: -1 where nobody can tell.
"""

import ipaddress
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

_TABLES = (("/proc/net/tcp", 4), ("/proc/net/tcp6", 6))
_UID_FIELD = 7


class Ends(NamedTuple):
    """Both ends of a connection from this machine: the client's and ours, as address and port; `uid` where the kernel
    said it at once."""

    client: tuple[str, int] = ("", 0)
    server: tuple[str, int] = ("", 0)
    uid: int = -1


def ends_of(transport: Any) -> Ends | None:
    """The ends of a connection that is from this machine; None for any other."""
    name, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if not isinstance(name, tuple):
        return Ends(uid=_peer_uid(transport.get_extra_info("socket")))
    if not isinstance(own, tuple) or not _is_here(str(name[0]), str(own[0])):
        return None
    return Ends((str(name[0]), int(name[1])), (str(own[0]), int(own[1])))


def find_uid(ends: Ends) -> int:
    """The user whose program holds the client's end. Reads a table of the kernel: for a thread."""
    if ends.uid >= 0:
        return ends.uid
    for path, version in _TABLES:
        client, server = _hex(*ends.client, version), _hex(*ends.server, version)
        if client and server:
            for fields in _lines(path):
                if fields[1] == client and fields[2] == server:
                    return int(fields[_UID_FIELD])
    return -1


def _peer_uid(sock: Any) -> int:
    try:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except (OSError, AttributeError):
        return -1
    return int(struct.unpack("3i", credentials)[1])


def _is_here(client: str, server: str) -> bool:
    """From loopback, or from the very address that it came to."""
    try:
        return client == server or ipaddress.ip_address(client.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


def _lines(path: str) -> Iterator[list[str]]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                fields = line.split(None, _UID_FIELD + 1)
                if len(fields) > _UID_FIELD and fields[_UID_FIELD].isdecimal():
                    yield fields
    except OSError:
        return


def _hex(address: str, port: int, version: int) -> str:
    """As the kernel writes it: words of 32 bits in the order of this machine; "" for what is not in this table."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    if version == 4:
        if mapped.version != 4:
            return ""
        packed = mapped.packed
    else:
        packed = ip.packed if ip.version == 6 else b"\0" * 10 + b"\xff\xff" + ip.packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
