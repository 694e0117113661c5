"""`estafeta dkim` on a real store, with the lab's name server: from `domain add` to a leaked key."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab.threaded import LabThread
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import open_site, populate
from estafeta.cli import main
from estafeta.trust.signingkey import SigningKey


@pytest.fixture
def lab() -> Iterator[LabThread]:
    with LabThread() as lab:
        yield lab


@pytest.fixture
def home(tmp_path: Path, lab: LabThread) -> Path:
    home = tmp_path / "mail"
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(Home.at(home), choices, lambda node: populate(node, "example.test", {}))
    with open_site(load_node(Home.at(home))) as site:
        for key, value in lab.settings().items():
            site.settings.set_values({key: value}, "test")
    return home


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple]:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), *words])
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def listed(run: Callable[..., tuple], domain: str) -> dict[str, str]:
    return {one["selector"]: one["state"] for one in json.loads(run("dkim", "list", domain, "--json")[1])}


def publish(lab: LabThread, key: dict) -> None:
    lab.names.add(key["record"]["name"], txt=[key["record"]["text"]])


def test_from_a_new_domain_to_a_leaked_key(run: Callable[..., tuple], lab: LabThread) -> None:
    status, out, _ = run("domain", "add", "new.example")
    assert status == 0
    assert "estafeta dkim show new.example" in out
    shown = json.loads(run("dkim", "show", "new.example", "--json")[1])
    assert sorted(one["algorithm"] for one in shown) == ["ed25519-sha256", "rsa-sha256"]
    assert run("dkim", "check", "new.example")[0] == 1
    for one in shown:
        publish(lab, one)
    status, out, _ = run("dkim", "check", "new.example")
    assert status == 0
    assert set(listed(run, "new.example").values()) == {"active"}

    rsa = next(one["selector"] for one in shown if one["algorithm"] == "rsa-sha256")
    assert run("dkim", "remove", "new.example", rsa)[0] == 2  # nobody to ask
    status, _, err = run("dkim", "remove", "new.example", rsa, "--yes")
    assert (status, "it cannot become removed" in err) == (1, True)
    status, out, _ = run("dkim", "remove", "new.example", rsa, "--leaked", "--yes")
    assert status == 0
    assert f'{rsa}._domainkey.new.example. IN TXT "v=DKIM1; k=rsa; p="' in out
    states = listed(run, "new.example")
    assert states.pop(rsa) == "removed"
    assert sorted(states.values()) == ["active", "prepared"]


def test_records_for_people(run: Callable[..., tuple]) -> None:
    assert run("dkim", "create", "example.test", "--kind", "rsa", "--selector", "first")[0] == 0
    out = run("dkim", "show", "example.test", "first")[1]
    assert "first._domainkey.example.test  (prepared)" in out
    assert 'first._domainkey.example.test. IN TXT ( "v=DKIM1; k=rsa; p=' in out
    assert '" "' in out
    assert "first" in run("dkim", "list")[1]


def test_by_hand(run: Callable[..., tuple], lab: LabThread, tmp_path: Path) -> None:
    theirs = SigningKey.generate("example.test", "old", "ed25519-sha256")
    (tmp_path / "old.pem").write_bytes(theirs.to_pem())
    made = run("dkim", "create", "example.test", "--selector", "old", "--pem", str(tmp_path / "old.pem"), "--json")
    [key] = json.loads(made[1])
    assert key["record"]["text"] == theirs.dns_record().text
    assert run("dkim", "activate", "example.test", "old")[0] == 2  # DNS does not have it, and nobody is there to ask
    publish(lab, key)
    assert run("dkim", "activate", "example.test", "old")[0] == 0
    run("dkim", "create", "example.test", "--kind", "ed25519", "--selector", "next")
    assert "old is retired" in run("dkim", "activate", "example.test", "next", "--yes")[1]
    assert run("dkim", "retire", "example.test", "next")[0] == 0
    assert run("dkim", "remove", "example.test", "next", "--yes")[0] == 0
    assert listed(run, "example.test") == {"old": "retired", "next": "removed"}


def test_what_is_not_there(run: Callable[..., tuple]) -> None:
    assert "no keys" in run("dkim", "show", "example.test")[2]
    assert "not one of our domains" in run("dkim", "create", "elsewhere.example")[2]
    assert "no key with the selector" in run("dkim", "retire", "example.test", "none")[2]
    assert run("dkim", "create", "example.test", "--kind", "dsa")[0] == 2
    assert run("dkim", "create", "example.test", "--selector", "a")[0] == 2


def test_status_says_what_is_to_be_done(run: Callable[..., tuple], home: Path, lab: LabThread) -> None:
    def said() -> list[str]:
        found = json.loads(run("status", "--json")[1])
        return [one for one in (*found["problems"], *found["notes"]) if "DKIM" in one]

    made = json.loads(run("dkim", "create", "example.test", "--kind", "ed25519", "--json")[1])
    assert said() == []  # DNS was not asked yet
    run("dkim", "check")
    assert [one[:31] for one in said()] == ["Mail of example.test is not sig"]
    for one in (*made, *json.loads(run("dkim", "show", "example.test", "--json")[1])):
        publish(lab, one)
    assert run("dkim", "check")[0] == 0
    assert said() == []
    # As on a machine that shares the database and has a key of its own.
    (home / "node.key").write_bytes(bytes(32))
    assert [one[:40] for one in said()] == ["This machine cannot open DKIM keys of ex"]
    status, out, _ = run("dkim", "check")
    assert (status, "copy node.key" in out) == (1, True)
