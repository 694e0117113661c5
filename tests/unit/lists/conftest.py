"""`house`: a small site with one list."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from list_house import House, build_house, open_database


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = open_database(tmp_path)
    yield build_house(database)
    database.close()
