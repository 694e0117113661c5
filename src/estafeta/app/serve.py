"""`estafeta serve`: the steps from a home to a running server, in the order that keeps errors clear and root short.

Node file, lock, ports, root given up, log, store checked, sockets in the home, workers. The database is opened only
after root is given up, so that no file of the store ever belongs to root.
"""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from estafeta.app import listening, pidfile, privileges
from estafeta.app import logging as app_logging
from estafeta.app.config import WEB, Node, load_node
from estafeta.app.home import Home
from estafeta.app.notify import Notifier
from estafeta.app.supervisor import Supervisor, worker_count
from estafeta.app.workers import INDEXER, WRITER, Work
from estafeta.certificates.store import CertificateStore
from estafeta.core.errors import EstafetaError, Kind

_log = logging.getLogger("estafeta.supervisor")

_PRIVILEGED_PORTS = 1024


def serve(
    home: Home,
    *,
    workers: int | None = None,
    work: Work | None = None,
    check_store: Callable[[Node], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> int:
    """Serve in the foreground until told to stop; returns the exit status.

    `work` and `check_store` are the worker and the check of the store; tests hand in their own. Raises EstafetaError
    with one sentence for anything that keeps the server from starting.
    """
    os.umask(0o077)
    node = load_node(home)
    identity = _identity(node)
    notifier = Notifier.from_environment()
    home.run.mkdir(mode=0o700, exist_ok=True)
    lock = pidfile.lock(home.pid_file)
    try:
        work = work or _real_worker(node)
        bound = listening.bind_tcp(node.config.listeners, patient=lock.stale)
        lock.write(os.getpid(), (identity.uid, identity.gid) if identity else None)
        if identity is not None:
            privileges.become(identity)
        bound += _inside(node, check_store or check_node)
        supervisor = Supervisor(
            node,
            bound,
            work,
            lock=lock,
            count=worker_count(node, workers),
            check=check_certificates,
            notifier=notifier,
            say=say or _say,
        )
    except BaseException:
        lock.release()
        raise
    return supervisor.run()


def check_node(node: Node) -> None:
    """Everything a start needs besides ports: certificates, and a store of this version."""
    from estafeta.storage import migrate

    check_certificates(node)
    migrate.check(node.database_url)


def check_certificates(node: Node) -> None:
    """Every certificate that a listener names exists and can be used. Raises EstafetaError."""
    store = CertificateStore(node.home.certificates)
    for name in sorted({listener.certificate for listener in node.config.listeners if listener.start}):
        store.load(name)


def _inside(node: Node, check_store: Callable[[Node], None]) -> list[listening.Bound]:
    """What is done as the server's own user: log, store, sockets in the home."""
    try:
        app_logging.configure(node, "supervisor")
    except OSError as error:
        raise EstafetaError(
            Kind.UNAVAILABLE,
            f"The log {node.log_file} cannot be written ({error.strerror}): correct [log] in estafeta.toml.",
        ) from None
    if not node.data.is_dir():
        raise EstafetaError(
            Kind.NOT_FOUND, f"The data directory {node.data} is missing: mount or restore it, or correct `data`."
        )
    if not os.access(node.data, os.R_OK | os.W_OK | os.X_OK):
        raise EstafetaError(
            Kind.PERMISSION, f"The data directory {node.data} cannot be written: give it to the server's user."
        )
    check_store(node)
    if os.getuid() == 0:
        _log.warning("running as root: set `user` in estafeta.toml")
    for listener in node.config.listeners:
        if not listener.start:
            _log.info("listener kept from starting", extra={"service": listener.service, "place": listener.place})
    return listening.bind_unix(node)


def _identity(node: Node) -> privileges.Identity | None:
    """Whom to become. Root without a user is taken only where nothing needs root, as in a container or a demo."""
    if os.geteuid() != 0:
        return None
    if node.config.user:
        return privileges.find_identity(node.config.user, node.config.group)
    low = [one for one in node.config.listeners if one.start and not one.path and 0 < one.tcp_port < _PRIVILEGED_PORTS]
    if low:
        raise EstafetaError(
            Kind.PERMISSION,
            "Refusing to serve as root: set `user` in estafeta.toml to the system user that the server shall become.",
        )
    return None


def _real_worker(node: Node) -> Work:
    # Imported before the fork, so that all workers share the memory of the code, and before root is given up, so that
    # the code may be where only root can read.
    from estafeta.app import indexer, worker, writer

    if any(listener.start and listener.service in WEB for listener in node.config.listeners):
        import_module("estafeta.app.web")
    others = {WRITER: writer.run, INDEXER: indexer.run}
    return lambda context: others.get(context.index, worker.run)(context)


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, flush=True)
        sys.stdout.flush()
