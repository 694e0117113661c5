"""Statements of the hot path: written once in SQLAlchemy Core, compiled once, run straight on the driver.

SQLAlchemy's own executemany and `Row` spend several times the database's time on each row. `Prepared` writes: rows are
tuples of plain ints, strings and octets in the order of `columns`. `Query` has named parameters, and what it reads are
plain tuples. Both keep their one text for each database.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection

from estafeta.storage.database import Transaction

# How many rows a driver hands over at once where there may be a million.
_PORTION = 5000


class Prepared:
    """One statement with named parameters `columns`, in the order in which its text uses them."""

    def __init__(self, statement: ClauseElement, *columns: str) -> None:
        self._statement = statement
        self._columns = columns
        self._texts: dict[str, str] = {}

    def many(self, tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run for each row; nothing when there are none."""
        if rows:
            tx.cursor.executemany(self._text(tx), rows)

    def first(self, tx: Transaction, *values: Any) -> Any:
        """Run with one set of parameters; the first row as a tuple, or None."""
        tx.cursor.execute(self._text(tx), values)
        return tx.cursor.fetchone()

    def _text(self, tx: Transaction) -> str:
        dialect = tx.conn.dialect
        text = self._texts.get(dialect.name)
        if text is None:
            text, order, _ = _compile(self._statement, dialect)
            if order != self._columns:
                raise TypeError(f"parameters come as {order}, not {self._columns}")
            self._texts[dialect.name] = text
        return text


class Query:
    """One statement whose named parameters are given as keywords; what else it binds it brings along."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {}

    def rows(self, conn: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """All rows, in the transaction of a reading connection."""
        return list(self.execute(_reading(conn), conn.dialect, values).fetchall())

    def portions(self, conn: Connection, **values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """The rows in lists of bounded size."""
        cursor = self.execute(_reading(conn), conn.dialect, values)
        while rows := cursor.fetchmany(_PORTION):
            yield rows

    def run(self, tx: Transaction, **values: Any) -> int:
        """Run it in a write transaction; how many rows it changed."""
        return int(self.execute(tx.cursor, tx.conn.dialect, values).rowcount)

    def found(self, tx: Transaction, **values: Any) -> list[tuple[Any, ...]]:
        """All rows, in a write transaction."""
        return list(self.execute(tx.cursor, tx.conn.dialect, values).fetchall())

    def execute(self, cursor: Any, dialect: Any, values: dict[str, Any]) -> Any:
        """Run it on a cursor of the driver; gives that cursor."""
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._statement, dialect)
        text, order, brought = compiled
        cursor.execute(text, tuple(values[name] if name in values else brought[name] for name in order))
        return cursor


def _compile(statement: ClauseElement, dialect: Any) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """Its text, the names of its parameters as the text uses them, and the values that are part of it."""
    compiled = statement.compile(dialect=dialect)
    order = tuple(getattr(compiled, "positiontup", None) or ())
    return str(compiled), order, {name: value for name, value in compiled.params.items() if value is not None}


def _reading(conn: Connection) -> Any:
    """A cursor of the driver in the connection's transaction, which the driver would not begin for us."""
    if not conn.in_transaction():
        conn.begin()
    return conn.connection.cursor()
