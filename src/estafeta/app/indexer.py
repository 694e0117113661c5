"""The indexer process of a node: keeps the search index true to the mailboxes when the machine has nothing else to do.

It hears of changes on the bus, lets an account be quiet for some seconds, and then indexes it in portions, listening in
between. The bus may lose a word: every account's MODSEQ is compared with the one seen last, at the start and then every
minute. Whatever it is told to do twice is done once; it may die at any moment (docs/internals/search.md).
"""

import logging
import os
import select
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from estafeta.app import logging as app_logging
from estafeta.app.config import load_node
from estafeta.app.context import WorkerContext
from estafeta.app.jobs import claim
from estafeta.core.errors import EstafetaError
from estafeta.directory.settings import SiteSettings
from estafeta.net import bus
from estafeta.search.attachments import AttachmentReader
from estafeta.search.contents import ContentTexts
from estafeta.search.index import IndexUnusableError, recipe_of
from estafeta.search.indexing import Indexing
from estafeta.search.service import limits_of, open_index
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

log = logging.getLogger("estafeta.indexer")

#: An account is indexed once it was quiet for this long, or has waited for the other.
_QUIET_SECONDS = 3.0
_LONGEST_SECONDS = 30.0
#: After a word on the bus it does not listen for this long, so that it is not woken by every delivery.
_DEAF_SECONDS = 0.5
#: Announcements may be lost: MODSEQs and settings are asked for this often.
_LOOK_SECONDS = 60.0
#: Texts of expunged messages leave the index of an account that changed once in so long.
_SWEEP_SECONDS = 86_400.0
#: Purged accounts are looked for this often; a purge removes its index itself.
_PURGED_SECONDS = 3600.0
#: After an error an account is left alone for this long.
_RETRY_SECONDS = 60.0
#: At idle priority an attachment may take this long beside a busy server; its processor time is limited anyway.
_ATTACHMENT_SECONDS = 600.0
_NICE = 19
_LEASE = "search"


def run(context: WorkerContext) -> int:
    """Index until SIGTERM, or until the supervisor is gone; returns the exit status."""
    give_way()
    indexer = Indexer(context)
    indexer.take_signals()
    context.ready()
    try:
        while not indexer.stopping():
            indexer.turn()
    finally:
        indexer.close()
    return 0


