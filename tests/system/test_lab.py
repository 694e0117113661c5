"""A real server in a lab: mail goes out, four days pass in a moment, and whoever is allowed to looks on."""

import contextlib
import json
import poplib
import queue
import smtplib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_site import jump, lab_node
from running import ESTAFETA, PASSWORD, Server, wait_until

from estafeta.app.lab import Behaviour, LabThread, behaviours

MESSAGE = b"From: a@example.test\r\nSubject: x\r\n\r\nTOPSECRET\r\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def server(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with lab_node(tmp_path_factory.mktemp("node") / "home", lab) as made:
        yield made


def send(server: Server, sender: str, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port(25), "client.test", timeout=20) as client:
        client.sendmail(f"{sender}@example.test", [recipient], MESSAGE)


def inbox(server: Server, user: str, domain: str = "example.test") -> list[bytes]:
    client = poplib.POP3("127.0.0.1", server.port(110), timeout=20)
    with contextlib.closing(client):
        client.stls(server.client_context())
        client.user(f"{user}@{domain}")
        client.pass_(PASSWORD)
        return [b"\n".join(client.retr(number + 1)[1]) for number in range(client.stat()[0])]


def test_mail_goes_to_the_lab(server: Server, lab: LabThread) -> None:
    remote = lab.site("plain.test")
    send(server, "alice", "bob@plain.test")
    [message] = remote.wait(1)
    assert message.addresses == ("bob@plain.test",)
    assert b"Subject: x" in message.content
    assert message.tls.startswith("TLS")


def test_what_was_put_off_is_tried_when_time_has_passed(server: Server, lab: LabThread) -> None:
    remote = lab.site("grey.test", Behaviour(greylist=2))
    send(server, "alice", "bob@grey.test")
    remote.wait_command("RCPT", 1)
    for tries in (2, 3):
        jump(server, lab, "4h")
        remote.wait_command("RCPT", tries)
    assert len(remote.wait(1)) == 1


def test_four_days_of_retries_pass_in_a_moment(server: Server, lab: LabThread) -> None:
    remote = lab.site("never.test", behaviours.defer("rcpt", "451 4.7.1 Not today"))
    send(server, "carol", "bob@never.test")
    remote.wait_command("RCPT", 1)
    began, day = time.monotonic(), lab.clock.offset_seconds
    while not any(b"4.7.1 Not today" in text and b"failed" in text for text in inbox(server, "carol")):
        assert lab.clock.offset_seconds - day < 6 * 86_400
        jump(server, lab, "9h")
        with contextlib.suppress(TimeoutError):
            remote.wait_command("RCPT", len(remote.wait_command("RCPT")) + 1, 0.3)
    assert lab.clock.offset_seconds - day > 4 * 86_400
    assert time.monotonic() - began < 15


def test_two_servers_send_each_other_mail(server: Server, lab: LabThread, tmp_path: Path) -> None:
    verify = {"delivery.tls_level": "verify"}
    with lab_node(tmp_path / "other", lab, domain="other.test", settings=verify) as other:
        send(server, "alice", "bob@other.test")
        wait_until(lambda: len(inbox(other, "bob", "other.test")) == 1)
        with smtplib.SMTP("127.0.0.1", other.port(25), "client.test", timeout=20) as client:
            client.sendmail("bob@other.test", ["bob@example.test"], MESSAGE)
        wait_until(lambda: len(inbox(server, "bob")) == 1)
        assert b"from mail.other.test" in inbox(server, "bob")[0]


class Follower:
    """`estafeta trace --json` in the background."""

    def __init__(self, home: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [*ESTAFETA, "--home", str(home), "trace", "--json", *options], stdout=subprocess.PIPE, text=True
        )
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def until(self, text: str) -> list[str]:
        """What is told up to the line that begins so, as `SERVICE WHO: TEXT`."""
        found: list[str] = []
        while not found or not found[-1].startswith(text):
            line = self.lines.get(timeout=10)
            found.append(f"{line['service']} {line['who']}: {line['text']}")
        return found

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def follow(server: Server) -> Iterator[Callable[..., Follower]]:
    started: list[Follower] = []

    def start(*options: str) -> Follower:
        follower = Follower(server.home, *options)
        started.append(follower)
        # Workers join in their own time; that a connection shows up is the proof.
        wait_until(lambda: _knocked(server, follower))
        return follower

    yield start
    for follower in started:
        follower.end()
    assert not list(server.home.glob("run/trace-*.sock"))


def _knocked(server: Server, follower: Follower) -> bool:
    with smtplib.SMTP("127.0.0.1", server.port(25), "knock.test", timeout=5):
        pass
    with contextlib.suppress(queue.Empty):
        while follower.lines.get(timeout=0.1)["text"] != "closed":
            pass
        return True
    return False


def test_a_session_and_its_delivery_are_followed(
    server: Server, lab: LabThread, follow: Callable[..., Follower]
) -> None:
    lab.site("followed.test")
    follower = follow()
    send(server, "alice", "bob@followed.test")
    told = follower.until("delivery C: BDAT") + follower.until("delivery S: 250")
    words = "\n".join(told)
    assert "smtp C: mail FROM:<alice@example.test>" in words
    assert "delivery C: RCPT TO:<bob@followed.test>" in words
    assert "smtp C: | Subject: x" in told
    assert "delivery C: | Subject: x" in told
    assert "octets of content" in words
    assert "TOPSECRET" not in words


def test_a_sign_in_is_followed_without_its_secret(server: Server, follow: Callable[..., Follower]) -> None:
    follower = follow("--peer", "127.0.0.0/8")
    inbox(server, "bob")
    words = "\n".join(follower.until("pop3 C: STLS") + follower.until("pop3 C: PASS"))
    assert "pop3 *: TLS: TLSv1.3" in words
    assert "pop3 C: PASS (secret)" in words
    assert PASSWORD not in words


def test_nothing_to_follow(tmp_path: Path, server: Server) -> None:
    assert server.run("trace", "--service", "http").returncode == 2
    assert server.run("trace", "--peer", "here").returncode == 2
    assert server.run("trace", "--seconds", "0.2").stdout == ""
    (tmp_path / "estafeta.toml").write_text('hostname = "mail.example.test"\n')
    (tmp_path / "run").mkdir()
    stopped = subprocess.run(
        [*ESTAFETA, "--home", str(tmp_path), "trace"], capture_output=True, text=True, timeout=20, check=False
    )
    assert stopped.returncode == 1
    assert stopped.stderr == "estafeta: The server does not answer. ([Errno 2] No such file or directory)\n"


def test_more_is_logged_for_a_while(server: Server) -> None:
    def debugged() -> int:
        return (server.home / "stderr.log").read_text().count(" debug worker=0 connected ")

    assert "logs debug until" in server.run("log-level", "debug", "--for", "10m", "--part", "net").stdout
    wait_until(lambda: _connected(server) and debugged() > 0)
    assert server.run("reload").returncode == 0
    before = debugged()
    wait_until(lambda: _connected(server) and debugged() > before)
    assert server.run("log-level", "usual").stdout == "The server logs info.\n"
    assert server.run("log-level", "loud").returncode == 2
    assert server.run("log-level", "debug", "--for", "30d").returncode == 2


def _connected(server: Server) -> bool:
    with smtplib.SMTP("127.0.0.1", server.port(25), "knock.test", timeout=5):
        return True
