"""Statements of the hot path: written once in SQLAlchemy Core, compiled once, run straight on the driver.

SQLAlchemy's own executemany spends several times the database's time on each row. `Prepared` keeps its one text for
both databases and skips the rest: rows are tuples of plain ints, strings and octets in the order of `columns`.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ClauseElement

from estafeta.storage.database import Transaction


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
            compiled = self._statement.compile(dialect=dialect)
            order = tuple(getattr(compiled, "positiontup", None) or ())
            if order != self._columns:
                raise TypeError(f"parameters come as {order}, not {self._columns}")
            text = self._texts[dialect.name] = str(compiled)
        return text
