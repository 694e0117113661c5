"""`estafeta setup`: a new home, made beside its place and moved there only when it is whole.

What a killed set-up leaves is a directory `.NAME.setup-*` beside the home (or `.setup-*` inside an empty one that
existed), which the next set-up removes; never a home that looks finished. Raises EstafetaError for everything a person
can mend.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from estafeta.app.config import Node, parse_config
from estafeta.app.home import Home
from estafeta.app.node_file import Choices, Site, render_node_file
from estafeta.app.privileges import Identity, find_identity
from estafeta.certificates.selfsigned import make_self_signed
from estafeta.certificates.store import CertificateStore
from estafeta.core.errors import EstafetaError, Kind
from estafeta.routing.parsing import parse_server

#: What a fresh file system or mount may hold and still be empty.
_NOTHING = frozenset({"lost+found"})

#: Sites that need a smarthost.
SENDS_THROUGH = (Site.SMARTHOST, Site.SATELLITE)

Populate = Callable[[Node], None]


@dataclass(frozen=True, slots=True)
class SetupResult:
    """What was made."""

    node: Node
    owner: str


def set_up(home: Home, choices: Choices, populate: Populate) -> SetupResult:
    """Make the home. `populate` fills the new store (domain, first user) through the directory.

    Raises EstafetaError: EXISTS when there is a home, INVALID or PERMISSION for what cannot be done as asked.
    """
    check_choices(choices)
    identity = find_identity(choices.user, choices.group) if choices.user and os.geteuid() == 0 else None
    old = os.umask(0o077)
    try:
        with _workshop(home) as work:
            node = _build(Home(work), choices)
            populate(node)
            if identity is not None:
                _give(work, identity)
            _sync(work)
            _move(work, home, identity)
    except PermissionError as error:
        raise EstafetaError(
            Kind.PERMISSION,
            f"{error.filename or home.root} cannot be written: choose another place with --home, or run this as root.",
        ) from None
    finally:
        os.umask(old)
    return SetupResult(Node(home, node.config), identity.name if identity else "")


def check_choices(choices: Choices) -> None:
    """Refuse what cannot be, before anything is made."""
    if choices.site in SENDS_THROUGH:
        if not choices.smarthost:
            raise EstafetaError(
                Kind.INVALID,
                f"A {choices.site} site sends its mail through another server: name it, as in"
                " --smarthost [mail.example.com]:587.",
            )
        parse_server(choices.smarthost)
    elif choices.smarthost:
        raise EstafetaError(Kind.INVALID, "--smarthost is for the sites smarthost and satellite.")
    if choices.port_base is not None and not 1024 <= choices.port_base <= 64000:
        raise EstafetaError(Kind.INVALID, "The port base must be from 1024 to 64000, as in --port-base 20000.")


def check_new(home: Home) -> None:
    """Refuse a place where something is already."""
    if home.config_file.exists():
        raise EstafetaError(
            Kind.EXISTS,
            f"There is a server at {home.root} already: remove it first, or choose another place with --home.",
        )
    try:
        taken = home.root.exists() and any(not _ours_or_nothing(entry) for entry in os.listdir(home.root))
    except NotADirectoryError:
        taken = True
    if taken:
        raise EstafetaError(
            Kind.EXISTS, f"{home.root} holds something else already: choose a new or empty directory with --home."
        )


def _build(home: Home, choices: Choices) -> Node:
    text = render_node_file(choices)
    home.config_file.write_text(text, encoding="utf-8")
    node = Node(home, parse_config(text.encode(), "What set-up was told"))
    for directory in (home.run, home.certificates, node.data, home.log_file.parent):
        directory.mkdir(mode=0o700)
    names = list(dict.fromkeys([choices.hostname, choices.domain]))
    CertificateStore(home.certificates).save("default", make_self_signed(names, datetime.now(UTC)))
    return node


@contextmanager
def _workshop(home: Home) -> Iterator[Path]:
    """A directory on the same file system as the home, removed unless it became the home. One set-up at a time."""
    existed = home.root.is_dir()
    parent, prefix = (home.root, ".setup-") if existed else (home.root.parent, f".{home.root.name}.setup-")
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        check_new(home)
        for left in parent.glob(f"{prefix}*"):
            shutil.rmtree(left)
        work = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            yield work
        finally:
            if work.exists():
                shutil.rmtree(work)
    finally:
        os.close(fd)


def _move(work: Path, home: Home, identity: Identity | None) -> None:
    """Put the finished home in its place. Into a directory that existed, the node file goes last: it makes the home."""
    if work.parent != home.root:
        os.rename(work, home.root)
        _sync_directory(home.root.parent)
        return
    for entry in sorted(os.listdir(work), key=lambda name: name == home.config_file.name):
        os.rename(work / entry, home.root / entry)
    home.root.chmod(0o700)
    if identity is not None:
        os.chown(home.root, identity.uid, identity.gid)
    _sync_directory(home.root)


def _give(work: Path, identity: Identity) -> None:
    for path in (work, *work.rglob("*")):
        os.chown(path, identity.uid, identity.gid, follow_symlinks=False)


def _sync(work: Path) -> None:
    for path in (*work.rglob("*"), work):
        if path.is_dir():
            _sync_directory(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _ours_or_nothing(entry: str) -> bool:
    return entry in _NOTHING or entry.startswith(".setup-")
