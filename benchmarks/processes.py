"""The processes of one server under measurement: started, accounted for and ended together.

A `Group` holds every process that a server's start commands lead to, also those that leave their parents. Where a
control group can be made (root, cgroup v2, whatever controllers are in use), the kernel does the accounting:
`cpu.stat` counts user and system time of all processes that ever were in the group, finished ones included, in
microseconds. Elsewhere the tree below the started processes is read from /proc: user and system time of each and of
its children that it has waited for, each rounded down to ticks of 10 ms (with 150 processes this misses an eighth).
Neither sees kernel threads (disk journal, writeback).
"""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

_numbers = itertools.count()
_PR_SET_PDEATHSIG = 1
_MAX_FILES = 65536  # a usual limit; Postfix closes every possible descriptor when it starts
_REMOVALS = 40


class Group:
    """The processes of one server. `note` says how their CPU time is counted."""

    def __init__(self) -> None:
        self._roots: list[subprocess.Popen[bytes]] = []
        self._directory = _make_cgroup()
        self.note = "cgroup v2 cpu.stat" if self._directory else "/proc of the process tree"

    def spawn(
        self,
        argv: Sequence[object],
        *,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | int = subprocess.DEVNULL,
        cwd: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts a process in a session of its own, in this group from its first instruction on."""
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=self._enter,
        )
        self._roots.append(process)
        return process

    def _enter(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = min(most, _MAX_FILES) if most >= 0 else _MAX_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        if self._directory:
            (self._directory / "cgroup.procs").write_text("0")

    def pids(self) -> list[int]:
        """The processes that are alive now."""
        if self._directory:
            return [int(line) for line in (self._directory / "cgroup.procs").read_text().split()]
        return _tree([process.pid for process in self._roots if process.poll() is None])

    def cpu_seconds(self) -> float:
        """User and system time used so far, finished processes included."""
        if self._directory:
            first = (self._directory / "cpu.stat").read_text().split("\n", 1)[0]
            return int(first.split()[1]) / 1e6
        return sum(_ticks(pid) for pid in self.pids()) / os.sysconf("SC_CLK_TCK")

    def pss_bytes(self) -> int:
        """Proportional set size: memory in use, shared pages divided among those that share them."""
        return sum(_pss(pid) for pid in self.pids())

    def rss_bytes(self) -> list[int]:
        """What each process has resident, shared pages in full; the oldest first."""
        return [_resident(pid) for pid in sorted(self.pids())]

    def largest_rss_bytes(self) -> int:
        """What the largest process has resident, shared pages in full."""
        return max(self.rss_bytes(), default=0)

    def largest_pss_bytes(self) -> int:
        """The most that one process has, its part of shared pages."""
        return max(map(_pss, self.pids()), default=0)

    def end(self, seconds: float = 10) -> None:
        """SIGTERM to what was started, SIGKILL to what of the group is left after `seconds`."""
        for process in reversed(self._roots):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + seconds
        while self._reap() and time.monotonic() < deadline:
            time.sleep(0.01)
        while left := self._reap():
            for pid in left:
                _kill(pid)
            time.sleep(0.05)
        if self._directory:
            _remove(self._directory)

    def _reap(self) -> list[int]:
        for process in self._roots:
            process.poll()
        return self.pids()


def _make_cgroup() -> Path | None:
    """A new control group below our own, or None where this is not allowed."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    mount = next((fields[1] for fields in mounts if fields[2] == "cgroup2"), None)
    own = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    if mount is None or not own:
        return None
    directory = Path(mount + own[0]) / f"estafeta-bench-{os.getpid()}-{next(_numbers)}"
    try:
        directory.mkdir()
    except OSError:
        return None
    if (directory / "cpu.stat").exists() and os.access(directory / "cgroup.procs", os.W_OK):
        return directory
    directory.rmdir()
    return None


def _remove(directory: Path) -> None:
    """A process that was reaped may stand in its group for a moment."""
    for _ in range(_REMOVALS):
        with suppress(OSError):
            directory.rmdir()
            return
        time.sleep(0.05)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (state), empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _tree(roots: list[int]) -> list[int]:
    parents = {int(p.name): _stat(int(p.name)) for p in Path("/proc").iterdir() if p.name.isdigit()}
    found = [pid for pid in roots if parents.get(pid)]
    for pid in found:  # grows while it is walked
        found += [child for child, stat in parents.items() if stat and int(stat[1]) == pid]
    return found


def _ticks(pid: int) -> int:
    stat = _stat(pid)
    return sum(int(field) for field in stat[11:15])  # utime stime cutime cstime


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # it ended meanwhile
    line = next((line for line in text.splitlines() if line.startswith("Pss:")), "Pss: 0")
    return int(line.split()[1]) * 1024


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0  # it ended meanwhile
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
