"""The disk threshold (R8): below it new mail is put off with a temporary reply, and taken again once there is room."""

import logging
import os
from pathlib import Path

log = logging.getLogger("estafeta.storage")


class Space:
    """Free room on the file system of `path`. `look` is cheap and is called about once a second."""

    def __init__(self, path: Path, minimum_free_bytes: int) -> None:
        self._path = path
        self.minimum_free_bytes = minimum_free_bytes
        self.low = False
        self.look()

    def look(self) -> None:
        """Measure; say in the log when it gets low and when it is well again."""
        try:
            figures = os.statvfs(self._path)
        except OSError as error:
            low, free = True, str(error)
        else:
            octets = figures.f_bavail * figures.f_frsize
            low, free = octets < self.minimum_free_bytes, f"{octets >> 20} MiB"
        if low != self.low:
            self.low = low
            words = "new mail is put off" if low else "new mail is taken again"
            log.warning("disk threshold: %s free=%s", words, free)
