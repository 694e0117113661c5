"""The connections of one service in one worker: how many there may be, the sweep of overdue ones, stopping."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from estafeta.net.peers import Guest, network_of
from estafeta.net.pump import Pump, Watch


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of one service in one worker. An IPv6 address counts as its /64, which one customer has."""

    most: int
    most_per_address: int
    most_per_minute: int
    session_seconds: float


class Connections:
    """The connections of one service in one worker: limits, the sweep of overdue ones, stopping."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: ConnectionLimits) -> None:
        self.loop = loop
        self.limits = limits
        #: The loop's time at the last sweep: near enough for deadlines, and free.
        self.now = loop.time()
        #: Says who follows a new connection; None where nobody follows any.
        self.watch: Callable[[Pump], Watch | None] | None = None
        self._minute: dict[str, int] = {}
        self._minute_ends = 0.0
        self.accepted = 0
        self._guests: set[Guest] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._per_address: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._guests)

    def pumps(self) -> list[Pump]:
        """Those that are there now, and can be followed."""
        return [guest for guest in self._guests if isinstance(guest, Pump)]

    def add(self, guest: Guest) -> None:
        """A new connection."""
        self.accepted += 1
        self._empty.clear()
        self._guests.add(guest)
        peer = network_of(guest.peer)
        self._per_address[peer] = self._per_address.get(peer, 0) + 1
        self._minute[peer] = self._minute.get(peer, 0) + 1

    def remove(self, guest: Guest) -> None:
        """A connection is gone."""
        if guest not in self._guests:
            return
        self._guests.discard(guest)
        if not self._guests:
            self._empty.set()
        peer = network_of(guest.peer)
        left = self._per_address[peer] - 1
        if left:
            self._per_address[peer] = left
        else:
            del self._per_address[peer]

    def crowded(self, guest: Guest, *, exempt: bool) -> str | None:
        """Why this new connection may not stay, in words for the peer; None when it may."""
        if len(self._guests) > self.limits.most:
            return "Too many connections to this server; try again later"
        peer = network_of(guest.peer)
        if exempt:
            return None
        if self._per_address.get(peer, 0) > self.limits.most_per_address:
            return "Too many connections from your address; try again later"
        if self._minute.get(peer, 0) > self.limits.most_per_minute:
            return "Too many connections from your address within a minute; try again later"
        return None

    def sweep(self) -> None:
        """End connections whose time is up. Called about once a second."""
        now = self.now = self.loop.time()
        if now > self._minute_ends:
            self._minute.clear()
            self._minute_ends = now + 60
        for guest in [guest for guest in self._guests if 0 < guest.deadline < now]:
            guest.overdue(now)

    def stop(self) -> None:
        """Ask every connection to end at its next safe point."""
        for guest in list(self._guests):
            guest.stop()

    async def drained(self) -> None:
        """Wait until no connection is left."""
        await self._empty.wait()

    def abort(self) -> None:
        """Cut every connection that is left."""
        for guest in list(self._guests):
            guest.abort()
