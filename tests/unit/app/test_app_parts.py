"""The small parts of the application: log lines, pid file, listeners, control socket, notifications, privileges."""

import json
import logging
import os
import selectors
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.app import listening, pidfile
from estafeta.app.config import ListenerConfig, Node, parse_config
from estafeta.app.control import ControlServer, ask
from estafeta.app.home import Home
from estafeta.app.logging import LineFormatter
from estafeta.app.node_file import ports
from estafeta.app.notify import Notifier
from estafeta.app.passwords import generate_password
from estafeta.app.privileges import become, find_identity
from estafeta.app.workers import FIRST_WAIT_SECONDS, LAST_WAIT_SECONDS, Worker, describe_status
from estafeta.core.errors import EstafetaError, Kind


def _record(message: str, **extra: object) -> logging.LogRecord:
    record = logging.makeLogRecord({"name": "estafeta.x", "msg": message, "levelno": 20, "levelname": "INFO", **extra})
    record.created = 1_700_000_000.25
    return record


@pytest.mark.parametrize(
    ("message", "extra", "line"),
    [
        ("accepted", {}, "accepted"),
        ("accepted", {"size": 42, "sender": "a@b.test"}, "accepted size=42 sender=a@b.test"),
        ("accepted", {"note": "two words"}, 'accepted note="two words"'),
        ("accepted", {"note": ""}, 'accepted note=""'),
        ("a\r\nb", {"note": "c\nd\x85e"}, 'a\\x0d\\x0ab note="c\\nd\\x85e"'),
        ("accepted", {"name_": "José=1"}, 'accepted name_="José=1"'),
    ],
)
def test_log_lines(message: str, extra: dict[str, object], line: str):
    assert (
        LineFormatter("worker=1").format(_record(message, **extra)) == f"2023-11-14T22:13:20.250Z info worker=1 {line}"
    )


@given(st.text(), st.text())
def test_an_event_is_always_one_line(message: str, value: str):
    assert len(LineFormatter("x").format(_record(message.replace("%", ""), value=value)).splitlines()) == 1


def test_a_logged_exception_is_one_line():
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        line = LineFormatter("x").format(_record("failed", exc_info=(ValueError, error, error.__traceback__)))
    assert "\n" not in line
    assert 'error="ValueError: two\\nlines"' in line
    assert "test_app_parts" in line


def test_one_server_for_each_home(tmp_path: Path):
    path = tmp_path / "run" / "estafeta.pid"
    path.parent.mkdir()
    first = pidfile.lock(path)
    first.write(4711)
    assert not first.stale
    assert pidfile.running_pid(path) == 4711
    with pytest.raises(EstafetaError, match="running already \\(pid 4711\\)") as caught:
        pidfile.lock(path)
    assert caught.value.kind is Kind.IN_USE
    first.release()
    assert pidfile.running_pid(path) == 0
    path.write_text("4711\n")  # what a killed server leaves
    second = pidfile.lock(path)
    assert second.stale
    second.release()


def test_no_pid_file_is_no_server(tmp_path: Path):
    assert pidfile.running_pid(tmp_path / "run" / "estafeta.pid") == 0


def test_a_taken_port_is_named_and_nothing_stays_bound():
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as probe:
        port, free = taken.getsockname()[1], probe.getsockname()[1]
        probe.close()
        listeners = [
            ListenerConfig(service="smtp", address="127.0.0.1", port=free),
            ListenerConfig(service="pop3", address="127.0.0.1", port=port),
        ]
        with pytest.raises(EstafetaError) as caught:
            listening.bind_tcp(listeners)
        assert caught.value.kind is Kind.IN_USE
        assert caught.value.public.startswith(f"pop3 cannot listen on 127.0.0.1:{port}: something else has it already")
        socket.create_server(("127.0.0.1", free)).close()


@pytest.mark.parametrize(
    ("address", "words"), [("192.0.2.77", "does not have that address"), ("no.such.host.invalid", "not known here")]
)
def test_an_address_that_is_not_ours(address: str, words: str):
    with pytest.raises(EstafetaError, match=words) as caught:
        listening.bind_tcp([ListenerConfig(service="smtp", address=address, port=0)])
    assert caught.value.kind is Kind.INVALID


def test_listeners_kept_from_starting_are_not_bound():
    assert listening.bind_tcp([ListenerConfig(service="smtp", address="127.0.0.1", port=0, start=False)]) == []


def test_any_free_port_is_told_as_it_is():
    [(listener, sock)] = listening.bind_tcp([ListenerConfig(service="smtp", address="127.0.0.1", port=0)])
    with sock:
        assert listening.place_of(listener, sock) == f"127.0.0.1:{sock.getsockname()[1]}"


def test_unix_listener_in_a_deep_home(tmp_path: Path):
    home = Home.at(tmp_path / ("d" * 100) / "mail")
    home.run.mkdir(parents=True)
    text = 'hostname="a.test"\n[[listener]]\nservice="lmtp"\npath="run/lmtp.sock"'
    for _ in range(2):  # the second replaces what a killed server left
        [(listener, sock)] = listening.bind_unix(Node(home, parse_config(text.encode(), "f")))
        assert listening.place_of(listener, sock) == "run/lmtp.sock"
        listening.connect_unix(home.run / "lmtp.sock", 1).close()
        sock.close()


