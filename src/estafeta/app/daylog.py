"""Files of the log by day: their names, the link to that of today, and the removal of old ones (row O3).

Several processes do this at once: a lock on the directory keeps them apart where it matters.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

_DAY_SECONDS = 86_400


def day_of(now: float) -> date:
    """The day of a moment, in UTC."""
    return datetime.fromtimestamp(now, UTC).date()


def next_day(now: float) -> float:
    """When the next day begins (epoch seconds)."""
    return (now // _DAY_SECONDS + 1) * _DAY_SECONDS


def path_of(base: Path, day: date) -> Path:
    """`log/estafeta.log` -> `log/estafeta-2026-03-01.log`."""
    return base.with_name(f"{base.stem}-{day.isoformat()}{base.suffix}")


def has_days(base: Path) -> bool:
    """Whether `base` may become a link: it is none, or ours, or a plain file. Not a device, nor a link of others."""
    target = _target(base)
    if target:
        return _name(base).fullmatch(target) is not None
    return base.is_file() or not base.exists()


def point_to(base: Path, path: Path) -> None:
    """Make `base` a link to `path`, which is beside it. A file of that name, of a time before there were files of days,
    becomes that of its last day. What cannot be done is left: the log itself is written all the same."""
    with contextlib.suppress(OSError):
        if _target(base) == path.name:
            return
        with _locked(base.parent):
            _replace(base, path)


def remove_old(base: Path, keep_days: int, today: date) -> list[Path]:
    """Remove the files of days more than `keep_days` ago (0: none), and say which."""
    if keep_days <= 0:
        return []
    removed = []
    oldest = today - timedelta(days=keep_days)
    for path, day in _files(base):
        if day < oldest:
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def _replace(base: Path, path: Path) -> None:
    if _target(base) == path.name:
        return
    if base.exists() and not base.is_symlink():
        last = path_of(base, day_of(base.stat().st_mtime))
        if last.exists():
            return
        base.rename(last)
    link = base.with_name(f".{base.name}-{os.getpid()}")
    link.unlink(missing_ok=True)
    link.symlink_to(path.name)
    link.replace(base)


def _target(base: Path) -> str:
    try:
        return os.readlink(base)
    except OSError:
        return ""


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _files(base: Path) -> Iterator[tuple[Path, date]]:
    name = _name(base)
    with contextlib.suppress(OSError):
        for path in list(base.parent.iterdir()):
            found = name.fullmatch(path.name)
            with contextlib.suppress(ValueError):
                if found and path.is_file() and not path.is_symlink():
                    yield path, date.fromisoformat(found[1])


def _name(base: Path) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(base.stem)}-(\d{{4}}-\d\d-\d\d){re.escape(base.suffix)}", re.ASCII)
