"""Sessions of the client machine, each whole, byte by byte and split at random."""

import pytest
from smtp_client_script import at_random, byte_by_byte, play, whole

from estafeta.protocols.smtp.client import SmtpClient

OPEN = """
S: 220 mx.test ESMTP
C: EHLO me.test
S: 250-mx.test hello
S: 250-PIPELINING
"""
PLAIN = """
S: 220 mx.test ESMTP
C: EHLO me.test
S: 250 mx.test hello
E: ready
"""
PIPELINING = OPEN + "S: 250 SIZE 1000\nE: ready PIPELINING SIZE\n"
CHUNKING = OPEN + "S: 250 CHUNKING\nE: ready PIPELINING CHUNKING\n"
LMTP = PIPELINING.replace("EHLO", "LHLO")
LMTP_CHUNKING = CHUNKING.replace("EHLO", "LHLO")

SESSIONS = {
    "one by one": PLAIN
    + r"""
        D: begin 2
        C: MAIL FROM:<a@b.test>
        S: 250 ok
        C: RCPT TO:<1@b.test>
        S: 250 ok
        C: RCPT TO:<2@b.test>
        S: 550 no
        C: DATA
        S: 354 go on
        C: Subject: x\r\n\r\n..dot\r\n.
        S: 250 queued
        E: sent mail=250 rcpt=250,550 data=354 final=250 ended
        D: command QUIT
        C: QUIT
        S: 221 bye
        E: answered 221
    """,
    "mail refused, one by one": PLAIN
    + """
        D: begin 2
        C: MAIL FROM:<a@b.test>
        S: 550 no
        E: sent mail=550 rcpt=- data=- final=-
        D: begin 1
        C: MAIL FROM:<a@b.test>
    """,
    "nobody accepted, one by one": PLAIN
    + """
        D: begin 1
        C: MAIL FROM:<a@b.test>
        S: 250 ok
        C: RCPT TO:<1@b.test>
        S: 450 later
        E: sent mail=250 rcpt=450 data=- final=- reset
        D: begin 1
        C: RSET
        S: 250 ok
        C: MAIL FROM:<a@b.test>
    """,
    "pipelining": PIPELINING
    + r"""
        D: begin 2
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: RCPT TO:<2@b.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 550-no
        S: 550 such user
        S: 354 go on
        C: Subject: x\r\n\r\n..dot\r\n.
        S: 250 queued
        E: sent mail=250 rcpt=250,550 data=354 final=250 ended
    """,
    "pipelining, all refused, and a lone dot": PIPELINING
    + """
        D: begin 1
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: DATA
        S: 250 ok
        S: 550 no
        S: 354 go on all the same
        C: .
        S: 554 nobody
        E: sent mail=250 rcpt=550 data=354 final=554 reset
        D: begin 1
        C: RSET
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: DATA
        S: 250 reset
        S: 250 ok
        S: 250 ok
        S: 451 no disk
        E: sent mail=250 rcpt=250 data=451 final=- reset
    """,
    "pipelining, mail refused but recipients are not": PIPELINING
    + """
        D: begin 1
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: DATA
        S: 450 no
        S: 250 who knows
        S: 354 go on
        C: .
        S: 250 it has nothing
        E: sent mail=450 rcpt=250 data=354 final=250 reset
    """,
    "content in pieces": PIPELINING
    + r"""
        D: begin 1 pieces
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go on
        E: content
        D: piece .a\r\+
        D: piece \n.b\+
        D: end
        C: ..a\r\n..b\r\n.
        S: 250 queued
        E: sent mail=250 rcpt=250 data=354 final=250 ended
    """,
    "content in pieces that nobody wants any more": PIPELINING
    + r"""
        D: begin 1 pieces
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go on
        S: 552 too much
        E: content
        E: sent mail=250 rcpt=250 data=354 final=552 protocol
    """,
    "chunking": CHUNKING
    + r"""
        D: begin 2
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: RCPT TO:<2@b.test>
        S: 250 ok
        S: 250 ok
        S: 550 no
        C: BDAT 20 LAST
        C: Subject: x\r\n\r\n.dot
        S: 250 queued
        E: sent mail=250 rcpt=250,550 data=- final=250 ended
    """,
    "chunking, nobody accepted": CHUNKING
    + """
        D: begin 1
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        S: 250 ok
        S: 550 no
        E: sent mail=250 rcpt=550 data=- final=- reset
    """,
    "chunking, all at once": CHUNKING
    + r"""
        D: begin 1 eager
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: BDAT 20 LAST
        C: Subject: x\r\n\r\n.dot
        S: 250 ok
        S: 250 ok
        S: 250 queued
        E: sent mail=250 rcpt=250 data=- final=250 ended
        D: begin 1 eager
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: BDAT 20 LAST
        C: Subject: x\r\n\r\n.dot
        S: 250 ok
        S: 550 no
        S: 503 nobody
        E: sent mail=250 rcpt=550 data=- final=503 ended reset
    """,
    "chunking in pieces": CHUNKING
    + r"""
        D: begin 1 pieces eager
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        S: 250 ok
        S: 250 ok
        E: content
        D: piece .abc\+
        D: end
        C: BDAT 20 LAST
        C: .abc\+
        S: 250 queued
        E: sent mail=250 rcpt=250 data=- final=250 ended
    """,
    "LMTP": LMTP
    + r"""
        D: begin 3
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: RCPT TO:<2@b.test>
        C: RCPT TO:<3@b.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 550 no
        S: 250 ok
        S: 354 go on
        C: Subject: x\r\n\r\n..dot\r\n.
        S: 250 filed
        S: 452 full
        E: sent mail=250 rcpt=250,550,250 data=354 final=250,452 ended
    """,
    "LMTP, nobody accepted and the content wanted": LMTP
    + """
        D: begin 1
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: DATA
        S: 250 ok
        S: 550 no
        S: 354 go on
        E: sent mail=250 rcpt=550 data=354 final=- protocol
    """,
    "LMTP with chunking": LMTP_CHUNKING
    + r"""
        D: begin 2 eager
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: RCPT TO:<2@b.test>
        C: BDAT 20 LAST
        C: Subject: x\r\n\r\n.dot
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 250 filed
        S: 250 filed
        E: sent mail=250 rcpt=250,250 data=- final=250,250 ended
    """,
    "HELO": """
        S: 220-mx.test is
        S: 220 old
        C: EHLO me.test
        S: 502 what?
        C: HELO me.test
        S: 250 mx.test
        E: ready
    """,
    "neither EHLO nor HELO": """
        S: 220 mx.test
        C: EHLO me.test
        S: 502 what?
        C: HELO me.test
        S: 550 not you
        E: refused hello 550
    """,
    "EHLO later": """
        S: 220 mx.test
        C: EHLO me.test
        S: 451 not now
        E: refused hello 451
    """,
    "no greeting": """
        S: 554 no SMTP here
        E: refused greeting 554
    """,
    "busy": """
        S: 421 too many connections
        E: broken greeting closing 421
    """,
    "no SMTP at all": r"""
        S: HTTP/1.1 400 Bad Request
        E: broken greeting protocol  b'HTTP/1.1 400 Bad Request\r'
    """,
    "STARTTLS": OPEN
    + """
        S: 250 STARTTLS
        E: ready PIPELINING STARTTLS
        D: tls
        C: STARTTLS
        S: 220 go
        E: tls
        D: handshake
        C: EHLO me.test
        S: 250-mx.test
        S: 250-AUTH PLAIN LOGIN
        S: 250 REQUIRETLS
        E: ready AUTH REQUIRETLS
    """,
    "STARTTLS refused": OPEN
    + """
        S: 250 STARTTLS
        E: ready PIPELINING STARTTLS
        D: tls
        C: STARTTLS
        S: 454 not now
        E: refused starttls 454
        D: command NOOP
        C: NOOP
        S: 250 ok
        E: answered 250
    """,
    "AUTH": PLAIN
    + """
        D: auth PLAIN secret
        C: AUTH PLAIN c2VjcmV0
        S: 235 welcome
        E: authenticated 235
    """,
    "AUTH in steps": PLAIN
    + """
        D: auth LOGIN
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        E: challenge Username:
        D: respond jane
        C: amFuZQ==
        S: 334
        E: challenge
        D: respond *
        C: *
        S: 501 as you like
        E: refused auth 501
    """,
    "AUTH with a challenge that is none": PLAIN
    + """
        D: auth LOGIN
        C: AUTH LOGIN
        S: 334 *******
        E: broken auth protocol 334
    """,
    "AUTH without end": PLAIN
    + "D: auth LOGIN\nC: AUTH LOGIN\n"
    + "S: 334\nE: challenge\nD: respond x\nC: eA==\n" * 10
    + "S: 334\nE: broken auth protocol 334\n",
    "421 to a recipient": PIPELINING
    + """
        D: begin 2
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: RCPT TO:<2@b.test>
        C: DATA
        S: 250 ok
        S: 550 no
        S: 421 enough
        E: sent mail=250 rcpt=550 data=- final=- closing
    """,
    "421 instead of the last reply": CHUNKING
    + r"""
        D: begin 1 eager
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: BDAT 20 LAST
        C: Subject: x\r\n\r\n.dot
        S: 250 ok
        S: 250 ok
        S: 421 restarting
        E: sent mail=250 rcpt=250 data=- final=- ended closing
    """,
    "421 while nothing was asked": PLAIN
    + """
        S: 421 idle for too long
        E: broken ready closing 421
    """,
    "a reply too many": PLAIN
    + r"""
        D: command RSET
        C: RSET
        S: 250 ok
        S: 250 ok again
        E: answered 250
        E: broken ready protocol  b'250 ok again\r\n'
    """,
    "lost": PIPELINING
    + r"""
        D: begin 1
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go on
        C: Subject: x\r\n\r\n..dot\r\n.
        D: lost lost
        E: sent mail=250 rcpt=250 data=354 final=- ended lost
    """,
    "3yz where it means nothing": PIPELINING
    + """
        D: begin 1
        C: MAIL FROM:<a@b.test>
        C: RCPT TO:<1@b.test>
        C: DATA
        S: 354 what?
        E: sent mail=354 rcpt=- data=- final=- protocol
    """,
    "2yz to DATA": PLAIN
    + """
        D: begin 1
        C: MAIL FROM:<a@b.test>
        S: 250 ok
        C: RCPT TO:<1@b.test>
        S: 251 forwarded
        C: DATA
        S: 250 I have it before you sent it
        E: sent mail=250 rcpt=251 data=250 final=- protocol
    """,
    "LF alone, no text": r"""
        S: 220\n\+
        C: EHLO me.test
        S: 250-\n250\n\+
        E: ready
    """,
}


