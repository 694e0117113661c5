"""`estafeta list`: what it does, prints, and says when it cannot."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import open_site, populate
from estafeta.cli import main
from estafeta.lists.posting import summary_of
from estafeta.queue.accepting import accept
from estafeta.queue.values import Acceptance, Lane, NewEntry, NewRecipient
from estafeta.storage.commit import GroupCommit
from estafeta.storage.packs import Packs

Run = Callable[..., tuple[int, str]]
POST = b"From: eva@x.test\r\nSubject: Hello\r\n\r\nHi all\r\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "mail"
    users = {"anna@example.test": "a good password"}
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(Home.at(root), choices, lambda node: populate(node, "example.test", users))
    return root


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "mail"))


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Status, and what was printed."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_life_of_a_list(run: Run) -> None:
    added = run("list", "add", "parents", "Eva Sol <eva@x.test>", "anna", "--owner", "anna", "--name", "Parents")
    assert added == (0, "Added parents@example.test with 2 members.\n")
    assert run("list", "add", "parents")[1] == "estafeta: parents@example.test exists already: it is a list.\n"
    assert run("list", "subscribe", "parents", "luis@x.test", "eva@x.test") == (
        0,
        "1 new; parents@example.test has 3 members.\n",
    )
    assert run("list", "unsubscribe", "parents", "luis@x.test") == (0, "1 less; parents@example.test has 2 members.\n")
    assert run("list", "unsubscribe", "parents", "luis@x.test")[0] == 1
    assert run("list", "pause", "parents", "eva@x.test") == (0, "1 paused.\n")
    found = json.loads(run("list", "members", "parents", "--json")[1])
    assert [(one["address"], one["display_name"], one["state"]) for one in found] == [
        ("anna@example.test", "", "active"),
        ("eva@x.test", "Eva Sol", "paused"),
    ]
    assert run("list", "resume", "parents", "eva@x.test") == (0, "1 get mail again.\n")
    assert run("list", "members", "parents")[1].count("\n") == 3
    [listed] = json.loads(run("list", "list", "--json")[1])
    assert (listed["address"], listed["members"], listed["options"]["name"]) == ("parents@example.test", 2, "Parents")
    assert run("list", "list", "--member", "eva@x.test")[1].splitlines()[1].startswith("parents@example.test")
    assert run("list", "list", "--member", "luis@x.test") == (0, "")
    assert run("list", "renew-links", "parents", "--yes")[0] == 0
    assert run("list", "remove", "parents", "--yes") == (0, "Removed parents@example.test with 2 members.\n")
    assert run("list", "show", "parents")[1] == "estafeta: There is no list parents@example.test.\n"


def test_options(run: Run) -> None:
    run("list", "add", "news", "-s", "post=anyone", "-s", "archive=#shared/Lists/News")
    assert '"#shared/Lists/News"' in run("shared", "list", "--json")[1]
    assert run("list", "set", "news", "max_bytes=5M", "moderators=anna,eva@x.test", "welcome=off") == (
        0,
        "moderators  anna@example.test, eva@x.test\nmax_bytes   5242880\nwelcome     off\n",
    )
    assert "post                anyone" in run("list", "show", "news")[1]
    assert json.loads(run("list", "show", "news", "--json")[1])["options"]["max_bytes"] == 5242880
    defaults = {one["name"]: one["default"] for one in json.loads(run("list", "options", "--json")[1])}
    assert defaults["post"] == "members"
    assert run("list", "owner", "news") == (0, "nobody: the postmaster gets mail for the owner\n")
    assert run("list", "owner", "news", "--add", "anna", "--add", "eva@x.test") == (
        0,
        "anna@example.test\neva@x.test\n",
    )
    assert run("list", "owner", "news", "--remove", "eva@x.test", "--json") == (0, '["anna@example.test"]\n')


WRONG = [
    ("post=nobody", "it is anyone, members or posters"),
    ("pots=anyone", "the nearest is 'post'"),
    ("owners=a b@", "estafeta:"),
    ("archive=Inbox", "#shared/Lists/NAME"),
    ("max_bytes=much", "cannot be 'much'"),
    ("reply_to=nowhere", "estafeta:"),
    ("post", "NAME=VALUE"),
]


@pytest.mark.parametrize(("option", "words"), WRONG)
def test_options_that_are_wrong(run: Run, option: str, words: str) -> None:
    run("list", "add", "news")
    status, said = run("list", "set", "news", option)
    assert status in (1, 2)
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["news-request", "a+b", "x" * 41, "news-bounces"])
def test_names_that_lists_cannot_have(run: Run, name: str) -> None:
    assert run("list", "add", name)[0] == 1


def test_import_and_export(run: Run, tmp_path: Path) -> None:
    run("list", "add", "news", "old@x.test")
    file = tmp_path / "members"
    file.write_text('# parents of 4b\nEva Sol <eva@x.test>\n"Río, Ana" <ana@x.test>\n\nluis@x.test\nLUIS@x.test\n')
    assert run("list", "import", "news", str(file), "--dry-run")[1].startswith("Would add 3;")
    assert run("list", "import", "news", str(file)) == (
        0,
        "Added 3; 0 were members already, 0 taken out, 0 lines to look at.\n",
    )
    assert run("list", "export", "news")[1] == (
        '"Río, Ana" <ana@x.test>\n"Eva Sol" <eva@x.test>\nluis@x.test\nold@x.test\n'
    )
    file.write_text("eva@x.test\nno address here\n")
    status, said = run("list", "import", "news", str(file), "--replace")
    assert (status, said.splitlines()[-1]) == (1, "line 2: no address here: That is not one address.")
    assert len(json.loads(run("list", "members", "news", "--json")[1])) == 4
    file.write_text("eva@x.test\nnew@x.test\n")
    assert run("list", "import", "news", str(file), "--replace")[1] == (
        "Added 1; 1 were members already, 3 taken out, 0 lines to look at.\n"
    )


def test_moderating(run: Run, home: Path) -> None:
    run("list", "add", "news")
    node = load_node(Home.at(home))
    with open_site(node) as site:
        packs = Packs(node.data / "packs")
        group = GroupCommit(site.database, packs)
        for ident in (0xA1, 0xA2, 0xA3):
            one = NewRecipient("list:news@example.test", "news-approved@example.test", 0, 2**60)
            entry = NewEntry(ident, "eva@x.test", 1, (one,), len(POST), 0, Lane.HELD, subject=f"Hello {ident:x}")
            group.run(accept, (Acceptance(summary_of(POST), None, entry),), (POST,))
        group.close()
        packs.close()
    waiting = json.loads(run("list", "moderate", "--json")[1])["waiting"]
    assert [(one["ident"], one["sender"], one["preview"]) for one in waiting] == [
        (ident, "eva@x.test", "Hi all") for ident in ("a1", "a2", "a3")
    ]
    status, said = run("list", "moderate", "news", "--approve", "a1")
    assert (status, said.splitlines()[0]) == (0, "Approved a1: Hello a1")
    assert run("list", "moderate", "news", "--approve", "a1")[0] == 1
    assert run("list", "moderate", "news", "--reject", "a2")[0] == 2
    assert (
        run("list", "moderate", "news", "--reject", "all", "--yes")[1]
        == "Rejected a2: Hello a2\nRejected a3: Hello a3\n"
    )
    assert json.loads(run("list", "moderate", "--json")[1])["waiting"] == []
