"""Mail for others with everything in PostgreSQL: two workers share the queue, a list is expanded, operators act."""

import smtplib
from collections import Counter
from pathlib import Path

from lab_site import jump, start_lab_node, use_lab
from running import Server, free_base, make_home, run_command, wait_until

from estafeta.app.lab import Behaviour, LabThread

SENDER = "alice@example.test"


def _send(server: Server, *recipients: str, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        client.sendmail(SENDER, list(recipients), f"From: {SENDER}\r\nSubject: {subject}\r\n\r\nWords.\r\n")


def _estafeta(server: Server, *words: str) -> str:
    done = run_command(server.home, *words)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_mail_for_others(postgres_url: str, tmp_path: Path) -> None:
    home, base = tmp_path / "home", free_base()
    make_home(home, base, "--database", postgres_url)
    with LabThread(tmp_path / "lab") as lab:
        use_lab(home, lab)
        with open(home / "estafeta.toml", "a") as file:
            file.write(f'\n[lab]\nclock = "{lab.lab.directory / "lab-clock"}"\n')
        sites = [lab.site(f"site{number}.test") for number in range(4)]
        moody = lab.site("moody.test", Behaviour(greylist=1, recipients={"gone@*": "550 5.1.1 No such user"}))
        server = start_lab_node(home, lab, base, "--workers", "2")
        try:
            for number in range(60):
                _send(server, f"bo@site{number % 4}.test", f"cy@site{(number + 1) % 4}.test", subject=f"n{number}")
            for site in sites:
                site.wait(30)
            assert Counter(len(site.messages) for site in sites) == {30: 4}

            _send(server, "later@moody.test", "gone@moody.test", subject="mixed")
            wait_until(lambda: "1 message" in _estafeta(server, "queue", "summary"))
            jump(server, lab, "20m")
            assert moody.wait(1)[0].recipients[0][0] == "later@moody.test"
            assert "No such user" in _estafeta(server, "message", "trace", "gone@moody.test")

            members = ("dora@site0.test", "bob@example.test", SENDER)
            _estafeta(server, "list", "add", "news@example.test", "--owner", SENDER, *members)
            _send(server, "news@example.test", subject="for all")
            wait_until(lambda: any(b"List-Id" in message.content for message in sites[0].messages))
        finally:
            assert server.stop() == 0
            assert server.process.stdout is not None
            server.process.stdout.close()
    log = (home / "stderr.log").read_text()
    assert "Traceback" not in log
    assert "trace=" not in log
    assert run_command(home, "store", "verify").returncode == 0
