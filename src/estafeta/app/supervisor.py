"""The supervisor: binds the ports, gives up root, keeps the workers alive, answers `status`, reloads and stops.

Plain synchronous code around one selector: signals arrive as bytes on a pipe, workers speak over a socket pair each,
and `status`, `reload` and `stop` come in over the control socket. It serves no mail itself, so it has nothing to lose.
"""

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

from estafeta import __version__
from estafeta.app import listening, pidfile
from estafeta.app import logging as app_logging
from estafeta.app.config import Node, load_node
from estafeta.app.context import WorkerContext
from estafeta.app.control import ControlServer
from estafeta.app.notify import Notifier
from estafeta.app.report import Live, describe_listener, describe_worker
from estafeta.app.workers import INDEXER, SIGNALS, WRITER, Work, Worker
from estafeta.core.errors import EstafetaError, Kind

_log = logging.getLogger("estafeta.supervisor")

#: During start: a worker that dies so often before it was ever ready will not come up by itself.
_START_ATTEMPTS = 3
#: A signal so soon after another does not hurry the stop that the first began.
_SAME_WISH_SECONDS = 0.5
#: Workers use the grace themselves to finish sessions; then they need a moment to commit and close.
_MARGIN_SECONDS = 5.0
#: After SIGKILL to the workers, how long we wait for the kernel to report their end.
_KILL_SECONDS = 5.0


