"""The process tree under test: `estafeta serve` as a child in a process group of its own, so that it can die as one."""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from estafeta.app.control import ask
from estafeta.app.home import Home
from estafeta.core.errors import EstafetaError, Kind

_READY_SECONDS = 30.0
_STOP_SECONDS = 60.0


class Tree:
    """One life of the server: from start to its end, whoever brings that about."""

    def __init__(self, home: Home, workers: int, crash_at: str, log: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ESTAFETA_")}
        if crash_at:
            environment["ESTAFETA_CRASH_AT"] = crash_at
        command = [sys.executable, "-m", "estafeta", "--home", str(home.root), "serve", "--workers", str(workers)]
        self._home = home
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return once it accepts connections. EstafetaError UNAVAILABLE when that does not happen."""
        deadline = time.monotonic() + _READY_SECONDS
        said = b""
        assert self._process.stdout is not None  # asked for above
        fd = self._process.stdout.fileno()
        while not said.startswith(b"estafeta: ready") and b"\nestafeta: ready" not in said:
            left = deadline - time.monotonic()
            readable = select.select([fd], [], [], max(0.0, left))[0]
            piece = os.read(fd, 4096) if readable else b""
            if not piece:
                raise EstafetaError(Kind.UNAVAILABLE, "The server under test does not start: its log says why.")
            said += piece

    def processes(self) -> dict[int, int]:
        """The pids of the processes that run now, below the supervisor, by their numbers; the writer has WRITER."""
        return {int(worker["index"]): int(worker["pid"]) for worker in self._status() if worker["pid"]}

    def deaths(self) -> int:
        """How many processes have died so far."""
        return sum(int(worker["restarts"]) for worker in self._status())

    def kill_process(self, pid: int) -> bool:
        """SIGKILL to one of `processes()`; false when it was gone already."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to the whole tree at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._end()

    def stop(self) -> int:
        """SIGTERM; returns the exit status, which has to be 0."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return -1
        finally:
            self.kill()
        return self._process.returncode

    def _status(self) -> list[dict[str, int]]:
        # A supervisor under load may be late to answer; the next question tells.
        with suppress(EstafetaError):
            workers: list[dict[str, int]] = ask(self._home.control, "status")["workers"]
            return workers
        if self._process.poll() is not None:
            raise EstafetaError(Kind.UNAVAILABLE, "The supervisor under test has ended by itself: its log says why.")
        return []

    def _end(self) -> None:
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
