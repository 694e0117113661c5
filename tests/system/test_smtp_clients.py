"""Real SMTP clients against a real server: what they send is in the POP3 mailbox as it was sent."""

import poplib
import shutil
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import pytest
from running import PASSWORD, Server, wait_until

# poplib refuses lines over 2048 octets; what it reads here may hold any.
poplib._MAXLINE = 1 << 24

SENDER, READER = "alice@example.test", "bob@example.test"


def read_last(server: Server, user: str = READER) -> bytes:
    """The newest message of a user, over POP3 in TLS."""
    with mailbox(server, user) as box:
        lines = box.retr(box.stat()[0])[1]
    return b"\r\n".join(lines) + b"\r\n"


@contextmanager
def mailbox(server: Server, user: str) -> Iterator[poplib.POP3]:
    """A signed-in session, ended whatever happens."""
    box = poplib.POP3_SSL("127.0.0.1", server.port(995), context=server.client_context(), timeout=20)
    try:
        box.user(user)
        box.pass_(PASSWORD)
        yield box
        box.quit()
    finally:
        box.close()


def count_messages(server: Server, user: str = READER) -> int:
    with mailbox(server, user) as box:
        return box.stat()[0]


def letter(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, READER, subject
    message.set_content("Querido lector:\n.una línea con punto\n")
    return message


def test_mail_from_outside_arrives_with_trace_fields(server: Server) -> None:
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        client.send_message(letter("outside"))
    got = read_last(server)
    assert got.startswith(b"Return-Path: <alice@example.test>\r\nReceived: from ")
    assert b"with ESMTP id " in got
    assert b"for <bob@example.test>" in got
    assert b"Subject: outside\r\n" in got


@pytest.mark.parametrize("port", [587, 465])
def test_submission_with_sign_in_and_tls(server: Server, port: int) -> None:
    context = server.client_context()
    if port == 465:
        client: smtplib.SMTP = smtplib.SMTP_SSL("127.0.0.1", server.port(port), context=context, timeout=20)
    else:
        client = smtplib.SMTP("127.0.0.1", server.port(port), timeout=20)
        client.starttls(context=context)
    with client:
        client.login(SENDER, PASSWORD)
        message = letter(f"port {port}")
        client.send_message(message)
    got = read_last(server)
    assert b"with ESMTPSA id " in got
    assert b"(using TLSv1.3 " in got
    assert b"\r\nMessage-ID: <" in got  # EmailMessage has none: added (RFC 6409 8.3)
    assert b"\r\nDate: " in got


def test_submission_without_tls_offers_no_sign_in(server: Server) -> None:
    with smtplib.SMTP("127.0.0.1", server.port(587), timeout=20) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.has_extn("starttls")
        assert client.docmd("AUTH", "PLAIN AGFsaWNlAHg=")[0] in (530, 538)


def test_wrong_password_and_foreign_sender_are_refused(server: Server) -> None:
    context = server.client_context()
    with smtplib.SMTP_SSL("127.0.0.1", server.port(465), context=context, timeout=20) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(SENDER, "not the password")
        client.login(SENDER, PASSWORD)
        assert client.mail("someone@elsewhere.test")[0] == 553
        assert client.mail(READER)[0] == 553
        assert client.mail(SENDER)[0] == 250


@pytest.mark.parametrize(
    ("recipient", "code", "enhanced"),
    [
        ("nobody@example.test", 550, b"5.1.1"),
        ("someone@elsewhere.test", 250, b"2.1.5"),
        ("root@example.test", 550, b"5."),
        ("bob+lists@example.test", 250, b"2.1.5"),
        ("BOB@EXAMPLE.TEST", 250, b"2.1.5"),
        ("postmaster@example.test", 250, b"2.1.5"),
        ("postmaster", 250, b"2.1.5"),
    ],
)
def test_recipients(server: Server, recipient: str, code: int, enhanced: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        client.ehlo()
        client.mail(SENDER)
        answer = client.docmd("RCPT", f"TO:<{recipient}>")
        assert answer[0] == code, answer
        assert answer[1].startswith(enhanced)


def test_smtputf8(server: Server) -> None:
    assert server.run("alias", "add", "josé@example.test", READER).returncode == 0
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        client.sendmail(
            "маша@example.org",
            "josé@example.test",
            "From: маша@example.org\r\nSubject: привет\r\n\r\nñandú\r\n".encode(),
            mail_options=["SMTPUTF8", "BODY=8BITMIME"],
        )
    got = read_last(server)
    assert "Return-Path: <маша@example.org>".encode() in got
    assert b"with UTF8SMTP id" in got
    assert "Subject: привет\r\n\r\nñandú\r\n".encode() in got


def test_chunking_and_binary(server: Server) -> None:
    head = b"Subject: chunks\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    body = bytes(range(256)) * 3 + b"\r\n.\r\nafter the dot\r\n"
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        client.ehlo()
        assert client.has_extn("chunking")
        assert client.docmd("MAIL", f"FROM:<{SENDER}> BODY=BINARYMIME")[0] == 250
        assert client.docmd("RCPT", f"TO:<{READER}>")[0] == 250
        client.send(b"BDAT %d\r\n" % len(head) + head + b"BDAT %d LAST\r\n" % len(body) + body)
        assert client.getreply()[0] == 250
        assert client.getreply()[0] == 250
    assert b"after the dot" in read_last(server)


def test_many_recipients_share_one_message_and_one_gets_it_once(server: Server) -> None:
    before = {user: count_messages(server, f"{user}@example.test") for user in ("alice", "bob", "carol")}
    everyone = ["alice@example.test", "bob@example.test", "carol@example.test", "bob+again@example.test"]
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        client.sendmail("x@example.org", everyone, b"Subject: all\r\n\r\nHello\r\n")
    after = {user: count_messages(server, f"{user}@example.test") for user in before}
    assert after == {user: count + 1 for user, count in before.items()}
    assert b"for <" not in read_last(server).split(b"Subject:")[0]


def test_pipelined_session_in_one_packet(server: Server) -> None:
    session = (
        b"EHLO me\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\n"
        b"Subject: one packet\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port(25)), timeout=20) as sock:
        sock.sendall(session)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    codes = [line[:3] for line in answer.split(b"\r\n") if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"550", b"354", b"250", b"221"]
    assert b"\r\n.dot\r\n" in read_last(server)


def test_a_thousand_pipelined_commands_are_all_answered_though_the_client_ended(server: Server) -> None:
    commands = b"EHLO me\r\nMAIL FROM:<a@b.test>\r\n" + b"RCPT TO:<bob@example.test>\r\n" * 1000 + b"QUIT\r\n"
    with socket.create_connection(("127.0.0.1", server.port(25)), timeout=20) as sock:
        sock.sendall(commands)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert answer.count(b"250 2.1.5 ") == 1000
    assert answer.splitlines()[-1].startswith(b"221 ")


def test_commands_injected_before_tls_are_thrown_away(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port(25)), timeout=20) as sock:
        sock.recv(1000)
        sock.sendall(b"EHLO me\r\n")
        sock.recv(4000)
        sock.sendall(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
        assert sock.recv(1000).startswith(b"220 ")
        with server.client_context().wrap_socket(sock) as tls:
            tls.sendall(b"RCPT TO:<bob@example.test>\r\n")
            assert tls.recv(1000).startswith(b"503 ")


def test_a_large_message_streams_and_comes_back_whole(server: Server) -> None:
    line = b"0123456789abcdef" * 4 + b"\r\n"
    body = b"Subject: large\r\n\r\n" + line * 160_000  # 10 MiB
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=60) as client:
        client.sendmail(SENDER, [READER], body)
    assert read_last(server).endswith(body)
    assert server.run("store", "verify").returncode == 0


def test_lmtp_answers_for_each_recipient(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port(24)), timeout=20) as sock:
        stream = sock.makefile("rwb")

        def say(line: bytes) -> bytes:
            stream.write(line + b"\r\n")
            stream.flush()
            return answer()

        def answer() -> bytes:
            while (got := stream.readline())[3:4] == b"-":
                pass
            return got[:3]

        assert answer() == b"220"
        assert say(b"LHLO me") == b"250"
        assert say(b"MAIL FROM:<>") == b"250"
        assert say(b"RCPT TO:<alice@example.test>") == b"250"
        assert say(b"RCPT TO:<nobody@example.test>") == b"550"
        assert say(b"RCPT TO:<bob@example.test>") == b"250"
        assert say(b"DATA") == b"354"
        assert say(b"Subject: lmtp\r\n\r\nx\r\n.") == b"250"
        assert answer() == b"250"
        assert say(b"QUIT") == b"221"


def test_a_quota_is_kept(server: Server) -> None:
    added = server.run("user", "add", "small@example.test", "--password-stdin", "--quota", "20000", input=PASSWORD)
    assert added.returncode == 0, added.stderr
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        client.sendmail(SENDER, ["small@example.test"], b"Subject: 1\r\n\r\n" + b"x" * 70 + b"\r\n")
        with pytest.raises(smtplib.SMTPRecipientsRefused, match=r"4\.2\.2"):  # smtplib declares the size
            client.sendmail(SENDER, ["small@example.test"], b"Subject: 2\r\n\r\n" + (b"x" * 70 + b"\r\n") * 400)
        client.rset()
        client.mail(SENDER)
        assert client.rcpt("small@example.test")[0] == 250
        assert client.data(b"Subject: 3\r\n\r\n" + (b"x" * 70 + b"\r\n") * 400)[0] == 452
    assert count_messages(server, "small@example.test") == 1


def test_a_loop_is_found(server: Server) -> None:
    trace = b"Received: from a by b; Sun, 22 Nov 2026 03:00:00 +0000\r\n" * 60
    with (
        smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client,
        pytest.raises(smtplib.SMTPDataError, match=r"5\.4\.6"),
    ):
        client.sendmail(SENDER, [READER], trace + b"Subject: loop\r\n\r\nx\r\n")


def test_settings_take_effect_at_once(server: Server) -> None:
    assert server.run("config", "set", "smtp.max_message_bytes", "70000", "--why", "test").returncode == 0

    def announced() -> bool:
        with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
            client.ehlo()
            return client.esmtp_features["size"] == "70000"

    wait_until(lambda: all(announced() for _ in range(8)))
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
        client.ehlo()
        assert client.mail(SENDER, ["SIZE=80000"])[0] == 552
    assert server.run("config", "unset", "smtp.max_message_bytes").returncode == 0
    wait_until(lambda: not any(announced() for _ in range(8)))


def test_apop_with_a_secret_made_on_the_command_line(server: Server) -> None:
    def greeting() -> bytes:
        box = poplib.POP3_SSL("127.0.0.1", server.port(995), context=server.client_context(), timeout=20)
        box.close()
        return box.getwelcome()

    assert "pop3.apop" in server.run("user", "apop", READER).stderr, "off until it is asked for"
    assert server.run("config", "set", "pop3.apop", "on").returncode == 0
    secret = server.run("user", "apop", READER).stdout.split()[6]
    wait_until(lambda: all(b"<" in greeting() for _ in range(8)))
    box = poplib.POP3_SSL("127.0.0.1", server.port(995), context=server.client_context(), timeout=20)
    assert box.apop(READER, secret).startswith(b"+OK")
    box.quit()
    assert server.run("config", "unset", "pop3.apop").returncode == 0


def test_below_the_disk_threshold_mail_is_put_off_and_then_taken_again(server: Server) -> None:
    def reply() -> int:
        with smtplib.SMTP("127.0.0.1", server.port(25), timeout=20) as client:
            client.ehlo()
            return client.mail("a@example.org")[0]

    assert server.run("config", "set", "store.minimum_free_mib", str(1 << 30)).returncode == 0
    # Several times: each worker takes the setting in by itself.
    wait_until(lambda: all(reply() == 452 for _ in range(8)))
    status = server.run("status")
    assert status.returncode == 1
    assert "put off" in status.stdout
    assert server.run("config", "unset", "store.minimum_free_mib").returncode == 0
    wait_until(lambda: all(reply() == 250 for _ in range(8)))


_MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"To: " + b"a@b.c, " * 18_000 + b"\r\n\r\nx\r\n",
        b"To: " + b"(" * 60_000 + b"\r\n\r\nx\r\n",
        _MIXED + b"--b\r\n" * 100_000,
        _MIXED + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" * 5_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(4_000)),
        b"\r\n" + b"\x00" * 300_000 + b"\r\n",
        b"\r\n" * 300_000,
    ],
    ids=["empty", "addresses", "comments", "delimiters", "messages", "multiparts", "nul", "lines"],
)
def test_hostile_content_is_kept_as_it_came(server: Server, content: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=60) as client:
        client.sendmail("a@example.org", [READER], content)
    assert read_last(server).endswith(content)


