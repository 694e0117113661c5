"""What one side of a conversation is in the middle of: a line, a literal, a message. Memory is bounded."""

from typing import Final

_MOST_LINE: Final = 4096
_MOST_HEADER_LINES: Final = 60


class Side:
    """What one side is in the middle of."""

    __slots__ = ("_left_out", "_partial", "content", "left")

    def __init__(self) -> None:
        self._partial = bytearray()
        self._left_out = 0
        #: Octets of a literal or chunk that are still to come.
        self.left = 0
        self.content: Content | None = None

    def keep(self, data: bytes) -> None:
        """The beginning of a line."""
        room = _MOST_LINE - len(self._partial)
        self._partial += data[:room]
        self._left_out += max(0, len(data) - room)

    def complete(self, data: bytes) -> bytes:
        """Its end: the whole line."""
        self.keep(data)
        line = bytes(self._partial).rstrip(b"\r")
        if self._left_out:
            line += b" ... %d octets more" % self._left_out
        self._partial.clear()
        self._left_out = 0
        return line


class Content:
    """A message passing by: its header fields, and how long the rest is."""

    def __init__(self, *, header: bool = True) -> None:
        self._header = header
        self._shown = 0
        self._size = 0
        self._partial = b""

    def add(self, data: bytes) -> list[bytes]:
        """The lines of it that may be shown."""
        self._size += len(data)
        if not self._header:
            return []
        *lines, self._partial = (self._partial + data).split(b"\n")
        shown = []
        for line in lines:
            plain = line.rstrip(b"\r")
            if not plain or self._shown >= _MOST_HEADER_LINES or len(plain) > _MOST_LINE:
                self._header = False
                break
            self._shown += 1
            shown.append(b"| " + plain)
        self._partial = self._partial[:_MOST_LINE] if self._header else b""
        return shown

    def summary(self) -> str:
        """What was left out."""
        return f"({self._size} octets of content)"
