"""The supervisor with workers that do nothing: start, replace, reload, stop, and what each failure says."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from estafeta.app import listening, pidfile
from estafeta.app.config import load_node
from estafeta.app.control import ask
from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.report import Live, examine_live, find_live
from estafeta.app.setup import set_up
from estafeta.core.errors import EstafetaError

STUB = Path(__file__).with_name("stub_server.py")


def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)


def _nobody_can_run_this() -> bool:
    places = [Path(sys.prefix), Path(sys.base_prefix), Path(listening.__file__)]
    return os.geteuid() == 0 and all(up.stat().st_mode & 0o001 for place in places for up in place.parents)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "mail")
    set_up(home, Choices("example.test", "mx.example.test", port_base=20000), lambda node: None)
    text = home.config_file.read_text().partition("[[listener]]")[0]
    listener = '[[listener]]\nservice = "smtp"\naddress = "127.0.0.1"\nport = 0\n'
    unix = '[[listener]]\nservice = "lmtp"\npath = "run/lmtp.sock"\n'
    off = '[[listener]]\nservice = "pop3"\naddress = "127.0.0.1"\nport = 1\nstart = false\n'
    home.config_file.write_text(text.replace("grace_seconds = 30", "grace_seconds = 20") + listener + unix + off)
    return home


@contextmanager
def server(home: Home, behaviour: str = "good", workers: int = 2) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(STUB), str(home.root), str(workers), behaviour],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> str:
    """The line that says so."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("estafeta: ready"), line + (process.stderr.read() if process.stderr else "")
    return line


def live(home: Home) -> Live:
    found = find_live(load_node(home))
    assert found is not None
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_life(home: Home):
    with server(home) as process:
        line = ready(process)
        assert "smtp 127.0.0.1:" in line
        assert "lmtp run/lmtp.sock" in line
        assert "pop3" not in line
        assert pidfile.running_pid(home.pid_file) == process.pid
        until(lambda: all(worker.accepted for worker in live(home).workers), "the workers report")
        found = live(home)
        # The writer, the indexer, and two workers.
        assert [worker.state for worker in found.workers] == ["running"] * 4
        assert [worker.accepted for worker in found.workers] == [39, 38, 40, 41]
        assert all(worker.memory_kib > 0 for worker in found.workers)
        assert examine_live(found, load_node(home)).problems == []
        port = int(found.listeners[0].place.rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), 5).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert find_live(load_node(home)) is None
    assert sorted(os.listdir(home.run)) == ["estafeta.pid"]
    assert home.pid_file.read_text() == ""


