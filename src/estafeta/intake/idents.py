"""Names of messages: in logs, in their Received field, in the queue and the journal."""

import itertools


class Idents:
    """Makes idents: 41 bits of epoch milliseconds, 8 of the worker, 12 of a count.

    `worker` keeps those of several apart, on all nodes that share a database (below 255, which the journal uses for
    what is of no message). Written in hexadecimal; as numbers they are in the order of time."""

    def __init__(self, worker: int = 0) -> None:
        self._worker = (worker & 0xFF) << 12
        self._count = itertools.count()

    def new(self, now: float) -> str:
        """One that was never given before; `now` in epoch seconds."""
        return f"{self.number(now):x}"

    def number(self, now: float) -> int:
        """The same as a number."""
        return int(now * 1000) << 20 | self._worker | next(self._count) & 0xFFF
