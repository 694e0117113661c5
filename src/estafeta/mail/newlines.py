"""Line ends as the network has them: every bare CR and bare LF becomes CRLF (RFC 5321 2.3.8). For imports.

What comes over SMTP is never changed here; a bare line end there is for the protocol to refuse.
"""


def needs_crlf_normalising(data: bytes) -> bool:
    """Whether a CR or LF stands alone somewhere."""
    pairs = data.count(b"\r\n")
    return data.count(b"\n") != pairs or data.count(b"\r") != pairs


def normalise_newlines(data: bytes) -> bytes:
    """`data` with CRLF for each CRLF, bare CR and bare LF; the same object when it is so already."""
    if not needs_crlf_normalising(data):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


class NewlineNormaliser:
    """`normalise_newlines` for a stream: the joined results are the same however the input is cut."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = False

    def feed(self, data: bytes) -> bytes:
        """What is certain so far; a CR at the end is held until its neighbour is seen."""
        if not data:
            return b""
        if self._held:
            data = b"\r" + data
        self._held = data.endswith(b"\r")
        return normalise_newlines(data[:-1] if self._held else data)

    def close(self) -> bytes:
        """The rest."""
        held, self._held = self._held, False
        return b"\r\n" if held else b""
