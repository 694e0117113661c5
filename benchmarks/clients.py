"""The clients that load the servers, and a server that they relay to: small C programs, compiled here with `cc -O2`.

They are in C so that they cost little of the machine that the servers share with them, and closed-loop: the next
command is sent when the reply to the last one has arrived.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import DOMAIN, PASSWORD, Skip

OCTETS = 4096
SOURCES = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Plan:
    """A load of messages of OCTETS to users `first`, `first` + 1 ... in turn; `many` of them per connection or one.

    `contents`: a file of messages to send. `sender`: the domain of MAIL FROM, "" for that of the recipients."""

    sessions: int
    messages: int
    many: bool
    users: int
    first: int = 0
    domain: str = DOMAIN
    contents: Path | None = None
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """One run of `load`. Times in seconds, `begun` on CLOCK_MONOTONIC; latencies of the acknowledgement in ms."""

    begun: float
    accepted: int
    failed: int
    secs: float
    rate: float
    p50ms: float
    p95ms: float
    p99ms: float
    cpu: float

    @property
    def ended(self) -> float:
        return self.begun + self.secs


@dataclass(frozen=True, slots=True)
class Fetch:
    """One session of `fetch`: `rate` in messages/s, times of one RETR in ms."""

    messages: int
    octets: int
    secs: float
    rate: float
    p50ms: float
    p99ms: float


@dataclass(frozen=True, slots=True)
class Login:
    """One run of `login`: `rate` in sign-ins/s, times from connect to the OK of LOGIN in ms."""

    logins: int
    failed: int
    secs: float
    rate: float
    p50ms: float
    p99ms: float
    cpu: float


class Clients:
    """Compiles into `directory`. Raises Skip when there is no C compiler."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise Skip("no C compiler (cc): the load generator is in C")
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        for name in ("load", "fetch", "login", "sink"):
            argv = [compiler, "-O2", "-o", str(directory / name), str(SOURCES / f"{name}.c")]
            subprocess.run(argv, check=True)

    @property
    def sink(self) -> Path:
        """The program of `sinks.Sink`."""
        return self._directory / "sink"

    def load(self, port: int, plan: Plan) -> Load:
        """Sends what `plan` says and waits for all acknowledgements. RuntimeError when any is refused."""
        options: dict[str, object] = {
            "-p": port,
            "-s": plan.sessions,
            "-m": plan.messages,
            "-l": OCTETS,
            "-u": plan.users,
        }
        options |= {"-f": plan.first, "-D": plan.domain}
        if plan.contents:
            options |= {"-c": plan.contents}
        if plan.sender:
            options |= {"-S": plan.sender}
        argv = [str(self._directory / "load"), *(str(word) for pair in options.items() for word in pair)]
        return Load(**json.loads(_output([*argv, "-d"] if plan.many else argv)))

    def fetch(self, port: int, user: str, password: str, passes: int) -> list[Fetch]:
        """Fetches the whole mailbox `passes` times, a session each."""
        argv = [str(self._directory / "fetch"), "-p", str(port), "-u", user, "-w", password, "-n", str(passes)]
        return [Fetch(**json.loads(line)) for line in _output(argv).splitlines()]

    def login(self, port: int, domain: str, sessions: int, users: int, seconds: float) -> Login:
        """Signs users u00, u01 ... at `domain` (may be empty) in and out. RuntimeError when any is refused."""
        argv = [str(self._directory / "login"), "-p", str(port), "-w", PASSWORD, "-D", domain]
        argv += ["-s", str(sessions), "-u", str(users), "-t", str(seconds)]
        return Login(**json.loads(_output(argv)))


def _output(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(argv[0]).name}: {done.stderr.strip()} {done.stdout.strip()}")
    return done.stdout
