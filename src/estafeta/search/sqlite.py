"""The index of texts with SQLite metadata: one file per account (tables and crash states: docs/internals/search.md)."""

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock

from estafeta.search.index import Document, IndexUnusableError, Mark
from estafeta.search.sqliteview import (
    COLUMNS,
    HEADS,
    SqliteView,
    fetch_texts,
    find_present,
    is_damage,
    portions,
    reported,
)
from estafeta.search.terms import has_marks

_log = logging.getLogger("estafeta.search")

#: Connections kept open by one process for accounts that search again.
_IDLE = 16
#: SQLite asks whether to go on after so many of its steps (some milliseconds).
_STEPS = 200_000
_TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE marks (mailbox_id INTEGER PRIMARY KEY, uid_validity INTEGER NOT NULL, uid INTEGER NOT NULL);
CREATE TABLE heads (content_id INTEGER PRIMARY KEY, marked INTEGER NOT NULL, {", ".join(f"{c} TEXT" for c in HEADS)});
CREATE INDEX heads_marked ON heads (marked) WHERE marked;
CREATE TABLE texts (content_id INTEGER PRIMARY KEY, header TEXT NOT NULL, body TEXT NOT NULL);
"""
_GRAMS = (
    f"CREATE VIRTUAL TABLE grams USING fts5({COLUMNS}, content='', columnsize=0, tokenize='trigram case_sensitive 1')"
)
_ADD_GRAMS = f"INSERT INTO grams (rowid, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names
_REMOVE_GRAMS = f"INSERT INTO grams (grams, rowid, {COLUMNS}) VALUES ('delete', ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
#: Searches keep the file open, and with it the log, which is as large as it ever was unless it is cut (octets).
_WAL = f"journal_size_limit={4 << 20}"
#: A portion is one segment (octets in memory), and segments are merged later than by default: a fifth less work.
_GRAM_OPTIONS = (("hashsize", 8 << 20), ("automerge", 8))


class SqliteTextIndex:
    """Files below `root`. Views may be taken by any number of threads; what writes belongs to one."""

    def __init__(self, root: Path, recipe: str, *, grams: bool | None = None) -> None:
        self.root = root
        self._has_grams = has_grams() if grams is None else grams
        self._idle: OrderedDict[int, tuple[sqlite3.Connection, int]] = OrderedDict()
        self._lock = Lock()
        self._writer: tuple[int, sqlite3.Connection] | None = None
        self.use(recipe)

    def path(self, account_id: int) -> Path:
        """The file of an account, whether it exists or not."""
        return self.root / str(account_id % 1000) / f"{account_id}.sqlite"

    @contextmanager
    def view(self, account_id: int, cancelled: Callable[[], bool]) -> Iterator["SqliteView | None"]:
        """See TextIndex."""
        taken = self._take(account_id)
        if taken is None:
            yield None
            return
        connection, inode = taken
        connection.set_progress_handler(cancelled, _STEPS)
        try:
            with reported(self._damaged_path(account_id)):
                connection.execute("BEGIN")
                recipe, documents = _read_meta(connection)
            if recipe == self._recipe:
                yield SqliteView(connection, self._damaged_path(account_id), documents, has_grams=self._has_grams)
            else:
                yield None
        except BaseException:
            connection.close()
            raise
        connection.set_progress_handler(None, 0)
        connection.rollback()
        self._give_back(account_id, connection, inode)

    def prepare(self, account_id: int) -> None:
        """See TextIndex."""
        damaged = self._damaged_path(account_id)
        if self._writer is not None and self._writer[0] == account_id and not damaged.exists():
            return
        self._let_go()
        if damaged.exists():
            self.drop(account_id)
        path = self.path(account_id)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = self._open_writer(path)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise IndexUnusableError(str(error)) from error
            _log.warning("search index is made anew", extra={"account": account_id, "cause": str(error)})
            self.drop(account_id)
            connection = self._open_writer(path)
        except OSError as error:
            raise IndexUnusableError(str(error)) from error
        self._writer = account_id, connection

    def exists(self, account_id: int) -> bool:
        """See TextIndex."""
        return self.path(account_id).exists()

    def marks(self, account_id: int) -> dict[int, Mark]:
        """See TextIndex."""
        with self._written(account_id) as connection:
            rows = connection.execute("SELECT mailbox_id, uid_validity, uid FROM marks").fetchall()
        return {mailbox_id: Mark(uid_validity, uid) for mailbox_id, uid_validity, uid in rows}

    def missing(self, account_id: int, content_ids: Collection[int]) -> list[int]:
        """See TextIndex."""
        with self._written(account_id) as connection:
            return sorted(set(content_ids) - find_present(connection, content_ids))

    def add(self, account_id: int, documents: Sequence[Document], marks: Mapping[int, Mark]) -> None:
        """See TextIndex."""
        with self._written(account_id) as connection, _transaction(connection):
            texts = {document.content_id: document.text for document in documents}
            new = sorted(texts.keys() - find_present(connection, texts))
            connection.executemany(
                "INSERT INTO heads VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(content_id, has_marks(texts[content_id]), *texts[content_id][:5]) for content_id in new],
            )
            connection.executemany(
                "INSERT INTO texts VALUES (?, ?, ?)", [(content_id, *texts[content_id][5:]) for content_id in new]
            )
            if self._has_grams:
                connection.executemany(_ADD_GRAMS, [(content_id, *texts[content_id]) for content_id in new])
            connection.executemany(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", [(box, *mark) for box, mark in marks.items()]
            )
            _count(connection, len(new))

    def content_ids(self, account_id: int) -> set[int]:
        """See TextIndex."""
        with self._written(account_id) as connection:
            return {content_id for (content_id,) in connection.execute("SELECT content_id FROM heads")}

    def remove(self, account_id: int, content_ids: Collection[int]) -> None:
        """See TextIndex."""
        for ids, places in portions(content_ids):
            with self._written(account_id) as connection, _transaction(connection):
                if self._has_grams:
                    # A contentless table forgets a row when it is told what the row held.
                    told = [(content_id, *text) for content_id, text in fetch_texts(connection, ids, places)]
                    connection.executemany(_REMOVE_GRAMS, told)
                gone = connection.execute(f"DELETE FROM heads WHERE content_id IN ({places})", ids).rowcount  # noqa: S608
                connection.execute(f"DELETE FROM texts WHERE content_id IN ({places})", ids)  # noqa: S608
                _count(connection, -gone)

    def accounts(self) -> set[int]:
        """See TextIndex."""
        return {int(path.stem) for path in self.root.glob("*/*.sqlite") if path.stem.isdecimal()}

    def drop(self, account_id: int) -> None:
        """See TextIndex."""
        if self._writer is not None and self._writer[0] == account_id:
            self._let_go()
        path = self.path(account_id)
        # The marker goes last: an interrupted drop is begun again.
        for suffix in ("", "-wal", "-shm", ".damaged"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def use(self, recipe: str) -> None:
        """See TextIndex."""
        self._let_go()
        self._recipe = f"{recipe} {'grams' if self._has_grams else 'texts'}"

    def close(self) -> None:
        """See TextIndex."""
        self._let_go()
        with self._lock:
            while self._idle:
                self._idle.popitem()[1][0].close()

    def _damaged_path(self, account_id: int) -> Path:
        path = self.path(account_id)
        return path.with_name(f"{path.name}.damaged")

    def _take(self, account_id: int) -> tuple[sqlite3.Connection, int] | None:
        """A connection to read with, and which file it reads; None when there is no usable one."""
        path = self.path(account_id)
        try:
            inode = path.stat().st_ino
        except OSError:
            return None
        if self._damaged_path(account_id).exists():
            return None
        with self._lock:
            idle = self._idle.pop(account_id, None)
        if idle is not None:
            if idle[1] == inode:
                return idle
            idle[0].close()
        uri = f"{path.absolute().as_uri()}?mode=rw"
        try:
            return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False), inode
        except sqlite3.Error:
            return None

    def _give_back(self, account_id: int, connection: sqlite3.Connection, inode: int) -> None:
        with self._lock:
            rest = self._idle.pop(account_id, None)
            self._idle[account_id] = connection, inode
            if rest is None and len(self._idle) > _IDLE:
                rest = self._idle.popitem(last=False)[1]
        if rest is not None:
            rest[0].close()

    def _open_writer(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-16384", "temp_store=MEMORY", _WAL):
                connection.execute(f"PRAGMA {pragma}")
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._make_tables(connection)
            if _read_meta(connection)[0] != self._recipe:
                raise sqlite3.DatabaseError("made by another recipe")
            connection.execute("SELECT count(*) FROM marks").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            if self._has_grams:
                connection.execute(_GRAMS)
                connection.executemany("INSERT INTO grams (grams, rank) VALUES (?, ?)", _GRAM_OPTIONS)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", [("recipe", self._recipe), ("documents", 0)])

    @contextmanager
    def _written(self, account_id: int) -> Iterator[sqlite3.Connection]:
        self.prepare(account_id)
        assert self._writer is not None  # prepare made it
        with reported(self._damaged_path(account_id)):
            yield self._writer[1]

    def _let_go(self) -> None:
        if self._writer is not None:
            self._writer[1].close()
            self._writer = None


def has_grams() -> bool:
    """Whether this SQLite has FTS5 with trigrams (3.34 and later, unless it was built without)."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(_GRAMS)
        except sqlite3.OperationalError:
            return False
    return True


def _read_meta(connection: sqlite3.Connection) -> tuple[str, int]:
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    return str(meta.get("recipe", "")), int(meta.get("documents", 0))


def _count(connection: sqlite3.Connection, more: int) -> None:
    connection.execute("UPDATE meta SET value = value + ? WHERE key = 'documents'", (more,))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
