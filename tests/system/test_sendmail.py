"""`sendmail` as other programs call it, against a running server."""

import os
import poplib
import subprocess
import sys
from pathlib import Path

import pytest
from running import PASSWORD, Server, free_base, run_command


def sendmail(server: Server, *args: str, text: bytes = b"Subject: x\n\nbody\n") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "estafeta", "--home", str(server.home), "sendmail", *args]
    return subprocess.run(command, input=text, capture_output=True, timeout=60, check=False)


def newest(server: Server, user: str) -> bytes:
    """The last message of a user, by POP3."""
    client = poplib.POP3_SSL("127.0.0.1", server.port(995), context=server.client_context(), timeout=30)
    client.user(f"{user}@example.test")
    client.pass_(PASSWORD)
    count, _ = client.stat()
    content = b"\r\n".join(client.retr(count)[1])
    client.quit()
    return content


def test_recipients_from_the_header(server: Server):
    text = b"To: alice, Bob <bob@example.test>\nBcc: carol\nSubject: -t\n\nhello\n.\nnot sent\n"
    done = sendmail(server, "-t", "-f", "me@elsewhere.test", text=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    for user in ("alice", "bob", "carol"):
        got = newest(server, user)
        assert got.startswith(b"Return-Path: <me@elsewhere.test>")
        assert b"Bcc" not in got
        assert got.endswith(b"\r\n\r\nhello")
        assert b"\r\nMessage-ID: <" in got
        assert b"\r\nDate: " in got


def test_a_lone_dot_with_i(server: Server):
    assert sendmail(server, "-i", "alice", text=b"Subject: dots\n\na\n.\n..b\n").returncode == 0
    assert newest(server, "alice").endswith(b"\r\n\r\na\r\n.\r\n..b")


def test_the_caller_is_the_sender(server: Server):
    assert sendmail(server, "-F", "Jos\u00e9 Test", "alice").returncode == 0
    got = newest(server, "alice")
    assert got.startswith(b"Return-Path: <")
    assert b"@example.test>" in got.split(b"\r\n")[0]
    assert b"From: =?utf-8?q?Jos=C3=A9?= Test <" in got


def test_a_large_message(server: Server):
    body = b"".join(b"%d some words on a line\n" % number for number in range(60_000))
    assert sendmail(server, "alice", text=b"Subject: large\n\n" + body).returncode == 0
    assert newest(server, "alice").endswith(body.rstrip().replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    ("args", "status", "sentence"),
    [
        (["nobody@example.test"], 67, b"nobody@example.test is refused: 550 5.1.1"),
        (["-bz"], 64, b"-bz is not supported"),
        ([], 64, b"no recipients"),
        (["-t"], 64, b"no recipients"),
        (["not an address@"], 64, b"sendmail: "),
    ],
)
def test_refusals(server: Server, args: list[str], status: int, sentence: bytes):
    done = sendmail(server, *args)
    assert done.returncode == status
    assert sentence in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_one_refused_recipient_does_not_keep_it_from_the_others(server: Server):
    done = sendmail(server, "-i", "nobody", "alice", text=b"Subject: both\n\nboth\n")
    assert done.returncode == 67
    assert newest(server, "alice").endswith(b"both")


def test_speaking_smtp(server: Server):
    session = (
        b"EHLO here\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
        b"Subject: bs\r\n\r\nspoken\r\n.\r\nQUIT\r\n"
    )
    done = sendmail(server, "-bs", text=session)
    assert done.returncode == 0
    replies = done.stdout.splitlines()
    assert replies[0].startswith(b"220 ")
    assert replies[-1].startswith(b"221 ")
    assert newest(server, "alice").endswith(b"spoken")


def test_under_its_usual_name(server: Server, tmp_path: Path):
    program = Path(sys.executable).with_name("estafeta")
    if not program.exists():
        pytest.skip("the program is not installed beside this Python")
    (tmp_path / "sendmail").symlink_to(program)
    done = subprocess.run(
        [tmp_path / "sendmail", "-oi", "-t"],
        input=b"To: bob\nSubject: usual\n\nusual\n",
        env={**os.environ, "ESTAFETA_HOME": str(server.home)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert newest(server, "bob").endswith(b"usual")


def test_a_server_that_is_not_there(tmp_path: Path):
    made = run_command(tmp_path / "home", "setup", "--domain", "example.test", "--port-base", str(free_base()), "--yes")
    assert made.returncode == 0
    done = run_command(tmp_path / "home", "sendmail", "alice@example.test", input="Subject: x\n\nx\n")
    assert done.returncode == 75
    assert "cannot be reached" in done.stderr
