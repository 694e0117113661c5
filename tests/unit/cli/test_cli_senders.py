"""`estafeta senders`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.stores import open_site
from estafeta.cli.main import build_app
from estafeta.core.errors import EstafetaError


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("senders") / "home"
    words = ["--home", str(made), "setup", "--domain", "example.test", "--hostname", "mail.example.test", "--yes"]
    result = CliRunner().invoke(build_app(), [*words, "--port-base", "33000"])
    assert result.exit_code == 0, result.output
    with open_site(load_node(Home(made))) as site:
        site.directory.add_user("ann@example.test", password="correct horse")
    return made


def senders(home: Path, *words: str) -> str:
    result = CliRunner().invoke(build_app(), ["--home", str(home), "senders", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_senders_are_allowed_blocked_listed_and_removed(home: Path) -> None:
    assert senders(home, "allow", "Friend@There.test") == "friend@there.test is now allowed by the site.\n"
    assert senders(home, "allow", "friend@there.test") == "friend@there.test was already allowed by the site.\n"
    assert senders(home, "block", ".spam.test", "--note", "June") == "@.spam.test is now blocked by the site.\n"
    assert json.loads(senders(home, "list", "--json")) == [
        {"sender": "@.spam.test", "action": "block", "note": "June"},
        {"sender": "friend@there.test", "action": "allow", "note": ""},
    ]
    said = senders(home, "block", "there.test", "--user", "ann@example.test")
    assert said == "@there.test is now blocked by ann@example.test.\n"
    assert [one["sender"] for one in json.loads(senders(home, "list", "--user", "ann@example.test", "--json"))] == [
        "@there.test"
    ]
    assert senders(home, "remove", "@.spam.test") == "@.spam.test is on the list of the site no more.\n"
    with pytest.raises(EstafetaError):
        senders(home, "remove", "@.spam.test")
    with pytest.raises(EstafetaError):
        senders(home, "block", "x@y.test", "--user", "nobody@example.test")
