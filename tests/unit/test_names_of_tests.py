"""Test files are imported by their bare names: two of one name cannot be collected together."""

from collections import Counter
from pathlib import Path


def test_no_two_files_have_one_name() -> None:
    names = Counter(path.name for path in Path(__file__).parents[1].rglob("*.py"))
    del names["conftest.py"]
    assert [name for name, times in names.items() if times > 1] == []
