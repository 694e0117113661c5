"""The site that IMAP sessions of these tests live in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_world import World


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    opened = World.open(sqlite_url, tmp_path / "packs")
    yield opened
    opened.close()
