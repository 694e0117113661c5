"""Statements of the hot path: their parameters come in the order that callers give them, on both databases."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import bindparam, create_engine, insert, select, update

from estafeta.mailboxes import copying, deliver, references, storing
from estafeta.storage import compact
from estafeta.storage.database import Database
from estafeta.storage.prepared import Prepared, Query
from estafeta.storage.tables import packs, sequences

DIALECTS = {
    "sqlite": create_engine("sqlite://").dialect,
    "postgresql": create_engine("postgresql+psycopg://", paramstyle="format").dialect,
}
STATEMENTS = {
    f"{module.__name__.rsplit('.', 1)[1]}{name}": value
    for module in (deliver, copying, references, storing, compact)
    for name, value in vars(module).items()
    if isinstance(value, Prepared)
}


class Cursor:
    def __init__(self) -> None:
        self.ran: list[tuple[str, Any]] = []

    def execute(self, text: str, values: Any) -> None:
        self.ran.append((text, values))

    executemany = execute

    def fetchone(self) -> None:
        return None


def transaction(dialect: str) -> Any:
    return SimpleNamespace(conn=SimpleNamespace(dialect=DIALECTS[dialect]), cursor=Cursor())


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", STATEMENTS)
def test_all_that_exist(name: str, dialect: str) -> None:
    statement, tx = STATEMENTS[name], transaction(dialect)
    statement.many(tx, [tuple(statement._columns)])
    [(text, [values])] = tx.cursor.ran
    assert text.count("?" if dialect == "sqlite" else "%s") == len(values)
    assert "RETURNING" not in text


def test_there_are_some() -> None:
    assert len(STATEMENTS) >= 6


def test_a_wrong_order_is_refused() -> None:
    wrong = Prepared(
        update(packs).where(packs.c.pack_id == bindparam("pack")).values(end=bindparam("new_end")), "pack", "new_end"
    )
    with pytest.raises(TypeError, match="parameters come as"):
        wrong.many(transaction("sqlite"), [(1, 2)])


def test_nothing_to_do_runs_nothing() -> None:
    tx = transaction("sqlite")
    Prepared(insert(sequences), "name", "value").many(tx, [])
    assert tx.cursor.ran == []


def test_compiled_once_for_each_database() -> None:
    statement = Prepared(select(sequences.c.value).where(sequences.c.name == bindparam("name")), "name")
    texts = []
    for dialect in ("sqlite", "postgresql", "sqlite"):
        tx = transaction(dialect)
        assert statement.first(tx, "x") is None
        texts.append(tx.cursor.ran[0][0])
    assert texts[0] is texts[2]
    assert texts[0] != texts[1]


_COUNTED = Query(
    select(sequences.c.value, sequences.c.name)
    .where(sequences.c.value > bindparam("least"), sequences.c.name != "none", sequences.c.value < bindparam("most"))
    .order_by(sequences.c.value)
)


def test_queries_take_names_and_give_plain_tuples(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.write() as tx:
        tx.conn.execute(insert(sequences), [{"name": f"n{n}", "value": n} for n in range(12_000)])
        change = Query(update(sequences).where(sequences.c.value == bindparam("old")).values(value=bindparam("new")))
        assert (change.run(tx, new=-1, old=3), change.run(tx, new=-1, old=-7)) == (1, 0)
        assert _COUNTED.found(tx, most=6, least=1) == [(2, "n2"), (4, "n4"), (5, "n5")]
    with database.read() as conn:
        rows = _COUNTED.rows(conn, least=1, most=6)
        assert rows == [(2, "n2"), (4, "n4"), (5, "n5")]
        assert type(rows[0]) is tuple
        portions = list(_COUNTED.portions(conn, least=-2, most=20_000))
        assert [len(rows) for rows in portions] == [5000, 5000, 2000]
        with pytest.raises(KeyError):
            _COUNTED.rows(conn, least=1)
    database.close()


def test_reads_are_one_view(sqlite_url: str) -> None:
    """A query begins the transaction that a driver would not begin."""
    database = Database(sqlite_url)
    with database.read() as conn:
        assert _COUNTED.rows(conn, least=-1, most=9) == []
        with database.write() as tx:
            tx.conn.execute(insert(sequences), {"name": "late", "value": 1})
        assert _COUNTED.rows(conn, least=-1, most=9) == []
    with database.read() as conn:
        assert len(_COUNTED.rows(conn, least=-1, most=9)) == 1
    database.close()
