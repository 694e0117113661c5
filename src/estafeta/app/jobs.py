"""Periodic work, claimed by lease so that one worker of all does it (docs/internals/store.md: compaction).

`look` is called every second and is cheap; when a job is due it runs in a thread, one job at a time, after this worker
got its lease.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update

from estafeta.core.errors import EstafetaError
from estafeta.storage.database import Database
from estafeta.storage.tables import leases

log = logging.getLogger("estafeta.jobs")

HOUR = 3600
DAY = 86_400
# The lease ends a little before the job is due again.
_SLACK_SECONDS = 60
# A daily job runs some minutes into the day, when what belongs to yesterday is in.
_INTO_DAY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every so many seconds, or once a day shortly after midnight (`every_seconds` = DAY). `run` may
    raise EstafetaError."""

    name: str
    every_seconds: int
    run: Callable[[], None]


class Jobs:
    """This worker's share of the periodic work. `holder` names it in the leases."""

    def __init__(self, database: Database, jobs: Sequence[Job], *, holder: str) -> None:
        self._database = database
        self._holder = holder
        self._due = {job: time.monotonic() + _wait_seconds(job, datetime.now()) for job in jobs}
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Start what is due."""
        if self._thread is not None and self._thread.is_alive():
            return
        now = time.monotonic()
        job = next((job for job, due in self._due.items() if due <= now), None)
        if job is None:
            return
        self._due[job] = now + _wait_seconds(job, datetime.now())
        self._thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait for a job under way; it was told to end by other means."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, job: Job) -> None:
        try:
            if claim(self._database, job.name, self._holder, job.every_seconds - _SLACK_SECONDS):
                job.run()
        except EstafetaError as error:
            log.error("job failed", extra={"job": job.name, "cause": error.private or error.public})
        except Exception:
            log.exception("job failed", extra={"job": job.name})


def _wait_seconds(job: Job, now: datetime) -> float:
    if job.every_seconds < DAY:
        return job.every_seconds
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight + _INTO_DAY - now).total_seconds()


def claim(database: Database, name: str, holder: str, seconds: int) -> bool:
    """Take the lease `name` for some seconds; False while another holds it. One that ends later than a lease can that
    is taken now is left over from a clock that was wrong (or from a longer interval), and counts no more."""
    now = int(time.time())
    with database.write() as tx:
        row = tx.conn.execute(select(leases).where(leases.c.name == name).with_for_update()).first()
        values = {"holder": holder, "until_seconds": now + seconds}
        if row is None:
            tx.conn.execute(insert(leases), values | {"name": name})
        elif now < row.until_seconds <= now + seconds and row.holder != holder:
            return False
        else:
            tx.conn.execute(update(leases).where(leases.c.name == name).values(values))
    return True
