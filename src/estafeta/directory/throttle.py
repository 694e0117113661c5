"""Wrong passwords slow down whoever sends them: per user and network, per network over all users, and per user.

After the settings' number of failures the wait doubles from one second with each further one. Only sign-ins from the
same network are refused while it lasts, so that nobody can lock a user out from elsewhere. Wrong passwords for one user
from many networks make each sign-in from networks where none succeeded lately wait a few seconds instead. Behind an
address of `limits.exempt_networks` (this machine, a webmail, a gateway) are many users: what one gets wrong there slows
down that one alone.

Kept in memory of one worker and bounded. What grows long is told to all workers and machines as a block
(estafeta.directory.blocks); `failed` says what to tell.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.blocks import Block, holds, login_key
from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource

_MAX_ENTRIES = 20_000
_FORGIVEN_SECONDS = 3600
"""Failures are forgotten after an hour without another."""
_EVERYWHERE = "*"
_SHARES_PER_SECOND = 10
"""Blocks that a worker tells others: each is a commit, and strangers must not cause any number of them."""
_SKEW_SECONDS = 60
"""Clocks of machines differ a little; an end further ahead comes from one that was wrong, and is void."""


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
        self._succeeded: dict[tuple[str, str], float] = {}
        self._shares: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self._entries)

    def check(self, login: str, client: str) -> None:
        """EstafetaError LIMIT while `client` (an IP address; empty for local) has to wait."""
        now, longest = self._clock(), self._settings.current.auth.max_delay_seconds
        for key, _ in self._keys(login, client):
            entry = self._entries.get(key)
            # No longer than the longest wait, whatever the clock did since.
            if entry is not None and 0 < (left := entry.wait_until_seconds - now) <= longest:
                raise EstafetaError(Kind.LIMIT, f"Too many wrong passwords; try again in {int(left) + 1} seconds.")

    def check_shared(self, found: Sequence[Block], client: str) -> None:
        """EstafetaError LIMIT where one of these blocks holds for `client` (`find_blocks`)."""
        now, longest = self._clock(), self._settings.current.auth.max_delay_seconds
        for block in found:
            if not holds(block, now):
                continue
            if block.made_by:
                raise EstafetaError(Kind.LIMIT, "Sign-ins are blocked here; ask the operator.")
            if not block.login and self._is_of_many(client):
                continue
            left = block.until_seconds - now
            if block.network and left <= longest + _SKEW_SECONDS:
                raise EstafetaError(Kind.LIMIT, f"Too many wrong passwords; try again in {int(left) + 1} seconds.")

    def delay(self, login: str, client: str, found: Sequence[Block]) -> float:
        """Seconds that a sign-in of this user waits before it is looked at, out of what others tell as well."""
        auth, now, name = self._settings.current.auth, self._clock(), login_key(login)
        network = _network(client)
        lately = self._succeeded.get((network, name))
        if not auth.max_account_delay_seconds or (lately is not None and 0 <= now - lately < _FORGIVEN_SECONDS):
            return 0.0
        entry = self._entries.get((_EVERYWHERE, name))
        mine = entry.count % auth.failures_per_account if entry is not None and self._is_fresh(entry, now) else 0
        ends = now + _FORGIVEN_SECONDS + _SKEW_SECONDS
        told = sum(
            one.failures for one in found if not one.network and not one.made_by and now < one.until_seconds < ends
        )
        more = mine + told - auth.failures_per_account
        return float(min(auth.max_account_delay_seconds, 2 ** min(more, 30))) if more >= 0 else 0.0

    def failed(self, login: str, client: str, found: Sequence[Block] = ()) -> list[Block]:
        """A wrong name or password; what to tell other workers. `found` is what they told: their counts go on here."""
        now, auth, name = self._clock(), self._settings.current.auth, login_key(login)
        told = []
        for key, allowed in self._keys(login, client):
            told_before = [one.failures for one in found if (one.network, one.login) == key and not one.made_by]
            entry = self._count(key, now, max(told_before, default=0))
            if entry.count >= allowed:
                wait = min(auth.max_delay_seconds, 2 ** min(entry.count - allowed, 30))
                entry.wait_until_seconds = now + wait
                if wait >= auth.share_after_seconds and "/" in key[0]:
                    told.append(Block(*key, int(now), int(now) + wait, entry.count, "", "wrong passwords"))
        entry = self._count((_EVERYWHERE, name), now)
        if entry.count % auth.failures_per_account == 0:
            until = int(now) + _FORGIVEN_SECONDS
            reason = "wrong passwords from many networks"
            told.append(Block("", name, int(now), until, auth.failures_per_account, "", reason))
        return told if told and self._may_tell(now, len(told)) else []

    def succeeded(self, login: str, client: str) -> None:
        """The right password: this user starts afresh from there. The network's own count stays."""
        key = self._keys(login, client)[0][0]
        self._entries.pop(key, None)
        if len(self._succeeded) >= _MAX_ENTRIES:
            for old in list(self._succeeded)[: _MAX_ENTRIES // 10]:
                self._succeeded.pop(old, None)
        self._succeeded.pop(key, None)
        self._succeeded[key] = self._clock()

    def _count(self, key: tuple[str, str], now: float, told: int = 0) -> _Failures:
        entry = self._entries.pop(key, None)
        if entry is None or not self._is_fresh(entry, now):
            entry = _Failures(0, now, 0.0)
        entry.count = max(entry.count, told) + 1
        entry.last_seconds = now
        self._make_room()
        self._entries[key] = entry
        return entry

    def _is_fresh(self, entry: _Failures, now: float) -> bool:
        return now - entry.last_seconds <= _FORGIVEN_SECONDS

    def _may_tell(self, now: float, more: int) -> bool:
        second, told = self._shares
        if second != int(now):
            second, told = int(now), 0
        self._shares = second, told + more
        return told < _SHARES_PER_SECOND

    def _keys(self, login: str, client: str) -> list[tuple[tuple[str, str], int]]:
        auth = self._settings.current.auth
        network = _network(client)
        own = ((network, login_key(login)), auth.failures_before_delay)
        return [own] if self._is_of_many(client) else [own, ((network, ""), auth.failures_per_network)]

    def _is_of_many(self, client: str) -> bool:
        return _is_within(client, self._settings.current.limits.exempt_networks)

    def _make_room(self) -> None:
        """The entries touched longest ago go first: `failed` puts what it touches at the end."""
        if len(self._entries) >= _MAX_ENTRIES:
            for old in list(self._entries)[: _MAX_ENTRIES // 10]:
                self._entries.pop(old, None)


def _network(client: str) -> str:
    """Whoever has one address has its neighbours: /24 of IPv4, /56 of IPv6."""
    address = _address(client)
    if address is None:
        return client
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 56), strict=False))


@lru_cache(maxsize=4096)
def _is_within(client: str, networks: tuple[str, ...]) -> bool:
    """A client without an address is of this machine (a Unix socket)."""
    address = _address(client)
    return address is None or any(address in ipaddress.ip_network(network) for network in networks)


def _address(client: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
