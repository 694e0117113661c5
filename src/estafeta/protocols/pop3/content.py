"""The content of a message as RETR and TOP send it: dots stuffed, `.` on its own line at the end (RFC 1939 3).

Contents are stored with CR LF line ends, and only CR LF ends a line here. Small contents go through `encode_content`
at once; large ones piece by piece through a `Stuffer`, and through a `Head` first where TOP wants only the beginning.
"""

_END = b".\r\n"


def encode_content(content: bytes) -> bytes:
    """A whole content, dot-stuffed and terminated; CR LF is added where the last line has none."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    if stuffed.endswith(b"\r\n") or not stuffed:
        return stuffed + _END
    return stuffed + b"\r\n" + _END


class Stuffer:
    """What `encode_content` does, in pieces of any size: `b"".join(map(feed, pieces)) + finish()`."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"  # the beginning of a content is the beginning of a line

    def feed(self, piece: bytes) -> bytes:
        """The next piece, stuffed."""
        joined = self._tail + piece
        stuffed = joined.replace(b"\r\n.", b"\r\n..")
        skip, self._tail = len(self._tail), joined[-2:]
        return stuffed[skip:]

    def finish(self) -> bytes:
        """What comes after the last piece."""
        return _END if self._tail == b"\r\n" else b"\r\n" + _END


class Head:
    """The header, the empty line and the first `lines` lines of the body (RFC 1939 7, TOP), of pieces of any size."""

    __slots__ = ("_in_body", "_left", "_tail", "done")

    def __init__(self, lines: int) -> None:
        self.done = False
        """True once nothing more is wanted: stop reading."""
        self._left = lines
        self._in_body = False
        self._tail = b"\r\n"  # a content that begins with CR LF has no header

    def feed(self, piece: bytes) -> bytes:
        """As much of the next piece as is wanted."""
        if self.done:
            return b""
        skip, joined = len(self._tail), self._tail + piece
        start = 0
        if not self._in_body:
            blank = joined.find(b"\r\n\r\n")
            if blank < 0:
                self._tail = joined[-3:]
                return piece
            self._in_body = True
            start = blank + 4
        return joined[skip : self._end(joined, start)]

    def _end(self, data: bytes, start: int) -> int:
        """Where the wanted lines end, counted from `start`."""
        found = data[start:].split(b"\r\n", self._left)
        if len(found) > self._left:
            self.done = True
            return len(data) - len(found[-1])
        self._left -= len(found) - 1
        self._tail = b"\r" if data.endswith(b"\r", start) else b""
        return len(data)
