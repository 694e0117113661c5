"""Import and export by the command line while the server runs, and as interruptions find them."""

import mailbox
import os
import poplib
import signal
import smtplib
import subprocess
import sys
import threading
from pathlib import Path

from running import PASSWORD, Server, wait_until


def message_count(server: Server, user: str) -> int:
    client = poplib.POP3_SSL("127.0.0.1", server.port(995), context=server.client_context(), timeout=30)
    client.user(f"{user}@example.test")
    client.pass_(PASSWORD)
    count, _ = client.stat()
    client.quit()
    return count


def make_mbox(path: Path, count: int, words: int = 300) -> None:
    with path.open("wb") as file:
        for number in range(count):
            file.write(b"From a@x.test Sat Jan  3 01:05:34 1998\nSubject: %d\n\n" % number)
            file.write(b"some words " * words + b"\n\n")


def test_import_while_mail_arrives(server: Server, tmp_path: Path):
    make_mbox(tmp_path / "in", 2000)
    before = message_count(server, "alice")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", server.port(25), timeout=30) as client:
            for _ in range(100):
                client.sendmail("a@x.test", ["alice@example.test"], "Subject: meanwhile\r\n\r\nx\r\n")

    sender = threading.Thread(target=send)
    sender.start()
    done = server.run("import", "mbox", str(tmp_path / "in"), "alice")
    sender.join()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Imported 2000 messages, 6.3 MiB.\n"
    assert message_count(server, "alice") == before + 2100


def test_an_import_killed_again_and_again_is_complete_at_last(server: Server, tmp_path: Path):
    make_mbox(tmp_path / "in", 12_000)
    before = message_count(server, "bob")
    command = [
        sys.executable,
        "-m",
        "estafeta",
        "--home",
        str(server.home),
        "import",
        "mbox",
        str(tmp_path / "in"),
        "bob",
    ]
    for more in (600, 1200, 2500):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        goal = message_count(server, "bob") + more

        def got_there(goal: int = goal, process: subprocess.Popen[bytes] = process) -> bool:
            return message_count(server, "bob") >= goal or process.poll() is not None

        wait_until(got_there, seconds=30)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = server.run("import", "mbox", str(tmp_path / "in"), "bob")
    assert done.returncode == 0
    assert message_count(server, "bob") == before + 12_000
    again = server.run("import", "mbox", str(tmp_path / "in"), "bob")
    assert again.stdout.startswith("Imported 0 messages")
    assert "imported already; --again" in again.stdout


def test_out_and_in_again(server: Server, tmp_path: Path):
    source = mailbox.Maildir(tmp_path / "source", create=True)
    for number in range(5):
        source.add(f"Subject: {number}\n\nFrom me\nbody\n")
    folder = source.add_folder("Sent.2024")
    folder.add("Subject: sent\n\nx\n")
    done = server.run("import", "maildir", str(tmp_path / "source"), "carol")
    assert done.returncode == 0
    assert done.stdout.startswith("Imported 6 messages in 2 mailboxes")

    assert server.run("export", "mbox", "carol", str(tmp_path / "out.mbox"), "--mailbox", "INBOX").returncode == 0
    assert server.run("export", "mbox", "carol", str(tmp_path / "all")).returncode == 0
    assert server.run("export", "maildir", "carol", str(tmp_path / "Maildir")).returncode == 0
    with open(tmp_path / "out.mbox", "rb") as exported:
        assert exported.read().count(b"\n>From me\n") == 5
    assert sorted(str(path.relative_to(tmp_path / "all")) for path in (tmp_path / "all").rglob("*.mbox")) == [
        "INBOX.mbox",
        "Sent/2024.mbox",
    ]
    written = mailbox.Maildir(tmp_path / "Maildir", create=False)
    assert len(written) == 5
    assert [message["subject"] for message in written.get_folder("Sent.2024")] == ["sent"]

    refused = server.run("export", "mbox", "carol", str(tmp_path / "all"))
    assert refused.returncode == 1
    assert refused.stderr.endswith("exists already: remove it, or export to another place.\n")


def test_memory_does_not_grow_with_the_mbox(server: Server, tmp_path: Path):
    path = tmp_path / "in"
    make_mbox(path, 3000, words=4000)
    with path.open("ab") as file:
        file.write(b"From a@x.test Sat Jan  3 01:05:34 1998\nSubject: huge\n\n")
        for _ in range(80):
            file.write(b"some words on a line of a message that is very large\n" * 20_000)
        file.write(b"\n")
    assert path.stat().st_size > 200 << 20
    script = (
        "import sys; from estafeta.cli import main\n"
        "try: main.run()\n"
        # Not ru_maxrss: a child inherits that of pytest.
        "finally: print(*(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--home", str(server.home), "import", "mbox", str(path), "carol"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.startswith("Imported 3001 messages")
    assert int(done.stderr) < 140 << 10


def test_bad_input_is_one_sentence(server: Server, tmp_path: Path):
    (tmp_path / "text").write_text("Dear reader\n")
    for args, sentence in (
        (["import", "mbox", str(tmp_path / "text"), "alice"], "This is no mbox"),
        (["import", "mbox", str(tmp_path / "missing"), "alice"], "no such file"),
        (["import", "mbox", str(tmp_path / "text"), "nobody"], "There is no user"),
        (["import", "maildir", str(tmp_path), "alice"], "is no Maildir"),
        (["import", "maildir", str(tmp_path / "missing"), "alice"], "no such file"),
        (["export", "mbox", "alice", "/proc/nowhere"], ""),
        (["export", "maildir", "alice", str(tmp_path / "text")], "is no Maildir"),
        (["export", "mbox", "alice", str(tmp_path / "new"), "--mailbox", "None"], "no mailbox 'None'"),
    ):
        done = server.run(*args)
        assert done.returncode == 1, args
        assert sentence in done.stderr, args
        assert done.stderr.count("\n") <= 2, args
        assert "Traceback" not in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["text"]
