"""A small site on SQLite: two domains, cheap hashes, a clock that stands still until it is moved."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from estafeta.directory import tables  # noqa: F401 - declares the tables
from estafeta.directory.auth import Authenticator
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.storage.database import Database
from estafeta.storage.tables import metadata

CHEAP = PasswordProfile(memory_kib=64, passes=1)
NODE_KEY = bytes(range(32))


@dataclass
class FakeClock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    database: Database
    clock: FakeClock
    settings: SiteSettings
    directory: Directory
    authenticator: Authenticator
    announced: list[str] = field(default_factory=list)

    def set(self, key: str, value: str) -> None:
        self.settings.set_setting(key, value, "test")
        self.directory.forget()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    announced: list[str] = []
    database = Database(f"sqlite:///{tmp_path}/directory.db", publish=announced.extend)
    with database.write() as tx:
        metadata.create_all(tx.conn)
    clock = FakeClock()
    settings = SiteSettings(database, clock)
    directory = Directory(database, clock, settings, profile=CHEAP, node_key=NODE_KEY)
    authenticator = Authenticator(database, clock, settings, profile=CHEAP, node_key=NODE_KEY)
    settings.set_setting("auth.scram_iterations", "4096", "test")
    directory.add_domain("example.org")
    clock.now += 1
    directory.add_domain("other.example")
    yield Site(database, clock, settings, directory, authenticator, announced)
    database.close()
