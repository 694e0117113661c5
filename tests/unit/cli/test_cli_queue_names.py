"""The queue under the names and options of Postfix, Sendmail and Exim: what programs read, and what it does."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from estafeta.cli import main
from queue_home import GREYLISTED, LATER, NOTICE, NOW_MS, OFFER, REFUSED, URGENT, make_home

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "mail"
    make_home(root)
    return root


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "mail"))


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Be the program of that name, by the clock of the home."""
    monkeypatch.setattr(time, "time", lambda: NOW_MS / 1000)
    monkeypatch.setenv("ESTAFETA_HOME", str(home))

    def call(name: str, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [f"/usr/sbin/{name}", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        sys.stdout.flush()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def queues(call: Call) -> Callable[[], dict[str, str]]:
    """In which queue each message is."""

    def queues() -> dict[str, str]:
        found = [json.loads(line) for line in call("postqueue", "-j")[1].splitlines()]
        return {message["queue_id"]: message["queue_name"] for message in found}

    return queues


_WHEN = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 1-3][0-9] [0-9:]{8}")
AT_FIRST = {OFFER: "active", NOTICE: "active", URGENT: "deferred", LATER: "active"}


# Postfix and Sendmail


@pytest.mark.parametrize("words", [("mailq",), ("postqueue", "-p"), ("sendmail", "-bp"), ("mailq", "-v")])
def test_mailq(call: Call, words: tuple[str, ...]):
    status, out, said = call(*words)
    assert (status, said) == (0, "")
    lines = [_WHEN.sub("WHEN               ", line) for line in out.splitlines()]
    assert lines == [
        "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------",
        f"{OFFER}*       60 WHEN                anna@example.test",
        f"{f'({REFUSED})':>78}",
        "                                               maria@partner.test",
        "                                               jose@partner.test",
        f"{'(reason unavailable)':>78}",
        "                                               x@other.test",
        "",
        f"{NOTICE}*       60 WHEN                MAILER-DAEMON",
        "                                               someone@long.example.net",
        "",
        f"{URGENT}        60 WHEN                ben@example.test",
        f"{f'({GREYLISTED})':>78}",
        "                                               li@grey.test",
        "",
        f"{LATER}*       60 WHEN                ben@example.test",
        "                                               z@other.test",
        "",
        "-- 0 Kbytes in 4 Requests.",
    ]


def test_an_empty_queue(call: Call):
    assert call("postsuper", "-d", "ALL") == (0, "", "postsuper: Deleted: 4 messages\n")
    assert call("mailq") == (0, "Mail queue is empty\n", "")
    assert call("postqueue", "-j")[1] == ""
    assert call("exim", "-bp")[1] == ""
    assert call("exim", "-bpc")[1] == "0\n"


def test_postqueue_as_json(call: Call):
    first = json.loads(call("postqueue", "-j")[1].splitlines()[0])
    assert first == {
        "queue_name": "active",
        "queue_id": OFFER,
        "arrival_time": int(OFFER, 16) // (1 << 20) // 1000,
        "message_size": 60,
        "forced_expire": False,
        "sender": "anna@example.test",
        "recipients": [
            {"address": "maria@partner.test", "delay_reason": REFUSED},
            {"address": "jose@partner.test", "delay_reason": REFUSED},
            {"address": "x@other.test"},
        ],
    }


@pytest.mark.parametrize(
    "words",
    [
        ("postqueue", "-f"),
        ("postqueue", "-i", URGENT),
        ("postqueue", "-s", "grey.test"),
        ("sendmail", "-q"),
        ("sendmail", "-qf"),
        ("sendmail", f"-qI{URGENT}"),
        ("sendmail", "-qRli@grey"),
        ("sendmail", "-qR", "li@grey"),
        ("sendmail", "-qSben"),
        ("exim", "-qf"),
        ("exim", "-qff"),
        ("exim", "-R", "grey"),
        ("exim", "-Rff", "grey"),
        ("exim", "-S", "ben@"),
        ("exim", "-M", URGENT),
    ],
)
def test_try_now(call: Call, queues: Callable[[], dict[str, str]], words: tuple[str, ...]):
    assert queues() == AT_FIRST
    assert call(*words) == (0, "", "")
    assert queues() == AT_FIRST | {URGENT: "active"}


@pytest.mark.parametrize(
    "words",
    [("exim", "-q"), ("postqueue", "-s", "x.test"), ("exim", "-Mc", URGENT), ("postsuper", "-s"), ("newaliases",)],
)
def test_nothing_to_do(call: Call, queues: Callable[[], dict[str, str]], words: tuple[str, ...]):
    assert call(*words)[:2] == (0, "")
    assert queues() == AT_FIRST


def test_postsuper_hold_and_release(call: Call, queues: Callable[[], dict[str, str]]):
    assert call("postsuper", "-h", LATER)[2] == "postsuper: Placed on hold: 1 message\n"
    assert queues() == AT_FIRST | {LATER: "hold"}
    assert call("postsuper", "-d", "ALL", "deferred")[2] == "postsuper: Deleted: 1 message\n"
    assert call("postsuper", "-d", "ALL", "hold", "deferred")[2] == "postsuper: Deleted: 1 message\n"
    assert list(queues()) == [OFFER, NOTICE]
    assert call("postsuper", "-h", "ALL")[2] == "postsuper: Placed on hold: 2 messages\n"
    assert f"{OFFER}!" in call("mailq")[1]
    assert call("postsuper", "-H", "ALL", "-r", "ALL")[2] == (
        "postsuper: Released from hold: 2 messages\npostsuper: Requeued: 2 messages\n"
    )


def test_postsuper_takes_ids_from_standard_input(call: Call, queues: Callable[[], dict[str, str]]):
    given = f"{LATER}\n{OFFER}* and more\n1a1fdbdb10678d\n\n"
    assert call("postsuper", "-d", "-", stdin=given) == (0, "", "postsuper: Deleted: 2 messages\n")
    assert list(queues()) == [NOTICE, URGENT]


def test_postsuper_sends_back(call: Call):
    assert call("postsuper", "-e", LATER)[2] == "postsuper: Force-expired: 1 message\n"
    assert f"{LATER}*#" in call("mailq")[1] or f"{LATER}#" in call("mailq")[1]


def test_postcat(call: Call):
    status, out, _ = call("postcat", "-q", OFFER)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == f"*** ENVELOPE RECORDS active/{OFFER} ***"
    assert {"sender: anna@example.test", "recipient: jose@partner.test"} <= set(lines)
    assert lines[lines.index(f"*** MESSAGE CONTENTS active/{OFFER} ***") + 1 :][:3] == ["Subject: Offer", "", "Words."]
    assert call("postcat", "-bhq", OFFER)[1] == "Subject: Offer\n\nWords.\n"
    assert call("postcat", "-hq", OFFER)[1] == "Subject: Offer\n"
    assert call("postcat", "-bq", OFFER)[1] == "Words.\n"


# Exim


def test_exim_list(call: Call):
    assert call("exim", "-Mf", LATER)[1] == f"Message {LATER} is now frozen\n"
    assert call("exim", "-Mf", LATER)[1] == f"Message {LATER} is already frozen\n"
    blocks = call("exim", "-bp")[1].split("\n\n")
    assert blocks[0].splitlines() == [
        f" 4h    60 {OFFER} <anna@example.test>",
        "          maria@partner.test",
        "          jose@partner.test",
        "          x@other.test",
    ]
    assert blocks[3].startswith(f" 1h    60 {LATER} <ben@example.test> *** frozen ***\n")
    assert call("exim", "-bpc")[1] == "4\n"
    assert call("exim", "-Mt", LATER)[1] == f"Message {LATER} is no longer frozen\n"
    assert call("exim", "-Mt", LATER)[1] == f"Message {LATER} is not frozen\n"


def test_exim_single_messages(call: Call, queues: Callable[[], dict[str, str]]):
    assert call("exim", "-Mvh", OFFER)[1].endswith("\nx@other.test\n\nSubject: Offer\n")
    assert call("exim", "-Mvb", OFFER)[1] == f"{OFFER}-D\nWords.\n"
    assert call("exim", "-Mvc", OFFER)[1] == "Subject: Offer\n\nWords.\n"
    assert call("exim", "-Mmd", OFFER, "x@other.test")[1] == (
        f"Message {OFFER}: x@other.test has been marked as delivered\n"
    )
    assert call("exim", "-Mvl", OFFER)[1].endswith("removed from the queue for x@other.test by " + _me() + "\n")
    assert call("exim", "-Mmd", OFFER, "x@other.test")[0] == 1
    assert call("exim", "-Mrm", OFFER, OFFER) == (
        1,
        f"Message {OFFER} has been removed\n",
        f"exim: Message {OFFER} does not exist\n",
    )
    assert call("exim", "-Mg", LATER)[1] == f"Message {LATER} will be returned to its sender\n"
    assert list(queues()) == [NOTICE, URGENT, LATER]


def _me() -> str:
    from estafeta.cli.common import who

    return who()


def test_exim_dry_runs(call: Call):
    status, out, _ = call("exim", "-bt", "anna@example.test", "z@far.test", "nobody@example.test")
    assert status == 1
    assert out.splitlines()[:4] == ["anna@example.test", "    mailbox", "z@far.test", "    mx:far.test"]
    assert call("exim", "-bV")[1].startswith("Exim as spoken by Estafeta ")


def test_exinext(call: Call):
    lines = call("exinext", "maria@partner.test")[1].splitlines()
    assert lines[0] == f"Deliver: mx:partner.test error: {REFUSED}"
    assert [line[:16] for line in lines[1:]] == ["  first failed: ", "  last tried:   ", "  next try at:  "]
    assert call("exinext", "partner.test")[1] == call("exinext", "mx:partner.test")[1]
    assert f"Deliver: li@grey.test at mx:grey.test error: {GREYLISTED}\n" in call("exinext", URGENT)[1]
    assert call("exinext", "else.test", "other.test")[1] == (
        "No retry data found for else.test\nNo retry data found for other.test\n"
    )


def test_exiqsumm(call: Call):
    lines = call("exiqsumm", "-c", stdin="what mailq said\n")[1].splitlines()
    assert lines[0].split() == ["Count", "Volume", "Oldest", "Newest", "Domain"]
    assert [line.split()[-1] for line in lines[2:4]] == ["other.test", "partner.test"]
    assert lines[-1].split() == ["6", "360", "4h", "1h", "TOTAL"]


def test_exim_databases(call: Call):
    lines = call("exim_dumpdb", "/var/spool/exim", "retry")[1].splitlines()
    assert lines[0] == f"  T:mx:partner.test {REFUSED}"
    assert re.fullmatch(r"(\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d(  )?){3}", lines[1])
    assert f"mx:grey.test {URGENT}" in call("exim_dumpdb", "/x", "wait-remote_smtp")[1].splitlines()
    assert call("exim_dumpdb", "/x", "reject")[:2] == (0, "")
    assert call("exim_tidydb", "-t", "7d", "/x", "retry")[1] == "0 removed\n"
    out = call("exim_fixdb", "/x", "retry", stdin="T:partner.test\n4 361225:1100\n1 x\n\nnothing.test\nd\n4 x\n")[1]
    assert "4 next try:     25-Dec-2036 11:00:00" in out.splitlines()
    assert out.splitlines()[-4:] == [
        "only the next try can be changed: 4 yymmdd:hhmm",
        "Nothing waits for nothing.test, and nothing is remembered of it.",
        "deleted",
        "Nothing waits for 4, and nothing is remembered of it.",
    ]


# What cannot be


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("postqueue",), 64, "usage: postqueue"),
        (("postqueue", "-x"), 64, "option -x not recognized."),
        (("postqueue", "-p", "-j"), 64, "usage: postqueue"),
        (("postqueue", "-i", "x"), 64, "'x' is no ident of a message"),
        (("postqueue", "-i", "1a1fdbdb10678d"), 69, "There is no message 1a1fdbdb10678d in the queue."),
        (("postsuper", "-d", "all"), 64, "write ALL in capitals"),
        (("postsuper", "-d", "ALL", "corrupt"), 64, "'corrupt' is no queue"),
        (("postcat", "-q"), 64, "usage: postcat"),
        (("postcat", "-q", "1a1fdbdb10678d"), 69, "There is no message"),
        (("sendmail", "-q30m"), 64, "-q30m is not supported"),
        (("sendmail", "-qR"), 64, "-qR is not supported"),
        (("exim", "-q30m"), 64, "-q30m is not supported"),
        (("exim", "-R"), 64, "wants a part of an address"),
        (("exim", "-M"), 64, "wants the id of a message"),
        (("exim", "-Mes", OFFER), 64, "-Mes is not supported."),
        (("exim", "-Mmd", OFFER), 64, "and addresses"),
        (("exim", "-Mrm", "x"), 64, "'x' is no ident"),
        (("exinext",), 64, "usage: exinext"),
        (("exinext", "1a1fdbdb10678d"), 69, "There is no message"),
        (("exim_dumpdb", "/x"), 64, "usage: "),
        (("exim_tidydb", "-t", "soon", "/x", "retry"), 64, "is no time"),
    ],
)
def test_refused_in_one_sentence(call: Call, words: tuple[str, ...], status: int, said: str):
    found = call(*words)
    assert found[0] == status
    assert said in found[2]
    assert found[2].count("\n") == 1
    assert found[2].startswith(f"{words[0]}: ")


def test_no_server_here(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ESTAFETA_HOME", str(tmp_path / "nothing"))
    status, _, said = call("mailq")
    assert status == 69
    assert said.startswith("mailq: ")


def test_as_commands(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), "postqueue", "-p"])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert not ended.value.code
    assert "-- 0 Kbytes in 4 Requests." in capfd.readouterr().out


def test_called_through_a_link(home: Path, tmp_path: Path):
    link = tmp_path / "mailq"
    link.symlink_to(Path(sys.executable).parent / "estafeta")
    environment = os.environ | {"ESTAFETA_HOME": str(home)}
    done = subprocess.run([link], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("-- 0 Kbytes in 4 Requests.\n")