class Supervisor:
    """Runs one server whose ports are bound and whose privileges are dropped already."""

    def __init__(
        self,
        node: Node,
        bound: list[listening.Bound],
        work: Work,
        *,
        lock: pidfile.PidFile,
        count: int,
        check: Callable[[Node], None],
        notifier: Notifier,
        say: Callable[[str], None] = print,
    ) -> None:
        self.node = node
        self.bound = bound
        self.workers = [Worker(index) for index in (WRITER, INDEXER, *range(count))]
        self.started = time.time()
        self._work, self._lock, self._check, self._notifier, self._say = work, lock, check, notifier, say
        self._selector = selectors.DefaultSelector()
        self._announced = False
        self._deadline: float | None = None
        self._deaf_until = 0.0
        self._had_terminal = _has_terminal()
        self._failure: EstafetaError | None = None
        self.control = ControlServer(
            node.home.control, {"status": self.status, "reload": self.reload, "stop": self.stop}
        )
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """Serve until told to stop; returns the exit status. Raises EstafetaError when the workers cannot start."""
        self._take_signals()
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._signalled)
        self.control.register(self._selector)
        gc.collect()
        gc.freeze()  # what exists now is shared with the workers and never looked at by their collectors
        try:
            for worker in self.workers:
                self._start(worker)
            while not self._finished():
                self._turn()
        finally:
            self._clean_up()
        if self._failure is not None:
            raise self._failure
        return 0

    @property
    def stopping(self) -> bool:
        """Whether a stop has begun."""
        return self._deadline is not None

    def stop(self) -> dict[str, object]:
        """Begin to stop, or hurry a stop that has begun."""
        now = time.monotonic()
        if self._deadline is None:
            self._notifier.stopping()
            _log.info("stopping", extra={"grace_seconds": self.node.config.grace_seconds})
            self._deadline = now + self.node.config.grace_seconds + _MARGIN_SECONDS
            self._to_workers(signal.SIGTERM)
        else:
            _log.info("hurrying the stop")
            self._deadline = now
        return {"stopping": True, "pid": os.getpid(), "grace_seconds": self.node.config.grace_seconds}

    def reload(self) -> dict[str, object]:
        """Check the node file and, if it is right, let every worker take it and the certificates in.

        Raises EstafetaError when the new file is wrong: everything then goes on as before.
        """
        new = load_node(self.node.home)
        self._check(new)
        restart = _needs_restart(self.node, new)
        self._notifier.reloading()
        app_logging.configure(new, "supervisor")
        self._to_workers(signal.SIGHUP)
        _log.info("reloading", extra={"restart_needed": ",".join(restart) or "no"})
        self._notifier.ready("reloaded")
        return {"reloaded": True, "restart_needed": restart}

    def status(self) -> dict[str, object]:
        """What `estafeta status` shows of a running server (estafeta.app.report.Live)."""
        live = Live(
            pid=os.getpid(),
            version=__version__,
            started_seconds=self.started,
            stopping=self.stopping,
            listeners=[describe_listener(listener, sock) for listener, sock in self.bound],
            workers=[describe_worker(worker) for worker in self.workers],
        )
        return asdict(live)

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._wait_seconds()):
            key.data()
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            self._to_workers(signal.SIGKILL)
            self._deadline = now + _KILL_SECONDS
        for worker in self.workers:
            if worker.restart_at is not None and now >= worker.restart_at and not self.stopping:
                self._start(worker)

    def _wait_seconds(self) -> float | None:
        times = [worker.restart_at for worker in self.workers if worker.restart_at is not None]
        if self._deadline is not None:
            times = [self._deadline]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _finished(self) -> bool:
        return self.stopping and not any(worker.pid for worker in self.workers)

    def _start(self, worker: Worker) -> None:
        try:
            worker.start(self._context, self._work, self._forget)
        except OSError as error:
            _log.error("no new process", extra={"who": worker.name, "reason": error.strerror})
            worker.restart_at = time.monotonic() + 1.0
            return
        assert worker.control is not None  # start() made it
        self._selector.register(worker.control, selectors.EVENT_READ, lambda: self._heard(worker))

    def _context(self, index: int, control: socket.socket) -> WorkerContext:
        sockets = tuple(self.bound) if index >= 0 else ()
        return WorkerContext(self.node, index, sockets, control)

    def _heard(self, worker: Worker) -> None:
        if worker.control is None:  # its end was noticed earlier in this very turn
            return
        if not worker.hear():
            self._hang_up(worker)
        elif worker.ready and not self._announced and all(each.ready for each in self._needed()):
            self._announce()

    def _hang_up(self, worker: Worker) -> None:
        if worker.control is not None:
            with suppress(KeyError):
                self._selector.unregister(worker.control)
            worker.control.close()
            worker.control = None

    def _needed(self) -> list[Worker]:
        """Those without which nothing is served: all but the indexer."""
        return [worker for worker in self.workers if worker.index != INDEXER]

    def _announce(self) -> None:
        self._announced = True
        count = sum(worker.index >= 0 for worker in self.workers)
        places = ", ".join(f"{listener.service} {listening.place_of(listener, sock)}" for listener, sock in self.bound)
        self._say(f"estafeta: ready on {places or 'no listener'}")
        self._notifier.ready(f"{count} workers")
        _log.info("ready", extra={"workers": count, "pid": os.getpid()})

    def _signalled(self) -> None:
        with suppress(BlockingIOError):
            for number in os.read(self._wake_read, 512):
                self._on_signal(signal.Signals(number))
        self._reap()

    def _on_signal(self, number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            # timeout(1) and some init systems signal the process and its group: those two are one wish.
            if time.monotonic() >= self._deaf_until:
                self._deaf_until = time.monotonic() + _SAME_WISH_SECONDS
                self.stop()
        elif number == signal.SIGHUP and self._had_terminal and not _has_terminal():
            self.stop()  # the window was closed: a foreground server ends with it
        elif number == signal.SIGHUP and not self.stopping:
            try:
                self.reload()
            except EstafetaError as error:
                _log.error("not reloaded", extra={"reason": error.public})

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for worker in self.workers:
                if worker.pid == pid:
                    self._ended(worker, status)

    def _ended(self, worker: Worker, status: int) -> None:
        self._hang_up(worker)
        how = worker.ended(status)
        extra = {"who": worker.name, "how": how}
        if self.stopping:
            _log.info("worker ended", extra=extra)
        elif self._hopeless(worker):
            self._give_up(worker)
        else:
            _log.error("worker died; starting another", extra={**extra, "wait_seconds": worker.schedule()})

    def _hopeless(self, worker: Worker) -> bool:
        """Whether the start fails because of this one."""
        failed = not worker.was_ready and worker.quick_deaths >= _START_ATTEMPTS
        return failed and not self._announced and worker in self._needed()

    def _give_up(self, worker: Worker) -> None:
        sentence = f"The workers do not start ({worker.last_end}): the log lines above say why."
        self._failure = EstafetaError(Kind.UNAVAILABLE, sentence)
        self.stop()

    def _to_workers(self, number: signal.Signals) -> None:
        for worker in self.workers:
            worker.signal(number)

    def _take_signals(self) -> None:
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)

    def _forget(self) -> None:
        """In a child: close what belongs to the supervisor alone, so that its end is seen and its lock freed."""
        self._lock.forget()
        self.control.forget()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        for worker in self.workers:
            if worker.control is not None:
                worker.control.close()

    def _clean_up(self) -> None:
        signal.set_wakeup_fd(-1)
        self._to_workers(signal.SIGKILL)
        self.control.close()
        for listener, sock in self.bound:
            sock.close()
            if listener.path:
                with suppress(OSError):
                    self.node.home.resolve(listener.path).unlink()
        self._selector.close()
        self._lock.release()
        _log.info("stopped")


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal that still exists."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def worker_count(node: Node, asked: int | None) -> int:
    """How many workers: what was asked for, else the node file's, else one for each core we may use."""
    return asked or node.config.workers or len(os.sched_getaffinity(0))


def _needs_restart(old: Node, new: Node) -> list[str]:
    """Keys whose change a reload cannot take in."""
    keys = ("listeners", "data", "database", "workers", "user", "group")
    return [key for key in keys if getattr(old.config, key) != getattr(new.config, key)]
