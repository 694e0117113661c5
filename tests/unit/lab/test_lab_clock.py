"""A clock that jumps, in this process and in others."""

import time
from pathlib import Path

import pytest

from estafeta.core.clock import LabClock, parse_span
from estafeta.core.errors import EstafetaError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("4h", 14_400), ("4d", 345_600), ("1d12h", 129_600), ("1.5h", 5400),
     ("-2h", -7200), ("+1w", 604_800), (" 5m ", 300), ("0", 0)],
)  # fmt: skip
def test_spans(text: str, seconds: float) -> None:
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "4x", "4h4", "four", "1e9", "nan", "--4h", "4h 4h", "9" * 50 + "s", "١h"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(EstafetaError, match="is no time"):
        parse_span(text)


def test_a_clock_of_its_own() -> None:
    clock = LabClock()
    assert abs(clock() - time.time()) < 60
    clock.jump("4d")
    assert abs(clock() - time.time() - 345_600) < 60
    assert clock.jumps == 1
    with pytest.raises(EstafetaError, match="hundred years"):
        clock.jump(1e12)


def test_others_follow_the_file(tmp_path: Path) -> None:
    ours, theirs = LabClock(tmp_path / "clock"), LabClock(tmp_path / "clock")
    ours.jump("4h")
    assert theirs.offset_seconds == 14_400
    assert theirs.jumped()
    assert not theirs.jumped()
    assert LabClock(tmp_path / "clock").jump("1h") == 18_000


@pytest.mark.parametrize("text", ["", "soon", "inf", "1e30", "\0"])
def test_a_file_that_makes_no_sense_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text)
    assert LabClock(tmp_path / "clock").offset_seconds == 0
