"""The lab's mail servers as an independent client, `smtplib`, meets them."""

import asyncio
import base64
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from estafeta.app.lab import Behaviour, Lab, LabThread, behaviours
from estafeta.core.errors import EstafetaError

TEXT = b"Subject: x\r\n\r\n.dot\r\nend\r\n"


@pytest.fixture
def lab() -> Iterator[LabThread]:
    with LabThread() as made:
        yield made


def client(server, **options) -> smtplib.SMTP:
    return smtplib.SMTP(server.address, server.port, "me.test", timeout=10, **options)


def test_takes_a_message(lab: LabThread) -> None:
    server = lab.site("example.org")
    with client(server) as smtp:
        assert smtp.ehlo()[0] == 250
        assert smtp.has_extn("pipelining")
        assert smtp.sendmail("a@b.test", ["c@example.org", "d@example.org"], TEXT, ["BODY=8BITMIME"]) == {}
    [message] = server.wait(1)
    assert message.sender == "a@b.test"
    assert "BODY=8BITMIME" in message.mail_parameters
    assert message.addresses == ("c@example.org", "d@example.org")
    assert message.content == TEXT
    assert message.hello == "me.test"
    assert server.connections == 1
    assert "S: 250 2.0.0 Taken" in server.sessions[0].text()


def test_every_server_has_an_address_of_its_own_at_one_port(lab: LabThread) -> None:
    servers = [lab.remote(f"mx{number}.test") for number in range(3)]
    assert len({server.address for server in servers}) == 3
    assert {server.port for server in servers} == {lab.port}
    assert all(server.address.startswith("127.77.") for server in servers)


@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8", "::", "0.0.0.0", "localhost", "2001:db8::1"])
def test_only_loopback(lab: LabThread, address: str) -> None:
    with pytest.raises(EstafetaError, match="loopback"):
        lab.remote("mx.test", address=address)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (behaviours.defer("mail"), smtplib.SMTPSenderRefused),
        (behaviours.refuse("rcpt"), smtplib.SMTPRecipientsRefused),
        (behaviours.refuse("dot", "554 5.7.1 Spam"), smtplib.SMTPDataError),
        (behaviours.defer("data"), smtplib.SMTPDataError),
        (behaviours.drop("dot"), smtplib.SMTPServerDisconnected),
        (behaviours.drop("content"), smtplib.SMTPServerDisconnected),
        (behaviours.lost_reply(), smtplib.SMTPServerDisconnected),
        (Behaviour(at={"rcpt": "goodbye"}), smtplib.SMTPRecipientsRefused),
        (Behaviour(recipients={"full@*": "452 4.2.2 Full"}), smtplib.SMTPRecipientsRefused),
        (Behaviour(size=10), smtplib.SMTPDataError),
        (Behaviour(auth={"u": "p"}), smtplib.SMTPSenderRefused),
    ],
)
def test_misbehaves_at_a_stage(lab: LabThread, behaviour: Behaviour, error: type[Exception]) -> None:
    server = lab.site("example.org", behaviour)
    smtp = client(server)
    smtp.ehlo()
    smtp.does_esmtp = False  # no SIZE: what it would say to that is not the question
    with pytest.raises(error):
        smtp.sendmail("a@b.test", ["full@example.org"], TEXT)
    smtp.close()
    taken = 1 if behaviour == behaviours.lost_reply() else 0
    assert len(server.wait(taken)) == taken


@pytest.mark.parametrize(
    ("act", "error"),
    [
        ("554 Go away", smtplib.SMTPConnectError),
        ("421 Later", smtplib.SMTPConnectError),
        ("drop", smtplib.SMTPServerDisconnected),
        ("reset", ConnectionResetError),
        ("giant", smtplib.SMTPResponseException),
        ("garbage", smtplib.SMTPException),
    ],
)
def test_misbehaves_at_the_greeting(lab: LabThread, act: str, error: type[Exception]) -> None:
    server = lab.remote("mx.test", Behaviour(at={"greeting": act}))
    with pytest.raises((error, smtplib.SMTPServerDisconnected)):
        client(server)


@pytest.mark.parametrize("act", ["hang", "drip", "endless"])
def test_has_no_end(lab: LabThread, act: str) -> None:
    server = lab.remote("mx.test", Behaviour(at={"greeting": act}))
    with socket.create_connection((server.address, server.port), timeout=0.3) as sock:
        if act == "endless":
            assert all(len(sock.recv(10_000)) > 0 for _ in range(100))
        else:
            with pytest.raises(TimeoutError):
                sock.makefile("rb").read()


