"""A user who suddenly sends too much, on a real server with two workers: held, told, and let go on."""

import imaplib
import json
import os
import pwd
import smtplib
from collections.abc import Iterator

import pytest
from running import PASSWORD, Server, free_base, make_home, run_command, start_server, wait_until

SETTINGS = {"rates.max_recipients_per_day": "3", "rates.tell": "carol@example.test"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("rates") / "home"
    base = free_base()
    make_home(home, base)
    for key, value in SETTINGS.items():
        assert run_command(home, "config", "set", key, value).returncode == 0
    running = start_server(home, base, "--workers", "2")
    yield running
    status = running.stop()
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert status == 0
    assert "Traceback" not in (home / "stderr.log").read_text()


def send(server: Server, user: str, number: int, sender: str = "") -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", server.port(587), "client.test", 10) as client:
        client.starttls(context=server.client_context())
        client.login(f"{user}@example.test", PASSWORD)
        client.mail(f"{user}@example.test")
        client.rcpt("bob@example.test")
        return client.data(f"From: {sender or user}@example.test\r\nSubject: number {number}\r\n\r\nx\r\n")


def subjects(server: Server, user: str) -> list[str]:
    with imaplib.IMAP4_SSL("127.0.0.1", server.port(993), ssl_context=server.client_context()) as client:
        client.login(f"{user}@example.test", PASSWORD)
        client.select("INBOX", readonly=True)
        _, found = client.search(None, "ALL")
        if not found[0]:
            return []
        _, parts = client.fetch(",".join(found[0].decode().split()), "(BODY[HEADER.FIELDS (SUBJECT)])")
        return [part[1].decode().strip().removeprefix("Subject: ") for part in parts if isinstance(part, tuple)]


def test_a_stolen_account_is_held_and_an_operator_decides(server: Server) -> None:
    for number in range(1, 7):
        assert send(server, "alice", number)[0] == 250
    assert sorted(subjects(server, "bob")) == ["number 1", "number 2", "number 3"]
    wait_until(lambda: any("alice@example.test is held" in subject for subject in subjects(server, "carol")))
    [held] = json.loads(server.run("rates", "list", "--json").stdout)
    assert (held["user"], held["today"], held["held_today"]) == ("alice@example.test", 3, 3)
    assert "is held" in server.run("status").stdout
    # Others send as before.
    assert send(server, "carol", 7)[0] == 250
    assert "number 7" in subjects(server, "bob")
    chosen = ("--filter", "sending-rate", "--sender", "alice@example.test")
    waiting = json.loads(server.run("quarantine", "list", *chosen, "--json").stdout)
    assert len(waiting) == 3
    # It was no thief.
    assert server.run("rates", "release", "alice").returncode == 0
    assert server.run("quarantine", "release", *chosen, "--yes").returncode == 0
    wait_until(lambda: len(subjects(server, "bob")) == 7)
    assert send(server, "alice", 8)[0] == 250
    assert "number 8" in subjects(server, "bob")
    # One letter told of it, whatever was held.
    assert len([subject for subject in subjects(server, "carol") if "is held" in subject]) == 1


def test_an_operator_holds_a_user(server: Server) -> None:
    assert server.run("rates", "hold", "bob", "--why", "is away").returncode == 0
    before = len(subjects(server, "bob"))
    assert send(server, "bob", 9)[0] == 250
    assert len(subjects(server, "bob")) == before
    assert server.run("rates", "release", "bob").returncode == 0


def test_nobody_writes_in_anothers_name(server: Server) -> None:
    code, said = send(server, "alice", 10, "bob")
    assert code == 550
    assert b"bob@example.test" in said
    assert server.run("user", "grant", "alice", "bob").returncode == 0
    wait_until(lambda: send(server, "alice", 11, "bob")[0] == 250)


def test_programs_here_write_as_who_runs_them(server: Server) -> None:
    """The tests' own user runs this one."""
    me = pwd.getpwuid(os.getuid()).pw_name
    assert server.run("config", "set", "restrict.trusted_users", "nobody").returncode == 0
    assert server.run("config", "set", "restrict.verify_originator", "on").returncode == 0

    def code(sender: str) -> int:
        with smtplib.SMTP("127.0.0.1", server.port(25), "client.test", 10) as client:
            client.ehlo()
            client.mail(sender)
            return client.rcpt("bob@example.test")[0]

    wait_until(lambda: code("alice@example.test") == 550)
    assert code(f"{me}@example.test") == 250
    assert code("") == 250
    assert server.run("config", "set", "restrict.verify_originator", "off").returncode == 0
