"""Input octets that have not been used yet, and command lines cut out of them.

RFC 5321 2.3.8: a line ends with CR LF, and neither may stand elsewhere. Lines that are too long are read to their end
without being kept. What comes out does not depend on how the octets were split.
"""

from enum import StrEnum

from estafeta.protocols.smtp.limits import ENDLESS_LINE

_CR = 13


class Fault(StrEnum):
    """Why a line is none."""

    TOO_LONG = "too_long"
    ENDLESS = "endless"
    BARE = "bare"


class InputBuffer:
    """`data[pos:]` is what has not been used. Readers of content use the two fields directly."""

    __slots__ = ("_overrun", "data", "pos")

    def __init__(self) -> None:
        self.data = b""
        self.pos = 0
        self._overrun = 0  # octets thrown away of a line that is too long

    def __bool__(self) -> bool:
        return self.pos < len(self.data)

    def __len__(self) -> int:
        return len(self.data) - self.pos

    def feed(self, data: bytes) -> None:
        """Append; without a copy when everything before has been used."""
        self.data = data if self.pos >= len(self.data) else self.data[self.pos :] + data
        self.pos = 0

    def clear(self) -> None:
        """Throw away what has not been used."""
        self.data, self.pos, self._overrun = b"", 0, 0

    def take(self, most: int) -> bytes:
        """At most so many octets."""
        taken = self.data[self.pos : self.pos + most]
        self.pos += len(taken)
        return taken

    def line(self, limit: int, auth_limit: int, *, accept_lf: bool) -> bytes | Fault | None:
        """The next line without its end, or what is wrong with it; None if it is not complete.

        `auth_limit` holds for lines that begin with AUTH. `accept_lf` takes LF alone as an end. Other CRs stay.
        """
        data, start = self.data, self.pos
        end = data.find(b"\n", start)
        if end < 0:
            return self._incomplete(limit, auth_limit)
        size = end + 1 - start + self._overrun
        self.pos = end + 1
        if size > limit and (self._overrun or not self._is_auth(start, size, auth_limit)):
            self._overrun = 0
            return Fault.ENDLESS if size > ENDLESS_LINE else Fault.TOO_LONG
        if end > start and data[end - 1] == _CR:
            return data[start : end - 1]
        return data[start:end] if accept_lf else Fault.BARE

    def _incomplete(self, limit: int, auth_limit: int) -> Fault | None:
        size = len(self)
        if self._overrun or (size >= limit and not self._is_auth(self.pos, size + 1, auth_limit)):
            self._overrun += size
            self.data, self.pos = b"", 0
        return Fault.ENDLESS if self._overrun >= ENDLESS_LINE else None

    def _is_auth(self, start: int, size: int, auth_limit: int) -> bool:
        return size <= auth_limit and self.data[start : start + 5].upper() == b"AUTH "
