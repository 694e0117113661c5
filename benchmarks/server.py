"""What every server under measurement can do, and helpers to start one."""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from pathlib import Path

from benchmarks.processes import Group

DOMAIN = "bench.test"
PASSWORD = "a-password-for-the-bench"


class Skip(Exception):  # noqa: N818  (not a failure)
    """A part cannot be measured here. Its text is the reason, for a person to read."""


class Server(ABC):
    """One server with mailboxes u00, u01 ... at DOMAIN, started on a directory that nothing used before."""

    name: str

    def __init__(self, home: Path, users: int) -> None:
        self.home = home
        self.users = users
        self.group = Group()
        self.smtp_port = 0
        self.pop3_port = 0

    @classmethod
    @abstractmethod
    def prepare(cls) -> None:
        """Installs what is missing. Raises Skip when the server cannot be had here."""

    @classmethod
    @abstractmethod
    def version(cls) -> str: ...

    @abstractmethod
    def start(self) -> None:
        """Returns when the SMTP port greets."""

    @abstractmethod
    def await_delivered(self, messages: int, acknowledged: float) -> float:
        """Waits until `messages`, spread evenly over all users, can be read in their mailboxes.

        Returns the monotonic time at which that was so, not before `acknowledged`, when the last 250 came.
        RuntimeError when it does not come to pass.
        """

    @abstractmethod
    def verify(self, messages: int) -> None:
        """Counts, outside all measured time, what await_delivered believed. RuntimeError when they differ."""

    def last_words(self) -> str:
        """The end of the server's log, to explain a failure with."""
        return ""

    def stop(self) -> None:
        self.group.end()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_greeting(port: int, group: Group, seconds: float = 20) -> None:
    """Waits until the server on `port` says something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
                if connection.recv(100):
                    return
        except OSError:
            if not group.pids():
                raise RuntimeError("the server ended instead of starting") from None
        time.sleep(0.02)
    raise RuntimeError(f"no greeting on port {port} within {seconds:.0f} s")
