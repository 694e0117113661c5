"""`estafeta message`, `journal` and `stats`: what they print, and what they say when there is nothing."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import populate
from estafeta.cli import main
from estafeta.cli.since import parse_moment
from estafeta.journal.records import Code, Record, detail
from estafeta.journal.writing import write_records
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.storage.commit import GroupCommit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

Run = Callable[..., tuple[int, str, str]]
CONTENT = b"Subject: hello\r\n\r\nWords.\r\n"
NOW_MS = int(time.time() * 1000) - 60_000
BOUNCED, FILED, NOTICE = (NOW_MS - 3_600_000) << 20 | 1, NOW_MS << 20 | 2, (NOW_MS - 1000) << 20 | 3


def _fill(home: Home) -> None:
    """A message that bounced, its notice, and one that is in a mailbox."""
    node = load_node(home)
    database, packs = Database(node.database_url), Packs(node.data / "packs")
    with database.write() as tx:
        write_records(tx, _bounced(), (NOW_MS - 3_600_000) * 1000)
        notice = Record(NOTICE, Code.MADE_HERE, "", "MAILER-DAEMON", 9, "", detail(parent=f"{BOUNCED:x}"))
        write_records(tx, [notice], (NOW_MS - 1000) * 1000)
    group, scanner = GroupCommit(database, packs), MessageScanner()
    scanner.feed(CONTENT)
    received = Record(
        FILED, "94", "q@far.test", "mx.far.test", 27, "ESMTP", detail(subject="hello", to=["anna@example.test"])
    )
    wanted = (Delivery(_anna(database), address="anna@example.test"),)
    group.run(deliver, Arrival(scanner.close(), wanted, NOW_MS, NOW_MS, (received,), FILED), (CONTENT,))
    group.close()
    packs.close()
    database.close()


def _bounced() -> list[Record]:
    named = detail(subject="Offer for you", message_id="<1@x.test>", to=["maria@far.test"], login="anna@example.test")
    return [
        Record(BOUNCED, "95", "anna@example.test", "laptop [192.0.2.1]", 4000, "ESMTPSA", named),
        Record(BOUNCED, "C6", "maria@far.test", detail=detail(hop="mx:far.test")),
        Record(BOUNCED, "83", "maria@far.test", "mx.far.test [198.51.100.1]", text="550 5.1.1 \x1b[31mno such user"),
        Record(BOUNCED, "AP", "maria@far.test", detail=detail(notice=f"{NOTICE:x}")),
    ]


def _anna(database: Database) -> int:
    with database.read() as conn:
        return int(conn.exec_driver_sql("SELECT account_id FROM users").scalar_one())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.at(tmp_path_factory.mktemp("template") / "mail")
    users = {"anna@example.test": "a good password"}
    set_up(
        home, Choices("example.test", "mx.example.test", port_base=20000), lambda n: populate(n, "example.test", users)
    )
    _fill(home)
    return home.root


@pytest.fixture
def run(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Status, what was printed, and what was said to the person."""
    home = shutil.copytree(template, tmp_path / "mail")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        sys.stdout.flush()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.mark.parametrize("words", ["IDENT", "maria@far.test", "<1@x.test>", "offer FOR"])
def test_a_bounced_message_is_told_whole(run: Run, words: str) -> None:
    status, out, _ = run("message", "trace", *words.replace("IDENT", f"{BOUNCED:x}").split())
    assert status == 0
    for part in (
        "Subject     Offer for you",
        "received from laptop [192.0.2.1], signed in as anna@example.test, by ESMTPSA, 3.9 KiB",
        "queued for maria@far.test, to go to the mail exchangers of far.test",
        'given up for maria@far.test at mx.far.test [198.51.100.1]: it said "550 5.1.1 \\x1b[31mno such user"',
        f"notice of non-delivery sent about maria@far.test (message {NOTICE:x})",
        f"Message {NOTICE:x}, notice about it",
        "made here by MAILER-DAEMON",
    ):
        assert part in out
    assert "\x1b" not in out


def test_several_have_a_line_each(run: Run) -> None:
    status, out, _ = run("message", "trace", "anna@example.test")
    assert status == 0
    assert [line.split()[2] for line in out.splitlines()] == [f"{FILED:x}", f"{BOUNCED:x}"]
    assert out.splitlines()[0].endswith('q@far.test -> anna@example.test  "hello"  filed')
    full = run("message", "trace", "anna@example.test", "--full")[1]
    assert full.count("\nMessage ") == 2
    status, out, err = run("message", "trace", "anna@example.test", "--limit", "1")
    assert (status, f"Message {FILED:x}" in out, "--limit" in err) == (0, True, True)


