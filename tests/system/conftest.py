"""The server fixtures of the tests of this directory."""

import itertools
from collections.abc import Iterator

import pytest
from imap_site import Site
from running import PASSWORD, Server, add_users, free_base, make_home, start_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module."""
    yield from _running(tmp_path_factory)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need no more than users of their own."""
    yield from _running(tmp_path_factory)


@pytest.fixture
def site(shared_server: Server) -> Site:
    """A new user of a server, to reach over IMAP."""
    home = shared_server.home
    user = f"reader{next(_numbers)}@example.test"
    add_users(home, user, quota_bytes=1 << 30)
    port = shared_server.port
    certificate = home / "certificates" / "default.crt"
    return Site("localhost", port(143), port(993), port(24), user, PASSWORD, certificate)


_numbers = itertools.count()


def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
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
