"""What `estafeta status` tells: the live part from the supervisor, and an examination that works without a server.

Both are plain values that become JSON. A problem is a sentence that says what is wrong and what to do; a note is worth
knowing and needs nothing.
"""

import os
import shutil
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from estafeta.app import control, listening, pidfile
from estafeta.app.config import ListenerConfig, Node
from estafeta.app.workers import Worker, memory_kib, worker_name
from estafeta.certificates.store import CertificateStore
from estafeta.core.errors import EstafetaError

if TYPE_CHECKING:
    from estafeta.app.stores import Site
    from estafeta.directory.settings_model import Settings

#: A worker whose loop is held longer than this on average keeps its sessions waiting (milliseconds).
_SLOW_LOOP_MS = 50.0

_AWAY = {"pass": "mail is taken unexamined", "defer": "mail is put off", "reject": "mail is refused"}


@dataclass(frozen=True, slots=True)
class LiveListener:
    """A bound listener; `place` is where it really listens, `configured` what the node file said."""

    service: str
    place: str
    configured: str
    certificate: str
    domain: str


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker as its supervisor sees it; figures are what the worker reported last."""

    index: int
    pid: int
    state: str
    looping: bool
    restarts: int
    last_end: str
    up_seconds: int
    memory_kib: int
    connections: int
    accepted: int
    sent: int
    loop_lag_ms: float
    search_waiting: int


@dataclass(frozen=True, slots=True)
class Live:
    """A running server."""

    pid: int
    version: str
    started_seconds: float
    stopping: bool
    listeners: list[LiveListener]
    workers: list[LiveWorker]


@dataclass(slots=True)
class Findings:
    """What an examination found."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def describe_listener(listener: ListenerConfig, sock: socket.socket) -> LiveListener:
    """A bound listener as a value."""
    place = listening.place_of(listener, sock)
    return LiveListener(listener.service, place, listener.place, listener.certificate, listener.domain)


def describe_worker(worker: Worker) -> LiveWorker:
    """A worker as a value."""

    def number(key: str) -> float:
        value = worker.figures.get(key, 0)
        return value if isinstance(value, int | float) else 0

    return LiveWorker(
        index=worker.index,
        pid=worker.pid,
        state=worker.state,
        looping=worker.looping,
        restarts=worker.restarts,
        last_end=worker.last_end,
        up_seconds=int(time.monotonic() - worker.started) if worker.pid else 0,
        memory_kib=memory_kib(worker.pid) if worker.pid else 0,
        connections=int(number("connections")),
        accepted=int(number("accepted")),
        sent=int(number("sent")),
        loop_lag_ms=round(float(number("loop_lag_ms")), 3),
        search_waiting=int(number("search_waiting")),
    )


def find_live(node: Node) -> Live | None:
    """Ask the server of `node`; None when none runs. Raises EstafetaError when one runs but does not answer."""
    if not _runs(node):
        return None
    said = control.ask(node.home.control, "status")
    said["listeners"] = [LiveListener(**one) for one in said["listeners"]]
    said["workers"] = [LiveWorker(**one) for one in said["workers"]]
    return Live(**said)


def examine_live(live: Live, node: Node) -> Findings:
    """What is wrong with a running server."""
    found = Findings()
    for worker in live.workers:
        if worker.looping:
            found.problems.append(
                f"The {worker_name(worker.index)} ends again and again ({worker.last_end}): the log says why."
            )
        elif worker.state != "running":
            found.problems.append(f"The {worker_name(worker.index)} is {worker.state}.")
        elif worker.loop_lag_ms > _SLOW_LOOP_MS:
            found.problems.append(
                f"The {worker_name(worker.index)} is slow to answer ({worker.loop_lag_ms:.0f} ms): see its load."
            )
    waiting = sum(worker.search_waiting for worker in live.workers)
    if waiting:
        found.notes.append(
            f"{waiting} messages wait to be indexed for search: until then, searches read them one by one."
        )
    bound = {(one.service, one.configured) for one in live.listeners}
    for listener in node.config.listeners:
        if listener.start and (listener.service, listener.place) not in bound:
            found.problems.append(
                f"{listener.service} {listener.place} is not open yet: restart the server to open it."
            )
    return found


def examine(node: Node) -> Findings:
    """What is wrong with a home, whether its server runs or not: certificates, disk, store, settings."""
    found = Findings()
    _examine_certificates(node, found)
    minimum_free_mib = _examine_store(node, found)
    _examine_disk(node, minimum_free_mib, found)
    return found


