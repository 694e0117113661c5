"""The table of checks as it is shown, and messages played through it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.replay import without_front
from estafeta.app.stores import open_site
from estafeta.cli.main import build_app
from estafeta.core.errors import EstafetaError

LETTER = b"From: x@far.invalid\r\nTo: ann@example.test\r\nSubject: hello\r\n\r\n.a line that begins with a dot\r\n"
STRANGER = ("--from-ip", "192.0.2.9", "--from", "x@far.invalid")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("policy") / "home"
    words = ["--home", str(made), "setup", "--domain", "example.test", "--hostname", "mail.example.test", "--yes"]
    result = CliRunner().invoke(build_app(), [*words, "--port-base", "33100"])
    assert result.exit_code == 0, result.output
    with open_site(load_node(Home(made))) as site:
        site.directory.add_user("ann@example.test", password="correct horse")
        # Nobody answers there: what DNS says is for other tests.
        site.settings.set_setting("dns.servers", "127.0.0.1:9", "test", "")
        site.settings.set_setting("policy.lookup_seconds", "0.5", "test", "")
    return made


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.eml"
    path.write_bytes(LETTER)
    return path


def run(home: Path, *words: object) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), ["--home", str(home), "policy", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_every_check_is_shown_with_its_stage_and_whom_it_is_asked_of(home: Path) -> None:
    status, said = run(home, "show")
    assert status == 0
    assert [line.split()[:3] for line in said.splitlines() if " spf " in line] == [["mail", "spf", "strangers"]]
    assert "Junk from 5" in said
    _, as_json = run(home, "show", "--json")
    stages = [row["stage"] for row in json.loads(as_json)]
    assert stages == sorted(stages, key=["connect", "helo", "auth", "mail", "rcpt", "headers", "content"].index)


def test_a_message_is_played_as_from_a_stranger(home: Path, letter: Path) -> None:
    status, said = run(home, "replay", letter, *STRANGER, "--to", "ann@example.test")
    assert status == 0
    assert "client.invalid [192.0.2.9]" in said
    assert any(line.split()[:2] == ["mail", "spf"] for line in said.splitlines())
    assert "Reply: 250 2.0.0" in said


def test_who_is_refused_before_there_is_a_message_is_told_so(home: Path, letter: Path) -> None:
    status, said = run(home, "replay", letter, *STRANGER, "--to", "bob@elsewhere.invalid")
    assert status == 1
    assert "Refused before there was a message: 550 5.7.1" in said
    _, as_json = run(home, "replay", letter, *STRANGER, "--to", "bob@elsewhere.invalid", "--json")
    assert json.loads(as_json)["outcome"] == "refused"


def test_a_user_who_signed_in_is_not_asked_what_strangers_are(home: Path, letter: Path) -> None:
    whom = ("--user", "ann@example.test", "--from", "ann@example.test", "--to", "ann@example.test")
    own = letter.with_name("own.eml")
    own.write_bytes(LETTER.replace(b"x@far.invalid", b"ann@example.test"))
    _, as_json = run(home, "replay", own, "--from-ip", "192.0.2.9", *whom, "--json")
    told = json.loads(as_json)
    assert told["reply"].startswith("250")
    # But in whose name it writes.
    _, as_json = run(home, "replay", letter, "--from-ip", "192.0.2.9", *whom, "--json")
    assert "x@far.invalid" in json.loads(as_json)["reply"]
    assert "spf" not in {said["check"] for said in told["checks"]}


def test_nothing_of_it_is_stored(home: Path, letter: Path) -> None:
    run(home, "replay", letter, *STRANGER, "--to", "ann@example.test")
    with open_site(load_node(Home(home))) as site:
        assert sum(messages for _, messages in site.usage().values()) == 0


@pytest.mark.parametrize("recipient", ["a\r\nMAIL FROM:<b>", "a b@example.test", "a\0@example.test"])
def test_what_cannot_be_said_in_a_session_is_refused_in_a_sentence(home: Path, letter: Path, recipient: str) -> None:
    with pytest.raises(EstafetaError, match="cannot be said"):
        run(home, "replay", letter, *STRANGER, "--to", recipient)


@pytest.mark.parametrize("octets", [b"", b"\n", b"\xff" * 5000, b"Subject: x", b".\r\n.\r\n", b"\r\n.\r\n"])
def test_whatever_the_file_holds_there_is_an_outcome(home: Path, tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "odd.eml"
    path.write_bytes(octets)
    _, as_json = run(home, "replay", path, *STRANGER, "--to", "ann@example.test", "--json")
    assert json.loads(as_json)["reply"][:3].isdecimal()


@pytest.mark.parametrize("words", [("nothing-like-that",), ("19aa0c5f1e300000",)])
def test_neither_a_file_nor_a_message_that_is_known(home: Path, words: tuple[str]) -> None:
    status, said = run(home, "replay", *words, "--to", "ann@example.test")
    assert status == 2
    assert "neither a file nor the ident" in said


OURS = (
    b"Received: from a [192.0.2.1] by mail.example.test with ESMTP id 1a2b;\r\n\tSun, 1 Nov 2026 10:00:00 +0000\r\n"
    b"Authentication-Results: mail.example.test; spf=none\r\nX-Estafeta-Result: 0.3\r\n"
)
THEIRS = b"Received: from b by a id 77; Sun, 1 Nov 2026 09:00:00 +0000\r\nAuthentication-Results: a; spf=pass\r\n"


@pytest.mark.parametrize(
    ("stored", "came"),
    [
        (OURS + THEIRS + LETTER, THEIRS + LETTER),
        (b"Return-Path: <x@far.invalid>\r\n" + OURS + LETTER, LETTER),
        (THEIRS + LETTER, THEIRS + LETTER),
        (LETTER, LETTER),
        (b"", b""),
    ],
)
def test_what_was_put_in_front_of_a_message_is_taken_off(stored: bytes, came: bytes) -> None:
    assert without_front(stored, "1a2b") == came


def test_rules_are_shown_with_the_points_of_the_site(home: Path) -> None:
    status, said = run(home, "rules", "--json")
    assert status == 0
    assert {"rule": "no-date", "points": 0.8, "default": 0.8, "finds": "RFC 5322 3.6 requires it."} in json.loads(said)
