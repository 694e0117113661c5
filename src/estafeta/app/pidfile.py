"""One server per home: a locked pid file. The kernel frees the lock however the server ends."""

import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from estafeta.core.errors import EstafetaError, Kind


@dataclass(slots=True)
class PidFile:
    """A held lock. `stale` tells that an earlier server ended without cleaning up (SIGKILL, power)."""

    path: Path
    fd: int
    stale: bool

    def write(self, pid: int, owner: tuple[int, int] | None = None) -> None:
        """Store our pid; `owner` (uid, gid) gives the file to the user we are about to become."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{pid}\n".encode(), 0)
        if owner is not None:
            os.fchown(self.fd, *owner)

    def release(self) -> None:
        """Empty the file and let the next server start. The file stays: removing it would race with the next."""
        os.ftruncate(self.fd, 0)
        os.close(self.fd)

    def forget(self) -> None:
        """Close our copy in a forked child: the lock stays with the parent."""
        os.close(self.fd)


def lock(path: Path) -> PidFile:
    """Take the lock. Raises EstafetaError IN_USE while another server holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid = _pid(fd)
        os.close(fd)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise EstafetaError(
            Kind.IN_USE,
            f"The server at {path.parent.parent} is running already (pid {pid}): stop it first with `estafeta stop`.",
        ) from None
    return PidFile(path, fd, stale=_pid(fd) != 0)


def running_pid(path: Path) -> int:
    """The pid of the server that holds the lock, or 0 when none does. Raises OSError when the file cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _pid(fd)
    else:
        return 0
    finally:
        os.close(fd)


def _pid(fd: int) -> int:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else 0
