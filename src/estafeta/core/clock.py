"""The time of day, and one that can be moved.

A clock is a callable that gives seconds since 1970 (Unix time), as `time.time` does. Everything that decides by the
time of day is handed one; what only measures how long something takes uses the monotonic clock of the system, which
nothing here changes.

A `LabClock` adds an offset that can be set from another process: a file with a number of seconds. All processes of a
node that has `[lab]` in its node file read the same one, so that four days pass for them at once.
"""

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from estafeta.core.errors import EstafetaError, Kind

Clock = Callable[[], float]

#: A century either way: more is a mistake, and dates beyond the year 9999 cannot be written.
_MOST_SECONDS = 100 * 366 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")


class LabClock:
    """The time of day plus an offset, which `path` holds for all processes; without a path it is this object's own."""

    __slots__ = ("_asked", "_offset", "_path", "_seen", "jumps")

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._offset = 0.0
        self._seen = (0, 0)
        self._asked = 0
        #: How often this object noticed that the offset had changed.
        self.jumps = 0

    def __call__(self) -> float:
        self._look()
        return time.time() + self._offset

    def ms(self) -> int:
        """The same in milliseconds."""
        return int(self() * 1000)

    @property
    def offset_seconds(self) -> float:
        """How far this clock is ahead of the world's."""
        self._look()
        return self._offset

    def jump(self, span: float | str) -> float:
        """Move by seconds, or by a time such as `4h`, for everyone who reads the file; returns the new offset.

        Raises EstafetaError INVALID for what is no time, OSError when the file cannot be written.
        """
        self._look()
        return self.set_offset(self._offset + (parse_span(span) if isinstance(span, str) else span))

    def set_offset(self, seconds: float) -> float:
        """Set the offset itself; 0 is the world's time."""
        if not abs(seconds) <= _MOST_SECONDS:
            raise EstafetaError(Kind.INVALID, "The clock moves by at most a hundred years.")
        if self._path is not None:
            beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            beside.write_text(f"{seconds:.3f}\n")
            os.replace(beside, self._path)
        self._take(seconds)
        return seconds

    def jumped(self) -> bool:
        """Whether it moved since this was asked the last time: timers that were set before ring too late."""
        self._look()
        before, self._asked = self._asked, self.jumps
        return self.jumps != before

    def _look(self) -> None:
        if self._path is None:
            return
        # A file that is not there yet, or that a person is editing, changes nothing.
        with suppress(OSError, ValueError):
            status = os.stat(self._path)
            seen = (status.st_ino, status.st_mtime_ns)
            if seen == self._seen:
                return
            self._seen = seen
            seconds = float(self._path.read_text()[:32])
            if abs(seconds) <= _MOST_SECONDS:
                self._take(seconds)

    def _take(self, seconds: float) -> None:
        self.jumps += seconds != self._offset
        self._offset = seconds


def parse_span(text: str) -> float:
    """Seconds of `90`, `90s`, `15m`, `4h`, `4d`, `1d12h`; a minus in front makes it negative.

    Raises EstafetaError INVALID.
    """
    sign, rest = (-1, text.strip()[1:]) if text.strip().startswith("-") else (1, text.strip().removeprefix("+"))
    parts = _SPAN.findall(rest)
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", rest):
        return sign * float(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest or len(rest) > 40:
        raise EstafetaError(Kind.INVALID, f"{text[:40]!r} is no time: write it as 90s, 15m, 4h or 1d12h.")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)
