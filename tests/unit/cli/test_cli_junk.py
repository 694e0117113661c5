"""`estafeta junk`: teaching by files, what is known, what is forgotten, and why a message is where it is."""

import json
import mailbox
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
from estafeta.app.stores import open_site, populate
from estafeta.cli import main
from estafeta.core.ids import JUNK
from estafeta.journal.records import Code, Record, detail
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.policy.bayes_learning import Taught, learn
from estafeta.policy.bayes_tokens import features
from estafeta.policy.content import Content
from estafeta.storage.commit import GroupCommit
from estafeta.storage.packs import Packs

Run = Callable[..., tuple[int, str, str]]
GOOD = b"From: Ben <ben@example.org>\nSubject: lunch %d\n\nshall we meet for lunch on friday then, number%d\n"
BAD = b"From: Shop <shop@example.com>\nSubject: pills %d\n\nbuy cheap pills online without prescription number%d\n"
NOW_MS = int(time.time() * 1000) - 60_000
IDENT = NOW_MS << 20 | 7


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.at(tmp_path_factory.mktemp("template") / "mail")
    users = {"anna@example.test": "a good password"}
    set_up(
        home, Choices("example.test", "mx.example.test", port_base=20000), lambda n: populate(n, "example.test", users)
    )
    return home.root


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "mail"))


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Status, what was printed, and what was said to the person."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        sys.stdout.flush()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def files(tmp_path: Path, name: str, template: bytes, number: int) -> Path:
    directory = tmp_path / name
    directory.mkdir()
    for index in range(number):
        (directory / f"{index}.eml").write_bytes(template % (index, index))
    return directory


def learnt(run: Run) -> tuple[int, int]:
    found = json.loads(run("junk", "status", "--json")[1])
    return found["good"], found["bad"]


def test_files_of_every_kind(run: Run, tmp_path: Path) -> None:
    mbox = mailbox.mbox(tmp_path / "bad.mbox")
    for index in range(3):
        mbox.add(BAD % (index, index))
    mbox.close()
    maildir = mailbox.Maildir(tmp_path / "maildir")
    for index in range(3, 7):
        maildir.add(BAD % (index, index))
    single = tmp_path / "one.eml"
    single.write_bytes((BAD % (9, 9)).replace(b"\n", b"\r\n"))
    status, out, err = run("junk", "learn-bad", str(tmp_path / "bad.mbox"), str(tmp_path / "maildir"), str(single))
    assert (status, out, err) == (0, "Read 8 messages, learnt 8 that were not known as such.\n", "")
    assert learnt(run) == (0, 8)


def test_again_and_the_other_way(run: Run, tmp_path: Path) -> None:
    directory = files(tmp_path, "letters", BAD, 30)
    run("junk", "learn-bad", str(directory))
    out = json.loads(run("junk", "learn-bad", "--json", str(directory))[1])
    assert out == {"read": 30, "learnt": 0, "problems": []}
    assert learnt(run) == (0, 30)
    run("junk", "learn-good", str(directory))
    assert learnt(run) == (30, 0)


def test_what_cannot_be_read_is_told_and_passed_over(run: Run, tmp_path: Path) -> None:
    directory = files(tmp_path, "letters", BAD, 2)
    (directory / "link.eml").symlink_to("/etc/hostname")
    (directory / "empty").write_bytes(b"")
    status, out, err = run("junk", "learn-bad", str(directory), str(tmp_path / "none"))
    assert status == 0
    assert out.startswith("Read 2 messages")
    assert "link.eml" in err
    assert "none: No such file or directory" in err
    assert run("junk", "learn-bad", str(tmp_path / "none"))[0] == 1


def test_status(run: Run, tmp_path: Path) -> None:
    assert "Judging by words      not yet" in run("junk", "status")[1]
    run("junk", "learn-bad", str(files(tmp_path, "bad", BAD, 100)))
    run("junk", "learn-good", "--user", "anna@example.test", str(files(tmp_path, "good", GOOD, 100)))
    out = run("junk", "status")[1]
    assert "Judging by words      yes" in out
    assert "anna@example.test  100   0" in out
    run("config", "set", "bayes.enabled", "false")
    assert "no: switched off" in run("junk", "status")[1]


