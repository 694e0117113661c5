"""Servers that take mail for domains of others and pass it on to a sink on this machine.

Both know the sink as the host that takes all mail for others (`routing.smarthost`, `relayhost`), and neither uses TLS
on the way to it, which is how Postfix ships. Where the sink is and this are the only settings of Estafeta that differ
from the defaults; those of Postfix are in postfix.py, with in_flow_delay as shipped. Both have a message on the disk
before they say 250 (Estafeta syncs contents and metadata, Postfix its queue file).
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.estafeta_server import Estafeta, command
from benchmarks.postfix import PostfixVirtual
from benchmarks.server import Server
from benchmarks.sinks import Sink, Taken

#: A domain of others.
ELSEWHERE = "elsewhere.test"


class Relay(Server):
    """A server with a sink of its own. `sink_program` is set before any is made."""

    sink_program = Path()

    def __init__(self, home: Path, users: int) -> None:
        super().__init__(home, users)
        self.sink = Sink(self.sink_program)

    def await_relayed(self, messages: int) -> Taken:
        """Waits until the sink has them all. RuntimeError when it has not, or has one twice."""
        taken = self.sink.wait(messages)
        if taken.taken != taken.distinct or taken.distinct != messages:
            raise RuntimeError(f"{messages} were sent, the sink has {taken.taken}, {taken.distinct} distinct.")
        return taken

    def stop(self) -> None:
        super().stop()
        self.sink.stop()


class EstafetaRelay(Relay, Estafeta):
    def install(self) -> None:
        super().install()
        command(self.directory, "config", "set", "routing.smarthost", f"[127.0.0.1]:{self.sink.port}")
        command(self.directory, "config", "set", "delivery.tls_level", "none")


class PostfixRelay(Relay, PostfixVirtual):
    name = "Postfix"
    in_flow_delay = "1s"

    def _more(self) -> str:
        return f"relayhost = [127.0.0.1]:{self.sink.port}"
