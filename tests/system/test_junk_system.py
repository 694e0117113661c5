"""Junk on a real server: taught by an IMAP client, learnt once whoever dies, judged by, and explained."""

import imaplib
import json
import os
import re
import signal
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager

from running import PASSWORD, Server, wait_until

GOOD = "meeting lunch friday report budget project colleague regards agenda minutes office plan"
BAD = "pills cheap buy online prescription discount winner casino lottery money offer click"
READER = "bob@example.test"
EACH = 12


@contextmanager
def reader(server: Server) -> Iterator[imaplib.IMAP4]:
    with imaplib.IMAP4_SSL("localhost", server.port(993), ssl_context=server.client_context(), timeout=20) as session:
        session.login(READER, PASSWORD)
        session.select("INBOX")
        yield session


def send(server: Server, words: str, number: int, *, start: int = 0) -> None:
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        for index in range(start, start + number):
            text = f"From: x@example.org\r\nSubject: {words.split()[index % 9]}\r\n\r\n{words} {index}\r\n"
            client.sendmail("", [READER], text)


def learnt(server: Server) -> tuple[int, int, int]:
    """Good, bad, still waiting."""
    found = json.loads(server.run("junk", "status", "--json").stdout)
    return found["good"], found["bad"], found["waiting"]


def workers(server: Server) -> list[int]:
    return [int(pid) for pid in re.findall(r"^worker \d+ +(\d+)", server.run("status").stdout, re.MULTILINE)]


def test_taught_by_moving_and_marking(server: Server) -> None:
    server.run("config", "set", "bayes.least_ham", "5")
    server.run("config", "set", "bayes.least_spam", "5")
    send(server, BAD, EACH)
    send(server, GOOD, EACH)
    with reader(server) as session:
        assert session.uid("MOVE", f"1:{EACH}", "Junk")[0] == "OK"
        assert session.uid("STORE", f"{EACH + 1}:*", "+FLAGS", "($NotJunk)")[0] == "OK"
    wait_until(lambda: learnt(server) == (EACH, EACH, 0), 60)


def test_every_worker_dies_while_it_learns(server: Server) -> None:
    """Each message counts once, however often it is begun."""
    server.run("config", "set", "bayes.messages_per_minute", "60")
    send(server, BAD, 10, start=100)
    with reader(server) as session:
        assert session.uid("MOVE", f"{2 * EACH + 1}:*", "Junk")[0] == "OK"
    wait_until(lambda: 0 < learnt(server)[2] < 10, 60)
    before = workers(server)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    server.run("config", "set", "bayes.messages_per_minute", "1200")
    wait_until(lambda: learnt(server)[2] == 0, 60)
    assert learnt(server) == (EACH, EACH + 10, 0)
    assert set(workers(server)).isdisjoint(before)


def test_judged_and_explained(server: Server) -> None:
    """Its words alone are not enough, so here they count for more."""
    server.run("config", "set", "bayes.spam_points", "8")
    server.run("config", "set", "spam.greylist", "off")
    server.run("config", "set", "relay.networks", "")
    with reader(server) as session:
        before = len(session.search(None, "ALL")[1][0].split())

        def told() -> bool:
            send(server, BAD, 1, start=500)
            session.select("Junk")
            return bool(session.search(None, "HEADER", "X-Estafeta-Result", "bayes")[1][0])

        wait_until(told, 30)
        [newest, *_] = reversed(session.search(None, "HEADER", "X-Estafeta-Result", "bayes")[1][0].split())
        [(_, header), *_] = session.fetch(newest, "(BODY.PEEK[HEADER])")[1]
        assert b"X-Estafeta-Result: junk; points=" in header
        send(server, GOOD, 1, start=500)
        session.select("INBOX")
        assert len(session.search(None, "ALL")[1][0].split()) >= before + 1
    [ident] = re.findall(rb"with ESMTPS? id ([0-9a-f]+)", header)
    explained = server.run("junk", "explain", ident.decode())
    assert explained.returncode == 0, explained.stderr
    assert "Filed in Junk of bob@example.test" in explained.stdout
    assert "its words are over 99% those of junk" in explained.stdout
    assert "prescription" in explained.stdout
