"""What sessions ask the database for all the time, remembered for a while: one dictionary, bounded in size and age."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

from estafeta.core.clock import Clock

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """`read` gets keys and gives what the database has of them, in a thread. What it has not is remembered as well.
    Workers share nothing: what one learns the others know after `seconds` at most."""

    def __init__(
        self, read: Callable[[Collection[K]], Mapping[K, V]], clock: Clock, *, seconds: float = 60, most: int = 20_000
    ) -> None:
        self._read = read
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._known: dict[K, tuple[float, V | None]] = {}

    async def get(self, keys: Collection[K]) -> dict[K, V]:
        """What there is of `keys`. Waits for nothing where all is remembered. Raises EstafetaError."""
        now = self._clock()
        wanted = dict.fromkeys(keys)
        missing = [key for key in wanted if not self._is_fresh(key, now)]
        if missing:
            found = await asyncio.to_thread(self._read, missing)
            for key in missing:
                self.put(key, found.get(key))
        return {key: value for key in wanted if (value := self._known.get(key, (0.0, None))[1]) is not None}

    def put(self, key: K, value: V | None) -> None:
        """Remember something that was just learnt."""
        if len(self._known) >= self._most and key not in self._known:
            # The oldest tenth makes room; dictionaries keep the order in which keys came.
            for old in list(self._known)[: self._most // 10 + 1]:
                del self._known[old]
        self._known.pop(key, None)
        self._known[key] = (self._clock() + self._seconds, value)

    def forget(self) -> None:
        """Ask the database again."""
        self._known.clear()

    def _is_fresh(self, key: K, now: float) -> bool:
        known = self._known.get(key)
        return known is not None and now < known[0]
