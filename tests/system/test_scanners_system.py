"""A running server and its scanners: what they change is in the mailbox, what they refuse is told to the client."""

import json
import smtplib
import sys
from collections.abc import Iterator
from email.policy import SMTP
from pathlib import Path

import pytest
from running import Server, wait_until
from test_smtp_clients import READER, SENDER, count_messages, letter, read_last

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "policy"))

from milter_kit import ACCEPT, Milter, packet
from scanner_kit import EICAR, in_a_thread
from test_scanners_clamav import Clamd

CHANGES = packet(b"i", b"\0\0\0\1X-First\0one\n\ttwo\0") + packet(b"h", b"X-Last\0three\0")


@pytest.fixture(scope="module")
def scanned(server: Server) -> Iterator[Server]:
    """With ClamAV and a milter, which it has taken in."""
    milter = Milter({b"E": CHANGES + packet(ACCEPT)})
    with in_a_thread(clamd=Clamd(limit=64 << 20), milter=milter) as places:
        assert server.run("config", "set", "clamav.server", places["clamd"]).returncode == 0
        assert server.run("config", "set", "milters.server_rules", places["milter"]).returncode == 0
        wait_until(lambda: "settings taken in" in (server.home / "stderr.log").read_text())
        yield server


def send(server: Server, text: str) -> None:
    message = letter("scanned")
    message.set_content(text, cte="7bit")
    with smtplib.SMTP("127.0.0.1", server.port(25), timeout=60) as client:
        client.sendmail(SENDER, READER, message.as_bytes(policy=SMTP))


@pytest.mark.parametrize("octets", [100, 300_000, 3_000_000])
def test_fields_of_a_milter_are_in_the_mailbox(scanned: Server, octets: int) -> None:
    text = "a line of forty characters, more or less\n" * (octets // 41 + 1)
    wait_until(lambda: b"X-First" in (send(scanned, "first"), read_last(scanned))[1])
    send(scanned, text)
    got = read_last(scanned)
    header, _, body = got.partition(b"\r\n\r\n")
    assert b"\r\nX-First: one\r\n\ttwo\r\nFrom: alice" in header
    assert header.endswith(b"\r\nX-Last: three")
    assert body == text.replace("\n", "\r\n").encode()


def test_a_header_as_long_as_may_be_stays_whole(scanned: Server) -> None:
    lines = b"".join(b"X-Long-%d: %b\r\n" % (number, b"x" * 900) for number in range(280))
    long = b"body of many words\r\n" * 1000
    with smtplib.SMTP("127.0.0.1", scanned.port(25), timeout=60) as client:
        client.sendmail(SENDER, READER, b"From: alice@example.test\r\n" + lines + b"\r\n" + long)
    header, _, body = read_last(scanned).partition(b"\r\n\r\n")
    assert header.endswith(lines + b"X-Last: three")
    assert b"\r\nX-First: one\r\n\ttwo\r\nFrom: alice" in header
    assert body == long


def test_a_virus_is_refused_and_nothing_is_stored(scanned: Server) -> None:
    before = count_messages(scanned)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(scanned, EICAR.decode() + "\n")
    assert (refused.value.smtp_code, b"Eicar-Test-Signature" in refused.value.smtp_error) == (554, True)
    assert count_messages(scanned) == before


def test_a_virus_can_be_held(scanned: Server) -> None:
    before = count_messages(scanned)
    assert scanned.run("config", "set", "clamav.infected", "quarantine").returncode == 0
    refused: list[int] = []

    def held() -> bool:
        try:
            send(scanned, EICAR.decode() + "\n")
        except smtplib.SMTPDataError as error:
            refused.append(error.smtp_code)
            return False
        return True

    wait_until(held)
    assert set(refused) <= {554}
    assert count_messages(scanned) == before
    [held_now] = json.loads(scanned.run("quarantine", "list", "--json").stdout)
    shown = scanned.run("quarantine", "show", held_now["ident"]).stdout
    assert "ClamAV found Eicar-Test-Signature" in shown
    assert READER in shown


def test_without_its_scanner_mail_is_put_off(scanned: Server) -> None:
    # Nothing listens there.
    assert scanned.run("config", "set", "clamav.server", "127.0.0.1:9").returncode == 0

    said: list[tuple[int, bytes]] = []

    def put_off() -> bool:
        try:
            send(scanned, "hello")
        except smtplib.SMTPDataError as error:
            said.append((error.smtp_code, bytes(error.smtp_error)))
        return bool(said)

    wait_until(put_off)
    assert said == [(451, b"4.7.1 The message could not be examined; try again later")]
    assert "ClamAV at 127.0.0.1:9 cannot be asked, so mail is put off" in scanned.run("status").stdout
