"""Where measured servers relay to: `sink.c`, a process outside their accounting that counts distinct messages."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Group
from benchmarks.server import await_greeting, free_port

_STALL_SECONDS = 30.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Taken:
    """What a sink has: messages `taken`, and `distinct` ones of them, the `last` of which came then (monotonic)."""

    taken: int
    distinct: int
    connections: int
    last: float
    cpu: float


class Sink:
    """A running sink at `port` on this machine. Raises RuntimeError when it does not start."""

    def __init__(self, program: Path) -> None:
        self.port = free_port()
        self._group = Group()
        self._group.spawn([program, "-p", self.port], stderr=subprocess.DEVNULL)
        await_greeting(self.port, self._group)
        self._connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self._file = self._connection.makefile("rb")
        self._file.readline()

    def taken(self) -> Taken:
        self._connection.sendall(b"STAT\r\n")
        return Taken(**json.loads(self._file.readline().removeprefix(b"250 ")))

    def wait(self, distinct: int) -> Taken:
        """Until it has so many distinct messages. RuntimeError when none comes for half a minute."""
        seen, since = -1, time.monotonic()
        while (now := self.taken()).distinct < distinct:
            if now.distinct > seen:
                seen, since = now.distinct, time.monotonic()
            elif time.monotonic() - since > _STALL_SECONDS:
                raise RuntimeError(f"the sink has {now.distinct} of {distinct} messages, and none comes any more.")
            time.sleep(_LOOK_SECONDS)
        return now

    def stop(self) -> None:
        self._file.close()
        self._connection.close()
        self._group.end()
