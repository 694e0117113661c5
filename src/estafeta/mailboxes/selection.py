"""The messages that an IMAP command names: ranges of UIDs of one mailbox, as a condition in SQL.

One range is a BETWEEN on the clustered key. Several go as one parameter, so that a statement has one text however many
there are, and costs one search in the key for each.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

from estafeta.mailboxes.rows import at
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Ranges
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Query

# In SQLite each range is one signed 64-bit number, so that taking it apart costs next to nothing: the first UID less
# this, then 32 bits with the last.
_MIDDLE = 1 << 31


class _Within(FunctionElement[Any]):
    """Whether a UID is in ranges: UID, ranges as `_text` writes them, account, mailbox, lowest and highest UID.

    SQLAlchemy must not know that this is a truth value: for SQLite it would add `= 1`, and SQLite would look at every
    message of the mailbox instead of searching for each in the key."""

    type: TypeEngine[Any] = NullType()
    name = "within"
    inherit_cache = True


class _Numbers(FunctionElement[Any]):
    """The numbers in a JSON array as rows with the column `number`."""

    name = "numbers"
    inherit_cache = True


@compiles(_Within, "sqlite")
def _within_sqlite(element: Any, compiler: Any, **how: Any) -> str:
    """Range by range: a CROSS JOIN keeps its order in SQLite."""
    text = (
        "{} IN (SELECT named.uid FROM json_each({}) AS wanted CROSS JOIN messages AS named"
        " WHERE named.account_id = {} AND named.mailbox_id = {} AND named.uid"
        " BETWEEN (wanted.value >> 32) + {} AND wanted.value & 4294967295)"
    )
    return text.format(*(compiler.process(clause, **how) for clause in list(element.clauses)[:4]), _MIDDLE)


@compiles(_Within, "postgresql")
def _within_postgresql(element: Any, compiler: Any, **how: Any) -> str:
    """A binary search for each message between the lowest and the highest: joins are planned badly here, since nobody
    knows how few messages a range holds. The subquery has the text read once."""
    uid, ranges, _, _, low, high = (compiler.process(clause, **how) for clause in element.clauses)
    text = "({uid} BETWEEN {low} AND {high} AND {uid} <@ (SELECT CAST({ranges} AS int8multirange)))"
    return text.format(uid=uid, ranges=ranges, low=low, high=high)


@compiles(_Numbers, "sqlite")
def _numbers_sqlite(element: Any, compiler: Any, **how: Any) -> str:
    text = "(SELECT value AS number FROM json_each({}))"
    return text.format(compiler.process(element.clauses, **how))


@compiles(_Numbers, "postgresql")
def _numbers_postgresql(element: Any, compiler: Any, **how: Any) -> str:
    text = "(SELECT CAST(value AS bigint) AS number FROM json_array_elements_text(CAST({} AS json)))"
    return text.format(compiler.process(element.clauses, **how))


def numbers(parameter: str) -> Any:
    """A subquery with the numbers of a JSON parameter, for `IN`."""
    rows = _Numbers(bindparam(parameter, type_=Text)).table_valued(column("number", BigInteger), name=parameter)
    return select(rows.c.number)


def as_json(values: Iterable[int]) -> str:
    """The value of such a parameter."""
    return json.dumps(list(values))


class Selected:
    """A statement about the messages in ranges of one mailbox: `make` gets the condition that they fulfil.

    The statement has the parameters `account` and `mailbox`, and its own.
    """

    def __init__(self, make: Callable[[ColumnElement[bool]], ClauseElement]) -> None:
        here = at(messages, bindparam("account"), bindparam("mailbox"))
        self._one = Query(make(and_(here, messages.c.uid.between(bindparam("low"), bindparam("high")))))
        self._many = Query(make(and_(here, _within())))

    def rows(self, conn: Connection, account_id: int, mailbox_id: int, ranges: Ranges, **more: Any) -> list[Any]:
        """All rows, in the transaction of a reading connection."""
        query, values = self._pick(conn, account_id, mailbox_id, ranges)
        return query.rows(conn, **values, **more)

    def found(self, tx: Transaction, account_id: int, mailbox_id: int, ranges: Ranges, **more: Any) -> list[Any]:
        """All rows, in a write transaction."""
        query, values = self._pick(tx.conn, account_id, mailbox_id, ranges)
        return query.found(tx, **values, **more)

    def run(self, tx: Transaction, account_id: int, mailbox_id: int, ranges: Ranges, **more: Any) -> int:
        """Run it; how many rows it changed."""
        query, values = self._pick(tx.conn, account_id, mailbox_id, ranges)
        return query.run(tx, **values, **more)

    def _pick(self, conn: Connection, account_id: int, mailbox_id: int, ranges: Ranges) -> tuple[Query, dict[str, Any]]:
        values: dict[str, Any] = {"account": account_id, "mailbox": mailbox_id}
        if len(ranges) == 1:
            return self._one, values | {"low": ranges[0][0], "high": ranges[0][1]}
        low, high = (ranges[0][0], ranges[-1][1]) if ranges else (0, 0)
        return self._many, values | {"ranges": _text(conn, ranges), "low": low, "high": high}


def _text(conn: Connection, ranges: Ranges) -> str:
    if conn.dialect.name == "sqlite":
        return as_json(((low - _MIDDLE) << 32) | high for low, high in ranges)
    return "{" + ",".join([f"[{low},{high}]" for low, high in ranges]) + "}"


def _within() -> ColumnElement[Any]:
    numbers = (bindparam(name, type_=BigInteger) for name in ("account", "mailbox", "low", "high"))
    return _Within(messages.c.uid, bindparam("ranges", type_=Text), *numbers)
