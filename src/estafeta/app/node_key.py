"""The node's own secret: 32 octets that seal what is stored to be used again (APOP secrets, passwords of smarthosts,
private keys of DKIM) and key the salts of users that do not exist. Machines that share a database share it."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from estafeta.app.home import Home
from estafeta.core.errors import EstafetaError, Kind

_OCTETS = 32


def load_node_key(home: Home) -> bytes:
    """Read `node.key`, readable by the server's user only; made at first use. Raises EstafetaError INVALID."""
    path = home.root / "node.key"
    if not path.exists():
        _make(path)
    return _read(home)


def _make(path: Path) -> None:
    """Whole or not at all, and never over one that another process has just made."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".node-key-") as file:
        file.write(secrets.token_bytes(_OCTETS))
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)


def _read(home: Home) -> bytes:
    key = (home.root / "node.key").read_bytes()
    if len(key) != _OCTETS:
        raise EstafetaError(
            Kind.INVALID,
            "node.key does not hold 32 octets: restore it from a backup or from another machine of the site. Without "
            "it APOP secrets, passwords of smarthosts and DKIM keys have to be made anew.",
        )
    return key
