"""The bus between the processes of one machine: small datagrams on Unix sockets that say *what* changed, never how.

Two channels. `site`: `directory` and `settings` changed; every worker listens. `mailbox`: `mailbox:<account>:<mailbox>`
changed; only workers with someone who watches a mailbox listen, so that delivery wakes up nobody for nothing.
A listener binds `<name>.<channel>.bus` in the run directory.

A datagram may be lost (a full socket, a worker just starting), so listeners also look at versions in the database from
time to time; the bus only makes it quick.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from estafeta.net.unixpath import short_name

Listener = Callable[[str], None]

_SUFFIX = ".bus"
# Datagrams stay below what every kernel takes in one piece.
_DATAGRAM_BYTES = 8000
_LOOK_SECONDS = 1.0
# A directory's time of change moves in the kernel's ticks: what came in the same tick shows no other time.
_TICK_SECONDS = 0.02


class Channel(StrEnum):
    """Who wants to hear a topic."""

    SITE = "site"
    MAILBOX = "mailbox"


def channel_of(topic: str) -> Channel:
    """The channel that a topic goes to."""
    return Channel.MAILBOX if topic.startswith("mailbox:") else Channel.SITE


class Bus:
    """Publishing to every process that listens in `directory`. Any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._peers: dict[Channel, list[Path]] = {}
        self._looked = 0.0
        self._changed = 0.0

    def publish(self, topics: Sequence[str]) -> None:
        """Tell every listener; never blocks and never fails."""
        self._look()
        for channel, peers in self._peers.items():
            if peers:
                wanted = [topic for topic in topics if channel_of(topic) is channel]
                for datagram in _datagrams(wanted):
                    self._send(datagram, channel)

    def close(self) -> None:
        """Close the sending socket."""
        self._socket.close()

    def _send(self, datagram: bytes, channel: Channel) -> None:
        for peer in self._peers[channel]:
            try:
                with short_name(peer) as name:
                    self._socket.sendto(datagram, name)
            except BlockingIOError:
                pass  # its queue is full: it will ask the database
            except OSError:
                # Its worker is dead: forget it until the directory is looked at again.
                self._peers[channel] = [one for one in self._peers[channel] if one != peer]

    def _look(self) -> None:
        """Find the listeners again when one may have come: nobody who listens already is to miss anything."""
        now = time.time()
        changed = _changed_seconds(self._directory)
        if changed != self._changed or now - changed < _TICK_SECONDS or now - self._looked > _LOOK_SECONDS:
            self._looked, self._changed = now, changed
            self._peers = {channel: list(self._directory.glob(f"*.{channel}{_SUFFIX}")) for channel in Channel}


class BusListener(asyncio.DatagramProtocol):
    """One worker's ear: calls `heard` with each topic."""

    def __init__(self, heard: Listener) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: object) -> None:
        """A datagram: topics, one per line."""
        for topic in data.decode("utf-8", "replace").splitlines():
            self._heard(topic)


def bind(directory: Path, name: str, channel: Channel = Channel.SITE) -> socket.socket:
    """The socket of a process named `name`; one left by a dead process is replaced."""
    path = socket_path(directory, name, channel)
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        with short_name(path) as short:
            bound.bind(short)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def socket_path(directory: Path, name: str, channel: Channel) -> Path:
    """Where the ear of `name` for `channel` is."""
    return directory / f"{name}.{channel}{_SUFFIX}"


async def listen(loop: asyncio.AbstractEventLoop, bound: socket.socket, heard: Listener) -> asyncio.DatagramTransport:
    """Start hearing; close the transport to stop."""
    transport, _ = await loop.create_datagram_endpoint(lambda: BusListener(heard), sock=bound)
    return transport


def _changed_seconds(directory: Path) -> float:
    """When a name came into the directory or went last; 0 while it is not there."""
    try:
        return directory.stat().st_mtime
    except OSError:
        return 0.0


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