def test_forgetting(run: Run, tmp_path: Path) -> None:
    run("junk", "learn-bad", "--user", "anna@example.test", str(files(tmp_path, "bad", BAD, 5)))
    run("junk", "learn-good", str(files(tmp_path, "good", GOOD, 5)))
    assert run("junk", "forget", "--yes")[0] == 2
    assert run("junk", "forget", "--site")[0] == 2  # nobody to ask
    assert run("junk", "forget", "--user", "nobody@example.test", "--yes")[0] == 1
    assert run("junk", "forget", "--user", "anna@example.test", "--yes")[1] == "Taken back: 5 messages.\n"
    assert learnt(run) == (5, 0)
    run("junk", "forget", "--site", "--yes")
    assert learnt(run) == (0, 0)


def test_a_file_is_explained(run: Run, tmp_path: Path) -> None:
    message = tmp_path / "one.eml"
    message.write_bytes(
        b'X-Estafeta-Result: junk; points=6.3; junk-from=5.0;\r\n\t+2.5 spf "SPF fail"\r\n' + BAD % (1, 1)
    )
    status, out, _ = run("junk", "explain", str(message))
    assert status == 0
    assert "When it came: junk; points=6.3" in out
    assert "Nothing was learnt yet" in out
    run("junk", "learn-bad", str(files(tmp_path, "bad", BAD, 30)))
    run("junk", "learn-good", "--user", "anna@example.test", str(files(tmp_path, "good", GOOD, 30)))
    out = run("junk", "explain", "--user", "anna@example.test", str(message))[1]
    assert "by 30 good and 30 bad messages of this site; that is too little to count" in out
    assert "by 30 good and 0 bad messages of anna@example.test; that is too little to count" in out
    assert "pills" in out
    [site, anna] = json.loads(run("junk", "explain", "--user", "anna@example.test", "--json", str(message))[1])[
        "learnt"
    ]
    assert (site["owner"], site["chance"] > 0.99, site["points"] > 4) == ("this site", True, True)
    assert {"word": "pills", "says": 0.493, "good": 0, "bad": 30, "own_good": 0, "own_bad": 0} in site["words"]
    assert anna["owner"] == "anna@example.test"


@pytest.mark.parametrize("gone", [False, True])
def test_a_message_that_came_is_explained(run: Run, home: Path, gone: bool) -> None:
    with open_site(load_node(Home.at(home))) as site:
        anna = site.directory.get_user("anna@example.test").account_id
        packs, content = Packs(site.node.data / "packs"), BAD % (1, 1)
        group, scanner = GroupCommit(site.database, packs), MessageScanner()
        scanner.feed(content)
        said = [["spf", 2.5, "score", "SPF fail of example.com"], ["bayes", 3.0, "score", "their words", anna]]
        records = (
            Record(
                IDENT, Code.RECEIVED_LOCAL, "shop@example.com", "192.0.2.1", len(content), "ESMTP", detail(to=["a"])
            ),
            Record(IDENT, Code.CHECKED, "shop@example.com", text="junk; 5.5 of 5.0 points", detail=detail(checks=said)),
        )
        wanted = Delivery(anna, JUNK, address="anna@example.test")
        group.run(deliver, Arrival(scanner.close(), (wanted,), NOW_MS, NOW_MS, records, IDENT), (content,))
        words = features(Content.of(content))
        for number in range(20):
            group.run(learn, Taught(anna, 100 + number, Lesson.SPAM, words, 20_000))
            group.run(learn, Taught(anna, 200 + number, Lesson.HAM, (1, 2), 20_000))
        group.close()
        packs.close()
        if gone:
            with site.database.write() as tx:
                tx.conn.exec_driver_sql("DELETE FROM messages")
    status, out, _ = run("junk", "explain", f"{IDENT:x}")
    assert status == 0
    for part in (
        f"Message {IDENT:x}: junk; 5.5 of 5.0 points",
        "Filed in Junk of anna@example.test",
        "+2.5    spf    SPF fail of example.com",
        "+3.0    bayes  their words (for one recipient)",
    ):
        assert part in out
    assert ("no longer here" in out) is gone
    assert ("by 20 good and 20 bad messages of anna@example.test:" in out) is not gone


@pytest.mark.parametrize(("ident", "said"), [("not-an-ident", "is no ident"), ("19aa0c5f1e300000", "knows no message")])
def test_no_such_message(run: Run, ident: str, said: str) -> None:
    status, _, err = run("junk", "explain", ident)
    assert status == 1
    assert said in err
