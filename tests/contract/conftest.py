"""`store`: a whole store on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_kit import Store


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(database_url, tmp_path / "packs")
    yield opened
    opened.close()
