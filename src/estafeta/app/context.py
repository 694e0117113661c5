"""What the supervisor hands to a worker, and how the worker talks back.

A worker calls `ready()` once it accepts connections, and `report()` every few seconds. Its `control` socket becomes
readable only when the supervisor is gone: the worker must then end as on SIGTERM.
"""

import contextlib
import json
import socket
from dataclasses import dataclass

from estafeta.app.config import ListenerConfig, Node, NodeConfig
from estafeta.app.home import Home

#: One report is one datagram: larger ones are refused by the kernel long before this.
MAX_REPORT_BYTES = 16384


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """One worker's share: the node, its number from 0, the bound sockets, and the line to the supervisor.

    A listener on `*` has two sockets, IPv4 and IPv6. All workers share them; they listen and do not block.
    """

    node: Node
    index: int
    sockets: tuple[tuple[ListenerConfig, socket.socket], ...]
    control: socket.socket

    @property
    def config(self) -> NodeConfig:
        """The node file as read at start; read it again on SIGHUP with `load_node(context.home)`."""
        return self.node.config

    @property
    def home(self) -> Home:
        """The node's home directory."""
        return self.node.home

    def ready(self) -> None:
        """Tell the supervisor that this worker accepts connections."""
        self._send({"event": "ready"})

    def report(self, **figures: int | float | str) -> None:
        """Tell figures for `status`; known: connections, accepted, loop_lag_ms. Never blocks, never raises."""
        self._send({"event": "stats", **figures})

    def _send(self, message: dict[str, int | float | str]) -> None:
        # A supervisor that is gone or slow is none of the worker's business here: the next report tells the same.
        with contextlib.suppress(OSError):
            self.control.send(json.dumps(message).encode() + b"\n", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