def test_a_file_is_never_replaced_by_a_socket(tmp_path: Path):
    path = tmp_path / "letter"
    path.write_text("dear")
    with pytest.raises(OSError, match="in use"):
        listening.unix_socket(path, 0o600)
    assert path.read_text() == "dear"


def test_free_port_base_skips_what_is_taken():
    base = listening.free_port_base("127.0.0.1", ports(0).values(), 21000)
    with socket.create_server(("127.0.0.1", base + 587)):
        assert listening.free_port_base("127.0.0.1", ports(0).values(), base) > base


@pytest.fixture
def controlled(tmp_path: Path):
    def refuse() -> dict[str, object]:
        raise EstafetaError(Kind.INVALID, "No.")

    def fail() -> dict[str, object]:
        raise ZeroDivisionError

    path = tmp_path / "control"
    server = ControlServer(path, {"status": lambda: {"fine": True}, "refuse": refuse, "fail": fail})
    selector = selectors.DefaultSelector()
    server.register(selector)
    ending = threading.Event()

    def loop() -> None:
        while not ending.is_set():
            for key, _ in selector.select(0.02):
                key.data()

    thread = threading.Thread(target=loop)
    thread.start()
    yield path
    ending.set()
    thread.join()
    server.close()
    selector.close()


def test_control_answers(controlled: Path):
    assert ask(controlled, "status") == {"fine": True}
    assert controlled.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [("refuse", Kind.INVALID, "No."), ("fail", Kind.UNAVAILABLE, "log"), ("dance", Kind.INVALID, "does not know")],
)
def test_control_refuses(controlled: Path, what: str, kind: Kind, words: str):
    with pytest.raises(EstafetaError, match=words) as caught:
        ask(controlled, what)
    assert caught.value.kind is kind


@pytest.mark.parametrize("request_bytes", [b"", b"\n", b"[]\n", b"{", b"\xff\xfe\n", b"x" * 10000, b'{"do": {}}\n'])
def test_control_survives_anything(controlled: Path, request_bytes: bytes):
    with listening.connect_unix(controlled, 2) as sock:
        try:
            sock.sendall(request_bytes)
            sock.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: sock.recv(4096), b""))
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert answer == b"" or "error" in json.loads(answer)
    assert ask(controlled, "status") == {"fine": True}


def test_nobody_to_ask(tmp_path: Path):
    with pytest.raises(EstafetaError) as caught:
        ask(tmp_path / "control", "status")
    assert caught.value.kind is Kind.UNAVAILABLE


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        notifier = Notifier.from_environment()
        assert "NOTIFY_SOCKET" not in os.environ
        notifier.ready("2 workers")
        notifier.reloading()
        notifier.stopping()
        told = [sock.recv(4096) for _ in range(3)]
    assert told[0].startswith(b"READY=1\nSTATUS=2 workers\nMAINPID=")
    assert told[1].startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert told[2] == b"STOPPING=1"
    Notifier(None).ready("nobody listens")


def test_waits_grow_only_for_a_worker_that_dies_again_and_again():
    worker = Worker(0)
    waits = []
    for _ in range(20):
        worker.started = float("inf")  # a life of no length
        worker.ended(9)
        waits.append(worker.schedule())
    assert waits[:3] == [0.0, FIRST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2]
    assert waits[-1] == LAST_WAIT_SECONDS
    assert worker.looping
    worker.started = float("-inf")
    worker.ended(9)
    assert (worker.schedule(), worker.looping) == (0.0, False)


@pytest.mark.parametrize(("status", "words"), [(0, "exit status 0"), (256, "exit status 1"), (9, "signal SIGKILL")])
def test_ends_in_words(status: int, words: str):
    assert describe_status(status) == words


def test_generated_passwords_differ_and_are_easy():
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(one) == 19 and not set(one) & set("01iloIO") for one in made)


def test_unknown_users_and_groups_say_how_to_make_them():
    with pytest.raises(EstafetaError, match="useradd --system nosuchuser"):
        find_identity("nosuchuser")
    with pytest.raises(EstafetaError, match="groupadd --system nosuchgroup"):
        find_identity("root", "nosuchgroup")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_root_is_given_up_for_good():
    identity = find_identity("nobody")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            refused = ""
            try:
                become(identity)
            except EstafetaError as error:  # where only root can read Python: see the sentence below
                refused = error.public
            ids = [*os.getresuid(), *os.getresgid()]
            no_new = "NoNewPrivs:\t1" in Path("/proc/self/status").read_text()
            os.write(write, json.dumps([ids, no_new, 0 in os.getgroups(), refused]).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        said = json.loads(file.read())
    os.waitpid(pid, 0)
    assert said[:3] == [[identity.uid] * 3 + [identity.gid] * 3, True, False]
    assert said[3] == "" or said[3].startswith("The user nobody cannot read the program in ")
