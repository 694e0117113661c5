"""Letting a person follow connections of a running server: `estafeta trace`.

The command listens on a Unix socket in the run directory and announces it on the bus (`trace:NAME`). Each worker
connects to it, reads one line of JSON that says what is wanted, and sends a line of JSON for each line of the
conversations that match, secrets masked (`net.masking`). Where nobody follows, a connection costs one comparison with
None. A follower that reads too slowly loses lines, never the server its time.
"""

import asyncio
import ipaddress
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from estafeta.net.connections import Connections
from estafeta.net.masking import Line, Masker, Who, make_masker
from estafeta.net.pump import Pump, Watch
from estafeta.net.unixpath import short_name

TOPIC = "trace:"
#: What deliveries to other servers are called among the services.
DELIVERY = "delivery"

_MOST_WAITING_BYTES = 4 << 20
_MOST_REQUEST_BYTES = 4096
_MOST_KEPT_LINES = 200
#: What helper modules of delivery call the two directions.
_WHO = {"in": Who.SERVER, "out": Who.CLIENT, "C": Who.CLIENT, "S": Who.SERVER, "*": Who.NOTE}

OutgoingWatch = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a follower wants to see; empty is everything. `user` is compared without case."""

    peers: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    user: str = ""

    def service(self, name: str) -> bool:
        """Whether connections of this service may be meant."""
        return not self.services or name in self.services

    def peer(self, address: str) -> bool:
        """Whether this peer is meant."""
        return not self.peers or any(_within(address, network) for network in self.peers)

    def means(self, user: str) -> bool:
        """Whether who signs in by this name is meant; `ann` means ann of any domain."""
        return self.user in (user, user.partition("@")[0])

    def to_json(self) -> bytes:
        """As it is sent."""
        return json.dumps({"peers": self.peers, "services": self.services, "user": self.user}).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "Wanted":
        """Raises ValueError."""
        raw = json.loads(line)
        if not isinstance(raw, dict):
            raise ValueError("no object")
        return cls(
            tuple(map(str, raw.get("peers", ()))), tuple(map(str, raw.get("services", ()))), str(raw.get("user", ""))
        )


class Tracing:
    """The followers of one worker. `services` gives the names and connections of what it serves."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        directory: Path,
        label: str,
        services: Callable[[], Iterable[tuple[str, Connections]]],
    ) -> None:
        self._loop = loop
        self._directory = directory
        self._label = label
        self._services = services
        self._followers: dict[str, _Follower | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    def heard(self, topic: str) -> None:
        """A topic of the bus: connect to who announces itself, unless that was done."""
        name = topic.removeprefix(TOPIC)
        if not topic.startswith(TOPIC) or not name or "/" in name or name in self._followers:
            return
        self._followers[name] = None
        task = self._loop.create_task(self._join(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def outgoing(self, address: str) -> OutgoingWatch | None:
        """For a connection to another server: what is to be called with each direction and its octets, or None."""
        followers = self._those_who_want(DELIVERY, address)
        if not followers:
            return None
        watched = _Watched(self._new_label(), DELIVERY, address, make_masker(DELIVERY), followers)
        return lambda who, data: watched(_WHO[who], data)

    def close(self) -> None:
        """Let go of everyone."""
        for follower in list(self._followers.values()):
            if follower is not None:
                follower.close()

    async def _join(self, name: str) -> None:
        try:
            with short_name(self._directory / name) as path:
                await self._loop.create_unix_connection(lambda: _Follower(self, name), path)
        except OSError:
            self._followers.pop(name, None)

    def begin(self, name: str, follower: "_Follower") -> None:
        """A follower said what it wants: connections under way are followed too."""
        self._followers[name] = follower
        for service, connections in self._services():
            connections.watch = self._watch_for(service)
            for pump in connections.pumps():
                if pump.watching is None:
                    pump.watching = self._watch(service, pump, sure=False)
                elif isinstance(pump.watching, _Watched) and follower.wants(service, pump.peer):
                    pump.watching.followers.append(follower)

    def end(self, name: str, follower: "_Follower") -> None:
        """A follower is gone."""
        self._followers.pop(name, None)
        anyone = any(self._followers.values())
        for _, connections in self._services():
            if not anyone:
                connections.watch = None
            for pump in connections.pumps():
                if isinstance(pump.watching, _Watched):
                    pump.watching.leave(follower)
                    pump.watching = pump.watching if pump.watching.followers else None

    def _watch_for(self, service: str) -> Callable[[Pump], Watch | None]:
        return lambda pump: self._watch(service, pump, sure=True)

    def _watch(self, service: str, pump: Pump, *, sure: bool) -> Watch | None:
        followers = self._those_who_want(service, pump.peer)
        if not followers:
            return None
        watched = _Watched(self._new_label(), service, pump.peer, make_masker(service, sure=sure), followers)
        watched(Who.NOTE, b"connected" if sure else b"under way; shown from the next answer on")
        return watched

    def _those_who_want(self, service: str, peer: str) -> "list[_Follower]":
        return [each for each in self._followers.values() if each is not None and each.wants(service, peer)]

    def _new_label(self) -> str:
        return f"{self._label}.{next(self._numbers)}"


class _Watched:
    """One connection that is followed."""

    __slots__ = ("_kept", "_masker", "_said", "followers")

    def __init__(self, ident: str, service: str, peer: str, masker: Masker, followers: "list[_Follower]") -> None:
        self._said = {"id": ident, "service": service, "peer": peer}
        self._masker = masker
        self._kept: list[Mapping[str, Any]] = []
        self.followers = followers

    def __call__(self, who: str, data: bytes) -> None:
        if who == Who.NOTE:
            lines = [Line(Who.NOTE, data.decode("utf-8", "replace"))]
        else:
            lines = self._masker.feed(Who(who), data)
        said = [{**self._said, "time": time.time(), "who": line.who, "text": line.text} for line in lines]
        for follower in self.followers:
            if not follower.wanted.user:
                follower.tell(said)
            elif follower.wanted.means(self._masker.user.lower()):
                follower.tell([*self._kept, *said])
        # Who it is may be known only later: until then what was said is kept for those who want one user.
        if self._masker.user:
            self._kept = []
        elif len(self._kept) < _MOST_KEPT_LINES:
            self._kept += said

    def leave(self, follower: "_Follower") -> None:
        """Tell this one no more."""
        self.followers = [each for each in self.followers if each is not follower]


class _Follower(asyncio.Protocol):
    """The way to one `estafeta trace`."""

    def __init__(self, tracing: Tracing, name: str) -> None:
        self._tracing = tracing
        self._name = name
        self._request = b""
        self._transport: asyncio.Transport | None = None
        self._left_out = 0
        self._begun = False
        self.wanted = Wanted()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._request += data
        if self._begun:
            return
        if b"\n" not in self._request:
            if len(self._request) > _MOST_REQUEST_BYTES:
                self.close()
            return
        try:
            self.wanted = Wanted.from_json(self._request.partition(b"\n")[0])
        except (ValueError, TypeError):
            self.close()
            return
        self._begun = True
        self._tracing.begin(self._name, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tracing.end(self._name, self)

    def wants(self, service: str, peer: str) -> bool:
        """Whether a connection is meant, as far as is known before anything was said."""
        return self.wanted.service(service) and self.wanted.peer(peer)

    def tell(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Send lines, unless too many wait already."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > _MOST_WAITING_BYTES:
            self._left_out += 1
            return
        if self._left_out:
            lines = [{"who": Who.NOTE, "text": f"{self._left_out} pieces were left out here"}, *lines]
            self._left_out = 0
        transport.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _within(address: str, network: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(address.partition("%")[0]) in ipaddress.ip_network(network, strict=False)
    return address == network
