"""A name server in which every name has an address where nobody listens, and no other records."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

#: On this machine, and none of its servers'.
NOBODY = "127.9.9.9"
_TYPE_A = 1
_TTL = 3600
# RFC 1035 4.1.1: an answer, recursion wanted and available, no error.
_FLAGS = 0x8180
_HEAD, _TAIL = struct.Struct(">6H"), struct.Struct(">2H")
# RFC 1035 4.1.3: the name by a pointer to the question.
_ADDRESS = struct.pack(">3HIH", 0xC00C, _TYPE_A, 1, _TTL, 4) + socket.inet_aton(NOBODY)


class NameServer:
    """Answers by UDP at `port` of 127.0.0.1 until it is closed."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        # An empty datagram: closing alone does not end a recvfrom that is under way.
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            with contextlib.suppress(IndexError, struct.error):
                self._socket.sendto(answer(query), peer)


def answer(query: bytes) -> bytes:
    """What is said to a question. Raises IndexError or struct.error when it is none."""
    ident, *_ = _HEAD.unpack_from(query)
    end = _HEAD.size
    while query[end]:
        end += 1 + query[end]
    kind, _ = _TAIL.unpack_from(query, end + 1)
    found = kind == _TYPE_A
    question = query[_HEAD.size : end + 1 + _TAIL.size]
    return _HEAD.pack(ident, _FLAGS, 1, found, 0, 0) + question + _ADDRESS * found
