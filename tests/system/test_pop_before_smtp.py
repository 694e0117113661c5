"""POP before SMTP on a real server with two workers: who read mail may relay from there, for as long as is set."""

import imaplib
import poplib
import smtplib
import socket
from collections.abc import Iterator

import pytest
from lab_site import jump, lab_node
from running import PASSWORD, Server, wait_until

from estafeta.app.lab import LabThread

READER, OTHER, BLOCKED = "127.4.4.4", "127.4.4.5", "127.6.6.6"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        made.names.add("pc.reader.test", a=[READER])
        made.names.add_ptr(READER, "pc.reader.test")
        yield made


@pytest.fixture(scope="module")
def server(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "relay.allow": "pop-before-smtp",
        "relay.pop_minutes": "15",
        "restrict.networks": "127.6.6.0/24",
        "restrict.override": "on",
        "pop3.security": "both",
        "imap.security": "both",
        "auth.clear_text_networks": "127.0.0.0/8",
    }
    home = tmp_path_factory.mktemp("pop") / "home"
    with lab_node(home, lab, "--workers", "2", settings=settings) as running:
        yield running


def code(server: Server, peer: str) -> int:
    """What the server says to a recipient elsewhere."""
    with smtplib.SMTP("127.0.0.1", server.port(25), "client.test", 10, (peer, 0)) as client:
        client.ehlo()
        client.mail("alice@example.test")
        return client.rcpt("x@far.test")[0]


class PopClient(poplib.POP3):
    """From an address of one's choice."""

    def __init__(self, server: Server, peer: str) -> None:
        self._where = ("127.0.0.1", server.port(110)), 10, (peer, 0)
        super().__init__("127.0.0.1", server.port(110))

    def _create_socket(self, timeout: float) -> socket.socket:
        return socket.create_connection(*self._where)


class ImapClient(imaplib.IMAP4):
    """Likewise."""

    def __init__(self, server: Server, peer: str) -> None:
        self._where = ("127.0.0.1", server.port(143)), 10, (peer, 0)
        super().__init__("127.0.0.1", server.port(143))

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return socket.create_connection(*self._where)


def read_by_pop(server: Server, peer: str) -> None:
    client = PopClient(server, peer)
    client.user("alice@example.test")
    client.pass_(PASSWORD)
    client.quit()


def test_who_read_mail_may_relay_for_a_time(server: Server, lab: LabThread) -> None:
    far = lab.site("far.test")
    assert code(server, READER) == 550
    read_by_pop(server, READER)
    wait_until(lambda: code(server, READER) == 250)
    # Whichever of the workers takes the connection.
    assert {code(server, READER) for _ in range(20)} == {250}
    assert {code(server, OTHER) for _ in range(5)} == {550}
    with smtplib.SMTP("127.0.0.1", server.port(25), "client.test", 10, (READER, 0)) as client:
        client.sendmail("alice@example.test", "x@far.test", b"Subject: on the road\r\n\r\nx\r\n")
    assert b"Received: from client.test (pc.reader.test [127.4.4.4])" in far.wait(1)[0].content
    jump(server, lab, "14m")
    assert code(server, READER) == 250
    jump(server, lab, "2m")
    assert code(server, READER) == 550


def test_reading_by_imap_counts_and_wrong_passwords_do_not(server: Server) -> None:
    client = ImapClient(server, OTHER)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login("alice@example.test", "wrong")
    assert code(server, OTHER) == 550
    client.login("alice@example.test", PASSWORD)
    wait_until(lambda: code(server, OTHER) == 250)
    client.logout()


def test_the_override_lets_a_reader_past_a_restricted_connection(server: Server) -> None:
    assert code(server, BLOCKED) == 554
    read_by_pop(server, BLOCKED)
    wait_until(lambda: code(server, BLOCKED) == 250)
    assert code(server, "127.6.6.7") == 554
