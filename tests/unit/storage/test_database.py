"""The database: turns of writers, views of readers, what is announced, and errors in our own words."""

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from estafeta.core.errors import EstafetaError, Kind
from estafeta.storage.commit import take_number
from estafeta.storage.database import Database, DiskFullError
from estafeta.storage.space import Space
from estafeta.storage.tables import sequences


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    opened = Database(sqlite_url)
    yield opened
    opened.close()


def value(database: Database, name: str) -> int | None:
    with database.read() as conn:
        row = conn.execute(select(sequences.c.value).where(sequences.c.name == name)).first()
    return None if row is None else row.value


def test_a_failed_transaction_leaves_nothing_and_announces_nothing(sqlite: Database) -> None:
    heard: list[str] = []
    sqlite.publish = heard.extend

    def fail() -> None:
        with sqlite.write() as tx:
            take_number(tx, "x")
            tx.announce("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert value(sqlite, "x") is None
    assert heard == []
    with sqlite.write() as tx:
        take_number(tx, "x")
        tx.announce("b")
        tx.announce("a")
        tx.announce("b")
        assert heard == [], "not before the commit"
    assert heard == ["b", "a"]


def test_a_reader_keeps_its_view_and_does_not_wait(sqlite: Database) -> None:
    with sqlite.write() as tx:
        take_number(tx, "x")
        with sqlite.read() as conn:
            assert conn.execute(select(sequences)).all() == []
    with sqlite.read() as conn:
        assert conn.execute(select(sequences)).all() == [("x", 1)]
        with sqlite.write() as tx:
            take_number(tx, "x")
        assert conn.execute(select(sequences)).all() == [("x", 1)]
    assert value(sqlite, "x") == 2


def _count(url: str, times: int) -> None:
    database = Database(url)
    for _ in range(times):
        with database.write() as tx:
            number = tx.conn.execute(select(sequences.c.value).where(sequences.c.name == "x")).scalar_one()
            tx.conn.execute(update(sequences).where(sequences.c.name == "x").values(value=number + 1))
    database.close()


def test_writers_of_several_processes_take_turns(sqlite: Database) -> None:
    with sqlite.write() as tx:
        tx.conn.execute(insert(sequences), {"name": "x", "value": 0})
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count, args=(sqlite.url, 30)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert value(sqlite, "x") == 90


def test_writers_of_several_threads_take_turns(sqlite: Database) -> None:
    with sqlite.write() as tx:
        tx.conn.execute(insert(sequences), {"name": "x", "value": 0})

    def count() -> None:
        for _ in range(30):
            with sqlite.write() as tx:
                take_number(tx, "x")

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(sqlite, "x") == 90


def _hold_and_die(url: str, ready: "multiprocessing.synchronize.Event") -> None:
    database = Database(url)
    with database.write() as tx:
        take_number(tx, "lost")
        ready.set()
        os.kill(os.getpid(), 9)


def test_the_turn_of_a_writer_that_dies_is_over(sqlite: Database) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold_and_die, args=(sqlite.url, ready))
    process.start()
    process.join(30)
    assert ready.is_set()
    with sqlite.write() as tx:
        assert take_number(tx, "x") == 1
    assert value(sqlite, "lost") is None


def test_someone_else_holds_the_database(sqlite: Database, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person with a shell, who knows nothing of our lock."""
    monkeypatch.setattr("estafeta.storage.database._BUSY_SECONDS", 0.05)
    impatient = Database(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(EstafetaError) as caught, impatient.write():
        pass
    assert caught.value.kind is Kind.TEMPORARY
    other.execute("ROLLBACK")
    other.close()
    with impatient.write() as tx:
        assert take_number(tx, "x") == 1
    impatient.close()


def test_errors_in_our_own_words(sqlite: Database) -> None:
    with pytest.raises(IntegrityError), sqlite.write() as tx:
        tx.conn.execute(insert(sequences), [{"name": "x", "value": 1}, {"name": "x", "value": 2}])
    with pytest.raises(EstafetaError), sqlite.read() as conn:
        conn.execute(text("SELECT * FROM no_such_table"))
    with pytest.raises(EstafetaError), sqlite.write() as tx:
        tx.cursor.execute("SELECT * FROM no_such_table")
    with sqlite.write() as tx:
        tx.conn.execute(text("PRAGMA max_page_count = 1"))
    rows = [{"name": f"{n}" * 60, "value": n} for n in range(1000)]
    with pytest.raises(DiskFullError) as caught, sqlite.write() as tx:
        tx.conn.execute(insert(sequences), rows)
    assert caught.value.kind is Kind.TEMPORARY


def test_durability_is_what_store_md_says(sqlite: Database) -> None:
    with sqlite.read() as conn:
        pragmas = {name: conn.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    with sqlite.write() as tx:
        assert tx.conn.execute(text("PRAGMA synchronous")).scalar_one() == 2


def test_no_database_to_open(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/missing/x.db")
    with pytest.raises(EstafetaError), database.read():
        pass
    database.close()


def test_descriptors_are_given_back(sqlite_url: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        database = Database(sqlite_url)
        with database.write() as tx:
            take_number(tx, "x")
        with database.read() as conn:
            conn.execute(select(sequences)).all()
        database.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_disk_threshold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    space = Space(tmp_path, 1)
    assert not space.low
    space.minimum_free_bytes = 1 << 60
    space.look()
    space.look()
    assert space.low
    space.minimum_free_bytes = 1
    space.look()
    assert not space.low
    assert [record.message.split(" free=")[0] for record in caplog.records] == [
        "disk threshold: new mail is put off",
        "disk threshold: new mail is taken again",
    ]
    assert Space(tmp_path / "missing", 1).low


def test_the_schema_is_in_the_file_that_was_named(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url, poolclass=NullPool)
    with engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
    engine.dispose()
