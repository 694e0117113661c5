"""Mail of others at a real server: who signed it, whom its domain lets send, and what becomes of the rest."""

import contextlib
import poplib
import re
import smtplib
from collections.abc import Iterator

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lab_site import lab_node
from running import PASSWORD, Server

from estafeta.app.lab import LabThread
from signed_kit import rsa_key

KEY = rsa_key("sender.test", "s", 1024)
MESSAGE = (
    b"From: Ana <ana@sender.test>\r\nTo: alice@example.test\r\nSubject: a word\r\n"
    b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@sender.test>\r\n\r\nHello.\r\n"
)
# Nothing but what is proved decides here.
SETTINGS = {"relay.networks": "", "limits.exempt_networks": "127.0.0.0/8", "spam.greylist": "off"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        names, record = made.names, KEY.dns_record()
        names.add(record.name, txt=[record.text])
        names.add("sender.test", txt=["v=spf1 ip4:127.0.0.1 -all"], a=["127.0.0.1"], mx=[(10, "out.sender.test")])
        names.add("_dmarc.sender.test", txt=["v=DMARC1; p=reject"])
        names.add("out.sender.test", a=["127.0.0.1"])
        names.add_ptr("127.0.0.1", "out.sender.test")
        names.add("elsewhere.test", a=["127.0.0.1"], mx=[(10, "out.sender.test")])
        yield made


@pytest.fixture(scope="module")
def server(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Stopped at the end, when its log must have no traceback.
    with lab_node(tmp_path_factory.mktemp("node") / "home", lab, settings=SETTINGS) as made:
        yield made


def signed(message: bytes = MESSAGE) -> bytes:
    private = KEY.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return dkimpy.sign(message, b"s", b"sender.test", private, canonicalize=(b"relaxed", b"relaxed")) + message


def send(server: Server, message: bytes, sender: str = "ana@sender.test", user: str = "alice") -> tuple[int, bytes]:
    """The reply to the message."""
    with smtplib.SMTP("127.0.0.1", server.port(25), "out.sender.test", timeout=20) as client:
        client.ehlo()
        client.mail(sender)
        client.rcpt(f"{user}@example.test")
        return client.data(message)


def newest(server: Server, user: str = "alice") -> bytes:
    client = poplib.POP3("127.0.0.1", server.port(110), timeout=20)
    with contextlib.closing(client):
        client.stls(server.client_context())
        client.user(f"{user}@example.test")
        client.pass_(PASSWORD)
        count, _ = client.stat()
        return b"\r\n".join(client.retr(count)[1]) + b"\r\n"


def results(message: bytes) -> dict[str, str]:
    """The words of our Authentication-Results."""
    field = re.split(rb"\r\n(?!\t)", message.split(b"Authentication-Results: mail.example.test;")[1])[0]
    return {method.decode(): word.decode() for method, word in re.findall(rb"\r\n\t([a-z]+)=([a-z]+)", field)}


def test_what_dkimpy_signed_passes(server: Server) -> None:
    code, text = send(server, signed())
    assert code == 250, text
    message = newest(server)
    assert results(message) == {"iprev": "pass", "spf": "pass", "dkim": "pass", "dmarc": "pass"}
    assert message.endswith(signed()[-60:])


def test_a_changed_message_from_elsewhere_is_refused(server: Server) -> None:
    code, text = send(server, signed().replace(b"Hello", b"Hallo"), "eve@elsewhere.test")
    assert (code, text.split()[0]) == (550, b"5.7.26")
    assert b"sender.test does not want mail in its name" in text


def test_a_signature_is_enough_wherever_it_comes_from(server: Server) -> None:
    code, text = send(server, signed(), "list@elsewhere.test", "bob")
    assert code == 250, text
    assert results(newest(server, "bob")) == {"iprev": "pass", "spf": "none", "dkim": "pass", "dmarc": "pass"}


def test_results_that_claim_to_be_ours_are_taken_out(server: Server) -> None:
    forged = b"Authentication-Results: mail.example.test; dkim=pass header.d=bank.test\r\n"
    others = b"Authentication-Results: mail.other.test; dkim=pass header.d=bank.test\r\n"
    code, text = send(server, forged + others + signed(), user="carol")
    assert code == 250, text
    message = newest(server, "carol")
    assert message.count(b"Authentication-Results: mail.example.test") == 1
    assert b"mail.example.test; dkim=pass" not in message
    assert others in message


def test_a_played_session_shows_the_checks(server: Server) -> None:
    body = signed().replace(b"Hello", b"Hallo").replace(b"\r\n", b"\n").decode()
    said = f"EHLO out.sender.test\nMAIL FROM:<eve@elsewhere.test>\nRCPT TO:<alice@example.test>\nDATA\n{body}.\nQUIT\n"
    told = server.run("smtp-session", "--from-ip", "127.0.0.1", input=said).stdout
    for words in (
        "connect client-name: pass the client is out.sender.test",
        "mail spf: score +0.3 SPF none of elsewhere.test",
        "headers dkim: score +0.5 DKIM fail of sender.test: the body is not the one that was signed",
        "content dmarc: reject DMARC fail",
        "S: 550 5.7.26",
    ):
        assert words in told, told


HOSTILE = {
    "a thousand signatures": b"DKIM-Signature: v=1; d=sender.test; s=s%d\r\n" * 1000 % tuple(range(1000)) + MESSAGE,
    "a header of 300 KiB": b"X-Long: " + b"\t x" * 100_000 + b"\r\n" + signed(),
    "a heap of seals": b"ARC-Seal: i=1; cv=none\r\nARC-Message-Signature: i=\r\n" * 60 + MESSAGE,
    "octets": bytes(octet for octet in range(256) if octet not in b"\r\n") * 3 + b"\r\n" + MESSAGE,
    "no header": b"\r\nHello\r\n",
    "ten authors": b"From: " + b", ".join(b"a@d%d.test" % number for number in range(10)) + b"\r\n\r\nx\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_gets_an_answer(server: Server, name: str) -> None:
    code, text = send(server, HOSTILE[name])
    assert code in (250, 550, 552, 554), text
    code, text = send(server, signed())  # and the server is well
    assert code == 250, text
