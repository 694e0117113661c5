"""What a person who follows connections sees: everything but secrets and what messages say."""

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.net.masking import Who, make_masker

SESSIONS = {
    "smtp": """
S: 220 mail.test ESMTP
C: EHLO me
S: 250-mail.test
S: 250 PIPELINING
C: AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAVE9QU0VDUkVU          > AUTH PLAIN (secret)
S: 235 2.7.0 ok
C: MAIL FROM:<ann@example.test>
C: RCPT TO:<bob@example.test>
C: DATA
S: 250 ok
S: 250 ok
S: 354 go ahead
C: Subject: hello                                            > | Subject: hello
C: From: ann@example.test                                    > | From: ann@example.test
C:                                                           > -
C: TOPSECRET                                                 > -
C: .                                                         > (53 octets of content)
C:                                                           > .
S: 250 taken
C: QUIT
S: 221 bye
""",
    "submission": """
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6                                          > 334 (challenge)
C: VE9QU0VDUkVU                                              > (secret)
S: 334 UGFzc3dvcmQ6                                          > 334 (challenge)
C: VE9QU0VDUkVU                                              > (secret)
S: 535 no
C: VE9QU0VDUkVU                                              > (secret)
C: QUIT
""",
    "pop3": """
S: +OK POP3
C: USER ann
S: +OK
C: PASS TOPSECRET                                            > PASS (secret)
S: +OK 1 message
C: RETR 1
S: +OK 99 octets
S: Subject: x                                                > | Subject: x
S:                                                           > -
S: TOPSECRET                                                 > -
S: .                                                         > (25 octets of content)
S:                                                           > .
C: LIST
S: +OK
S: 1 99
S: .
C: APOP ann TOPSECRET                                        > APOP ann (secret)
C: AUTH PLAIN
S: +                                                         > + (challenge)
C: VE9QU0VDUkVU                                              > (secret)
S: -ERR no
C: VE9QU0VDUkVU                                              > (secret)
""",
    "imap": """
S: * OK IMAP4rev2
C: a1 LOGIN ann TOPSECRET                                    > a1 LOGIN (secret)
S: a1 OK done
C: a2 AUTHENTICATE PLAIN VE9QU0VDUkVU                        > a2 AUTHENTICATE PLAIN (secret)
S: a2 NO wrong
C: a3 AUTHENTICATE SCRAM-SHA-256
S: +                                                         > + (challenge)
C: VE9QU0VDUkVU                                              > (secret)
S: a3 OK
C: a4 FETCH 1 (FLAGS BODY[TEXT])
S: * 1 FETCH (FLAGS () BODY[TEXT] "TOPSECRET")               > * 1 FETCH (FLAGS () BODY[TEXT] "(text)")
S: a4 OK
C: a5 IDLE
S: + idling
C: DONE
S: a5 OK
C: VE9QU0VDUkVU                                              > (secret)
C: a6 GENURLAUTH "imap://x;urlauth=anonymous" INTERNAL
S: * GENURLAUTH "imap://x;urlauth=anonymous:internal:12ab34"  > * GENURLAUTH "imap://x;urlauth=anonymous:internal:(secret)"
""",
}


def parse(text: str) -> list[tuple[Who, bytes, list[str]]]:
    """Who, what is said, what is shown of it."""
    found = []
    for line in text.strip("\n").split("\n"):
        said, _, shown = line.partition(" > ")
        who, words = Who(said[0]), said[3:].rstrip()
        if shown.strip() == "." and not words:
            found[-1][2].append(".")
            continue
        found.append((who, words.encode() + b"\r\n", [] if shown.strip() == "-" else [shown.strip() or words]))
    return found


@pytest.mark.parametrize("service", SESSIONS)
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_sessions(service: str, piece: int) -> None:
    masker = make_masker(service)
    for who, said, shown in parse(SESSIONS[service]):
        got = []
        for start in range(0, len(said), piece):
            got += masker.feed(who, said[start : start + piece])
        assert [line.text for line in got] == shown
        assert all(line.who is who for line in got)


def run(service: str, *pieces: tuple[Who, bytes], sure: bool = True) -> list[str]:
    masker = make_masker(service, sure=sure)
    return [line.text for who, data in pieces for line in masker.feed(who, data)]


C, S = Who.CLIENT, Who.SERVER


def test_chunks_are_counted_and_their_header_is_shown_once() -> None:
    shown = run(
        "smtp",
        (C, b"MAIL FROM:<>\r\nBDAT 17\r\nSubject: x\r\n\r\nTOPBDAT 6 LAST\r\nSECRETQUIT\r\n"),
    )
    assert shown == [
        "MAIL FROM:<>", "BDAT 17", "| Subject: x", "(17 octets of content)",
        "BDAT 6 LAST", "(6 octets of content)", "QUIT",
    ]  # fmt: skip


