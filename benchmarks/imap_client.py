"""A small IMAP client over a raw socket, for timing: what takes long in it would be counted as the server's.

A command is sent whole and its answer read in large pieces into one buffer, until what has arrived ends with the
tagged line; nothing is parsed meanwhile. Tags are such as occur in no message. What the answer held is counted
afterwards, when the clock has stopped, so that nobody wins by answering less.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from types import TracebackType

from benchmarks.server import PASSWORD

_SECONDS = 120
_LONGEST_LINE = 1 << 20


class RefusedError(RuntimeError):
    """The server said NO, BAD or BYE, or answered otherwise than a server must."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one command: `seconds` from the first octet sent to the end of the tagged line."""

    seconds: float
    text: bytes

    def count(self, what: str) -> int:
        """How many untagged responses `* n WHAT` there are. Literals are not skipped: no message holds such lines."""
        return len(re.findall(rb"^\* \d+ " + what.encode(), self.text, re.MULTILINE))

    def numbers(self, what: str) -> int:
        """How many numbers `* WHAT ...` lists (SEARCH, SORT and THREAD; ESEARCH is not asked for)."""
        lines = re.findall(rb"^\* " + what.encode() + rb"\b([^\r\n]*)", self.text, re.MULTILINE)
        return sum(len(re.findall(rb"\d+", line)) for line in lines)

    def code(self, name: str) -> int:
        """The number in a response code: HIGHESTMODSEQ, UIDNEXT ..."""
        found = re.search(rb"\[" + name.encode() + rb" (\d+)", self.text)
        if found is None:
            raise RefusedError(f"no {name} in {self.text[-200:]!r}")
        return int(found[1])


class ImapClient:
    """One session on 127.0.0.1, signed in as `user`. `room` is how much the longest answer may hold."""

    def __init__(self, port: int, user: str, room: int = 64 << 20) -> None:
        self._buffer = bytearray(room)
        self._view = memoryview(self._buffer)
        self._number = 0
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._until(b"* ")
        self.ask(f"LOGIN {user} {PASSWORD}")

    def ask(self, command: str, *literals: bytes) -> Answer:
        """Sends `command`, in which each `{}` stands for a literal, and waits for its OK."""
        self._number += 1
        tag = b"zQ%06dQz " % self._number
        line, *rest = (tag + command.encode() + b"\r\n").split(b"{}")
        pieces = [
            b"{%d+}\r\n%b%b" % (len(literal), literal, after) for literal, after in zip(literals, rest, strict=True)
        ]
        octets = b"".join((line, *pieces))
        begun = time.perf_counter()
        self._socket.sendall(octets)
        begin, end = self._until(tag)
        seconds = time.perf_counter() - begun
        if not self._buffer.startswith(tag + b"OK", begin):
            raise RefusedError(f"{command[:80]}: {bytes(self._view[begin:end])[:200]!r}")
        return Answer(seconds, bytes(self._view[:end]))

    def _until(self, tag: bytes) -> tuple[int, int]:
        """Reads until the last line that has arrived is whole and begins with `tag`. Where it begins and ends."""
        end = 0
        while True:
            count = self._socket.recv_into(self._view[end:])
            if not count:
                raise RefusedError(f"the server closed the connection: {bytes(self._view[max(end - 200, 0) : end])!r}")
            end += count
            if self._buffer[end - 2 : end] == b"\r\n":
                begin = self._buffer.rfind(b"\r\n", max(end - _LONGEST_LINE, 0), end - 2)
                begin = begin + 2 if begin >= 0 else 0
                if self._buffer.startswith(tag, begin):
                    return begin, end

    def close(self) -> None:
        try:
            self.ask("LOGOUT")
        finally:
            self._view.release()
            self._socket.close()

    def __enter__(self) -> ImapClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._socket.close()