def test_a_mailbox_has_its_name(run: Run) -> None:
    assert (
        "filed for anna@example.test in INBOX of anna@example.test as message 1" in run("message", "trace", "hello")[1]
    )


def test_as_json(run: Run) -> None:
    status, out, _ = run("message", "trace", "maria@far.test", "--json")
    bounced, notice = json.loads(out)
    assert status == 0
    assert (bounced["fate"], bounced["recipients"]) == ("failed", {"maria@far.test": "failed"})
    assert [one["code"] for one in bounced["records"]] == ["95", "C6", "83", "AP"]
    assert notice["related"] == "notice about it"


def test_nothing_is_found(run: Run) -> None:
    status, out, err = run("message", "trace", "nobody@far.test")
    assert (status, out) == (1, "")
    assert "--since all" in err
    assert run("message", "trace", "maria@far.test", "--since", "30m")[0] == 1
    assert run("message", "trace", "maria@far.test", "--since", "soon")[0] == 2
    assert run("message", "show", "1" * 16)[0] == 1
    assert run("message", "show", "hello")[0] == 2


def test_show(run: Run) -> None:
    status, out, _ = run("message", "show", f"{BOUNCED:x}")
    assert status == 0
    assert "hop         mx:far.test" in out
    assert run("message", "show", f"{FILED:x}", "--content")[1] == CONTENT.decode()
    status, _, err = run("message", "show", f"{BOUNCED:x}", "--content")
    assert (status, "no longer here" in err) == (1, True)


def test_the_journal(run: Run) -> None:
    assert len(run("journal", "show")[1].splitlines()) == 7
    assert len(run("journal", "show", "--code", "b8", "--address", "ANNA")[1].splitlines()) == 1
    assert len(json.loads(run("journal", "show", "--json", "-n", "2")[1])) == 2
    status, out, _ = run("journal", "receivers")
    assert (status, out.splitlines()[0].split()) == (0, ["Number", "From", "To", "Records", "Size"])
    assert run("journal", "change")[1] == "Journal receiver 2 is open; 1 is closed.\n"
    assert [one["records"] for one in json.loads(run("journal", "receivers", "--json")[1])] == [7, 0]
    assert len(run("journal", "export", "--receiver", "1", "--format", "csv")[1].splitlines()) == 8
    assert "LG 92" in run("journal", "export", "--i5")[1]
    assert run("journal", "export", "--receiver", "2")[1] == ""
    assert run("journal", "export", "--receiver", "7")[0] == 1
    assert run("journal", "export", "--format", "xml")[0] == 2
    assert run("journal", "prune")[0] == 2
    assert run("journal", "prune", "--receiver", "1")[0] == 2  # nobody to ask
    assert run("journal", "prune", "--receiver", "1", "--yes")[1] == "Removed journal receiver 1: 7 records.\n"
    assert run("journal", "show")[1] == ""
    assert "no closed receiver" in run("journal", "prune", "--before", "1d", "--yes")[1]


def test_statistics(run: Run) -> None:
    status, out, _ = run("stats")
    assert (status, out.splitlines()[0][:23]) == (0, "Mail at mx.example.test")
    report = json.loads(run("stats", "--json", "--since", "all")[1])
    assert (report["totals"]["received"], report["totals"]["failed"], report["totals"]["filed"]) == (2, 1, 1)
    assert run("stats", "--html")[1].startswith("<!doctype html>")
    assert run("stats", "--since", "today", "--until", "yesterday")[0] == 2


def test_moments() -> None:
    now = 1_772_366_400.0
    assert parse_moment("all", now) == 0
    assert parse_moment("90 min", now) == parse_moment("5400s", now) == int((now - 5400) * 1000)
    assert parse_moment("1w", now) == parse_moment("7d", now)
    assert parse_moment("today", now) - parse_moment("yesterday", now) == 86_400_000
    assert parse_moment("2026-03-01 12:30") - parse_moment("2026-03-01T12:00") == 1_800_000
    assert parse_moment("9999-01-01") < 1 << 43
