"""Binding the listeners of a node, with errors that say what to do about a taken port."""

import errno
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from estafeta.app.config import ListenerConfig, Node
from estafeta.core.errors import EstafetaError, Kind
from estafeta.net.unixpath import short_name

Bound = tuple[ListenerConfig, socket.socket]
Address = tuple[str | int | bytes, ...]

#: Connections that wait for accept(2); the kernel cuts it to net.core.somaxconn.
BACKLOG = 4096
#: How long we wait for workers of a server that was killed to let go of its ports.
_ORPHAN_SECONDS = 5.0
_RETRY_SECONDS = 0.05


def bind_tcp(listeners: Iterable[ListenerConfig], *, patient: bool = False) -> list[Bound]:
    """Bind all TCP listeners that are to start; all or none.

    `patient` waits some seconds for a taken port: workers of a server that was killed may still hold it.
    Raises EstafetaError IN_USE, PERMISSION or INVALID naming service, address and port.
    """
    bound: list[Bound] = []
    deadline = time.monotonic() + (_ORPHAN_SECONDS if patient else 0.0)
    try:
        for listener in listeners:
            if listener.start and not listener.path:
                for family, address in _addresses(listener):
                    bound.append((listener, _retrying(partial(_bind, family, address), deadline)))
    except OSError as error:
        _close(bound)
        raise _explain(listener, error) from None
    return bound


def bind_unix(node: Node) -> list[Bound]:
    """Bind all Unix listeners that are to start, replacing sockets that nobody holds any more."""
    bound: list[Bound] = []
    for listener in node.config.listeners:
        if listener.start and listener.path:
            try:
                bound.append((listener, unix_socket(node.home.resolve(listener.path), 0o660)))
            except OSError as error:
                _close(bound)
                raise _explain(listener, error) from None
    return bound


def unix_socket(path: Path, mode: int) -> socket.socket:
    """A listening Unix socket at `path` with `mode`; a dead socket in its place is replaced, any other file is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o777 & ~mode)
    try:
        with short_name(path) as name:
            sock.bind(name)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(old)
    sock.setblocking(False)
    return sock


def connect_unix(path: Path, timeout_seconds: float) -> socket.socket:
    """Connect to a Unix socket, also where its path is longer than the kernel takes."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_seconds)
    try:
        with short_name(path) as name:
            sock.connect(name)
    except OSError:
        sock.close()
        raise
    return sock


def place_of(listener: ListenerConfig, sock: socket.socket) -> str:
    """Where a bound socket really listens, for people: differs from the file's words for port 0 and names."""
    if listener.path:
        return listener.path
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def free_port_base(address: str, services: Iterable[int], first: int, last: int = 50000, step: int = 1000) -> int:
    """The first base from `first` on where every `base + port` can be bound. Raises EstafetaError IN_USE."""
    ports = list(services)
    for base in range(first, last, step):
        if all(_is_free(address, base + port) for port in ports):
            return base
    raise EstafetaError(Kind.IN_USE, f"No free ports were found from {first} on: free some, or set the ports by hand.")


def _is_free(address: str, port: int) -> bool:
    try:
        _bind(socket.AF_INET, (address, port)).close()
    except OSError:
        return False
    return True


def _addresses(listener: ListenerConfig) -> list[tuple[int, Address]]:
    """Family and address of every socket that the listener needs."""
    if listener.address != "*":
        found = socket.getaddrinfo(
            listener.address, listener.tcp_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return list(dict.fromkeys((int(family), tuple(address)) for family, _, _, _, address in found))
    both: list[tuple[int, Address]] = [(socket.AF_INET, ("0.0.0.0", listener.tcp_port))]  # noqa: S104
    if _has_ipv6():
        both.append((socket.AF_INET6, ("::", listener.tcp_port, 0, 0)))
    return both


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def _bind(family: int, address: Address) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _retrying(bind: Callable[[], socket.socket], deadline: float) -> socket.socket:
    while True:
        try:
            return bind()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise
        time.sleep(_RETRY_SECONDS)


def _close(bound: list[Bound]) -> None:
    for _, sock in bound:
        sock.close()


def _explain(listener: ListenerConfig, error: OSError) -> EstafetaError:
    what = f"{listener.service} cannot listen on {listener.place}"
    if isinstance(error, socket.gaierror):
        return EstafetaError(Kind.INVALID, f"{what}: the address is not known here; correct it in estafeta.toml.")
    match error.errno:
        case errno.EADDRINUSE:
            hint = f"see who with `ss -ltnp 'sport = :{listener.tcp_port}'`" if not listener.path else "stop it"
            return EstafetaError(
                Kind.IN_USE,
                f"{what}: something else has it already; {hint}, or change the listener in estafeta.toml.",
            )
        case errno.EACCES | errno.EPERM:
            return EstafetaError(
                Kind.PERMISSION,
                f"{what}: not permitted; start as root with `user` set, or use ports from 1024 on.",
            )
        case errno.EADDRNOTAVAIL:
            return EstafetaError(
                Kind.INVALID, f"{what}: this machine does not have that address; correct it in estafeta.toml."
            )
        case _:
            return EstafetaError(Kind.UNAVAILABLE, f"{what}: {error.strerror}.")
