"""Set-up: a whole home or none, never over another."""

import os
import stat
from pathlib import Path

import pytest

from estafeta.app.config import Node, load_node
from estafeta.app.home import Home
from estafeta.app.node_file import Choices, Site
from estafeta.app.setup import check_choices, set_up
from estafeta.certificates.store import CertificateStore
from estafeta.core.errors import EstafetaError, Kind

CHOICES = Choices("example.test", "mx.example.test", port_base=20000)


def nothing(node: Node) -> None:
    """Leaves the store empty."""


def _modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}


@pytest.mark.parametrize("existed", [False, True])
def test_a_new_home_is_private_and_whole(tmp_path: Path, existed: bool):
    home = Home.at(tmp_path / "a" / "mail")
    if existed:
        home.root.mkdir(parents=True)
        (home.root / "lost+found").mkdir()
    filled: list[Path] = []
    set_up(home, CHOICES, lambda node: filled.append(node.data))
    assert load_node(home).config.hostname == "mx.example.test"
    assert filled[0].name == "data"
    assert {name: mode for name, mode in _modes(home.root).items() if mode & 0o077} in (
        {"certificates/default.crt": 0o644},
        {"certificates/default.crt": 0o644, "lost+found": 0o755},
    )
    assert CertificateStore(home.certificates).load("default").hosts == ("mx.example.test", "example.test")
    assert not list(tmp_path.rglob("*setup-*"))


@pytest.mark.parametrize("existed", [False, True])
def test_a_failed_setup_leaves_nothing(tmp_path: Path, existed: bool):
    home = Home.at(tmp_path / "mail")
    if existed:
        home.root.mkdir()

    def fail(node: Node) -> None:
        (node.data / "half").write_text("half")
        raise EstafetaError(Kind.INVALID, "no")

    with pytest.raises(EstafetaError):
        set_up(home, CHOICES, fail)
    assert list(tmp_path.rglob("*")) == ([home.root] if existed else [])


def test_what_a_killed_setup_left_is_cleared(tmp_path: Path):
    home = Home.at(tmp_path / "mail")
    left = tmp_path / ".mail.setup-abc"
    left.mkdir()
    (left / "estafeta.toml").touch()
    set_up(home, CHOICES, nothing)
    assert os.listdir(tmp_path) == ["mail"]


def test_never_over_another(tmp_path: Path):
    home = Home.at(tmp_path / "mail")
    set_up(home, CHOICES, nothing)
    before = home.config_file.read_bytes()
    with pytest.raises(EstafetaError) as caught:
        set_up(home, CHOICES, nothing)
    assert caught.value.kind is Kind.EXISTS
    assert home.config_file.read_bytes() == before


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_never_over_something_else(tmp_path: Path, kind: str):
    root = tmp_path / "mail"
    if kind == "file":
        root.write_text("a letter")
    else:
        root.mkdir()
        (root / "letter").write_text("a letter")
    with pytest.raises(EstafetaError) as caught:
        set_up(Home.at(root), CHOICES, nothing)
    assert caught.value.kind is Kind.EXISTS
    assert (root if kind == "file" else root / "letter").read_text() == "a letter"


@pytest.mark.parametrize("site", [Site.SMARTHOST, Site.SATELLITE])
def test_a_site_that_sends_through_another_server_needs_its_name(site: Site):
    with pytest.raises(EstafetaError, match="name it, as in --smarthost"):
        check_choices(Choices("example.test", "mx.example.test", site))


@pytest.mark.parametrize("port_base", [0, 80, 64001])
def test_port_base_bounds(port_base: int):
    with pytest.raises(EstafetaError, match="port base"):
        check_choices(Choices("example.test", "mx.example.test", port_base=port_base))


def test_a_hostname_that_is_none(tmp_path: Path):
    with pytest.raises(EstafetaError) as caught:
        set_up(Home.at(tmp_path / "mail"), Choices("example.test", 'bad" name', port_base=20000), nothing)
    assert "hostname" in caught.value.public
    assert list(tmp_path.iterdir()) == []
