"""The SQL database: SQLite or PostgreSQL behind one door.

`read()` gives a connection in a read transaction that never waits for a writer. `write()` gives a `Transaction`, one at
a time per SQLite database (a file lock queues the writers of all processes), and publishes what was announced in it
after the commit. Failures of the engine come out as `EstafetaError` of kind TEMPORARY or UNAVAILABLE.

Both are synchronous: they belong in the writer process, a thread or the command line, never on an event loop.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from estafeta.core.errors import EstafetaError, Kind

Publish = Callable[[Sequence[str]], None]

# How long SQLite waits for a lock that someone outside our file lock holds (a shell, a backup).
_BUSY_SECONDS = 10
# The WAL grows to about this many pages of 4 KiB before a commit copies it back (16 MiB): fewer, longer checkpoints.
_WAL_PAGES = 4000
_READERS = 8
_ONE_VIEW = {"isolation_level": "REPEATABLE READ"}
# SQLSTATEs of PostgreSQL that mean: try again (serialization failure, deadlock).
_CONFLICTS = {"40001", "40P01"}


class DiskFullError(EstafetaError):
    """No room on disk: nothing was stored and the sender should try again later."""

    def __init__(self, private: str = "") -> None:
        super().__init__(Kind.TEMPORARY, "The server is short of disk space; try again later.", private)


class ConflictError(EstafetaError):
    """Two writers got in each other's way (PostgreSQL): nothing was stored, and another attempt will do."""

    def __init__(self, private: str = "") -> None:
        super().__init__(Kind.TEMPORARY, "The mail store is busy; try again later.", private)


@dataclass(slots=True)
class Transaction:
    """One write transaction. `announce` collects topics for the bus; they go out only if it commits."""

    conn: Connection
    topics: dict[str, None] = field(default_factory=dict)
    _cursor: Any = None

    @property
    def cursor(self) -> Any:
        """A cursor of the driver itself, in this transaction (for `Prepared`)."""
        if self._cursor is None:
            self._cursor = self.conn.connection.cursor()
        return self._cursor

    def announce(self, topic: str) -> None:
        """Tell all workers after the commit that `topic` changed, e.g. `directory` or `mailbox:7:1`."""
        self.topics[topic] = None


class Database:
    """An opened database. `url` is a SQLAlchemy URL; `lock_path` is where SQLite's writers queue."""

    def __init__(self, url: str, *, publish: Publish | None = None) -> None:
        self.url = url
        self.publish: Publish = publish or (lambda topics: None)
        self._engine = make_engine(url)
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        # In SQLite a transaction is one view anyway; in PostgreSQL only from this level on.
        self._reading = self._engine if self.is_sqlite else self._engine.execution_options(**_ONE_VIEW)
        self._turn = _FileLock(Path(f"{self._engine.url.database}.lock")) if self.is_sqlite else None
        self._writer: Connection | None = None
        self._writing = threading.Lock()

    @property
    def dialect(self) -> Any:
        """The SQLAlchemy dialect, for compiling statements once."""
        return self._engine.dialect

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in a transaction of its own; its view is that of the first statement."""
        with _translated():
            connection = self._reading.connect()
        with connection, _translated():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """The write transaction: commits at the end, rolls back on any exception.

        On SQLite one thread of one process at a time is inside; on PostgreSQL one thread of each process.
        """
        with self._writing:
            transaction = None
            with self._turn or nullcontext(), _translated():
                conn = self._write_connection()
                try:
                    with conn.begin():
                        transaction = Transaction(conn)
                        yield transaction
                except DBAPIError as error:
                    self._forget_writer(error)
                    raise
            if transaction.topics:
                self.publish(list(transaction.topics))

    def close(self) -> None:
        """Close every connection; the object cannot be used after it."""
        if self._writer is not None:
            self._writer.close()
        self._engine.dispose()
        if self._turn is not None:
            self._turn.close()

    def _write_connection(self) -> Connection:
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(estafeta_write=True)
        return self._writer

    def _forget_writer(self, error: DBAPIError) -> None:
        """After a lost connection (PostgreSQL restarted) take a new one next time."""
        if error.connection_invalidated and self._writer is not None:
            self._writer.close()
            self._writer = None


class _FileLock:
    """`flock` on a file: writers of all processes take turns; the kernel frees it when one dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> None:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *exc: object) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def make_engine(url: str) -> Engine:
    """The SQLAlchemy engine for `url`, set up as docs/internals/store.md says."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=_READERS, pool_pre_ping=True, paramstyle="format")
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_READERS,
        max_overflow=_READERS,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False, "cached_statements": 256},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(dbapi_connection: Any, record: object) -> None:
    """WAL and a sync at each commit (docs/internals/store.md); we say BEGIN ourselves.

    Some distributions build SQLite to write every page once more that a DELETE empties, with zeros: not here."""
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"wal_autocheckpoint={_WAL_PAGES}",
        "cache_size=-4096",
        "temp_store=MEMORY",
        "secure_delete=FAST",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(conn: Connection) -> None:
    """A writer takes the write lock at once: one that upgrades later could only fail."""
    writing = conn.get_execution_options().get("estafeta_write", False)
    # Straight on the driver: it is done for every transaction, and SQLAlchemy's way to it costs more than SQLite's.
    driver: Any = conn.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    """Engine errors as domain errors; constraint violations stay what they are, callers know what they mean."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise _from_engine(error.orig) from error
        raise
    except Exception as error:
        # Straight from a driver, by way of `Prepared`: PEP 249 gives all drivers the same names.
        if any(kind.__name__ == "OperationalError" for kind in type(error).__mro__):
            raise _from_engine(error) from error
        raise


def _from_engine(error: BaseException | None) -> EstafetaError:
    cause = str(error)
    if getattr(error, "sqlstate", None) in _CONFLICTS:
        return ConflictError(cause)
    if "disk is full" in cause or "No space left" in cause:
        return DiskFullError(cause)
    return EstafetaError(Kind.TEMPORARY, "The mail store cannot be reached now; try again later.", cause)