def test_literals_of_a_sign_in() -> None:
    shown = run(
        "imap",
        (C, b"a LOGIN {3}\r\n"),
        (S, b"+ go\r\n"),
        (C, b"ann {9+}\r\nTOPSECRET\r\nb NOOP\r\n"),
    )
    assert "TOPSECRET" not in "".join(shown)
    assert shown[-1] == "b NOOP"


def test_literals_of_messages() -> None:
    shown = run(
        "imap",
        (C, b"a APPEND x {9+}\r\nTOPSECRET\r\nb NOOP\r\n"),
        (S, b"* 1 FETCH (BODY[] {9}\r\nTOPSECRET UID 7)\r\n"),
    )
    assert shown[:3] == ["a APPEND x {9+}", "(9 octets of content)", ""]
    assert shown[3] == "b NOOP"
    assert shown[-2:] == ["(9 octets of content)", " UID 7)"]


def test_a_literal_that_was_refused_does_not_come() -> None:
    shown = run("imap", (C, b"a APPEND x {99}\r\n"), (S, b"a NO too big\r\n"), (C, b"b NOOP\r\n"))
    assert shown[-1] == "b NOOP"


def test_compressed_imap_is_read() -> None:
    compress = {who: zlib.compressobj(9, zlib.DEFLATED, -15) for who in (C, S)}

    def packed(who: Who, data: bytes) -> bytes:
        return compress[who].compress(data) + compress[who].flush(zlib.Z_SYNC_FLUSH)

    shown = run(
        "imap",
        (C, b"a COMPRESS DEFLATE\r\n"),
        (S, b"a OK active\r\n" + packed(S, b"* hello\r\n")),
        (C, packed(C, b"b LOGIN ann TOPSECRET\r\n")),
        (S, packed(S, b"b OK\r\n")),
        (C, packed(C, b"\0" * (3 << 20)) + b"junk"),
    )
    assert shown[2:5] == ["* hello", "b LOGIN (secret)", "b OK"]


def test_a_connection_under_way_is_shown_from_its_next_answer_on() -> None:
    shown = run(
        "smtp",
        (C, b"TOPSECRET\r\nmore of a message\r\n.\r\n"),
        (S, b"250 taken\r\n"),
        (C, b"QUIT\r\n"),
        sure=False,
    )
    assert shown == ["QUIT"]


@pytest.mark.parametrize(
    ("service", "said", "user"),
    [
        ("smtp", b"AUTH PLAIN " + base64.b64encode(b"\0ann@x.test\0pw"), "ann@x.test"),
        ("smtp", b"AUTH LOGIN " + base64.b64encode(b"ann"), "ann"),
        ("smtp", b"AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=ann,r=abc"), "ann"),
        ("smtp", b"AUTH PLAIN !!", ""),
        ("pop3", b"USER ann", "ann"),
        ("imap", b'a LOGIN "ann" "pw"', "ann"),
        ("imap", b"a AUTHENTICATE PLAIN " + base64.b64encode(b"\0ann\0pw"), "ann"),
    ],
)
def test_who_signs_in_is_known(service: str, said: bytes, user: str) -> None:
    masker = make_masker(service)
    masker.feed(C, said + b"\r\n")
    assert masker.user == user


def test_lines_without_end_take_no_memory() -> None:
    masker = make_masker("smtp")
    for _ in range(100):
        assert masker.feed(S, b"x" * 100_000) == []
    [line] = masker.feed(S, b"\r\n")
    assert len(line.text) < 2000


@given(
    service=st.sampled_from(["smtp", "pop3", "imap"]),
    pieces=st.lists(
        st.tuples(
            st.sampled_from([C, S]),
            st.one_of(
                st.binary(max_size=60),
                st.sampled_from(
                    [b"AUTH LOGIN\r\n", b"334 x\r\n", b"354 \r\n", b".\r\n", b"BDAT 5\r\n", b"a LOGIN {3}\r\n",
                     b"+OK\r\n", b"RETR 1\r\n", b"a COMPRESS DEFLATE\r\n", b"a OK\r\n", b"* {99999999999}\r\n"]
                ),
            ),
        ),
        max_size=20,
    ),
    sure=st.booleans(),
)  # fmt: skip
def test_nothing_makes_it_raise(service: str, pieces: list[tuple[Who, bytes]], sure: bool) -> None:
    run(service, *pieces, sure=sure)


def test_of_an_unknown_protocol_only_sizes_are_told() -> None:
    assert run("sieve", (C, b"AUTHENTICATE TOPSECRET\r\n"), (S, b"OK\r\n")) == ["(24 octets)", "(4 octets)"]
