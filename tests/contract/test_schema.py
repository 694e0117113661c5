"""The migrations make exactly the tables that the code declares, on both databases, and HEAD is the newest."""

import importlib
import pkgutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import estafeta
from estafeta.core.errors import EstafetaError, Kind
from estafeta.storage import migrate
from estafeta.storage.database import Database
from estafeta.storage.tables import metadata


def _declare_all() -> None:
    for module in pkgutil.walk_packages(estafeta.__path__, "estafeta."):
        if module.name.endswith("tables"):
            importlib.import_module(module.name)


def test_migrations_agree_with_the_declared_tables(database: Database) -> None:
    _declare_all()
    with database.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_head_is_the_newest_revision(database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate._HOME))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]
    assert migrate.find_revision(database_url) == migrate.HEAD
    migrate.check(database_url)


def test_upgrade_twice_changes_nothing(database_url: str) -> None:
    migrate.upgrade(database_url)
    assert migrate.find_revision(database_url) == migrate.HEAD


def test_a_missing_or_foreign_schema_is_explained(tmp_path_factory, postgres) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('none')}/none.db"
    for wanted in (url, postgres.url.format(database="template1")):
        assert migrate.find_revision(wanted) is None
        with pytest.raises(EstafetaError) as caught:
            migrate.check(wanted)
        assert caught.value.kind is Kind.INVALID
        assert "estafeta setup" in caught.value.public
