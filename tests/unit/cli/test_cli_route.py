"""`estafeta route`, `rewrite` and `smarthost`: what they print, and say when they cannot."""

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
    """Status, and what was printed; `typed` is standard input."""
    home = shutil.copytree(template, tmp_path / "mail")

    def run(*words: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), *words])
        (tmp_path / "typed").write_text(typed)
        capsys.readouterr()
        with (tmp_path / "typed").open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            with pytest.raises(SystemExit) as ended:
                main.run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_every_step_from_an_alias_to_its_ends(run: Run) -> None:
    run("alias", "add", "info", "anna", "far@elsewhere.test")
    run("config", "set", "routing.source_address_table", "example.test 192.0.2.9")
    run("config", "set", "routing.smarthost", "[mail.isp.test]:587")
    run("smarthost", "set", "[mail.isp.test]:587", "relay@isp.test", typed="secret\n")
    assert run("route", "info+news@example.test", "--from", "anna") == (
        0,
        """\
info+news@example.test, from anna@example.test
  directory: info+news@example.test is info@example.test with an extension; info@example.test is an alias for \
anna@example.test, far@elsewhere.test
  directory: anna@example.test is a user, active
  directory: far@elsewhere.test is elsewhere
-> anna@example.test: mailbox
-> far@elsewhere.test: host:mail.isp.test:587
     local: elsewhere.test is not one of our domains
     routing.smarthost: takes all mail for others: host:mail.isp.test:587
     from our address 192.0.2.9
     signing in as relay@isp.test
""",
    )


def test_a_notice_to_nobody_and_a_hub_that_takes_it(run: Run) -> None:
    status, text = run("route", "nobody@example.test")
    assert status == 0
    assert text.splitlines()[0] == "nobody@example.test, from nobody (a notice)"
    assert text.splitlines()[-2] == "-> nobody@example.test: refused: There is no nobody@example.test here."
    run("config", "set", "routing.hub", "hub.test")
    _, text = run("route", "nobody@example.test", "--json")
    [leg] = json.loads(text)["legs"]
    assert (leg["where"], leg["steps"][-1]["rule"]) == ("mx:hub.test", "routing.hub")


def test_hosts_are_looked_up_where_that_is_asked_for(run: Run) -> None:
    run("config", "set", "routing.host_table", "far.test 192.0.2.7 2001:db8::7")
    _, text = run("route", "u@far.test", "--dns", "--json")
    [leg] = json.loads(text)["legs"]
    assert leg["hosts"] == ["far.test[2001:db8::7]:25", "far.test[192.0.2.7]:25"]
    run("config", "set", "dns.servers", "127.0.0.1:9")
    run("config", "set", "dns.timeout_seconds", "1")
    _, text = run("route", "u@gone.test", "--dns")
    assert "1. none, until the next try: 4.4.3 The MX records of gone.test cannot be found" in text


def test_rewriting_step_by_step(run: Run) -> None:
    assert run("rewrite", "anna") == (0, "There are no rewriting rules: see the setting rewrite.address_rules.\n")
    rules = "*@example.test ${lookup{$1}{people}} fF ;; *@old.test $1@example.test E"
    assert run("config", "set", "rewrite.address_rules", rules)[0] == 0
    assert run("config", "set", "rewrite.lookup_table", "people anna anna.lopez@example.test")[0] == 0
    status, text = run("rewrite", "anna")
    assert status == 0
    assert [line.split() for line in text.splitlines()[:3]] == [
        ["Field", "Becomes"],
        ["From", "anna.lopez@example.test"],
        ["envelope", "sender", "anna.lopez@example.test"],
    ]
    assert "makes anna.lopez@example.test of anna@example.test" in text
    fields = json.loads(run("rewrite", "bob@old.test", "--json")[1])["fields"]
    assert {field: told["address"] for field, told in fields.items()} == {
        "f": "bob@old.test",
        "F": "bob@example.test",
        "T": "bob@example.test",
    }
    assert "bob@old.test is rewritten to bob@example.test" in run("route", "bob@old.test")[1]


def test_what_is_wrong_with_a_rule_is_said(run: Run) -> None:
    status, text = run("config", "set", "rewrite.address_rules", "*@a.test $2@b.test f")
    assert (status, "$2 stands for nothing, the pattern has 1 wildcards" in text) == (1, True)
    status, text = run("config", "set", "routing.smarthost", "[mail.isp")
    assert (status, "a server is written as [mail.example.com]:587" in text) == (1, True)


def test_life_of_a_login(run: Run, tmp_path: Path) -> None:
    (tmp_path / "smtp_pass").write_text("# ours\n[mail.midominio.com]:587 relay@midominio.com:contraseña\nnonsense\n")
    status, text = run("smarthost", "import", str(tmp_path / "smtp_pass"))
    assert (status, "Added 1, changed 0, 1 lines to look at." in text) == (0, True)
    assert run("smarthost", "set", "mail.example.com:587", "me", "--use", typed="pass word\n") == (
        0,
        "Mail that goes to [mail.example.com]:587 signs in as me.\n",
    )
    assert "mail.example.com:587" in run("config", "show", "routing.smarthost")[1]
    listed = json.loads(run("smarthost", "list", "--json")[1])
    assert [(one["server"], one["login"]) for one in listed] == [
        ("[mail.example.com]:587", "me"),
        ("[mail.midominio.com]:587", "relay@midominio.com"),
    ]
    assert "contraseña" not in run("smarthost", "list")[1]
    assert run("smarthost", "remove", "mail.example.com:587", "--yes")[0] == 0
    assert run("smarthost", "remove", "mail.example.com:587", "--yes")[0] == 1
    assert run("smarthost", "set", "mail.example.com:587", "me")[0] == 2