def give_way() -> None:
    """Take only the processor time that nobody else wants, where the system knows such a thing."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


@dataclass(slots=True)
class _Heard:
    """When an account changed first and last since it was indexed (monotonic seconds)."""

    first: float
    last: float

    def due(self) -> float:
        """When to index it."""
        return min(self.last + _QUIET_SECONDS, self.first + _LONGEST_SECONDS)


class Indexer:
    """Everything that the indexer process consists of."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._database = Database(context.node.database_url)
        self._packs = Packs(context.node.data / "packs")
        self._settings = SiteSettings(self._database, time.time)
        limits = limits_of(self._settings.reload().search)
        self._reader = AttachmentReader(wall_seconds=_ATTACHMENT_SECONDS)
        self._contents = ContentTexts(self._database, self._packs, limits, self._reader)
        self._index = open_index(self._database, context.node.data / "search", limits)
        self._indexing = Indexing(self._database, self._index, self._contents)
        self._heard: dict[int, _Heard] = {}
        self._busy: deque[int] = deque()
        self._seen: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._to_sweep: dict[int, float] = {}
        self._look_due = self._purged_due = self._deaf_until = 0.0
        self._stopped = self._reload = self._active = False
        self._ear = bus.bind(context.home.run, "indexer", bus.Channel.MAILBOX)
        self._wake, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def take_signals(self) -> None:
        """SIGTERM ends it, SIGHUP lets it read the node file again."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGHUP, self._hang_up)

    def stopping(self) -> bool:
        """Whether to end now: told so, or the supervisor is gone."""
        if not self._stopped and select.select([self._context.control], [], [], 0)[0]:
            self._stopped = True
        return self._stopped

    def turn(self) -> None:
        """Listen, decide what is due, and index one portion."""
        self._listen(self._wait_seconds())
        now = time.monotonic()
        try:
            self._look(now)
            for account_id, heard in list(self._heard.items()):
                if heard.due() <= now:
                    del self._heard[account_id]
                    if account_id not in self._busy:
                        self._busy.append(account_id)
        except (EstafetaError, IndexUnusableError, OSError) as error:
            log.warning("the store cannot be read now", extra={"cause": str(error)})
        if self._busy and self._active:
            self._work(self._busy.popleft())

    def close(self) -> None:
        """Let go of everything."""
        self._ear.close()
        os.close(self._wake)
        os.close(self._wake_write)
        bus.socket_path(self._context.home.run, "indexer", bus.Channel.MAILBOX).unlink(missing_ok=True)
        self._reader.close()
        self._index.close()
        self._packs.close()
        self._database.close()

    def _work(self, account_id: int) -> None:
        """One portion of an account; it stays busy while more waits."""
        try:
            if self._indexing.portion(account_id, self.stopping):
                self._waiting[account_id] = self._indexing.waiting(account_id)
                self._busy.append(account_id)
            else:
                self._waiting.pop(account_id, None)
                self._sweep(account_id)
        except (EstafetaError, IndexUnusableError, OSError) as error:
            log.warning("an account could not be indexed now", extra={"account": account_id, "cause": str(error)})
            self._put_off(account_id)
        except Exception:  # a mistake that one message meets must not keep others from being indexed
            log.exception("an account could not be indexed", extra={"account": account_id})
            self._put_off(account_id)
        self._report()

    def _put_off(self, account_id: int) -> None:
        retry = time.monotonic() + _RETRY_SECONDS
        self._heard[account_id] = _Heard(retry, retry)

    def _sweep(self, account_id: int) -> None:
        """Texts that no mailbox has any more, once a day for each account that changes."""
        now = time.monotonic()
        if now >= self._to_sweep.get(account_id, 0.0):
            self._to_sweep[account_id] = now + _SWEEP_SECONDS
            self._indexing.sweep(account_id)

    def _look(self, now: float) -> None:
        """What the bus may have lost: settings, MODSEQs, purged accounts."""
        if self._reload:
            self._reload = False
            app_logging.configure(load_node(self._context.home), "indexer")
            self._look_due = 0.0
        if now < self._look_due:
            return
        self._look_due = now + _LOOK_SECONDS
        self._take_settings()
        self._active = self._settings.current.search.enabled and self._is_ours()
        if not self._active:
            self._busy.clear()
            self._waiting.clear()
            self._seen.clear()
            return
        self._find_changed(now)
        if now >= self._purged_due:
            self._purged_due = now + _PURGED_SECONDS
            self._indexing.drop_purged()
        self._report()

    def _find_changed(self, now: float) -> None:
        for account_id, modseq in self._indexing.modseqs().items():
            if self._seen.get(account_id) != modseq:
                self._seen[account_id] = modseq
                self._heard.setdefault(account_id, _Heard(now, now - _QUIET_SECONDS))

    def _is_ours(self) -> bool:
        """With a database of several nodes, one of them indexes."""
        if self._database.is_sqlite:
            return True
        holder = f"{self._context.config.hostname}:{os.getpid()}"
        return claim(self._database, _LEASE, holder, int(_LOOK_SECONDS * 3))

    def _take_settings(self) -> None:
        self._settings.poll_version()
        limits = limits_of(self._settings.current.search)
        if limits != self._contents.limits:
            self._contents.limits = limits
            self._index.use(recipe_of(limits))
            self._seen.clear()

    def _listen(self, seconds: float) -> None:
        """Wait for words on the bus, and take in all that are there."""
        ear, others = self._ear.fileno(), [self._wake, self._context.control.fileno()]
        deaf = self._deaf_until - time.monotonic()
        if deaf > 0:
            ready, _, _ = select.select(others, [], [], min(seconds, deaf))
        else:
            ready, _, _ = select.select([ear, *others], [], [], seconds)
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.read(self._wake, 512)
        if ear not in ready:
            return
        now = time.monotonic()
        self._deaf_until = now + _DEAF_SECONDS
        with suppress(BlockingIOError):
            while True:
                for topic in self._ear.recv(1 << 16).decode("utf-8", "replace").splitlines():
                    self._hear(topic, now)

    def _hear(self, topic: str, now: float) -> None:
        words = topic.split(":")
        if len(words) == 3 and words[1].isdecimal():
            heard = self._heard.setdefault(int(words[1]), _Heard(now, now))
            heard.last = max(heard.last, now)

    def _wait_seconds(self) -> float:
        if self._busy and self._active:
            return 0.0
        due = min((heard.due() for heard in self._heard.values()), default=self._look_due)
        return max(0.0, min(due, self._look_due) - time.monotonic())

    def _report(self) -> None:
        """For `status`: how many messages wait (an upper bound), in accounts that were looked at."""
        self._context.report(search_waiting=sum(self._waiting.values()), search_accounts=len(self._busy))

    def _stop(self, *_: object) -> None:
        self._stopped = True

    def _hang_up(self, *_: object) -> None:
        self._reload = True
