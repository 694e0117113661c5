"""`play(scene, **settings)`: a scene in a house with a courier and a lab (courier_house), on a database of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from courier_house import run


@pytest.fixture
def play(sqlite_template: Path, tmp_path: Path) -> Callable[..., Any]:
    """Play a scene. Options as those of `CourierHouse`."""
    path = tmp_path / "estafeta.sqlite"
    path.write_bytes(sqlite_template.read_bytes())

    def on_stage(scene: Callable[[Any], Any], **options: Any) -> Any:
        return run(scene, tmp_path, f"sqlite:///{path}", **options)

    return on_stage