@pytest.mark.parametrize("content", [b"X: y\r\n" * 20_000, b"\x00" * 300_000 + b"\r\n"], ids=["fields", "nul"])
def test_a_header_without_end_is_refused(server: Server, content: bytes) -> None:
    with (
        smtplib.SMTP("127.0.0.1", server.port(25), timeout=60) as client,
        pytest.raises(smtplib.SMTPDataError, match="too long"),
    ):
        client.sendmail("a@example.org", [READER], content)


@pytest.mark.parametrize("port", [25, 587, 465])
def test_swaks(server: Server, port: int) -> None:
    swaks = shutil.which("swaks")
    if swaks is None:
        pytest.skip("swaks is not installed (apt-get install swaks libnet-ssleay-perl)")
    tls = ["--tls-on-connect"] if port == 465 else ["-tls"]
    auth = ["-au", SENDER, "-ap", PASSWORD, "-a", "PLAIN"] if port != 25 else []
    sent = subprocess.run(
        [
            swaks,
            "--server",
            "127.0.0.1",
            "--port",
            str(server.port(port)),
            *tls,
            *auth,
            "--from",
            SENDER,
            "--to",
            READER,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "requires Net::SSLeay" in sent.stdout:
        pytest.skip("swaks has no TLS here (apt-get install libnet-ssleay-perl)")
    assert sent.returncode == 0, sent.stdout


def test_nonsense_gets_replies_and_no_traceback(server: Server) -> None:
    for port in (25, 587, 110):
        for nonsense in (
            b"\x00" * 5000,
            b"GET / HTTP/1.1\r\n\r\n",
            b"\xff\r\n" * 200,
            b"EHLO \r\n" * 50,
            b"x" * 2_000_000,
        ):
            with socket.create_connection(("127.0.0.1", server.port(port)), timeout=20) as sock:
                try:
                    sock.sendall(nonsense)
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass
                except OSError:
                    pass  # being cut off is an answer too
    assert server.run("status").returncode == 0
