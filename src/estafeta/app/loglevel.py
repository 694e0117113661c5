"""A level of the log for a while, without a restart: `estafeta log-level debug --for 10m`.

What was asked for is a file in the run directory, so that every process reads it whenever the log is set up: at start,
on `reload`, on SIGHUP. It ends by itself; a reload neither ends nor prolongs it. A file that makes no sense counts as
none.
"""

import json
import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from estafeta.app.config import LogLevel
from estafeta.app.home import Home

ROOT = "estafeta"
_FILE = "log-level.json"


@dataclass(frozen=True, slots=True)
class LevelForAWhile:
    """`part` is a part of the program, as in `smtp` or `net`; empty: all of it. `until`: Unix time."""

    level: LogLevel
    until: float
    part: str = ""


def read_level(home: Home, now: float) -> LevelForAWhile | None:
    """What holds now, if anything was asked for."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        raw = json.loads(_path(home).read_bytes()[:1000])
        found = LevelForAWhile(LogLevel(raw["level"]), float(raw["until"]), str(raw["part"]))
        if now < found.until < math.inf:
            return found
    return None


def write_level(home: Home, wanted: LevelForAWhile | None) -> None:
    """Ask for a level, or for the usual one. Raises OSError. Processes take it in when they are told to reload."""
    path = _path(home)
    if wanted is None:
        path.unlink(missing_ok=True)
        return
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(asdict(wanted)))
    os.replace(beside, path)


def apply_level(home: Home, usual: LogLevel) -> tuple[float, Callable[[], None]]:
    """Set the levels of this process; returns when that ends (infinity: never), and what then sets the usual ones."""

    def restore() -> None:
        _reset()
        logging.getLogger(ROOT).setLevel(usual.upper())

    restore()
    wanted = read_level(home, time.time())
    if wanted is None:
        return math.inf, restore
    logging.getLogger(f"{ROOT}.{wanted.part}" if wanted.part else ROOT).setLevel(wanted.level.upper())
    return wanted.until, restore


def _reset() -> None:
    """Forget levels of parts: only this module sets any."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith(f"{ROOT}.") and isinstance(logger, logging.Logger) and logger.level:
            logger.setLevel(logging.NOTSET)


def _path(home: Home) -> Path:
    return home.run / _FILE
