"""The server fixture of the tests of this directory."""

from collections.abc import Iterator

import pytest
from running import Server, free_base, make_home, start_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module."""
    home = tmp_path_factory.mktemp("server") / "home"
    base = free_base()
    make_home(home, base)
    running = start_server(home, base, "--workers", "2")
    yield running
    status = running.stop()
    running.process.stdout.close()
    assert status == 0
    log = (home / "stderr.log").read_text()
    assert "Traceback" not in log
    assert "trace=" not in log
