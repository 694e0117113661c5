"""SMTP sessions that are only played."""

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from estafeta.app import rehearsal_parts
from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.stores import open_site
from estafeta.cli.main import build_app
from estafeta.core.errors import EstafetaError


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("rehearsal") / "home"
    words = ["--home", str(made), "setup", "--domain", "example.test", "--hostname", "mail.example.test", "--yes"]
    result = CliRunner().invoke(build_app(), [*words, "--port-base", "33000"])
    assert result.exit_code == 0, result.output
    with open_site(load_node(Home(made))) as site:
        site.directory.add_user("ann@example.test", password="correct horse")
        site.settings.set_setting("routing.route_rules", "far.test host:gateway.test:2525", "test", "")
        # Nobody answers there: what DNS says is for other tests.
        site.settings.set_setting("dns.servers", "127.0.0.1:9", "test", "")
        site.settings.set_setting("policy.lookup_seconds", "0.5", "test", "")
    return made


def test_what_a_filter_holds_is_said(home: Path) -> None:
    rules = '[[filter]]\nname = "love"\naction = "keep"\nsubject = "ILOVEYOU"\n'
    with open_site(load_node(Home(home))) as site:
        site.settings.set_values({"filters.rules": rules}, "test")
    said = play(
        home,
        "--from-ip",
        "203.0.113.7",
        said="EHLO me\nMAIL FROM:<x@remote.test>\nRCPT TO:<ann@example.test>\nDATA\nSubject: ILOVEYOU\n\nx\n.\nQUIT\n",
    )
    with open_site(load_node(Home(home))) as site:
        site.settings.reset_setting("filters.rules", "test")
    assert "would be held in quarantine: filter love: subject like 'ILOVEYOU'" in said
    assert "S: 250 2.0.0 Accepted" in said


def play(home: Path, *options: str, said: str = "") -> str:
    result = CliRunner().invoke(build_app(), ["--home", str(home), "smtp-session", *options], input=said)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_each_check_stands_before_its_reply(home: Path) -> None:
    said = play(
        home,
        "--from-ip", "203.0.113.7",
        said="EHLO me\nMAIL FROM:<x@remote.test>\nRCPT TO:<nobody@example.test>\nRCPT TO:<x@far.test>\n"
        "RCPT TO:<ann@example.test>\nDATA\nSubject: x\n\nbody\n.\nQUIT\n",
    )  # fmt: skip
    order = [
        "203.0.113.7 is in no network",
        "S: 220 mail.example.test",
        "C: EHLO me",
        "[check] directory: <nobody@example.test> is unknown",
        "[check] journal: 9W",
        "S: 550 5.1.1",
        "[check] journal: 9V relay_refused",
        "S: 550 5.7.1",
        "leads to mailbox",
        "S: 250 2.1.5",
        "S: 354",
        "[check] would be stored",
        "S: 250 2.0.0 Accepted",
        "S: 221",
    ]
    places = [said.index(words) for words in order]
    assert places == sorted(places)


def test_what_the_protocol_refuses_is_in_the_journal(home: Path) -> None:
    said = play(
        home,
        "--from-ip",
        "127.0.0.1",
        said="EHLO me\nMAIL FROM:<x@far.test> SIZE=99999999999\nMAIL FROM:<x@far.test>\nRCPT TO:<ann@example.test>\n"
        "DATA\na\rb\n.\nQUIT\n",
    )
    big, bare = (line for line in said.splitlines() if "[check] journal: 9W" in line)
    assert "552 5.3.4 The message is bigger" in big
    assert "550 5.6.11 The message holds a CR or LF" in bare


def test_nothing_is_written(home: Path) -> None:
    def state() -> dict[str, str]:
        files = [path for path in home.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = state()
    said = "EHLO me\nMAIL FROM:<ann@example.test>\nRCPT TO:<x@far.test>\nRCPT TO:<ann@example.test>\nDATA\nx\n.\n"
    told = play(home, "--from-ip", "203.0.113.7", "--service", "submissions", "--user", "ann@example.test", said=said)
    assert "the password was not asked for" in told
    assert "would be queued: <x@far.test> to host:gateway.test:2525" in told
    assert "would be stored" in told
    assert state() == before


def test_a_wrong_password_is_wrong(home: Path) -> None:
    told = play(home, "--from-ip", "::1", "--tls", "--service", "submission", said="EHLO me\nAUTH PLAIN AGFubgBuAA==\n")
    assert "S: 535" in told or "S: 501" in told


def test_tls_is_pretended(home: Path) -> None:
    told = play(
        home, "--from-ip", "203.0.113.7", "--service", "submission", said="EHLO me\nAUTH PLAIN\nSTARTTLS\nEHLO me\n"
    )
    assert "as if the handshake were done" in told
    assert "S: 250-AUTH" in told.split("as if")[1]


def test_without_commands(home: Path) -> None:
    told = play(home, "--from-ip", "127.0.0.1", "--mail", "ann@example.test", "--to", "x@far.test")
    assert "may relay" in told
    assert "goes to host:gateway.test:2525" in told


def test_lmtp(home: Path) -> None:
    told = play(home, "--from-ip", "127.0.0.1", "--service", "lmtp", "--mail", "a@b.test", "--to", "ann@example.test")
    assert "S: 220 mail.example.test LMTP" in told
    assert "S: 250 2.1.5" in told


def test_large_messages_are_not_rehearsed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal_parts, "MOST_BYTES", 100_000)
    body = "x" * 900 + "\n"
    with pytest.raises(EstafetaError, match="rehearsal takes"):
        play(
            home,
            "--from-ip", "127.0.0.1",
            said=f"EHLO me\nMAIL FROM:<a@b.test>\nRCPT TO:<ann@example.test>\nDATA\n{body * 400}.\n",
        )  # fmt: skip


@pytest.mark.parametrize(
    "options", [["--from-ip", "here"], [], ["--from-ip", "::1", "--service", "imap"]]
)  # fmt: skip
def test_what_cannot_be_played(home: Path, options: list[str]) -> None:
    result = CliRunner().invoke(build_app(), ["--home", str(home), "smtp-session", *options])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "junk", ["\0\n", "GET / HTTP/1.1\n", "x" * 200_000, "\x16\x03\x01\n", ".\n.\n", "BDAT 99999\nx\n"]
)
def test_junk_gets_an_answer(home: Path, junk: str) -> None:
    assert "S: 220" in play(home, "--from-ip", "203.0.113.7", said=junk)
