"""The writer process of a node: makes durable what all workers submit (estafeta.storage.writer)."""

import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from estafeta.app import logging as app_logging
from estafeta.app.config import load_node
from estafeta.app.context import WorkerContext
from estafeta.app.home import Home
from estafeta.app.listening import connect_unix, unix_socket
from estafeta.core.errors import EstafetaError
from estafeta.directory.settings import SiteSettings
from estafeta.net.bus import Bus
from estafeta.storage.commit import GroupCommit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs
from estafeta.storage.steps import crash_at, nothing
from estafeta.storage.writer import WriterServer

log = logging.getLogger("estafeta.writer")

#: Announcements are not heard here: settings are asked for this often.
_POLL_SECONDS = 5.0
_CONNECT_SECONDS = 5.0


def connect_writer(home: Home) -> socket.socket:
    """A connection to the writer. Raises OSError while there is none."""
    sock = connect_unix(_socket_path(home), _CONNECT_SECONDS)
    sock.setblocking(False)
    return sock


def run(context: WorkerContext) -> int:
    """Serve until SIGTERM and until every worker has hung up; returns the exit status."""
    bus = Bus(context.home.run)
    announcements = Announcements(bus)
    database = Database(context.node.database_url, publish=announcements.add)
    settings = SiteSettings(database, time.time)
    packs = Packs(context.node.data / "packs")
    crash = os.environ.get("ESTAFETA_CRASH_AT", "")
    group = GroupCommit(database, packs, crash_at(crash) if crash else nothing)
    server = WriterServer(group, unix_socket(_socket_path(context.home), 0o600), announcements.send)
    chores = Chores(context, group, settings, server)
    context.ready()
    server.run(chores.look, _POLL_SECONDS)
    group.close()
    packs.close()
    database.close()
    bus.close()
    return 0


class Announcements:
    """What to tell on the bus, once those who wait for the commit have their answers: they come first."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._topics: dict[str, None] = {}

    def add(self, topics: Sequence[str]) -> None:
        """A transaction that announces these has committed."""
        self._topics.update(dict.fromkeys(topics))

    def send(self) -> None:
        """Tell everybody who listens."""
        if self._topics:
            topics, self._topics = list(self._topics), {}
            self._bus.publish(topics)


class Chores:
    """What the writer does besides writing: signals, settings, a word to the supervisor."""

    def __init__(
        self, context: WorkerContext, group: GroupCommit, settings: SiteSettings, server: WriterServer
    ) -> None:
        self._context = context
        self._group = group
        self._settings = settings
        self._server = server
        self._due = 0.0
        self._reload = False
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGHUP, self._hang_up)
        server.wake_on(self._wake, self._drain)

    def look(self) -> None:
        """Between commits."""
        now = time.monotonic()
        if now < self._due and not self._reload:
            return
        self._due = now + _POLL_SECONDS
        try:
            if self._reload:
                self._reload = False
                app_logging.configure(load_node(self._context.home), "writer")
            self._settings.poll_version()
        except (EstafetaError, OSError) as error:
            log.warning("settings could not be read", extra={"cause": str(error)})
        self._group.seal_bytes = self._settings.current.store.pack_mib << 20
        self._context.report()

    def _drain(self) -> None:
        while True:
            try:
                os.read(self._wake, 512)
            except BlockingIOError:
                return

    def _stop(self, *_: object) -> None:
        self._server.stopping = True

    def _hang_up(self, *_: object) -> None:
        self._reload = True


def _socket_path(home: Home) -> Path:
    return home.run / "writer"
