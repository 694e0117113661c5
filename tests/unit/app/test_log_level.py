"""A level of the log for a while."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from estafeta.app import logging as app_logging
from estafeta.app.config import LogLevel, Node, load_node
from estafeta.app.home import Home
from estafeta.app.loglevel import LevelForAWhile, read_level, write_level


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    (tmp_path / "run").mkdir()
    (tmp_path / "estafeta.toml").write_text('hostname = "mail.example.test"\n[log]\ntarget = "file"\n')
    yield load_node(Home(tmp_path))
    root = logging.getLogger("estafeta")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    write_level(Home(tmp_path), None)
    root.setLevel(logging.NOTSET)
    root.propagate = True


def logged(node: Node) -> str:
    return node.log_file.read_text()


def test_it_holds_through_reloads_and_ends_by_itself(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("estafeta.smtp")
    until = time.time() + 100
    write_level(node.home, LevelForAWhile(LogLevel.DEBUG, until))
    for word in ("one", "two"):
        app_logging.configure(node, "test")
        log.debug(word)
        assert word in logged(node)
    monkeypatch.setattr(time, "time", lambda: until + 1)
    log.debug("three")
    log.info("four")
    assert "three" not in logged(node)
    assert "four" in logged(node)
    assert not log.isEnabledFor(logging.DEBUG)


def test_one_part_only(node: Node) -> None:
    write_level(node.home, LevelForAWhile(LogLevel.DEBUG, time.time() + 100, "smtp"))
    app_logging.configure(node, "test")
    logging.getLogger("estafeta.smtp").debug("one")
    logging.getLogger("estafeta.imap").debug("two")
    assert "one" in logged(node)
    assert "two" not in logged(node)
    write_level(node.home, None)
    app_logging.configure(node, "test")
    assert not logging.getLogger("estafeta.smtp").isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "3",
        "{}",
        '{"level": "loud", "until": 1e12, "part": ""}',
        '{"level": "debug", "until": 1e999, "part": ""}',
        '{"level": "debug", "until": 1, "part": ""}',
        '{"level": "debug", "until": NaN, "part": ""}',
        "\xff",
    ],
)
def test_a_file_that_makes_no_sense_is_none(node: Node, text: str) -> None:
    (node.home.run / "log-level.json").write_text(text)
    assert read_level(node.home, time.time()) is None
