"""The keys that sign, opened and kept in memory for a while. For one event loop; the database is asked in threads."""

import asyncio
import logging
import time
from collections.abc import Callable

from estafeta.core.errors import EstafetaError
from estafeta.directory.signingkeys import SigningKeys
from estafeta.trust.signingkey import SigningKey

log = logging.getLogger("estafeta.dkim")

# Changes are announced; for announcements that are lost all is read anew after so long.
_FRESH_SECONDS = 60.0


class KeyRing:
    """Finds active keys by domain. `generation` grows whenever what is known was thrown away."""

    def __init__(self, keys: SigningKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self.generation = 0
        self._domains: frozenset[str] = frozenset()
        self._opened: dict[str, tuple[SigningKey, ...]] = {}
        self._until = 0.0
        self._forgotten = 0
        self._reading = asyncio.Lock()

    def forget(self) -> None:
        """Keys or domains changed."""
        self._forgotten += 1
        self._until = 0.0

    async def refresh(self) -> None:
        """Know which domains sign now. Raises EstafetaError when that was never known."""
        if self._clock() < self._until:
            return
        async with self._reading:
            if self._clock() < self._until:
                return
            forgotten = self._forgotten
            try:
                domains = await asyncio.to_thread(self._keys.active_domains)
            except EstafetaError:
                if not self.generation:
                    raise
                log.warning("DKIM keys could not be read again: those known go on")
                return
            self._domains, self._opened = domains, {}
            self.generation += 1
            if forgotten == self._forgotten:  # else what was read may be old already
                self._until = self._clock() + _FRESH_SECONDS

    async def find(self, domain: str) -> tuple[SigningKey, ...]:
        """The keys of exactly this domain (an A-label in lower case), after `refresh`."""
        if domain not in self._domains:
            return ()
        opened = self._opened
        keys = opened.get(domain)
        if keys is None:
            keys = opened[domain] = await asyncio.to_thread(self._keys.open_active, domain)
        return keys

    async def find_above(self, domain: str) -> tuple[SigningKey, ...]:
        """The keys of this domain, or of the nearest one above it that has some (relaxed alignment, RFC 7489 3.1)."""
        while domain:
            if keys := await self.find(domain):
                return keys
            domain = domain.partition(".")[2]
        return ()
