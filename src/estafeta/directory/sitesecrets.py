"""Secrets that all machines of a site share: random octets by name, made at first use. Synchronous."""

import secrets

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from estafeta.directory.signing_tables import site_secrets
from estafeta.storage.database import Database

#: What return paths are signed with (trust.srs).
SRS = "srs"
_OCTETS = 32


def find_secret(conn: Connection, name: str) -> bytes | None:
    """The secret, if it was ever made."""
    found: bytes | None = conn.execute(select(site_secrets.c.secret).where(site_secrets.c.name == name)).scalar()
    return found


def get_secret(database: Database, name: str) -> bytes:
    """The secret, made if there is none. Raises EstafetaError where the database cannot be used."""
    with database.read() as conn:
        found = find_secret(conn, name)
    if found is not None:
        return found
    made = secrets.token_bytes(_OCTETS)
    try:
        with database.write() as tx:
            tx.conn.execute(insert(site_secrets).values(name=name, secret=made))
    except IntegrityError:
        return get_secret(database, name)  # another was quicker
    return made
