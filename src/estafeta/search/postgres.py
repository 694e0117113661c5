"""The index of texts with PostgreSQL metadata: a schema of its own, made here (docs/internals/search.md).

No migration knows it: it is derived, and made anew when the recipe of its texts changes. Where the extension pg_trgm
can be had, GIN indexes narrow what LIKE looks at; everything is exact without it too. One indexer at a time writes.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    any_,
    delete,
    func,
    inspect,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import DBAPIError, ProgrammingError

from estafeta.core.errors import EstafetaError
from estafeta.mail.searchtext import SearchText
from estafeta.search.index import Document, IndexUnusableError, Mark
from estafeta.search.terms import Wanted, has_marks
from estafeta.storage.database import Database, Transaction

_SCHEMA = "estafeta_search"
_EXTENSION = "pg_trgm"
#: For advisory locks: whoever makes the schema.
_MAKING = 0x65737461
#: So many ids are sent along; for more, the whole account is asked.
_FEW = 5000
#: Rows of texts fetched or removed at once.
_AT_ONCE = 200

_tables = MetaData(schema=_SCHEMA)
_meta = Table("meta", _tables, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
_marks = Table(
    "marks",
    _tables,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("uid_validity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
)
_texts = Table(
    "texts",
    _tables,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("content_id", BigInteger, primary_key=True, autoincrement=False),
    Column("marked", Boolean, nullable=False),
    *(Column(name, Text, nullable=False) for name in SearchText._fields),
)
_TEXT_COLUMNS = [_texts.c[name] for name in SearchText._fields]
#: Plans do not know that a text outside its row costs far more than the row: left alone they read every text.
_PREFER_GRAMS = text("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
_GRAM_COLUMNS = ("header", "body")


class PostgresTextIndex:
    """See TextIndex."""

    def __init__(self, database: Database, recipe: str) -> None:
        self._database = database
        self._recipe = recipe
        self._made = False

    @contextmanager
    def view(self, account_id: int, cancelled: Callable[[], bool]) -> Iterator["PostgresView | None"]:
        """See TextIndex."""
        with _reported(), self._database.read() as conn:
            usable = _recipe_of(conn) == self._recipe
            conn.execute(_PREFER_GRAMS)
            yield PostgresView(conn, account_id) if usable else None

    def prepare(self, account_id: int) -> None:
        """See TextIndex."""
        if self._made:
            return
        with self._database.write() as tx:
            tx.conn.execute(select(func.pg_advisory_xact_lock(_MAKING)))
            if not inspect(tx.conn).has_table("meta", schema=_SCHEMA) or _recipe_of(tx.conn) != self._recipe:
                self._make(tx)
        self._made = True

    def exists(self, account_id: int) -> bool:
        """See TextIndex."""
        return True

    def marks(self, account_id: int) -> dict[int, Mark]:
        """See TextIndex."""
        wanted = select(_marks.c.mailbox_id, _marks.c.uid_validity, _marks.c.uid)
        with self._reading(account_id) as conn:
            rows = conn.execute(wanted.where(_marks.c.account_id == account_id))
            return {row.mailbox_id: Mark(row.uid_validity, row.uid) for row in rows}

    def missing(self, account_id: int, content_ids: Collection[int]) -> list[int]:
        """See TextIndex."""
        with self._reading(account_id) as conn:
            return sorted(set(content_ids) - PostgresView(conn, account_id).present(content_ids))

    def add(self, account_id: int, documents: Sequence[Document], marks: Mapping[int, Mark]) -> None:
        """See TextIndex."""
        rows = [_row(account_id, document) for document in documents]
        boxes = [{"account_id": account_id, "mailbox_id": box, **mark._asdict()} for box, mark in marks.items()]
        with self._writing(account_id) as tx:
            if rows:
                tx.conn.execute(insert(_texts).on_conflict_do_nothing(), rows)
            if boxes:
                new = insert(_marks)
                moved = {"uid_validity": new.excluded.uid_validity, "uid": new.excluded.uid}
                tx.conn.execute(new.on_conflict_do_update(index_elements=list(_marks.primary_key), set_=moved), boxes)

    def content_ids(self, account_id: int) -> set[int]:
        """See TextIndex."""
        with self._reading(account_id) as conn:
            return set(conn.execute(select(_texts.c.content_id).where(_texts.c.account_id == account_id)).scalars())

    def remove(self, account_id: int, content_ids: Collection[int]) -> None:
        """See TextIndex."""
        ordered = sorted(content_ids)
        for start in range(0, len(ordered), _AT_ONCE):
            with self._writing(account_id) as tx:
                tx.conn.execute(delete(_texts).where(_of(account_id, ordered[start : start + _AT_ONCE])))

    def accounts(self) -> set[int]:
        """See TextIndex."""
        with self._reading(0) as conn:
            return set(conn.execute(select(_marks.c.account_id).distinct()).scalars())

    def drop(self, account_id: int) -> None:
        """See TextIndex."""
        with suppress(IndexUnusableError), _reported(), self._database.write() as tx:
            if inspect(tx.conn).has_table("meta", schema=_SCHEMA):
                for table in (_texts, _marks):
                    tx.conn.execute(delete(table).where(table.c.account_id == account_id))

    def use(self, recipe: str) -> None:
        """See TextIndex."""
        self._recipe, self._made = recipe, False

    def close(self) -> None:
        """See TextIndex."""

    @contextmanager
    def _reading(self, account_id: int) -> Iterator[Connection]:
        self.prepare(account_id)
        with self._forgotten(), self._database.read() as conn:
            yield conn

    @contextmanager
    def _writing(self, account_id: int) -> Iterator[Transaction]:
        self.prepare(account_id)
        with self._forgotten(), self._database.write() as tx:
            yield tx

    @contextmanager
    def _forgotten(self) -> Iterator[None]:
        """Where the schema is gone, it is made again next time."""
        try:
            with _reported():
                yield
        except IndexUnusableError:
            self._made = False
            raise

    def _make(self, tx: Transaction) -> None:
        tx.conn.execute(text(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE"))
        tx.conn.execute(text(f"CREATE SCHEMA {_SCHEMA}"))
        _tables.create_all(tx.conn)
        # What fits a page stays in the row, uncompressed: looking into it costs a third, and its size counts in plans.
        tx.conn.execute(text(f"ALTER TABLE {_SCHEMA}.texts SET (toast_tuple_target = 8160)"))
        tx.conn.execute(insert(_meta), {"key": "recipe", "value": self._recipe})
        with suppress(DBAPIError), tx.conn.begin_nested():
            # A trusted extension: the owner of a database may have it, where its files are installed.
            tx.conn.execute(text(f"CREATE EXTENSION IF NOT EXISTS {_EXTENSION}"))
            for column in _GRAM_COLUMNS:
                tx.conn.execute(
                    text(f"CREATE INDEX texts_{column} ON {_SCHEMA}.texts USING gin ({column} gin_trgm_ops)")
                )


class PostgresView:
    """See View."""

    def __init__(self, conn: Connection, account_id: int) -> None:
        self._conn = conn
        self._account_id = account_id

    def mark(self, mailbox_id: int) -> Mark | None:
        """See View."""
        wanted = select(_marks.c.uid_validity, _marks.c.uid).where(
            _marks.c.account_id == self._account_id, _marks.c.mailbox_id == mailbox_id
        )
        row = self._conn.execute(wanted).first()
        return None if row is None else Mark(row.uid_validity, row.uid)

    def present(self, content_ids: Collection[int]) -> set[int]:
        """See View."""
        return self._which(content_ids, None)

    def matches(self, wanted: Wanted, content_ids: Collection[int]) -> set[int]:
        """See View."""
        if not wanted.columns or wanted.everywhere:
            return set(content_ids) if wanted.everywhere else set()
        holds = or_(*(_holds(column, wanted.needle) for column in wanted.columns))
        if not wanted.name:
            return self._which(content_ids, holds)
        named = self._which(content_ids, and_(holds, _holds("header", f"\n{wanted.name}: ")))
        if not wanted.needle:
            return named
        return {content_id for content_id, found in self._fetch(named) if wanted.in_header(found.header)}

    def candidates(
        self, columns: Sequence[str], words: Sequence[str], content_ids: Collection[int]
    ) -> Iterator[tuple[int, SearchText]]:
        """See View."""
        all_words = and_(*(or_(*(_holds(column, word) for column in columns)) for word in words))
        yield from self._fetch(self._which(content_ids, or_(_texts.c.marked, all_words)))

    def _which(self, content_ids: Collection[int], condition: ColumnElement[bool] | None) -> set[int]:
        wanted = select(_texts.c.content_id)
        if condition is not None:
            wanted = wanted.where(condition)
        few = len(content_ids) <= _FEW
        where = _of(self._account_id, content_ids) if few else _texts.c.account_id == self._account_id
        found = set(self._conn.execute(wanted.where(where)).scalars())
        return found if few else found & set(content_ids)

    def _fetch(self, content_ids: Collection[int]) -> Iterator[tuple[int, SearchText]]:
        ordered = sorted(content_ids)
        wanted = select(_texts.c.content_id, *_TEXT_COLUMNS)
        for start in range(0, len(ordered), _AT_ONCE):
            where = _of(self._account_id, ordered[start : start + _AT_ONCE])
            for row in self._conn.execute(wanted.where(where)).all():
                yield row[0], SearchText(*row[1:])


def _of(account_id: int, content_ids: Collection[int]) -> ColumnElement[bool]:
    ids = literal(list(content_ids), ARRAY(BigInteger))
    return and_(_texts.c.account_id == account_id, _texts.c.content_id == any_(ids))


def _holds(column: str, needle: str) -> ColumnElement[bool]:
    return _texts.c[column].contains(needle, autoescape=True)


def _row(account_id: int, document: Document) -> dict[str, object]:
    return {
        "account_id": account_id,
        "content_id": document.content_id,
        "marked": has_marks(document.text),
        **document.text._asdict(),
    }


def _recipe_of(conn: Connection) -> str:
    return str(conn.execute(select(_meta.c.value).where(_meta.c.key == "recipe")).scalar() or "")


@contextmanager
def _reported() -> Iterator[None]:
    """A missing schema or table, and a database that cannot be reached, as IndexUnusableError."""
    try:
        yield
    except (ProgrammingError, EstafetaError) as error:
        raise IndexUnusableError(str(error)) from error
