"""Estafeta as a person gets it: set up by its command, defaults everywhere, started by its command.

Users are added once, to a template; each run gets a copy of it that no server has used. Two settings differ from
the defaults, and neither touches delivery: POP3 may sign in without TLS from loopback, as in the private Dovecot.
"""

from __future__ import annotations

import poplib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import argon2

from benchmarks.server import DOMAIN, PASSWORD, Server, Skip, await_greeting

COMMAND = Path(sys.executable).parent / "estafeta"
MAX_USERS = 100
_READY = b"estafeta: ready"
_SETTINGS = {"pop3.security": "both", "auth.clear_text_networks": "127.0.0.0/8"}


class Template:
    """A home with users u00 to u99, made below `root`."""

    def __init__(self, root: Path) -> None:
        self.port_base = free_port_base()
        self._home = root / "home"
        names = ["--domain", DOMAIN, "--hostname", f"mail.{DOMAIN}"]
        command(self._home, "setup", *names, "--port-base", str(self.port_base), "--yes")
        for key, value in _SETTINGS.items():
            command(self._home, "config", "set", key, value)
        # Hashed here once, with the parameters that Estafeta itself uses.
        hashed = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(PASSWORD)
        users = "".join(f"u{number:02d}:{hashed}\n" for number in range(MAX_USERS))
        command(self._home, "user", "import", "--domain", DOMAIN, "-", text=users)

    def copy(self, home: Path) -> None:
        shutil.copytree(self._home, home)


def command(home: Path, *arguments: str, text: str = "") -> str:
    """Runs `estafeta --home HOME ARGUMENTS`. RuntimeError with what it said when it fails."""
    argv = [str(COMMAND), "--home", str(home), *arguments]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"estafeta {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def free_port_base() -> int:
    """A base at which the ports of all services are free, below those that clients are given (32768 and up)."""
    for base in random.sample(range(10000, 31000, 50), 400):
        if all(_free(base + port) for port in (24, 25, 80, 110, 143, 443, 465, 587, 993, 995)):
            return base
    raise RuntimeError("no free ports for Estafeta between 10000 and 32000")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Estafeta(Server):
    name = "Estafeta"
    template: Template | None = None

    @classmethod
    def prepare(cls) -> None:
        if not COMMAND.exists():
            raise Skip(f"there is no {COMMAND}: pip install -e '.[dev,bench]'")
        done = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skip(f"`estafeta --help` fails: {done.stderr.strip()[-200:]}")

    @classmethod
    def version(cls) -> str:
        from importlib import metadata

        return f"Estafeta {metadata.version('estafeta')}"

    @property
    def directory(self) -> Path:
        return self.home / "estafeta"

    def install(self) -> None:
        """Makes the home. Called by `start` unless it was before."""
        if Estafeta.template is None:
            Estafeta.template = Template(Path(tempfile.mkdtemp(prefix="t", dir=self.home.parent)))
        Estafeta.template.copy(self.directory)
        self.smtp_port = Estafeta.template.port_base + 25
        self.pop3_port = Estafeta.template.port_base + 110

    def start(self, *options: str) -> None:
        if not self.directory.exists():
            self.install()
        self.start_serve(*options)
        await_greeting(self.smtp_port, self.group)

    @property
    def log(self) -> Path:
        return self.home / "serve.log"

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-500:] if self.log.exists() else ""

    def start_serve(self, *options: str) -> float:
        """Starts `estafeta serve` and returns the seconds until it said that it is ready."""
        argv = [COMMAND, "--home", self.directory, "serve", *options]
        begun = time.monotonic()
        with self.log.open("ab") as log:
            process = self.group.spawn(argv, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(_READY):
                break
        else:
            raise RuntimeError(f"estafeta serve ended: {self.last_words()}")
        seconds = time.monotonic() - begun
        threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()
        return seconds

    def await_delivered(self, messages: int, acknowledged: float) -> float:
        """A message is in its mailbox when its 250 is sent: `verify` counts them."""
        return acknowledged

    def verify(self, messages: int) -> None:
        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(self.count, range(self.users)))
        if set(counts) != {messages // self.users}:
            raise RuntimeError(f"POP3 counts {sum(counts)} messages, {messages} were acknowledged: {counts}")

    def count(self, number: int) -> int:
        """The messages in the mailbox of one user, by POP3 STAT."""
        pop3 = poplib.POP3("127.0.0.1", self.pop3_port, timeout=30)
        pop3.user(f"u{number:02d}@{DOMAIN}")
        pop3.pass_(PASSWORD)
        messages, _ = pop3.stat()
        pop3.quit()
        return messages


def _drain(stream: IO[bytes]) -> None:
    for _ in stream:
        pass
