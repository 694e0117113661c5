"""Replies, extensions, commands and contents of the client."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_client_script import act, at_random, describe, whole

from estafeta.protocols.smtp.client import SmtpClient
from estafeta.protocols.smtp.client_commands import (
    DotStuffer,
    check_path,
    encode_content,
    encode_mail,
    encode_rcpt,
)
from estafeta.protocols.smtp.client_extensions import parse_extensions
from estafeta.protocols.smtp.client_replies import RawReply, parse_reply


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"250 2.1.5 Ok\r\n", (250, "2.1.5", "Ok")),
        (b"250 Ok\r\n", (250, "", "Ok")),
        (b"250\r\n", (250, "", "")),
        (b"250 2.0.0\r\n", (250, "2.0.0", "")),
        (b"550-5.1.1 no such\r\n550 5.1.1 user here\r\n", (550, "5.1.1", "no such\nuser here")),
        (b"550-5.1.1 no such\n550 user here\n", (550, "5.1.1", "no such\nuser here")),
        # Codes that disagree: the reply code counts.
        (b"450 5.1.1 hm\r\n", (450, "", "5.1.1 hm")),
        (b"250 2.1.5.9 hm\r\n", (250, "", "2.1.5.9 hm")),
        ("550 5.1.1 no señor \x07\x85\r\n".encode(), (550, "5.1.1", "no señor ??")),
        (b"550 \xff\r\n", (550, "", "\ufffd")),
    ],
)
def test_parse_reply(octets: bytes, reply: tuple[int, str, str]) -> None:
    assert parse_reply(RawReply(int(octets[:3]), octets)) == reply


def test_a_long_reply_is_cut() -> None:
    assert len(parse_reply(RawReply(550, b"550 " + b"x" * 60_000 + b"\r\n")).text) < 4096


def test_extensions() -> None:
    lines = (
        "mx.test at your service", "SIZE 1000", "PIPELINING", "8bitmime", "CHUNKING", "BINARYMIME", "SMTPUTF8", "DSN",
        "ETRN", "STARTTLS", "REQUIRETLS", "AUTH PLAIN login", "AUTH=LOGIN", "LIMITS RCPTMAX=5 MAILMAX=7 X=1", "X-NEW 1",
    )  # fmt: skip
    raw = RawReply(250, "".join(f"250-{line}\r\n" for line in lines).encode() + b"250 HELP\r\n")
    found = parse_extensions(raw, esmtp=True)
    assert found.name == "mx.test"
    assert (found.size_offered, found.size, found.mail_max, found.rcpt_max) == (True, 1000, 7, 5)
    assert found.auth == ("PLAIN", "LOGIN")
    assert all((found.pipelining, found.eight_bit, found.chunking, found.binary, found.smtputf8, found.dsn))
    assert all((found.etrn, found.starttls, found.require_tls))
    nothing = parse_extensions(raw, esmtp=False)
    assert (nothing.name, nothing.keywords) == ("mx.test", ())


@pytest.mark.parametrize(
    "line", ["SIZE -1", "SIZE", "SIZE 1e3", "SIZE " + "9" * 30, "SIZE ٣", "LIMITS RCPTMAX=x =", ""]
)
def test_senseless_parameters_count_as_none(line: str) -> None:
    found = parse_extensions(RawReply(250, f"250-mx\r\n250 {line}\r\n".encode()), esmtp=True)
    assert (found.size, found.rcpt_max) == (0, 0)


@given(st.binary(max_size=200))
def test_replies_and_extensions_never_raise(data: bytes) -> None:
    raw = RawReply(250, b"250 " + data + b"\n")
    parse_reply(raw)
    parse_extensions(raw, esmtp=True)


def test_commands() -> None:
    assert encode_mail("") == b"MAIL FROM:<>\r\n"
    full = encode_mail("ü@b.test", size=7, body="8BITMIME", utf8=True, require_tls=True, ret="HDRS", envid="a+3Db")
    assert full.decode() == "MAIL FROM:<ü@b.test> SIZE=7 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=a+3Db\r\n"
    rcpt = encode_rcpt("b@c.test", notify="SUCCESS,DELAY", orcpt="rfc822;x@y.test")
    assert rcpt == b"RCPT TO:<b@c.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.test\r\n"
    # What could end a line or add a parameter stays here.
    assert encode_mail("a@b.test", ret="X", envid="a b\r\nDATA") == b"MAIL FROM:<a@b.test>\r\n"
    assert encode_rcpt("b@c.test", notify="a\r\n", orcpt="rfc822;ü") == b"RCPT TO:<b@c.test>\r\n"
    assert encode_rcpt("b@c.test", orcpt="utf-8;ü", utf8=True).decode() == "RCPT TO:<b@c.test> ORCPT=utf-8;ü\r\n"


@pytest.mark.parametrize("path", ["a\r\nDATA@b.test", "a\n@b", "a\0@b", "a\x7f@b", "x" * 1001, "\ud800@b.test"])
def test_paths_that_cannot_be_sent(path: str) -> None:
    assert not check_path(path)


@pytest.mark.parametrize("path", ["", "a@b.test", '"a b>"@b.test', "ü@ü.test"])
def test_paths_that_can_be_sent(path: str) -> None:
    assert check_path(path)


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"", b".\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        # Smuggling: nothing but CR LF leaves as a line end.
        (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n.\rb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\n\r.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
    ],
)
def test_contents(content: bytes, sent: bytes) -> None:
    assert encode_content(content) == sent


@given(st.lists(st.text("a.\r\n", max_size=6).map(str.encode), max_size=8))
def test_contents_in_pieces_are_the_same(pieces: list[bytes]) -> None:
    stuffer, whole_content = DotStuffer(), b"".join(pieces)
    sent = b"".join(stuffer.piece(piece, last=False) for piece in pieces) + stuffer.piece(b"", last=True)
    assert sent == encode_content(whole_content)
    # As a server reads it: one end, and what was meant.
    body, end, rest = (b"\r\n" + sent).partition(b"\r\n.\r\n")
    assert (end, rest) == (b"\r\n.\r\n", b"")
    unstuffed = body.replace(b"\r\n.", b"\r\n")[2:]
    meant = re.sub(rb"\r\n|\r|\n", b"\r\n", whole_content)
    assert unstuffed == meant.removesuffix(b"\r\n")
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", sent) is None


REPLIES = st.sampled_from(
    [b"220 hi\r\n", b"250 ok\r\n", b"250-x\r\n", b"250 CHUNKING\r\n", b"250-PIPELINING\r\n", b"354 go\r\n",
     b"550 no\r\n", b"421 bye\r\n", b"334 \r\n", b"235 in\r\n", b"450 later\r\n", b"\r\n", b"2",
     b"xyz\r\n", b"250-STARTTLS\n"]
)  # fmt: skip
ACTIONS = st.sampled_from(
    ["tls", "handshake", "auth LOGIN", "auth PLAIN x", "respond a", "respond *", "begin 1", "begin 2 eager",
     "begin 1 pieces", "piece .a", "end", "command NOOP", "lost lost"]
)  # fmt: skip
STEPS = st.lists(st.tuples(st.lists(REPLIES | st.binary(max_size=8), max_size=6).map(b"".join), ACTIONS), max_size=12)


@given(STEPS, st.booleans(), st.integers())
def test_whatever_a_server_says_nothing_raises(steps: list[tuple[bytes, str]], lmtp: bool, seed: int) -> None:
    told = []
    for split in (whole, at_random(seed)):
        machine, events, output = SmtpClient("me.test", lmtp=lmtp), [], b""
        for octets, action in [(b"220 hi\r\n250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", "begin 1"), *steps]:
            for piece in (*split(octets), None):
                if piece is None:
                    act(machine, action)
                else:
                    machine.feed(piece)
                while (event := machine.next_event()) is not None:
                    events.append(describe(event))
            output += machine.take_output()
        # Clear text behind STARTTLS ends it sooner or later, as it was split.
        told.append(([event for event in events if event != "tls"], machine.closed, output))
    assert told[0][:2] == told[1][:2]