@pytest.mark.parametrize("split", [whole, byte_by_byte, at_random(1), at_random(2)])
@pytest.mark.parametrize("name", SESSIONS)
def test_session(name: str, split) -> None:
    machine = SmtpClient("me.test", lmtp=name.startswith("LMTP"))
    play(SESSIONS[name], machine, split)


@pytest.mark.parametrize("first", [b"220 go\r\n250 injected\r\n", b"220 go\r\n2", b"220 go\r\n\r\n"])
@pytest.mark.parametrize("split", [whole, byte_by_byte])
def test_clear_text_behind_starttls_ends_the_session(first: bytes, split) -> None:
    machine = SmtpClient("me.test")
    play(PLAIN + "D: tls\nC: STARTTLS\n", machine, whole)
    events = []
    for piece in split(first):
        machine.feed(piece)
        while (event := machine.next_event()) is not None:
            events.append(event)
    assert events[-1].problem == "injected"
    machine.tls_started()
    assert machine.closed
    assert machine.take_output() == b""
    assert machine.next_event() is None


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"220-" + b"x" * 70_000, "endless"),
        (b"220-x\r\n" * 201, "endless"),
        (b"220-" + b"y" * 400 + b"\r\n", "endless"),
        (b"2\r\n", "protocol"),
        (b"220x\r\n", "protocol"),
        (b"\xff\xff\xff\xff\r\n", "protocol"),
        (b"100 hm\r\n", "protocol"),
        (b"999 hm\r\n", "protocol"),
    ],
)
def test_what_is_no_reply_ends_the_session(octets: bytes, problem: str) -> None:
    for size in (1, 7, 100_000):
        machine = SmtpClient("me.test")
        data, events = octets if b"y" not in octets else octets * 199, []
        for at in range(0, len(data), size):
            machine.feed(data[at : at + size])
            assert machine.buffered <= 64 * 1024 + size
            if (event := machine.next_event()) is not None:
                events.append(event)
        assert [event.problem for event in events] == [problem]


def test_a_switched_off_extension_is_not_used() -> None:
    machine = SmtpClient("me.test", pipelining=False, chunking=False)
    play(CHUNKING + "D: begin 1 eager\nC: MAIL FROM:<a@b.test>\nS: 250 ok\nC: RCPT TO:<1@b.test>\n", machine, whole)


def test_nothing_begins_in_a_session_that_is_over() -> None:
    machine = SmtpClient("me.test")
    play("S: 554 no\nE: refused greeting 554\nD: begin 1\nD: command NOOP\nD: tls\nD: lost lost\n", machine, whole)
    assert machine.closed