def test_acts_are_used_one_by_one(lab: LabThread) -> None:
    server = lab.remote("mx.test", Behaviour(at={"rcpt": ["451 4.7.1 One", "451 4.7.1 Two", "accept"]}))
    with client(server) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.test")
        assert [smtp.rcpt("c@d.test")[0] for _ in range(4)] == [451, 451, 250, 250]
        server.behave(behaviours.refuse("rcpt"))
        assert smtp.rcpt("c@d.test")[0] == 550


def test_greylisting_counts_each_pair(lab: LabThread) -> None:
    server = lab.remote("mx.test", Behaviour(greylist=1))
    with client(server) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.test")
        assert [smtp.rcpt(each)[0] for each in ("c@d.test", "e@d.test", "c@d.test")] == [450, 450, 250]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_sign_in(lab: LabThread, mechanism: str) -> None:
    server = lab.remote("smart.test", Behaviour(auth={"me": "secret"}), port=0)
    assert server.port != lab.port
    with client(server) as smtp:
        smtp.ehlo()
        smtp.user, smtp.password = "me", "wrong"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}"))
        smtp.password = "secret"
        smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}"))
        smtp.sendmail("a@b.test", ["c@d.test"], TEXT)
    assert server.wait(1)[0].user == "me"


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("good", ""),
        ("expired", "expired"),
        ("wrong-name", "Hostname mismatch"),
        ("self-signed", "self-signed"),
        ("client", "client"),
        ("refuse", "handshake failure|EOF"),
        ("garbage", "wrong version number"),
    ],
)
def test_certificates(lab: LabThread, kind: str, problem: str) -> None:
    server = lab.remote("mx.example.org", Behaviour(tls=kind))
    context = ssl.create_default_context(cadata=lab.lab.ca_pem.decode())
    smtp = client(server)
    smtp._host = "mx.example.org"
    try:
        if problem and kind != "client":
            with pytest.raises(ssl.SSLError, match=problem):
                smtp.starttls(context=context)
        elif kind == "client":
            smtp.starttls(context=context)  # TLS 1.3: the refusal comes with the first answer
            with pytest.raises((OSError, smtplib.SMTPException)):
                smtp.ehlo()
        else:
            smtp.starttls(context=context)
            smtp.ehlo()
            assert smtp.has_extn("requiretls")
            assert not smtp.has_extn("starttls")
            smtp.sendmail("a@b.test", ["c@example.org"], TEXT * 20_000)
            assert server.wait(1)[0].tls.startswith("TLSv1")
            assert server.sessions[0].server_name == "mx.example.org"
    finally:
        smtp.close()


def test_tls_from_the_start(lab: LabThread) -> None:
    server = lab.remote("mx.example.org", Behaviour(implicit_tls=True))
    context = ssl.create_default_context(cadata=lab.lab.ca_pem.decode())
    with smtplib.SMTP(timeout=10) as smtp:
        smtp._get_socket = lambda host, port, timeout: context.wrap_socket(
            socket.create_connection((host, port), timeout), server_hostname="mx.example.org"
        )
        smtp.connect(server.address, server.port)
        smtp.sendmail("a@b.test", ["c@example.org"], TEXT)
    assert server.wait(1)[0].tls


def test_lmtp_answers_for_each_recipient(lab: LabThread) -> None:
    server = lab.remote("store.test", Behaviour(lmtp=True, after_dot={"full@*": "452 4.2.2 Full"}))
    with socket.create_connection((server.address, server.port), timeout=10) as sock:
        file = sock.makefile("rb")
        sock.sendall(b"LHLO me\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<full@d.test>\r\nDATA\r\n")
        sock.sendall(b"x\r\n.\r\nQUIT\r\n")
        codes = [line[:3] for line in file if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"250", b"354", b"250", b"452", b"221"]
    assert server.wait(1)[0].addresses == ("c@d.test",)


def test_chunks(lab: LabThread) -> None:
    server = lab.remote("mx.test")
    with socket.create_connection((server.address, server.port), timeout=10) as sock:
        sock.sendall(b"EHLO me\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n")
        sock.sendall(b"BDAT 5\r\nab\r\nXBDAT 3 LAST\r\nyz\nQUIT\r\n")
        codes = [line[:3] for line in sock.makefile("rb") if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"250", b"250", b"221"]
    assert server.wait(1)[0].content == b"ab\r\nXyz\n"


