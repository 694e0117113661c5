"""Wrong passwords slow down whoever sends them: per user and network, and per network over all users.

After the settings' number of failures the wait doubles from one second with each further one. Only sign-ins from the
same network wait, so that nobody can lock a user out from elsewhere. Kept in memory of one worker and bounded.
"""

import ipaddress
from dataclasses import dataclass

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource

_MAX_ENTRIES = 20_000
_FORGIVEN_SECONDS = 3600
"""Failures are forgotten after an hour without another."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_seconds: float
    wait_until_seconds: float


class Throttle:
    """Counts failures. Safe for threads: each step is one dict operation, and a lost count does no harm."""

    def __init__(self, clock: Clock, settings: SettingsSource) -> None:
        self._clock = clock
        self._settings = settings
        self._entries: dict[tuple[str, str], _Failures] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def check(self, login: str, client: str) -> None:
        """EstafetaError LIMIT while `client` (an IP address; empty for local) has to wait."""
        now = self._clock()
        for key, _ in self._keys(login, client):
            entry = self._entries.get(key)
            if entry is not None and entry.wait_until_seconds > now:
                seconds = int(entry.wait_until_seconds - now) + 1
                raise EstafetaError(Kind.LIMIT, f"Too many wrong passwords; try again in {seconds} seconds.")

    def failed(self, login: str, client: str) -> None:
        """A wrong name or password."""
        now = self._clock()
        longest = self._settings.current.auth.max_delay_seconds
        for key, allowed in self._keys(login, client):
            entry = self._entries.pop(key, None)
            if entry is None or now - entry.last_seconds > _FORGIVEN_SECONDS:
                entry = _Failures(0, now, 0.0)
            entry.count += 1
            entry.last_seconds = now
            if entry.count >= allowed:
                entry.wait_until_seconds = now + min(longest, 2 ** min(entry.count - allowed, 30))
            self._make_room()
            self._entries[key] = entry

    def succeeded(self, login: str, client: str) -> None:
        """The right password: this user starts afresh from there. The network's own count stays."""
        self._entries.pop(self._keys(login, client)[0][0], None)

    def _keys(self, login: str, client: str) -> list[tuple[tuple[str, str], int]]:
        auth = self._settings.current.auth
        network = _network(client)
        return [
            ((network, login[:320].casefold()), auth.failures_before_delay),
            ((network, ""), auth.failures_per_network),
        ]

    def _make_room(self) -> None:
        """The entries touched longest ago go first: `failed` puts what it touches at the end."""
        if len(self._entries) >= _MAX_ENTRIES:
            for old in list(self._entries)[: _MAX_ENTRIES // 10]:
                self._entries.pop(old, None)


def _network(client: str) -> str:
    """Whoever has one address has its neighbours: /24 of IPv4, /56 of IPv6."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 56), strict=False))
