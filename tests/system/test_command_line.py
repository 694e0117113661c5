"""The stable surface as a script uses it: set-up, serve, users, status, reload, stop, and the demonstration."""

import json
import os
import poplib
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from estafeta.app.listening import free_port_base
from estafeta.app.node_file import ports

ESTAFETA = [sys.executable, "-m", "estafeta"]
LOCAL = "127.0.0.1"


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def estafeta(home: Path, *words: str, stdin: str = "", status: int = 0) -> str:
    """Run a command that must end with `status`; its output."""
    command = [*ESTAFETA, "--home", str(home), *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@contextmanager
def running(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A foreground server, ended at the end."""
    process = subprocess.Popen(
        [*ESTAFETA, "--home", str(home), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def read_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("estafeta: ready"):
            return said
    raise AssertionError(said + (process.stderr.read() if process.stderr else ""))


@pytest.fixture
def base() -> int:
    return free_port_base(LOCAL, ports(0).values(), 10000 + os.getpid() % 8 * 1000, last=20000)


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_all(port: int, user: str, password: str) -> list[bytes]:
    pop = poplib.POP3_SSL(LOCAL, port, timeout=20, context=unverified())
    pop.user(user)
    pop.pass_(password)
    count = pop.stat()[0]
    found = [b"\r\n".join(pop.retr(number + 1)[1]) for number in range(count)]
    pop.quit()
    return found


def test_from_setup_to_stop(tmp_path: Path, base: int):
    home = tmp_path / "mail"
    words = ["--domain", "example.test", "--hostname", "mx.example.test", "--port-base", str(base), "--yes"]
    assert str(base + 25) in estafeta(home, "setup", *words)
    estafeta(home, "setup", *words, status=1)
    estafeta(home, "user", "add", "anna@example.test", "--password-stdin", stdin="annas password\n")
    with running(home, "serve", "--workers", "2") as process:
        assert f"smtp {LOCAL}:{base + 25}" in read_until_ready(process)
        # While it runs, changes of the directory hold at once.
        estafeta(home, "user", "add", "ben@example.test", "--password-stdin", stdin="bens password\n")
        with smtplib.SMTP(LOCAL, base + 587, timeout=20) as smtp:
            smtp.starttls(context=unverified())
            smtp.login("anna@example.test", "annas password")
            smtp.sendmail("anna@example.test", ["ben@example.test"], "Subject: first\r\n\r\nby submission\r\n")
        with smtplib.SMTP(LOCAL, base + 25, timeout=20) as smtp:
            smtp.sendmail("x@else.test", ["ben@example.test"], "Subject: second\r\n\r\nfrom outside\r\n")
        messages = read_all(base + 995, "ben@example.test", "bens password")
        assert [re.search(rb"Subject: (\w+)", one)[1] for one in messages] == [b"first", b"second"]
        until(lambda: _accepted(home) == 2, "status counts both")
        told = json.loads(estafeta(home, "status", "--json"))
        assert told["running"]
        assert told["problems"] == []
        assert {one["service"] for one in told["services"] if one["state"] == "running"} == set(ports(0))
        assert estafeta(home, "reload") == "Reloaded.\n"
        assert "running already" in estafeta(home, "serve", status=1)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=40)
        assert process.returncode == 0
        assert "Traceback" not in log
    assert "not running" in estafeta(home, "status", status=1)
    listed = {one["address"]: one["messages"] for one in json.loads(estafeta(home, "user", "list", "--json"))}
    assert listed == {"anna@example.test": 0, "ben@example.test": 2}
    estafeta(home, "user", "remove", "ben@example.test")
    assert "2 messages deleted" in estafeta(home, "user", "purge", "ben@example.test", "--yes")


def _accepted(home: Path) -> int:
    return sum(worker["accepted"] for worker in json.loads(estafeta(home, "status", "--json"))["server"]["workers"])


def test_a_renewed_certificate_is_served_after_reload(tmp_path: Path, base: int):
    home = tmp_path / "mail"
    estafeta(
        home, "setup", "--domain", "example.test", "--hostname", "mx.example.test", "--port-base", str(base), "--yes"
    )
    with running(home, "serve", "--workers", "1") as process:
        read_until_ready(process)
        before = ssl.get_server_certificate((LOCAL, base + 465), timeout=20)
        estafeta(home, "certificate", "renew")
        estafeta(home, "reload")
        until(lambda: ssl.get_server_certificate((LOCAL, base + 465), timeout=20) != before, "the new certificate")
        assert estafeta(home, "stop") == "Stopped.\n"
        assert process.wait(20) == 0


def test_a_taken_port_is_named(tmp_path: Path, base: int):
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        estafeta(home, "setup", "--domain", "example.test", "--port-base", str(base), "--yes")
    with running(homes[0], "serve", "--workers", "1") as process:
        read_until_ready(process)
        assert f"smtp cannot listen on {LOCAL}:{base + 25}: something else has it" in estafeta(
            homes[1], "serve", status=1
        )


def test_the_demonstration(tmp_path: Path):
    home = tmp_path / "demo"
    seen = set()
    for _ in range(2):  # the second start uses the same home
        with running(home, "demo") as process:
            screen = read_until_ready(process)
            passwords = dict(re.findall(r"(\w+@example\.test) +(\w{4}-\w{4}-\S+)\n", screen))
            assert set(passwords) == {"alice@example.test", "bob@example.test"}
            seen.update(passwords.values())
            for command in _commands(screen):
                done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
                assert done.returncode == 0, (command, done.stdout, done.stderr)
            assert "It works." in done.stdout or not shutil.which("curl")
            process.send_signal(signal.SIGINT)
            assert process.wait(40) == 0
    assert len(seen) == 4


def _commands(screen: str) -> list[str]:
    """What the screen tells to type; tools that this machine lacks are left out. The last one reads."""
    text = screen.partition("Send a message")[2].partition("Another terminal")[0]
    python = re.search(r'python3 -c ".*?"', text, re.DOTALL)
    curl = [re.search(r"printf.*?-T -", text, re.DOTALL), re.search(r"curl -sk pop3s.*", text)]
    assert python
    assert all(curl)
    found = [python[0]]
    if shutil.which("curl"):
        found = [curl[0][0], *found, curl[1][0]]
    return found
