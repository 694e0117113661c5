"""Every fuzz target runs and holds for a moment, always from the same input on; `make fuzz` runs them for longer."""

import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = sorted((Path(__file__).parents[1] / "fuzz").glob("fuzz_*.py"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda path: path.stem)
def test_it_holds(target: Path) -> None:
    command = [sys.executable, str(target), "--seconds", "2", "--seed", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
