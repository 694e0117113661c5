"""The node's own secret: 32 octets that seal APOP secrets and key the salts of users that do not exist."""

import os
import secrets

from estafeta.app.home import Home
from estafeta.core.errors import EstafetaError, Kind

_OCTETS = 32


def load_node_key(home: Home) -> bytes:
    """Read `node.key`, readable by the server's user only; made at first use. Raises EstafetaError INVALID."""
    path = home.root / "node.key"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _read(home)
    with os.fdopen(fd, "wb") as file:
        file.write(secrets.token_bytes(_OCTETS))
        file.flush()
        os.fsync(file.fileno())
    return _read(home)


def _read(home: Home) -> bytes:
    key = (home.root / "node.key").read_bytes()
    if len(key) != _OCTETS:
        raise EstafetaError(
            Kind.INVALID,
            "node.key does not hold 32 octets: restore it from a backup, or remove it and set APOP secrets anew.",
        )
    return key
