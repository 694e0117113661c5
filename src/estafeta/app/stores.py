"""Opening what is in the store for one command: database, settings, directory. Closed again at the end.

Changes made here reach running workers over the bus, as those of the workers themselves do.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import select

from estafeta.app.config import Node
from estafeta.app.node_key import load_node_key
from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.mailboxes.tables import account_state
from estafeta.net.bus import Bus
from estafeta.storage import migrate
from estafeta.storage.database import Database


@dataclass(frozen=True, slots=True)
class Site:
    """The opened store."""

    node: Node
    database: Database
    settings: SiteSettings
    directory: Directory

    def usage(self) -> dict[AccountId, tuple[int, int]]:
        """Octets and messages that each account holds."""
        columns = account_state.c
        with self.database.read() as conn:
            rows = conn.execute(select(columns.account_id, columns.bytes, columns.messages)).all()
        return {AccountId(row.account_id): (row.bytes, row.messages) for row in rows}


@contextmanager
def open_site(node: Node) -> Iterator[Site]:
    """Open the store of a node whose schema is of this version. Raises EstafetaError."""
    migrate.check(node.database_url)
    bus = Bus(node.home.run)
    database = Database(node.database_url, publish=bus.publish)
    try:
        settings = SiteSettings(database, time.time)
        settings.reload()
        directory = Directory(database, time.time, settings, node_key=load_node_key(node.home))
        yield Site(node, database, settings, directory)
    finally:
        database.close()
        bus.close()


def populate(
    node: Node, domain: str, users: Mapping[str, str], settings: Mapping[str, str | bool] | None = None
) -> None:
    """Fill the store of a new home: schema, settings, first domain ("": none is ours), first users and their passwords.

    A database that several nodes share may have the domain already.
    """
    migrate.upgrade(node.database_url)
    with open_site(node) as site:
        if settings:
            site.settings.set_values(settings, "setup")
        try:
            if domain:
                site.directory.add_domain(domain)
        except EstafetaError as error:
            if error.kind is not Kind.EXISTS:
                raise
        for address, password in users.items():
            site.directory.add_user(address, password=password)
