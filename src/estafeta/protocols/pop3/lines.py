"""Input that has not been used yet, and command lines cut out of it.

RFC 1939 3: a command ends with CR LF. The world also sends LF alone (scripts, telnet); a command line has nothing that
could be smuggled behind it, so both are taken. A line that is too long is read to its end without being kept, and what
comes out does not depend on how the octets were split.
"""

from typing import Final


class TooLong:
    """Stands for a line that was longer than allowed."""


TOO_LONG: Final = TooLong()


class Lines:
    """Octets in with `feed`, lines out with `take`."""

    __slots__ = ("_data", "_searched", "_skipping", "_start")

    def __init__(self) -> None:
        self._data = bytearray()
        self._start = 0
        self._searched = 0
        self._skipping = False

    def __len__(self) -> int:
        return len(self._data) - self._start

    def feed(self, data: bytes) -> None:
        """Append octets."""
        if self._start:
            del self._data[: self._start]
            self._searched -= self._start
            self._start = 0
        self._data += data

    def clear(self) -> None:
        """Throw away everything that was fed."""
        self._data.clear()
        self._start = self._searched = 0
        self._skipping = False

    def take(self, limit: int) -> bytes | TooLong | None:
        """The next line without its end; None if there is none yet. `limit` counts octets with CR LF."""
        data, start = self._data, self._start
        end = data.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(data)
            if len(data) - start >= limit or self._skipping:
                self._skip()
            return None
        self._start = self._searched = end + 1
        too_long, self._skipping = self._skipping or end + 1 - start > limit, False
        if too_long:
            return TOO_LONG
        if end > start and data[end - 1] == 13:
            end -= 1
        return bytes(data[start:end])

    def _skip(self) -> None:
        self.clear()
        self._skipping = True
