"""A real server for the tests of this directory: set up, started and stopped by the command line, on loopback."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.stores import open_site

ESTAFETA = [sys.executable, "-m", "estafeta"]
PASSWORD = "correct horse"


@dataclass
class Server:
    """A running server with users alice, bob and carol at example.test."""

    home: Path
    base: int
    process: subprocess.Popen[str]

    def port(self, standard: int) -> int:
        """Where the service of this standard port listens."""
        return self.base + standard

    def run(self, *args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command on this home."""
        return run_command(self.home, *args, input=input)

    def client_context(self) -> ssl.SSLContext:
        """Trusts exactly the certificate that set-up made."""
        context = ssl.create_default_context(cafile=str(self.home / "certificates" / "default.crt"))
        context.check_hostname = False
        return context

    def wait_ready(self) -> None:
        """Read its output until it is ready; fails with what it said when it ends first."""
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("estafeta: ready"):
                return
        pytest.fail(f"the server ended: {''.join(said)}")

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


def run_command(home: Path, *args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ESTAFETA, "--home", str(home), *args], input=input, capture_output=True, text=True, timeout=60, check=False
    )


def free_base() -> int:
    """A port base whose ports are free now; each xdist worker looks in a range of its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    # Below the ports that the kernel gives to clients, and away from those of other tests.
    for base in range(22000 + 1000 * worker, 32000, 2000):
        if all(_is_free(base + port) for port in (24, 25, 80, 110, 143, 443, 465, 587, 993, 995)):
            return base
    pytest.skip("no free ports on loopback")


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        # As the server binds: connections of an earlier test that linger (TIME_WAIT) are in nobody's way.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def make_home(home: Path, base: int, *options: str) -> None:
    """Set up a home with three users."""
    where = ("--domain", "example.test", "--hostname", "mail.example.test", "--port-base", str(base))
    made = run_command(home, "setup", *where, "--yes", *options)
    assert made.returncode == 0, made.stderr
    add_users(home, *(f"{name}@example.test" for name in ("alice", "bob", "carol")))
    # Clients that verify a host name reach the server by this one.
    renewed = run_command(home, "certificate", "renew", "--host", "localhost")
    assert renewed.returncode == 0, renewed.stderr


def add_users(home: Path, *addresses: str, **options: Any) -> None:
    """What `user add` does, without the half second that a command takes to start."""
    with open_site(load_node(Home(home))) as site:
        for address in addresses:
            site.directory.add_user(address, password=PASSWORD, **options)


def start_server(home: Path, base: int, *args: str) -> Server:
    """Start and wait until it is ready."""
    with open(home / "stderr.log", "a") as log:
        process = subprocess.Popen(
            [*ESTAFETA, "--home", str(home), "serve", *args], stdout=subprocess.PIPE, stderr=log, text=True
        )
    server = Server(home, base, process)
    server.wait_ready()
    return server


def wait_until(check: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll `check` until it is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            pytest.fail("it did not happen in time")
        time.sleep(0.02)
