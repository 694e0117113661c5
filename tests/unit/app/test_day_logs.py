"""The log in files of days: names, the link, midnight, removal, and what is no plain file."""

import logging
import os
from datetime import date
from pathlib import Path

import pytest

from estafeta.app import daylog
from estafeta.app.logging import LineFormatter, LineHandler

NOON = 1_772_366_400.0  # 2026-03-01 12:00 UTC
DAY = 86_400.0


def record(text: str, at: float) -> logging.LogRecord:
    made = logging.LogRecord("estafeta.test", logging.INFO, "", 0, text, (), None)
    made.created = at
    return made


def handler(base: Path, at: float = NOON) -> LineHandler:
    made = LineHandler(base, lambda: at)
    made.setFormatter(LineFormatter("worker=1"))
    return made


def texts(directory: Path) -> dict[str, list[str]]:
    return {
        path.name: [line.split()[-1] for line in path.read_text().splitlines()]
        for path in sorted(directory.iterdir())
        if not path.is_symlink()
    }


def test_each_day_has_its_file(tmp_path: Path) -> None:
    base = tmp_path / "estafeta.log"
    one, other = handler(base), handler(base)
    for at, text in ((NOON, "a"), (NOON + DAY / 2 - 0.001, "b"), (NOON + DAY / 2, "c"), (NOON + DAY, "d")):
        one.emit(record(text, at))
    other.emit(record("late", NOON + DAY))
    assert texts(tmp_path) == {"estafeta-2026-03-01.log": ["a", "b"], "estafeta-2026-03-02.log": ["c", "d", "late"]}
    assert os.readlink(base) == "estafeta-2026-03-02.log"
    one.close()
    other.close()


def test_a_log_of_before_becomes_that_of_its_last_day(tmp_path: Path) -> None:
    base = tmp_path / "estafeta.log"
    base.write_text("x old\n")
    os.utime(base, (NOON - 3 * DAY, NOON - 3 * DAY))
    handler(base).emit(record("new", NOON))
    assert texts(tmp_path) == {"estafeta-2026-02-26.log": ["old"], "estafeta-2026-03-01.log": ["new"]}


def test_a_file_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    made = handler(tmp_path / "estafeta.log")
    made.emit(record("a", NOON))
    (tmp_path / "estafeta-2026-03-01.log").rename(tmp_path / "kept")
    made.emit(record("b", NOON + 2))
    assert texts(tmp_path) == {"estafeta-2026-03-01.log": ["b"], "kept": ["a"]}


@pytest.mark.parametrize("kind", ["device", "link", "foreign-link"])
def test_what_is_not_ours_stays_what_it_is(tmp_path: Path, kind: str) -> None:
    base, aside = tmp_path / "estafeta.log", tmp_path / "aside"
    aside.write_text("")
    base.symlink_to({"device": "/dev/null", "link": aside, "foreign-link": "nowhere"}[kind])
    before = os.readlink(base)
    handler(base).emit(record("a", NOON))
    assert os.readlink(base) == before
    assert daylog.path_of(base, date(2026, 3, 1)).exists() is False


def test_old_days_are_removed(tmp_path: Path) -> None:
    base = tmp_path / "estafeta.log"
    names = ["estafeta-2026-02-20.log", "estafeta-2026-02-22.log", "estafeta-2026-02-30.log", "other-2020-01-01.log"]
    names += ["estafeta-2026-02-20.log.gz", "estafeta-2026-03-01.log"]
    for name in names:
        (tmp_path / name).write_text("")
    base.symlink_to("estafeta-2026-03-01.log")
    assert daylog.remove_old(base, 0, date(2026, 3, 1)) == []
    assert [path.name for path in daylog.remove_old(base, 7, date(2026, 3, 1))] == ["estafeta-2026-02-20.log"]
    assert {path.name for path in tmp_path.iterdir()} == {*names[1:], "estafeta.log"}
    assert daylog.remove_old(tmp_path / "none" / "x.log", 1, date(2026, 3, 1)) == []