@pytest.mark.parametrize(
    ("content", "stuffed"),
    [
        (b"", b".\r\n"),
        (b"\r\n", b"\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".\r\n..\r\n", b"..\r\n...\r\n.\r\n"),
        (b"a\n.\nb\r\n", b"a\n.\nb\r\n.\r\n"),
    ],
)
def test_contents_are_taken_as_they_are_meant(lab: LabThread, content: bytes, stuffed: bytes) -> None:
    server = lab.remote("mx.test")
    with socket.create_connection((server.address, server.port), timeout=10) as sock:
        sock.sendall(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
        for octet in stuffed:
            sock.sendall(bytes([octet]))
        sock.sendall(b"QUIT\r\n")
        sock.makefile("rb").read()
    assert server.wait(1)[0].content == content


def test_nobody_and_nothing_answers(lab: LabThread) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((lab.dead_address(), lab.port), timeout=2)
    address = lab.black_hole("hole.test")
    with pytest.raises(TimeoutError):
        socket.create_connection((address, lab.port), timeout=0.2)


def test_wait_gives_up() -> None:
    with LabThread() as lab:
        server = lab.remote("mx.test")
        with pytest.raises(TimeoutError, match="0 of 1"):
            server.wait(1, 0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Behaviour(at={"breakfast": "accept"}),
        lambda: Behaviour(at={"rcpt": "maybe"}),
        lambda: Behaviour(at={"rcpt": ["accept", "99 no"]}),
        lambda: Behaviour(recipients={"*": "nope"}),
        lambda: Behaviour(tls="bad"),
    ],
)
def test_a_behaviour_that_does_not_exist(make) -> None:
    with pytest.raises(EstafetaError):
        make()


def test_in_the_loop_of_the_test() -> None:
    async def run() -> None:
        async with Lab() as lab:
            server = await lab.site("example.org")
            _, writer = await asyncio.open_connection(server.address, server.port)
            writer.write(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\n")
            assert len(await server.received(1)) == 1
            writer.close()
            await writer.wait_closed()

    asyncio.run(run())


def test_what_is_offered(lab: LabThread) -> None:
    behaviour = Behaviour(without=("smtputf8", "STARTTLS"), extra=("LIMITS RCPTMAX=2",), max_recipients=2, size=1000)
    server = lab.remote("mx.test", behaviour)
    with client(server) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("smtputf8")
        assert not smtp.has_extn("starttls")
        assert smtp.esmtp_features["limits"] == "RCPTMAX=2"
        assert smtp.esmtp_features["size"] == "1000"
        smtp.mail("a@b.test")
        assert [smtp.rcpt(f"{number}@d.test")[0] for number in range(3)] == [250, 250, 452]


def test_a_server_without_ehlo(lab: LabThread) -> None:
    server = lab.remote("old.test", Behaviour(at={"ehlo": "502 5.5.1 What?"}))
    with client(server) as smtp:
        smtp.sendmail("a@b.test", ["c@d.test"], TEXT)
    assert server.wait(1)[0].hello == "me.test"
    assert [line.split()[0].upper() for line in server.commands()][:2] == ["EHLO", "HELO"]


def test_a_server_that_takes_its_time(lab: LabThread) -> None:
    server = lab.remote("slow.test", Behaviour(delay_seconds=0.05))
    with client(server) as smtp:
        assert smtp.noop()[0] == 250


def test_on_ipv6_and_on_a_unix_socket(lab: LabThread, tmp_path: Path) -> None:
    with contextlib.suppress(OSError):  # where there is no IPv6 there is nothing to see
        server = lab.remote("six.test", address="::1")
        with client(server) as smtp:
            assert smtp.noop()[0] == 250
    lab.remote("store.test", Behaviour(lmtp=True), path=tmp_path / "lmtp")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(tmp_path / "lmtp"))
        assert sock.makefile("rb").readline() == b"220 store.test LMTP lab\r\n"


@pytest.mark.parametrize(
    "junk",
    [
        b"\0\xff\r\n" * 10,
        b"x" * 10_000,
        b"AUTH\r\nAUTH PLAIN !!\r\nAUTH CRAM-MD5\r\n" + base64.b64encode("ann é".encode()) + b"\r\n",
        b"AUTH LOGIN \xff\r\n\xff\r\n",
        b"BDAT -1\r\nBDAT 9999999999999999999999\r\nBDAT x LAST\r\nBDAT\r\n",
        b"EHLO\r\nMAIL FROM:<\xff>\r\nRCPT TO:<\xff>\r\nDATA\r\n.\r\nMAIL\r\nRCPT\r\nDATA\r\nMAIL FROM:\r\n",
        b"STARTTLS now\r\n\x16\x03\x01\x00\x05hello\r\n",
    ],
)
def test_junk_harms_nobody(lab: LabThread, junk: bytes) -> None:
    server = lab.remote("mx.test", Behaviour(auth={"ann": "pw"}))
    with socket.create_connection((server.address, server.port), timeout=5) as sock:
        sock.sendall(junk + b"QUIT\r\n")
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert sock.makefile("rb").read().startswith(b"220 ")
    with client(server) as smtp:
        assert smtp.noop()[0] == 250
