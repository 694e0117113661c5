"""Bringing a database to the schema of this version (Alembic), and checking cheaply that it is there.

Each migration is one transaction where the database allows it: an interrupted upgrade leaves the old schema or the new.
`check` does not import Alembic, so that a server starts quickly.
"""

from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from estafeta.core.errors import EstafetaError, Kind

#: The revision of the newest file in `migrations/versions`; a test keeps it true.
HEAD = "0015"
_HOME = Path(__file__).parent / "migrations"


def upgrade(url: str) -> None:
    """Create the schema, or bring an older one up to date. Raises EstafetaError UNAVAILABLE."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HOME))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        raise _unreachable(error) from error


def find_revision(url: str) -> str | None:
    """The revision of the database; None when it has no schema yet. Raises EstafetaError UNAVAILABLE."""
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        return None
    try:
        with engine.connect() as connection:
            if not engine.dialect.has_table(connection, "alembic_version"):
                return None
            row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
            return None if row is None else str(row[0])
    except DBAPIError as error:
        raise _unreachable(error) from error


def check(url: str) -> None:
    """Raises EstafetaError INVALID unless the schema is the one that this version works with."""
    revision = find_revision(url)
    if revision is None:
        raise EstafetaError(
            Kind.INVALID, "The database has no tables yet: run 'estafeta setup' or 'estafeta store upgrade'."
        )
    if revision != HEAD:
        raise EstafetaError(
            Kind.INVALID,
            f"The database has schema {revision}, this version needs {HEAD}:"
            " stop the server and run 'estafeta store upgrade'.",
        )


def _unreachable(error: DBAPIError) -> EstafetaError:
    cause = str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
    return EstafetaError(Kind.UNAVAILABLE, f"The database cannot be used: {cause}.", str(error))
