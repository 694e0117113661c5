"""The log: one line per event, `TIME LEVEL worker=N message key=value ...`, to stderr or a file.

Anyone logs with the standard library: `logging.getLogger("estafeta.smtp").info("accepted", extra={"size": 42})`; each
`extra` becomes a `key=value`. Nothing a peer sent can start a new line. Secrets are never handed to the log.

A log in files has one for each day (UTC, as the times in it): `estafeta.log` is a link to `estafeta-2026-03-01.log`,
which each process opens for itself when the day begins, so that nothing is moved while others write to it. Where the
directory is not ours to make files in, or the log is a device, it stays as it is.
"""

import contextlib
import json
import logging
import math
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from estafeta.app import daylog, loglevel
from estafeta.app.config import LogTarget, Node

ROOT = "estafeta"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN_RECORD = len(vars(logging.LogRecord("", 0, "", 0, "", (), None)))
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LineFormatter(logging.Formatter):
    """Formats a record as one line; `label` says which process speaks, e.g. `worker=2`."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label
        self._second = -1
        self._clock = ""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        message = _one_line(record.getMessage())
        line = f"{self._time(record.created)} {record.levelname.lower()} {self._label} {message}"
        if len(vars(record)) == _PLAIN_RECORD and not record.exc_info:
            return line
        parts = [f"{key}={_value(value)}" for key, value in vars(record).items() if key not in _STANDARD]
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            parts.append(f"error={_value(f'{type(error).__name__}: {error}')}")
            parts.append(f"trace={_value(''.join(traceback.format_exception(error)))}")
        return " ".join([line, *parts])

    def _time(self, seconds: float) -> str:
        """UTC with milliseconds; the part that stays for a second is kept."""
        second = int(seconds)
        if second != self._second:
            self._clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._clock}.{int((seconds - second) * 1000):03d}Z"


class LineHandler(logging.Handler):
    """Writes each line with one system call. A file is opened again within a second after it was moved away."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._base = path
        self._path = path
        self._looked = 0.0
        self._until = math.inf
        #: When a level that holds for a while (app.loglevel) ends, and what ends it.
        self.level_until = math.inf
        self.restore: Callable[[], None] = lambda: None
        self._fd = -1
        if path is not None:
            self._begin_day(path, clock())

    def handle(self, record: logging.LogRecord) -> bool:
        """No filters and no lock: a line is one write to a file opened for appending."""
        if record.created >= self.level_until:
            self.level_until = math.inf
            self.restore()
            if not logging.getLogger(record.name).isEnabledFor(record.levelno):
                return False
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """A log that cannot be written must not break a session."""
        line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        if record.created >= self._until and self._base is not None:
            with contextlib.suppress(OSError):
                self._begin_day(self._base, record.created)
        if self._path is not None and record.created - self._looked > 1.0:
            self._look(self._path, record.created)
        with contextlib.suppress(OSError):
            os.write(self._fd if self._path is not None else sys.stderr.fileno(), line)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        super().close()

    def _begin_day(self, base: Path, now: float) -> None:
        """Go on in the file of the day. OSError when there is no file to write to at all."""
        day = daylog.day_of(now)
        self._until = daylog.next_day(now)
        path = daylog.path_of(base, day) if daylog.has_days(base) else base
        try:
            new = _open(path)
        except PermissionError:
            path, new = base, _open(base)
        if path is not base:
            daylog.point_to(base, path)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._path, self._looked = new, path, now

    def _look(self, path: Path, now: float) -> None:
        self._looked = now
        try:
            there = os.stat(path)
            same = os.path.samestat(there, os.fstat(self._fd))
        except OSError:
            same = False
        if not same:
            with contextlib.suppress(OSError):
                new = _open(path)
                os.close(self._fd)
                self._fd = new


def configure(node: Node, label: str) -> None:
    """Send everything below the logger `estafeta` where the node file says; a second call replaces the first.

    Raises OSError when the log file cannot be opened.
    """
    if node.config.log.target is LogTarget.FILE:
        node.log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = LineHandler(node.log_file)
    else:
        handler = LineHandler(None)
    handler.setFormatter(LineFormatter(label))
    root = logging.getLogger(ROOT)
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    handler.level_until, handler.restore = loglevel.apply_level(node.home, node.config.log.level)
    root.propagate = False
    logging.raiseExceptions = False  # a log that cannot be written must not break a session
    # Nothing of this is printed, and finding it out for each line costs as much as the rest (logging, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _value(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else _one_line(json.dumps(text, ensure_ascii=False))
