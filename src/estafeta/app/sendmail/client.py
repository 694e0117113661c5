"""A small blocking SMTP and LMTP client for this machine's own server (RFC 5321, RFC 2033). One message a session."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from estafeta.app import listening

#: RFC 5321 4.5.3.2 allows minutes; on one machine a server that takes so long will not answer at all.
TIMEOUT_SECONDS = 120.0
_MAX_REPLY = 1 << 16
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server listens: a Unix socket, or host and port."""

    host: str = "127.0.0.1"
    port: int = 25
    path: Path | None = None
    lmtp: bool = False

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else f"{self.host} port {self.port}"

    def connect(self, timeout_seconds: float = TIMEOUT_SECONDS) -> socket.socket:
        """A connected socket. OSError."""
        if self.path is not None:
            return listening.connect_unix(self.path, timeout_seconds)
        connected = socket.create_connection((self.host, self.port), timeout_seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of RFC 5321 4.2: its code and the texts of its lines."""

    code: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.lines)}"

    @property
    def positive(self) -> bool:
        """2yz or 3yz."""
        return self.code < 400


class Client:
    """One session. EOFError when the server hangs up, OSError for what the network does."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._input = b""

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def command(self, text: str) -> Reply:
        """Say one line and read the reply."""
        self.say([text])
        return self.reply()

    def say(self, lines: Sequence[str]) -> None:
        """Say lines without waiting (RFC 2920)."""
        self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape"))

    def content(self, pieces: Iterable[bytes]) -> None:
        """Send a message that is dot-stuffed already, and its end."""
        block, size = [], 0
        for piece in pieces:
            block.append(piece)
            size += len(piece)
            if size >= _BLOCK:
                self._socket.sendall(b"".join(block))
                block, size = [], 0
        self._socket.sendall(b"".join(block) + b".\r\n")

    def reply(self) -> Reply:
        """Read one reply, all of its lines."""
        lines = []
        while True:
            line = self._line()
            lines.append(line[4:].decode("utf-8", "replace"))
            if line[3:4] != b"-":
                code = int(line[:3]) if line[:3].isdigit() else 0
                if not 200 <= code <= 599:
                    raise OSError(f"not a reply of SMTP: {line[:80]!r}")
                return Reply(code, tuple(lines))

    def _line(self) -> bytes:
        while (end := self._input.find(b"\n")) < 0:
            piece = self._socket.recv(_BLOCK)
            if not piece:
                raise EOFError
            self._input += piece
            if len(self._input) > _MAX_REPLY:
                raise OSError("a reply without end")
        line = self._input[:end].rstrip(b"\r")
        self._input = self._input[end + 1 :]
        return line
