"""`estafeta tls-report` on a real store."""

import json
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
from estafeta.delivery.tlsresults import Count, add_counts, encode_facts
from estafeta.storage.commit import Item
from estafeta.trust.results import AppliedPolicy, PolicyKind, ResultType, TlsFailure
from estafeta.trust.tlsrpt import SessionFacts

GOOD = SessionFacts(AppliedPolicy(PolicyKind.STS, "example.org"))
BAD = GOOD._replace(failure=TlsFailure(ResultType.EXPIRED, "expired"), host="mx.example.org")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "mail"
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(Home.at(home), choices, lambda node: populate(node, "example.test", {}))
    with open_site(load_node(Home.at(home))) as site, site.database.write() as tx:
        counts = (
            Count(19_675, "example.org", "a", 7, encode_facts(GOOD)),
            Count(19_675, "example.org", "b", 2, encode_facts(BAD)),
        )
        add_counts(tx, [Item(counts, ())])
    return home


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple]:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), "tls-report", *words])
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_all_domains_and_one(run: Callable[..., tuple]) -> None:
    status, out, _ = run("--day", "2023-11-14")
    assert status == 0
    assert out.splitlines()[1].split() == ["example.org", "7", "2", "sts", "certificate-expired"]
    assert json.loads(run("--day", "2023-11-14", "--json")[1]) == [
        {"domain": "example.org", "good": 7, "failed": 2, "policies": ["sts"], "failures": ["certificate-expired"]}
    ]
    report = json.loads(run("Example.org", "--day", "2023-11-14")[1])
    assert report["organization-name"] == "mx.example.test"
    assert report["policies"][0]["summary"] == {"total-successful-session-count": 7, "total-failure-session-count": 2}


def test_days_without_anything(run: Callable[..., tuple]) -> None:
    assert run()[:2] == (0, "")
    status, _, err = run("example.org")
    assert (status, err) == (1, "estafeta: There were no sessions with example.org on that day.\n")
    assert run("--day", "yesterday")[0] == 2
