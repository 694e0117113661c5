"""`estafeta shared`, and quotas in messages: what they do, print, and say when they cannot."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import populate
from estafeta.cli import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "mail"
    users = {"anna@example.test": "a good password"}
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(Home.at(root), choices, lambda node: populate(node, "example.test", users))
    return root


@pytest.fixture
def run(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Status, and what was printed."""
    home = shutil.copytree(template, tmp_path / "mail")

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_life_of_a_shared_folder(run: Run) -> None:
    assert run("shared", "add", "News", "--anyone", "read") == (0, "Added #shared/News.\n")
    assert run("shared", "add", "#shared/News/Sport") == (0, "Added #shared/News/Sport.\n")
    assert run("shared", "grant", "News", "anna", "all") == (
        0,
        "Rights on #shared/News: anna@example.test aeiklprstwx, anyone lrs.\n",
    )
    assert run("shared", "grant", "News", "@example.test", "s", "--deny")[0] == 0
    status, text = run("shared", "rights", "News", "--json")
    assert (status, json.loads(text)["rights"]) == (
        0,
        {"-@example.test": "s", "anna@example.test": "aeiklprstwx", "anyone": "lrs"},
    )
    assert run("shared", "rights", "News")[1].splitlines()[0].split() == ["Who", "Rights"]
    assert run("shared", "grant", "News", "anyone", "none")[1].count("anyone") == 0
    listed = json.loads(run("shared", "list", "--json")[1])
    assert [(one["name"], one["messages"], one["rights"]) for one in listed] == [
        ("#shared/News", 0, {"-@example.test": "s", "anna@example.test": "aeiklprstwx"}),
        ("#shared/News/Sport", 0, {"anyone": "lrs"}),
    ]
    assert "#shared/News" in run("shared", "list")[1]
    assert run("shared", "remove", "News", "--yes") == (0, "Removed #shared/News: 0 messages deleted.\n")
    assert run("shared", "rights", "News") == (1, "estafeta: There is no shared folder 'News'.\n")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("add", "a//b"), 1, "cannot be the name"),
        (("add", "x", "--anyone", "everything"), 1, "are no rights"),
        (("grant", "Here", "nobody", "lr"), 1, "That is nobody here"),
        (("grant", "Here", "anna", "lrq"), 1, "are no rights"),
        (("grant", "Gone", "anna", "lr"), 1, "There is no shared folder"),
        (("remove", "Here"), 2, "add --yes"),
        (("add", "Here"), 1, "already"),
    ],
)
def test_one_sentence_when_it_cannot(run: Run, words: tuple[str, ...], status: int, said: str) -> None:
    run("shared", "add", "Here")
    ended, text = run("shared", *words)
    assert ended == status, text
    assert said in text


def test_quotas_in_messages(run: Run) -> None:
    assert run("user", "change", "anna", "--quota-messages", "1000")[0] == 0
    shown = json.loads(run("user", "show", "anna", "--json")[1])
    assert (shown["quota_messages"], shown["quota_messages_inherited"]) == (1000, False)
    assert "Quota of messages" in run("user", "show", "anna")[1]
    assert run("user", "change", "anna", "--quota-messages", "inherit")[0] == 0
    assert run("domain", "change", "example.test", "--quota-messages", "50")[0] == 0
    shown = json.loads(run("user", "show", "anna", "--json")[1])
    assert (shown["quota_messages"], shown["quota_messages_inherited"]) == (50, True)
    assert "Messages of a user" in run("domain", "show", "example.test")[1]
    assert run("user", "change", "anna", "--quota-messages", "many")[0] == 2
