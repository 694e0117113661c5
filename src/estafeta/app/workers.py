"""One worker process as its supervisor sees it: forked, listened to, and replaced with growing patience."""

import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from estafeta.app import logging as app_logging
from estafeta.app.context import MAX_REPORT_BYTES, WorkerContext
from estafeta.app.privileges import end_with_parent
from estafeta.core.errors import EstafetaError

_log = logging.getLogger("estafeta.worker")

Work = Callable[[WorkerContext], int]

#: What the supervisor handles itself.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
#: A worker that lived shorter than this died "quickly"; the second quick death in a row begins the waiting.
QUICK_SECONDS = 10.0
#: Waits before a replacement: doubles from the first to the last.
FIRST_WAIT_SECONDS = 0.1
LAST_WAIT_SECONDS = 30.0
#: So many quick deaths in a row are a crash loop, which `status` shows as a problem.
LOOPING_DEATHS = 3


#: The number of the writer, the process that makes durable what the workers submit (estafeta.app.writer).
WRITER = -1
#: The number of the indexer, which keeps the search index up to date (estafeta.app.indexer). Nobody waits for it.
INDEXER = -2
_NAMES = {WRITER: "writer", INDEXER: "indexer"}


def worker_name(index: int) -> str:
    """`writer`, `indexer`, or `worker N`."""
    return _NAMES.get(index, f"worker {index}")


@dataclass(slots=True)
class Worker:
    """A place among the workers; its process changes, its number does not. The writer has the number WRITER, the
    indexer INDEXER."""

    index: int
    pid: int = 0
    control: socket.socket | None = None
    ready: bool = False
    was_ready: bool = False
    started: float = 0.0
    restarts: int = 0
    quick_deaths: int = 0
    restart_at: float | None = None
    last_end: str = ""
    figures: dict[str, int | float | str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What logs and `status` call it."""
        return worker_name(self.index)

    @property
    def state(self) -> str:
        """`running`, `starting`, or `waiting` to be started again."""
        if not self.pid:
            return "waiting"
        return "running" if self.ready else "starting"

    @property
    def looping(self) -> bool:
        """Whether it dies again and again."""
        return self.quick_deaths >= LOOPING_DEATHS

    def start(
        self, context: Callable[[int, socket.socket], WorkerContext], work: Work, forget: Callable[[], None]
    ) -> None:
        """Fork. The child calls `forget` to close what is the supervisor's, then works and never returns."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        # Blocked, so that no signal meets the supervisor's handlers (and its wakeup pipe) in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            _child(parent, context(self.index, theirs), work, forget)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        theirs.close()
        ours.setblocking(False)
        self.pid, self.control, self.ready = pid, ours, False
        self.started, self.restart_at, self.figures = time.monotonic(), None, {}

    def hear(self) -> bool:
        """Take in what the worker reported; false once it has hung up."""
        assert self.control is not None  # heard only while registered
        try:
            message = self.control.recv(MAX_REPORT_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if message:
            self._take(json.loads(message))
        return bool(message)

    def ended(self, status: int) -> str:
        """Note the end of the process with its wait status; returns it in words."""
        quick = time.monotonic() - self.started < QUICK_SECONDS
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        self.last_end = describe_status(status)
        self.pid, self.ready = 0, False
        return self.last_end

    def schedule(self) -> float:
        """Decide when to start it again; returns the seconds to wait, 0 for at once."""
        waits = self.quick_deaths - 1
        wait = 0.0 if waits <= 0 else min(LAST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (waits - 1))
        self.restart_at = time.monotonic() + wait
        self.restarts += 1
        return wait

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if there is a process. Until it is reaped the pid stays its own, so this hits no other."""
        if self.pid:
            os.kill(self.pid, number)

    def _take(self, message: dict[str, int | float | str]) -> None:
        event = message.pop("event", "")
        if event == "ready":
            self.ready = self.was_ready = True
        elif event == "stats":
            self.figures = message


def describe_status(status: int) -> str:
    """`exit status 1` or `signal SIGKILL` from a wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"signal {signal.Signals(number).name}"
        except ValueError:
            return f"signal {number}"
    return f"exit status {os.WEXITSTATUS(status)}"


def memory_kib(pid: int) -> int:
    """Proportional memory (PSS) of a process in KiB, or its resident memory, or 0 when it is gone."""
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
        except OSError:
            continue
        found = [int(line.split()[1]) for line in lines if line.startswith(key)]
        if found:
            return found[0]
    return 0


def _child(parent: int, context: WorkerContext, work: Work, forget: Callable[[], None]) -> None:
    """The life of a worker process; ends it whatever happens."""
    status = 70  # EX_SOFTWARE
    try:
        _own_signals()
        forget()
        app_logging.configure(context.node, _NAMES.get(context.index, f"worker={context.index}"))
        status = work(context) if end_with_parent(parent) else 0
    except EstafetaError as error:
        status = 1
        _log.error("worker cannot go on", extra={"reason": error.public, "cause": error.private})
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - the last line of defence: nothing may return into the supervisor's code
        _log.exception("worker failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _own_signals() -> None:
    """Signals as a worker wants them before it installs its own handlers."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C goes to the whole group; the supervisor decides
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
