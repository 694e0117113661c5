"""What commands show of what strangers wrote."""

import sys

import pytest

from estafeta.cli.common import show_fields, show_table

HOSTILE = "\x1b[31mred\x07 \u202egpj.exe\r\nSecond: line"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_nothing_moves_a_cursor_or_begins_a_line(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    show_table(["Why"], [[HOSTILE]])
    show_fields([("Why", HOSTILE)])
    shown = capsys.readouterr().out
    assert "\x1b[31m" not in shown
    assert not set("\x07\u202e\r") & set(shown)
    assert "\\x1b[31mred\\x07" in shown
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("Second")]
