"""The bus between the processes of one machine: small datagrams on Unix sockets that say *what* changed, never how.

Each worker binds `<name>.bus` in the run directory; `Bus.publish` sends a topic to all of them, itself included. A
datagram may be lost (a full socket, a worker just starting), so listeners also look at versions in the database from
time to time; the bus only makes it quick. Topics: `directory`, `settings`, `mailbox:<account>:<mailbox>`.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Listener = Callable[[str], None]

_SUFFIX = ".bus"
# Datagrams stay below what every kernel takes in one piece.
_DATAGRAM_BYTES = 8000
_LOOK_SECONDS = 1.0


class Bus:
    """Publishing to every process that listens in `directory`. Any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._peers: list[str] = []
        self._looked = 0.0

    def publish(self, topics: Sequence[str]) -> None:
        """Tell every listener; never blocks and never fails."""
        for datagram in _datagrams(topics):
            for peer in self._listeners():
                try:
                    self._socket.sendto(datagram, peer)
                except BlockingIOError:
                    pass  # its queue is full: it will ask the database
                except OSError:
                    # Its worker is dead: forget it until the directory is looked at again.
                    self._peers = [one for one in self._peers if one != peer]

    def close(self) -> None:
        """Close the sending socket."""
        self._socket.close()

    def _listeners(self) -> list[str]:
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            self._peers = [str(path) for path in self._directory.glob(f"*{_SUFFIX}")]
        return self._peers


class BusListener(asyncio.DatagramProtocol):
    """One worker's ear: calls `heard` with each topic."""

    def __init__(self, heard: Listener) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: object) -> None:
        """A datagram: topics, one per line."""
        for topic in data.decode("utf-8", "replace").splitlines():
            self._heard(topic)


def bind(directory: Path, name: str) -> socket.socket:
    """The socket of a worker named `name`; one left by a dead process is replaced."""
    path = directory / f"{name}{_SUFFIX}"
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind(str(path))
    bound.setblocking(False)
    return bound


async def listen(loop: asyncio.AbstractEventLoop, bound: socket.socket, heard: Listener) -> asyncio.DatagramTransport:
    """Start hearing; close the transport to stop."""
    transport, _ = await loop.create_datagram_endpoint(lambda: BusListener(heard), sock=bound)
    return transport


def _datagrams(topics: Sequence[str]) -> list[bytes]:
    """Topics joined into as few datagrams as they fit."""
    parts: list[bytes] = []
    current = b""
    for topic in topics:
        line = topic.encode() + b"\n"
        if current and len(current) + len(line) > _DATAGRAM_BYTES:
            parts.append(current)
            current = b""
        current += line
    return [*parts, current] if current else parts
