"""Alembic's way in: run the migrations on the URL that estafeta.storage.migrate hands over, each in a transaction."""

from alembic import context

from estafeta.storage.database import make_engine

engine = make_engine(context.config.attributes["url"])
with engine.connect() as plain:
    connection = plain.execution_options(estafeta_write=True)
    # SQLite's DDL is transactional as long as we say BEGIN ourselves, and we do.
    context.configure(connection=connection, transaction_per_migration=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