def _examine_certificates(node: Node, found: Findings) -> None:
    store = CertificateStore(node.home.certificates)
    now = datetime.now(UTC)
    used = {listener.certificate for listener in node.config.listeners if listener.start}
    for name in sorted(used | set(store.names())):
        try:
            certificate = store.load(name)
        except EstafetaError as error:
            found.problems.append(error.public)
            continue
        problem = certificate.problem(now)
        if problem:
            found.problems.append(
                f"{problem[0].upper()}{problem[1:]}: renew it with `estafeta certificate renew {name}`."
            )
        elif certificate.self_signed and name in used:
            found.notes.append(f"Certificate {name} is self-signed: programs of strangers will not trust it.")


def _examine_store(node: Node, found: Findings) -> int:
    """Look at the store; returns how many MiB must stay free on its disk."""
    from estafeta.app.stores import open_site
    from estafeta.directory.settings import Settings
    from estafeta.policy.restrictions import warnings
    from estafeta.storage import migrate

    fallback = Settings().store.minimum_free_mib
    if not node.data.is_dir():
        found.problems.append(f"The data directory {node.data} is missing: mount or restore it, or correct `data`.")
        return fallback
    try:
        migrate.check(node.database_url)
        with open_site(node) as site:
            found.problems.extend(site.settings.problems)
            said = warnings(site.settings.current)
            found.problems.extend(said.problems)
            found.notes.extend(said.notes)
            _examine_brakes(site, found)
            _examine_queue(site, found)
            _examine_scanners(site, found)
            _examine_keys(site, found)
            return site.settings.current.store.minimum_free_mib
    except EstafetaError as error:
        found.problems.append(error.public)
        return fallback


def _examine_queue(site: "Site", found: Findings) -> None:
    """What waits, as a note: waiting is what a queue is for."""
    from estafeta.queue.overview import totals

    with site.database.read() as conn:
        waiting = totals(conn)
    if not waiting.recipients:
        return
    words = [f"{waiting.recipients} recipients of {waiting.messages} messages wait in the queue"]
    if waiting.in_trouble:
        words.append(f"{waiting.in_trouble} of {waiting.destinations} destinations could not be reached")
    if waiting.held:
        words.append(f"{waiting.held} recipients are held")
    found.notes.append("; ".join(words) + ": see `estafeta queue summary`.")


def _examine_keys(site: "Site", found: Findings) -> None:
    """DKIM keys, by what DNS said when the job of the server asked it last."""
    settings = site.settings.current
    if not (settings.dkim.sign and settings.routing.outward):
        return
    from estafeta.app.signing import open_keys
    from estafeta.directory.keywarnings import warnings

    keys = open_keys(site)
    said = warnings(keys.list_keys(), keys.locked_keys(), settings.dkim.unsigned_domains)
    found.problems.extend(said.problems)
    found.notes.extend(said.notes)


def _examine_scanners(site: "Site", found: Findings) -> None:
    """Whether what mail is shown to answers. Settings with none of them cost nothing."""
    settings = site.settings.current
    if not _has_scanners(settings):
        return
    import asyncio

    from estafeta.app.guard import site_secret
    from estafeta.policy.scanners.probing import probe_scanners

    for probe in asyncio.run(probe_scanners(settings, site_secret(site), thoroughly=False)):
        if probe.fine:
            found.notes.append(f"{probe.name} at {probe.place} {probe.words}.")
        else:
            found.problems.append(
                f"{probe.name} at {probe.place} cannot be asked, so {_AWAY[probe.away]}: {probe.words}."
            )


def _has_scanners(settings: "Settings") -> bool:
    one_each = (settings.clamav.server, settings.hook.url, settings.rspamd.server, settings.spamassassin.server)
    return any(one_each) or bool(settings.milters.server_rules)


def _examine_brakes(site: "Site", found: Findings) -> None:
    from estafeta.policy.sending import read_brakes

    with site.database.read() as conn:
        held = sum(1 for one in read_brakes(conn, time.time()) if one.held_since_seconds)
    if held:
        found.problems.append(
            f"Mail of {held} user{'s' if held != 1 else ''} is held: too much of it, as after a password was stolen."
            " `estafeta rates list` says whose."
        )


def _examine_disk(node: Node, minimum_free_mib: int, found: Findings) -> None:
    try:
        free_mib = shutil.disk_usage(node.data).free >> 20
    except OSError:
        return
    if not os.access(node.data, os.W_OK):
        found.problems.append(f"The data directory {node.data} cannot be written: give it to the server's user.")
    if free_mib < minimum_free_mib:
        found.problems.append(
            f"Only {free_mib} MiB are free for {node.data}, less than store.minimum_free_mib = {minimum_free_mib}:"
            " new mail is put off until there is more."
        )


def _runs(node: Node) -> bool:
    try:
        return pidfile.running_pid(node.home.pid_file) != 0
    except PermissionError:
        return True  # someone else's server: asking it says who may
