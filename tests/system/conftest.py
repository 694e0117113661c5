"""The server fixture of the tests of this directory."""

import itertools
from collections.abc import Iterator

import pytest
from imap_site import Site
from running import PASSWORD, Server, free_base, make_home, start_server


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


_numbers = itertools.count()


@pytest.fixture
def site(server: Server) -> Site:
    """A new user of the server, to reach over IMAP."""
    user = f"reader{next(_numbers)}@example.test"
    added = server.run("user", "add", user, "--quota", "1G", "--password-stdin", input=PASSWORD)
    assert added.returncode == 0, added.stderr
    certificate = server.home / "certificates" / "default.crt"
    return Site("localhost", server.port(143), server.port(993), server.port(24), user, PASSWORD, certificate)