def test_interrupt_ends_with_status_0(home: Home):
    with server(home) as process:
        ready(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_a_second_start_is_refused(home: Home):
    with server(home) as process:
        ready(process)
        with server(home) as second:
            out, _ = second.communicate(timeout=20)
            assert second.returncode == 1
            assert f"running already (pid {process.pid})" in out
        assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_worker_is_replaced_at_once(home: Home, number: signal.Signals):
    with server(home) as process:
        ready(process)
        before = live(home).workers[0]
        os.kill(before.pid, number)
        until(lambda: live(home).workers[0].pid not in (0, before.pid), "a new worker")
        until(lambda: live(home).workers[0].state == "running", "it is ready")
        after = live(home).workers[0]
        assert after.restarts == 1
        assert after.last_end == ("signal SIGKILL" if number == signal.SIGKILL else "exit status 0")
        assert live(home).workers[1].restarts == 0
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
        assert log.count("worker died; starting another") == 1


def test_a_worker_that_crashes_again_and_again_is_a_problem(home: Home):
    with server(home, "crashes") as process:
        until(lambda: process.poll() is not None or home.control.exists(), "it starts")

        def looping() -> bool:
            return any("again and again" in one for one in examine_live(live(home), load_node(home)).problems)

        until(looping, "status says so")
        assert live(home).workers[3].state == "running"
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
        assert "ValueError: a mistake" in log
        assert process.returncode == 0


@pytest.mark.parametrize(("behaviour", "words"), [("dies", "exit status 7"), ("refuses", "exit status 1")])
def test_workers_that_never_start_end_the_server(home: Home, behaviour: str, words: str):
    with server(home, behaviour, workers=1) as process:
        out, log = process.communicate(timeout=30)
        assert process.returncode == 1
        assert f"refused: The workers do not start ({words})" in out
        assert behaviour == "dies" or 'reason="The store is on fire."' in log


def test_reload_reaches_every_worker(home: Home):
    with server(home) as process:
        ready(process)
        process.send_signal(signal.SIGHUP)
        until(lambda: all((home.root / f"hup-{index}").exists() for index in (0, 1)), "SIGHUP in both")


def test_reload_refuses_a_wrong_file_and_goes_on(home: Home):
    with server(home) as process:
        ready(process)
        good = home.config_file.read_text()
        home.config_file.write_text(good + "\nwrong = 1\n")
        with pytest.raises(EstafetaError, match=r"unknown key `listener\[3\]\.wrong`"):
            ask(home.control, "reload")
        home.config_file.write_text(
            good.replace("workers = 0", "workers = 7").replace('level = "info"', 'level = "debug"')
        )
        assert ask(home.control, "reload") == {"reloaded": True, "restart_needed": ["workers"]}
        assert process.poll() is None


def test_reload_refuses_a_broken_certificate(home: Home):
    with server(home) as process:
        ready(process)
        (home.certificates / "default.key").write_text("nonsense")
        with pytest.raises(EstafetaError, match="Certificate default"):
            ask(home.control, "reload")


def test_a_second_term_hurries(home: Home):
    with server(home, "slow") as process:
        ready(process)
        workers = [worker.pid for worker in live(home).workers]
        ask(home.control, "stop")
        assert live(home).stopping
        ask(home.control, "stop")
        assert process.wait(20) == 0
        assert not any(alive(pid) for pid in workers)


def test_workers_end_with_a_killed_supervisor_and_the_next_start_waits_for_their_ports(home: Home):
    with server(home) as process:
        port = ready(process).split("smtp 127.0.0.1:")[1].split(",")[0]
        home.config_file.write_text(home.config_file.read_text().replace("port = 0", f"port = {port}"))
        workers = [worker.pid for worker in live(home).workers]
        process.kill()
        process.wait(20)
        with server(home) as second:
            assert f"smtp 127.0.0.1:{port}" in ready(second)
            until(lambda: not any(alive(pid) for pid in workers), "the orphans end")


def test_ready_is_told_to_systemd(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        with server(home) as process:
            ready(process)
            assert sock.recv(4096).startswith(b"READY=1")
            ask(home.control, "reload")
            assert sock.recv(4096).startswith(b"RELOADING=1")
            assert sock.recv(4096).startswith(b"READY=1")
            process.send_signal(signal.SIGTERM)
            assert sock.recv(4096) == b"STOPPING=1"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda home: (home.root / "data").rmdir(), "The data directory"),
        (lambda home: home.config_file.unlink(), "There is no server at"),
        (lambda home: home.config_file.write_text("hostname = 3"), "`hostname` = 3"),
    ],
)
def test_what_keeps_it_from_starting_is_one_sentence(home: Home, damage: Callable[[Home], object], words: str):
    damage(home)
    with server(home) as process:
        out, log = process.communicate(timeout=20)
        assert process.returncode == 1
        assert out.startswith("refused: ")
        assert words in out
        assert "Traceback" not in log


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_without_a_user_is_refused_on_low_ports(home: Home):
    home.config_file.write_text(home.config_file.read_text().replace("port = 0", "port = 25"))
    with server(home) as process:
        out, _ = process.communicate(timeout=20)
        assert "Refusing to serve as root" in out


@pytest.mark.skipif(not _nobody_can_run_this(), reason="needs root, and a Python that others can read")
def test_root_is_given_up(home: Home, tmp_path: Path):
    text = home.config_file.read_text().replace('# user = "estafeta"', 'user = "nobody"')
    home.config_file.write_text(text)
    for path in (home.root, *home.root.rglob("*")):
        os.chown(path, 65534, 65534)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == 0 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    with server(home) as process:
        ready(process)
        pids = [process.pid, *(worker.pid for worker in live(home).workers)]
        for pid in pids:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            uids = next(line for line in lines if line.startswith("Uid:"))
            assert uids.split()[1:] == ["65534"] * 4
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("closes", [True, False])
def test_a_closed_window_ends_a_foreground_server(home: Home, closes: bool):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, str(STUB), str(home.root), "1", "good"])
    try:
        until(lambda: home.control.exists() and bool(live(home).workers[0].state == "running"), "it runs")
        if closes:
            os.close(terminal)
            until(lambda: os.waitpid(pid, os.WNOHANG) == (pid, 0), "it ends with status 0")
        else:
            os.kill(pid, signal.SIGHUP)
            until(lambda: (home.root / "hup-0").exists(), "a reload, as long as the window is there")
    finally:
        if not closes:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)
