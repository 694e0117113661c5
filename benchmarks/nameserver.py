"""A name server for tests on this machine: of a table of records, or one in which every name has an address where
nobody listens."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping

#: On this machine, and none of its servers'.
NOBODY = "127.9.9.9"
_TYPES = {"A": 1, "PTR": 12, "MX": 15, "TXT": 16}
_TTL = 3600
# RFC 1035 4.1.1: an answer, recursion wanted and available; no error, no such name.
_FLAGS, _NO_NAME = 0x8180, 0x8183
_HEAD, _TAIL = struct.Struct(">6H"), struct.Struct(">2H")

Zone = Mapping[tuple[str, str], str]
"""Texts of records by type and name, in lower case: an address, a name, a text. One record for each."""


class NameServer:
    """Answers by UDP at `port` of 127.0.0.1 until it is closed; without a zone every name is at NOBODY."""

    def __init__(self, zone: Zone | None = None) -> None:
        self._records = {(_TYPES[kind], name): _data(kind, text) for (kind, name), text in (zone or {}).items()}
        self._names = None if zone is None else {name for _, name in zone}
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
                self._socket.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        """What is said to a question. Raises IndexError or struct.error when it is none."""
        ident, *_ = _HEAD.unpack_from(query)
        labels, end = [], _HEAD.size
        while query[end]:
            labels.append(query[end + 1 : end + 1 + query[end]])
            end += 1 + query[end]
        kind, _ = _TAIL.unpack_from(query, end + 1)
        question = query[_HEAD.size : end + 1 + _TAIL.size]
        name = b".".join(labels).decode("ascii", "replace").lower()
        if self._names is None:
            data = socket.inet_aton(NOBODY) if kind == _TYPES["A"] else None
        else:
            data = self._records.get((kind, name))
        flags = _FLAGS if self._names is None or name in self._names else _NO_NAME
        # RFC 1035 4.1.3: the name by a pointer to the question.
        found = b"" if data is None else struct.pack(">3HIH", 0xC00C, kind, 1, _TTL, len(data)) + data
        return _HEAD.pack(ident, flags, 1, data is not None, 0, 0) + question + found


def _data(kind: str, text: str) -> bytes:
    """RFC 1035 3.3, 3.4: the octets of a record."""
    if kind == "A":
        return socket.inet_aton(text)
    if kind == "TXT":
        parts = (text[start : start + 255].encode() for start in range(0, len(text), 255))
        return b"".join(bytes((len(part),)) + part for part in parts)
    name = b"".join(bytes((len(label),)) + label for label in text.encode().split(b".")) + b"\0"
    return struct.pack(">H", 10) + name if kind == "MX" else name
