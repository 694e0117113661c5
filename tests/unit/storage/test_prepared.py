"""Statements of the hot path: their parameters come in the order that callers give them, on both databases."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import bindparam, create_engine, insert, select, update

from estafeta.mailboxes import deliver
from estafeta.storage import compact
from estafeta.storage.prepared import Prepared
from estafeta.storage.tables import packs, sequences

DIALECTS = {
    "sqlite": create_engine("sqlite://").dialect,
    "postgresql": create_engine("postgresql+psycopg://", paramstyle="format").dialect,
}
STATEMENTS = {
    f"{module.__name__.rsplit('.', 1)[1]}{name}": value
    for module in (deliver, compact)
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
