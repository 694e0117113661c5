"""A stranger at the door of a real server: put off, let in, judged in words, blocked at once, and known afterwards."""

import imaplib
import socket
from collections.abc import Iterator
from typing import IO

import pytest
from lab_site import jump, lab_node
from running import PASSWORD, Server, wait_until
from sqlalchemy import func, select

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab import LabThread
from estafeta.app.stores import open_site
from estafeta.policy.reputationtables import greylist, reputation

#: It has no name in the lab, and no SPF record lets it send.
STRANGER = "127.4.4.4"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        made.names.add("remote.test", mx=[(10, "mx.remote.test")])
        yield made


@pytest.fixture(scope="module")
def server(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "relay.networks": "127.0.0.1/32",
        "limits.exempt_networks": "127.0.0.0/8",
        "spam.greylist": "suspicious",
        "policy.reject_score": "0",
    }
    with lab_node(tmp_path_factory.mktemp("spam") / "home", lab, settings=settings) as running:
        yield running


def send(server: Server, text: str, *, sender: str = "eve@remote.test", early: bool = False) -> str:
    """The last answer."""
    with socket.create_connection(("127.0.0.1", server.port(25)), 10, source_address=(STRANGER, 0)) as connection:
        replies = connection.makefile("rb")
        lines = ["EHLO client.remote.test", f"MAIL FROM:<{sender}>", "RCPT TO:<alice@example.test>", "DATA"]
        _answer(replies)
        if early:
            connection.sendall(f"{lines.pop(0)}\r\n{lines.pop(0)}\r\n".encode())
            _answer(replies)
            _answer(replies)
        for line in lines:
            connection.sendall(f"{line}\r\n".encode())
            answer = _answer(replies)
            if not answer.startswith(("2", "3")):
                return answer
        connection.sendall(text.replace("\n", "\r\n").encode() + b"\r\n.\r\n")
        return _answer(replies)


def _answer(replies: IO[bytes]) -> str:
    for line in replies:
        if line[3:4] != b"-":
            return line.decode().strip()
    return ""


def rows(server: Server, table: object) -> int:
    with open_site(load_node(Home(server.home))) as site, site.database.read() as conn:
        return int(conn.scalar(select(func.count()).select_from(table)) or 0)  # type: ignore[arg-type]


GOOD = """\
From: eve@remote.test
To: alice@example.test
Subject: Lunch
Message-ID: <1@remote.test>

Hello
"""
BAD = """\
From: "service@bank.test" <eve@remote.test>
X-Estafeta-Result: fine; points=-100
Subject: YOUR ACCOUNT IS LOCKED
Content-Type: text/html

<a href='http://192.0.2.7/'>https://bank.test/</a> act now, limited time
"""


def test_a_stranger_is_put_off_once_and_then_known(server: Server, lab: LabThread) -> None:
    assert send(server, GOOD).startswith("451 4.7.1 Greylisted")
    wait_until(lambda: rows(server, greylist) == 1)
    jump(server, lab, "6m")
    assert send(server, GOOD).startswith("250")
    wait_until(lambda: rows(server, greylist) == 2)
    assert send(server, GOOD, sender="adam@remote.test").startswith("250")
    wait_until(lambda: rows(server, reputation) == 1)
    # Only who is known by now is not put off.
    junk_says_why_and_believes_no_forged_field(server)


def junk_says_why_and_believes_no_forged_field(server: Server) -> None:
    assert send(server, BAD, early=True).startswith("250")
    with imaplib.IMAP4_SSL("localhost", server.port(993), ssl_context=server.client_context()) as session:
        session.login("alice@example.test", PASSWORD)
        session.select("Junk")
        [numbers] = session.search(None, "ALL")[1]
        [(_, header), *_] = session.fetch(numbers.split()[-1].decode(), "(BODY.PEEK[HEADER])")[1]  # type: ignore[misc]
    assert header.count(b"X-Estafeta-Result:") == 1
    assert b"points=-100" not in header
    for reason in (b"from-shows-other", b"link-elsewhere", b"client-no-name", b"early-talker", b"subject-capitals"):
        assert reason in header


def test_whom_the_site_blocks_is_refused_from_then_on(server: Server) -> None:
    assert server.run("senders", "block", "@remote.test").returncode == 0
    wait_until(lambda: send(server, GOOD).startswith("550 5.7.1"))
    assert server.run("senders", "remove", "@remote.test").returncode == 0
    # Taken, or put off like anybody who is not known yet.
    wait_until(lambda: send(server, GOOD).startswith(("250", "451")))


def test_a_sender_whose_domain_does_not_exist_is_refused(server: Server) -> None:
    assert send(server, GOOD, sender="x@nowhere.invalid").startswith("550 5.1.8")
