"""Periodic work, claimed by lease so that one worker of all does it (docs/internals/store.md: compaction).

`look` is called every second and is cheap; when a job is due it runs in a thread, after this worker got the lease.
"""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import insert, select, update

from estafeta.core.errors import EstafetaError
from estafeta.directory.settings import SiteSettings
from estafeta.storage.compact import compact
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs
from estafeta.storage.tables import leases

log = logging.getLogger("estafeta.jobs")

_COMPACT_SECONDS = 3600


class Jobs:
    """This worker's share of the periodic work. `holder` names it in the lease."""

    def __init__(self, database: Database, packs: Packs, settings: SiteSettings, *, holder: str) -> None:
        self._database = database
        self._packs = packs
        self._settings = settings
        self._holder = holder
        self._due = time.monotonic() + _COMPACT_SECONDS
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def look(self) -> None:
        """Start what is due."""
        if time.monotonic() < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        self._due = time.monotonic() + _COMPACT_SECONDS
        self._thread = threading.Thread(target=self._run, args=("compact", self._compact), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask a job under way to end at its next safe point, and wait for it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, name: str, job: Callable[[], None]) -> None:
        try:
            if claim(self._database, name, self._holder, _COMPACT_SECONDS - 60):
                job()
        except EstafetaError as error:
            log.error("job failed", extra={"job": name, "cause": error.private or error.public})

    def _compact(self) -> None:
        percent = self._settings.current.store.compact_dead_percent
        report = compact(self._database, self._packs, dead_percent=percent, stopping=self._stopping.is_set)
        if report.packs:
            log.info("compacted", extra={"packs": report.packs, "freed_bytes": report.freed_bytes})


def claim(database: Database, name: str, holder: str, seconds: int) -> bool:
    """Take the lease `name` for some seconds; False while another holds it."""
    now = int(time.time())
    with database.write() as tx:
        row = tx.conn.execute(select(leases).where(leases.c.name == name).with_for_update()).first()
        values = {"holder": holder, "until_seconds": now + seconds}
        if row is None:
            tx.conn.execute(insert(leases), values | {"name": name})
        elif row.until_seconds > now and row.holder != holder:
            return False
        else:
            tx.conn.execute(update(leases).where(leases.c.name == name).values(values))
    return True
