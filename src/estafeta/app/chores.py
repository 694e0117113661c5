"""The periodic work of a node that needs nothing but the store: compaction, journal receivers."""

import logging
import time
from collections.abc import Callable

from estafeta.app.config import Node
from estafeta.app.daylog import day_of, remove_old
from estafeta.app.jobs import DAY, HOUR, Job
from estafeta.app.quarantine import delete_expired
from estafeta.directory.blocks import forget_blocks
from estafeta.directory.settings import SiteSettings
from estafeta.journal.receivers import tend
from estafeta.mailboxes.expiry import expire_junk
from estafeta.policy import experience_store, greylist
from estafeta.policy.bayes_tending import tend as forget_old
from estafeta.policy.readers import forget_readers
from estafeta.policy.sending import forget_old_counts
from estafeta.queue.operating import prune
from estafeta.storage.commit import Item
from estafeta.storage.compact import compact
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

log = logging.getLogger("estafeta.jobs")


def make_jobs(
    node: Node, database: Database, packs: Packs, settings: SiteSettings, stopping: Callable[[], bool]
) -> list[Job]:
    """The jobs of one worker; `stopping` is asked at every safe point."""

    clock = node.make_clock()

    def compaction() -> None:
        percent = settings.current.store.compact_dead_percent
        report = compact(database, packs, dead_percent=percent, stopping=stopping)
        if report.packs:
            log.info("compacted", extra={"packs": report.packs, "freed_bytes": report.freed_bytes})

    def receivers() -> None:
        journal = settings.current.journal
        tend(
            database,
            max_bytes=journal.max_receiver_mib << 20,
            max_age_ms=journal.receiver_days * DAY * 1000,
            keep_ms=journal.keep_days * DAY * 1000,
            now_ms=int(time.time() * 1000),
            stopping=stopping,
        )

    def logs() -> None:
        days = settings.current.journal.keep_log_days
        if days:
            remove_old(node.log_file, days, day_of(time.time()))

    def queue_memory() -> None:
        before_ms = int((time.time() - DAY) * 1000)
        forgotten = 1
        while forgotten and not stopping():
            with database.write() as tx:
                [forgotten] = prune(tx, [Item(before_ms, ())])

    def restrictions() -> None:
        with database.write() as tx:
            forget_readers(tx, clock())
            forget_old_counts(tx, clock())
            forget_blocks(tx, clock())

    def senders() -> None:
        greylist.prune(database, clock(), settings.current.spam.greylist_days)
        experience_store.prune(database, clock())

    def bayes() -> None:
        bayes = settings.current.bayes
        forgotten = forget_old(
            database,
            today=int(clock() // DAY),
            words_days=bayes.forget_words_days,
            messages_days=bayes.remember_messages_days,
            stopping=stopping,
        )
        log.info("forgot what was learnt of junk", extra=forgotten)

    def junk() -> None:
        days = settings.current.bayes.junk_keep_days
        if days:
            gone = expire_junk(database, int((clock() - days * DAY) * 1000), stopping)
            log.info("removed old junk", extra={"number": gone})

    def expired() -> None:
        gone = delete_expired(database, clock, stopping)
        if gone:
            log.info("quarantine: deleted what nobody decided about", extra={"recipients": gone})

    # Logs are each node's own.
    return [
        Job(f"logs-{node.config.hostname}", DAY, logs),
        Job("compact", HOUR, compaction),
        Job("bayes", DAY, bayes),
        Job("junk", DAY, junk),
        Job("queue-memory", HOUR, queue_memory),
        Job("senders", HOUR, senders),
        Job("journal-receivers", HOUR, receivers),
        Job("restrictions", HOUR, restrictions),
        Job("quarantine-expiry", DAY, expired),
    ]
