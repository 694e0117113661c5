"""Following connections of a running server: the side of `estafeta trace`.

`follow` listens on a Unix socket in the run directory, announces it on the bus again and again (workers come and go),
and yields what the workers send. Raises EstafetaError UNAVAILABLE when no server runs.
"""

import json
import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from estafeta.app import control, listening
from estafeta.app.home import Home
from estafeta.net.bus import Bus
from estafeta.net.watching import TOPIC, Wanted

_ANNOUNCE_SECONDS = 1.0
_MOST_LINE_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16


def follow(home: Home, wanted: Wanted, *, seconds: float = 0.0) -> Iterator[dict[str, Any]]:
    """Lines of conversations as `net.watching` sends them, until `seconds` are over (0: for ever)."""
    control.ask(home.control, "status")
    listener = _Listener(home, wanted)
    end = time.monotonic() + seconds if seconds else float("inf")
    try:
        while (left := end - time.monotonic()) > 0:
            yield from listener.turn(min(left, _ANNOUNCE_SECONDS))
    finally:
        listener.close()


class _Listener:
    def __init__(self, home: Home, wanted: Wanted) -> None:
        self._path = home.run / f"trace-{os.getpid()}.sock"
        self._request = wanted.to_json()
        self._bus = Bus(home.run)
        self._selector = selectors.DefaultSelector()
        self._socket = listening.unix_socket(self._path, 0o600)
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._parts: dict[socket.socket, bytes] = {}
        self._announced = 0.0

    def turn(self, seconds: float) -> list[dict[str, Any]]:
        """What came within this time."""
        if time.monotonic() - self._announced >= _ANNOUNCE_SECONDS:
            self._announced = time.monotonic()
            self._bus.publish([f"{TOPIC}{self._path.name}"])
        lines: list[dict[str, Any]] = []
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._socket:
                self._accept()
            elif isinstance(key.fileobj, socket.socket):
                lines += self._read(key.fileobj)
        return lines

    def close(self) -> None:
        for worker in self._parts:
            worker.close()
        self._selector.close()
        self._socket.close()
        self._bus.close()
        with suppress(OSError):
            self._path.unlink()

    def _accept(self) -> None:
        with suppress(OSError):
            worker, _ = self._socket.accept()
            worker.sendall(self._request)
            self._parts[worker] = b""
            self._selector.register(worker, selectors.EVENT_READ)

    def _read(self, worker: socket.socket) -> list[dict[str, Any]]:
        try:
            got = worker.recv(_PIECE_BYTES)
        except OSError:
            got = b""
        *lines, rest = (self._parts[worker] + got).split(b"\n")
        self._parts[worker] = rest
        if not got or len(rest) > _MOST_LINE_BYTES:
            self._selector.unregister(worker)
            del self._parts[worker]
            worker.close()
        return [json.loads(line) for line in lines]
