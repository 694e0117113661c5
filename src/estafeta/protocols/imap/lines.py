"""Input that has not been used yet: lines and counted octets cut out of it.

RFC 9051 2.2: a line ends with CR LF. LF alone is taken too, as scripts and people send it; a command line has nothing
that could be smuggled behind it. A line that is too long is read to its end; only its beginning, for the tag, and its
end, for a literal that may follow, are kept. What comes out does not depend on how the octets were split.
"""

from typing import NamedTuple

_KEPT = 64
"""Octets kept of both ends of a line that is too long: more than any tag or `{n}` needs."""


class LongLine(NamedTuple):
    """Stands for a line that was longer than allowed: its first and last octets."""

    head: bytes
    tail: bytes


class Input:
    """Octets in with `feed`; out with `take_line` and `take`."""

    __slots__ = ("_data", "_head", "_searched", "_start")

    def __init__(self) -> None:
        self._data = bytearray()
        self._start = 0
        self._searched = 0
        self._head: bytes | None = None

    def __len__(self) -> int:
        return len(self._data) - self._start

    def feed(self, data: bytes) -> None:
        """Append octets."""
        if self._start:
            del self._data[: self._start]
            self._searched = max(0, self._searched - self._start)
            self._start = 0
        self._data += data

    def clear(self) -> None:
        """Throw away everything that was fed."""
        self._data.clear()
        self._start = self._searched = 0
        self._head = None

    def drain(self) -> bytes:
        """All that is left, which leaves nothing."""
        rest = bytes(self._data[self._start :])
        self.clear()
        return rest

    def take(self, most: int) -> bytes:
        """Up to `most` octets of what is there."""
        start = self._start
        self._start = self._searched = min(len(self._data), start + most)
        return bytes(self._data[start : self._start])

    def take_line(self, limit: int) -> bytes | LongLine | None:
        """The next line without its end; None if there is none yet. `limit` counts octets with CR LF."""
        data, start = self._data, self._start
        end = data.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(data)
            if self._head is not None or len(data) - start >= limit:
                self._skip(limit)
            return None
        self._start = self._searched = end + 1
        size = end + 1 - start
        if end > start and data[end - 1] == 13:
            end -= 1
        if self._head is None and size <= limit:
            return bytes(data[start:end])
        head = self._head if self._head is not None else bytes(data[start : start + min(limit, _KEPT)])
        self._head = None
        return LongLine(head, bytes(data[max(start, end - _KEPT) : end]))

    def _skip(self, limit: int) -> None:
        """Keep the ends of a line that is too long already."""
        data, start = self._data, self._start
        if self._head is None:
            self._head = bytes(data[start : start + min(limit, _KEPT)])
        del data[: max(start, len(data) - _KEPT - 1)]
        self._start = 0
        self._searched = len(data)
