"""`estafeta store ...` on a real home: what is said, as text and as JSON, and the exit status."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from estafeta.app import pidfile
from estafeta.app.config import Node, load_node
from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import populate
from estafeta.cli import store
from estafeta.cli.common import Options
from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.change import Expunge, expunge
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.storage import migrate
from estafeta.storage.commit import GroupCommit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A home whose one account has ten messages."""
    home = Home.at(tmp_path / "mail")
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(home, choices, lambda node: populate(node, "example.test", {}))
    made = load_node(home)
    group = GroupCommit(Database(made.database_url), Packs(made.data / "packs"), seal_bytes=200)
    for number in range(10):
        content = b"Subject: %d\r\n\r\n" % number * 50
        scanner = MessageScanner()
        scanner.feed(content)
        group.run(deliver, Arrival(scanner.close(), (Delivery(AccountId(1)),), 0, 0), (content,))
    group.close()
    group.database.close()
    return made


def run(node: Node, *words: str) -> Result:
    return CliRunner().invoke(store.commands, words, obj=Options(str(node.home.root)), catch_exceptions=True)


def answer(node: Node, *words: str) -> Any:
    return json.loads(run(node, *words, "--json").stdout)


def execute(node: Node, statement: str) -> None:
    database = Database(node.database_url)
    with database.write() as tx:
        tx.conn.execute(text(statement))
    database.close()


def refused(result: Result) -> EstafetaError:
    assert isinstance(result.exception, EstafetaError), result
    return result.exception


def test_a_whole_store(node: Node) -> None:
    result = run(node, "verify")
    assert (result.exit_code, result.stdout) == (0, "Nothing is wrong.\n")
    assert answer(node, "verify") == {"problems": []}
    assert answer(node, "repair", "--yes") == {"repaired": []}
    assert "nothing to repair" in run(node, "repair", "--yes").stdout


def test_verify_and_repair(node: Node) -> None:
    execute(node, "UPDATE mailboxes SET messages = 3")
    result = run(node, "verify")
    assert result.exit_code == 1
    assert "says 3 for messages, but it is 10" in result.stdout
    assert answer(node, "verify")["problems"][0]["kind"] == "counter"
    assert "corrected" in run(node, "repair", "--yes").stdout
    assert run(node, "verify").exit_code == 0


def test_repair_asks(node: Node) -> None:
    assert run(node, "repair").exit_code != 0


def test_repair_and_upgrade_refuse_while_the_server_runs(node: Node) -> None:
    node.home.run.mkdir(exist_ok=True)
    held = pidfile.lock(node.home.pid_file)
    held.write(12345)
    try:
        for words in (("repair", "--yes"), ("upgrade",)):
            error = refused(run(node, *words))
            assert error.kind is Kind.IN_USE
            assert "stop it first" in error.public
        assert run(node, "verify").exit_code == 0
    finally:
        held.release()


def empty(node: Node) -> None:
    group = GroupCommit(Database(node.database_url), Packs(node.data / "packs"))
    group.run(expunge, Expunge(AccountId(1), 1, ((2, 10),)))
    group.database.close()


def test_compact_gives_back_at_once_when_the_server_is_stopped(node: Node) -> None:
    empty(node)
    report = answer(node, "compact")
    assert report["packs"] > 0
    assert report["freed_bytes"] > 0
    assert report["pending_bytes"] == 0
    assert run(node, "compact").stdout.startswith("Packs emptied: 0.")
    assert run(node, "verify").exit_code == 0


def test_compact_beside_a_running_server_waits(node: Node) -> None:
    empty(node)
    held = pidfile.lock(node.home.pid_file)
    report = answer(node, "compact")
    held.release()
    assert (report["freed_bytes"], report["pending_bytes"] > 0) == (0, True)


def test_upgrade(node: Node) -> None:
    execute(node, "DROP TABLE alembic_version")
    assert refused(run(node, "verify")).kind is Kind.INVALID
    for table in ("leases",):
        execute(node, f"DROP TABLE {table}")
    execute(node, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    execute(node, "INSERT INTO alembic_version VALUES ('0000')")
    assert "schema 0000" in refused(run(node, "verify")).public
    execute(node, f"UPDATE alembic_version SET version_num = '{migrate.HEAD}'")
    assert run(node, "upgrade").exit_code == 0
