"""Where the crash test may end a process."""

import os
import signal

import pytest

from estafeta.storage.steps import Step, crash_at, nothing


@pytest.mark.parametrize("text", ["", "sql-applied", "sql-applied:", "sql-applied:x", "nowhere:1"])
def test_what_cannot_be_understood(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        crash_at(text)


def test_kills_at_its_step_only(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    for reached in (crash_at("sql-applied:0"), nothing, crash_at("content-synced:1")):
        for step in Step:
            reached(step)
    assert killed == [(os.getpid(), signal.SIGKILL)]
