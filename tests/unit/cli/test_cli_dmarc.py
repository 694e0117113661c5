"""`estafeta dmarc` on a real store."""

import gzip
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import open_site, populate
from estafeta.cli import dmarc, main
from estafeta.policy.dmarc_advice import Published
from estafeta.policy.dmarc_reading import ReceivedReport, ReportRow
from estafeta.policy.dmarc_received import Stored, store_report
from estafeta.policy.dmarc_results import Count, Sent, add_counts, note_sent
from estafeta.policy.dmarc_values import DmarcFacts, encode_facts
from estafeta.storage.commit import Item
from estafeta.trust.dmarcrecord import parse_record

DAY = 19_675
FACTS = DmarcFacts("192.0.2.1", "none", True, False, "a.test", "a.test", "a.test", "fail")
GOOD = ReportRow("192.0.2.1", "example.test", "none", True, True, "example.test", "example.test", 90)
BAD = ReportRow("203.0.113.9", "example.test", "none", False, False, "mailer.test", "mailer.test", 10)
FILE = """<feedback><report_metadata><org_name>Other</org_name><report_id>7</report_id><date_range><begin>1</begin>
<end>2</end></date_range></report_metadata><policy_published><domain>DOMAIN</domain><p>none</p></policy_published>
<record><row><source_ip>192.0.2.7</source_ip><count>3</count></row></record></feedback>"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "mail"
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(Home.at(home), choices, lambda node: populate(node, "example.test", {}))
    now = int(time.time())
    report = ReceivedReport("example.test", "Big", "id-1", now - 40 * 86_400, now - 86_400, "none", (GOOD, BAD))
    with open_site(load_node(Home.at(home))) as site, site.database.write() as tx:
        came = now - 39 * 86_400
        stored = (Stored(report, "big.test", now), Stored(report, "", now), Stored(report, "old.test", came))
        store_report(tx, [Item(one, ()) for one in stored])
        counts = (
            Count(DAY, "a.test", "a", "a.test", 7, encode_facts(FACTS)),
            Count(DAY, "b.test", "a", "b.test", 1, encode_facts(FACTS)),
        )
        add_counts(tx, [Item(counts, ())])
        note_sent(tx, [Item(Sent(DAY, "a.test", "id@mx", now), ())])
    return home


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), *words])
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_all_domains(run: Run) -> None:
    run("domain", "add", "quiet.test")
    status, out, _ = run("dmarc", "domains")
    assert status == 0
    assert out.splitlines()[1].split()[:7] == ["example.test", "none", "2", "2", "200", "180", "1"]
    # A word in each column, so that none is taken for its neighbour.
    assert out.splitlines()[2].split() == ["quiet.test", "unknown", *["0"] * 5, "never"]
    listed = json.loads(run("dmarc", "domains", "--json")[1])
    assert listed[0]["failing_sources"] == 1
    assert listed[1]["reports"] == 0


def test_one_domain(run: Run) -> None:
    status, out, _ = run("dmarc", "show", "Example.Test.")
    assert status == 0
    assert "200, of which 180 passed" in out
    assert "if you use it, have it sign as example.test" in out
    shown = json.loads(run("dmarc", "show", "example.test", "--json", "-n", "1")[1])
    [source] = shown["sources"]
    assert (source["source_ip"], source["failed"]) == ("203.0.113.9", 20)
    assert sorted(source["reporters"]) == ["(Big)", "big.test"]
    assert "and 1 more" in run("dmarc", "show", "example.test", "-n", "1")[1]


def test_what_is_not_there_is_said(run: Run) -> None:
    status, _, err = run("dmarc", "show", "other.test")
    assert status == 1
    assert "estafeta dmarc record other.test" in err
    assert run("dmarc", "show", "not a domain")[0] == 2
    assert run("dmarc", "reports", "not a domain")[0] == 2
    assert run("dmarc", "counts", "other.test")[0] == 1


def test_reports(run: Run) -> None:
    lines = run("dmarc", "reports")[1].splitlines()
    assert len(lines) == 3
    assert any("(Big)" in line for line in lines)
    assert run("dmarc", "reports", "other.test", "--json")[1] == "[]\n"
    assert len(json.loads(run("dmarc", "reports", "example.test", "--json", "--since", "all")[1])) == 3
    assert json.loads(run("dmarc", "reports", "--json", "--since", "1h")[1]) == []


def test_the_record(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(site: object, domain: str) -> Published:
        text = f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}"
        return Published(text, parse_record(text.encode()))

    monkeypatch.setattr(dmarc, "_ask", ask)
    assert "dmarc.reports_address" in run("dmarc", "record", "example.test")[1]
    run("config", "set", "dmarc.reports_address", "dmarc@example.test")
    assert "dmarc@example.test takes no mail here" in run("dmarc", "record", "example.test")[1]
    run("user", "add", "dmarc@example.test")
    out = run("dmarc", "record", "example.test")[1]
    assert "no mail here" not in out
    assert "If none of what fails is yours, the next step is p=quarantine." in out
    assert '_dmarc.example.test. IN TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@example.test"' in out
    shown = json.loads(run("dmarc", "record", "example.test", "--json")[1])
    assert shown["publish"][0]["name"] == "_dmarc.example.test"


def test_what_is_reported_to_others(run: Run) -> None:
    lines = run("dmarc", "counts", "--day", "2023-11-14")[1].splitlines()
    assert [line.split() for line in lines[1:]] == [["a.test", "1", "7", "id@mx"], ["b.test", "1", "1", "not", "sent"]]
    assert json.loads(run("dmarc", "counts", "--day", "2023-11-14", "--json")[1])[1]["report_id"] is None
    assert "<count>7</count>" in run("dmarc", "counts", "A.test", "--day", "2023-11-14")[1]


def test_reports_from_files(run: Run, tmp_path: Path) -> None:
    names = {
        "a.xml": FILE.replace("DOMAIN", "example.test").encode(),
        "b.gz": gzip.compress(FILE.replace("DOMAIN", "example.test").encode()),
        "c.eml": b"Content-Type: text/xml\r\n\r\n" + FILE.replace("DOMAIN", "example.test").encode(),
        "d.xml": FILE.replace("DOMAIN", "other.test").encode(),
        "e.txt": b"Subject: Hello\r\n\r\nHello\r\n",
    }
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    status, out, err = run("dmarc", "read", *[str(tmp_path / name) for name in names])
    assert status == 1
    assert [line.partition(": ")[2] for line in out.splitlines()] == [
        "3 messages of example.test, reported by Other",
        "it was here before",
        "it was here before",
    ]
    assert "which is not ours" in err
    assert "no report attached" in err
    assert "2 of 5 files were left out" in err
    assert run("dmarc", "read", str(tmp_path / "none"))[0] == 1
