"""FETCH, STORE, EXPUNGE, COPY, MOVE, SELECT and CLOSE, as sessions in text against the real service."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from imap_house import House, Wire, house, message

HOW = ("whole", "bytes", "split")
PARTS = (
    b"From: Ann <ann@example.test>\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=q\r\n\r\n"
    b"--q\r\nContent-Type: text/plain\r\n\r\nhi there\r\n"
    b"--q\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n"
    b"--q\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n"
    b"--q\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: rot13\r\n\r\nuryyb\r\n--q--\r\n"
)
PLAIN = message("plain", "Words.", Message_ID="<1@x>")
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 20_000 + b"\r\n"
MESSAGES = (PLAIN, PARTS, LARGE)
REV2 = ("ENABLE IMAP4rev2", "SELECT INBOX")

FETCH = {
    "items": r"""
        C: 1 FETCH 1,3 (FLAGS UID INTERNALDATE RFC822.SIZE)
        C: 2 UID FETCH 1:2 RFC822.SIZE
        C: 3 FETCH 1 (ENVELOPE PREVIEW SAVEDATE)
        C: 4 FETCH 2 (BODY EMAILID)
        C: 5 UID FETCH 77 FLAGS
        C: 6 FETCH 4 FLAGS
        S: * 1 FETCH (FLAGS () UID 1 INTERNALDATE "14-Nov-2023 22:13:20 +0000" RFC822.SIZE 97)
        S: * 3 FETCH (FLAGS () UID 3 INTERNALDATE "14-Nov-2023 22:13:20 +0000" RFC822.SIZE 320020)
        S: 1 OK FETCH completed.
        S: * 1 FETCH (UID 1 RFC822.SIZE 97)
        S~ \* 2 FETCH \(UID 2 RFC822.SIZE \d+\)
        S: 2 OK FETCH completed.
        S~ \* 1 FETCH \(ENVELOPE \(NIL "plain" .* "<1@x>"\) PREVIEW "Words." SAVEDATE "14-Nov-2023 22:13:20 \+0000"\)
        S: 3 OK FETCH completed.
        S~ \* 2 FETCH \(BODY \(\("text" "plain" NIL NIL NIL "7bit" 8 0\)\("message" .* "mixed"\) EMAILID \(E\w+\)\)
        S: 4 OK FETCH completed.
        S: 5 OK FETCH completed.
        S* 6 BAD
    """,
    "sections": r"""
        C: 1 FETCH 2 (BODY.PEEK[HEADER.FIELDS (FROM)] BODY.PEEK[1] BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[9])
        C: 2 FETCH 1 (BODY.PEEK[TEXT]<2.3> BODY.PEEK[]<1000.5>)
        C: 3 FETCH 3 (BODY.PEEK[HEADER] BODY.PEEK[TEXT]<319990.16> BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)])
        S: * 2 FETCH (BODY[HEADER.FIELDS (FROM)] {32}
        S: From: Ann <ann@example.test>
        S:
        S~ .BODY\[1\] \{8\}
        S: hi there BODY[2.HEADER] {18}
        S: Subject: inner
        S:
        S~ .BODY\[2\.TEXT\] \{6\}
        S: inside BODY[9] NIL)
        S: 1 OK FETCH completed.
        S: * 1 FETCH (BODY[TEXT]<2> {3}
        S: rds BODY[]<1000> {0}
        S: )
        S: 2 OK FETCH completed.
        S: * 3 FETCH (BODY[HEADER] {18}
        S: Subject: large
        S:
        S~ .BODY\[TEXT\]<319990> \{12\}
        S: 6789abcdef
        S~ .BODY\[HEADER\.FIELDS\.NOT \(SUBJECT\)\] \{2\}
        S:
        S: )
        S: 3 OK FETCH completed.
    """,
    "binary (RFC 3516)": r"""
        C: 1 FETCH 2 (BINARY.PEEK[3] BINARY.SIZE[3] BINARY.PEEK[3]<6.100> BINARY.PEEK[8])
        C: 2 FETCH 2 (UID BINARY.PEEK[4])
        C: 3 FETCH 3 (BINARY.PEEK[1]<16.4> BINARY.SIZE[1])
        S: * 2 FETCH (BINARY[3] ~{11}
        S: hello world BINARY.SIZE[3] 11 BINARY[3]<6> ~{5}
        S: world BINARY[8] NIL)
        S: 1 OK FETCH completed.
        S: * 2 FETCH (UID 2 BINARY[4] NIL)
        S: 2 NO [UNKNOWN-CTE] Some parts have an unknown transfer encoding.
        S: * 3 FETCH (BINARY[1]<16> ~{4}
        S: 0123 BINARY.SIZE[1] 320002)
        S: 3 OK FETCH completed.
    """,
    "seen": r"""
        C: 1 FETCH 1 BODY[TEXT]
        C: 2 FETCH 1 BODY[TEXT]
        C: 3 UID FETCH 3 (BODY[]<0.7>)
        C: 4 FETCH 1 (MODSEQ)
        C: 5 UID FETCH 2 (BODY[1])
        S: * 1 FETCH (FLAGS (\Seen) BODY[TEXT] {8}
        S: Words.
        S: )
        S: 1 OK FETCH completed.
        S: * 1 FETCH (BODY[TEXT] {8}
        S: Words.
        S: )
        S: 2 OK FETCH completed.
        S: * 3 FETCH (UID 3 FLAGS (\Seen) BODY[]<0> {7}
        S: Subject)
        S: 3 OK FETCH completed.
        S* * OK [HIGHESTMODSEQ
        S~ \* 1 FETCH \(MODSEQ \(\d+\)\)
        S: 4 OK FETCH completed.
        S~ \* 2 FETCH \(UID 2 FLAGS \(\\Seen\) MODSEQ \(\d+\) BODY\[1\] \{8\}
        S: hi there)
        S: 5 OK FETCH completed.
    """,
    "some of them (RFC 9394, RFC 7162)": r"""
        C: 1 UID FETCH 1:* (FLAGS) (PARTIAL -1:-2)
        C: 2 UID FETCH 1:* (FLAGS) (PARTIAL 2:2)
        C: 3 UID FETCH 1:* (FLAGS) (PARTIAL 4:9)
        C: 4 STORE 2 +FLAGS.SILENT (\Flagged)
        C: 5 FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})
        S: * 2 FETCH (UID 2 FLAGS ())
        S: * 3 FETCH (UID 3 FLAGS ())
        S: 1 OK FETCH completed.
        S: * 2 FETCH (UID 2 FLAGS ())
        S: 2 OK FETCH completed.
        S: 3 OK FETCH completed.
        S: 4 OK STORE completed.
        S* * OK [HIGHESTMODSEQ
        S~ \* 2 FETCH \(FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)
        S: 5 OK FETCH completed.
    """,
}

CHANGE = {
    "store": r"""
        C: 1 STORE 1:2 +FLAGS (\Deleted $Junk)
        C: 2 STORE 1 -FLAGS.SILENT ($junk)
        C: 3 UID STORE 1:2 FLAGS (\Seen)
        C: 4 UID STORE 9 FLAGS (\Seen)
        S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Junk)
        S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Junk \*)] These stay when changed.
        S: * 1 FETCH (FLAGS (\Deleted $Junk))
        S: * 2 FETCH (FLAGS (\Deleted $Junk))
        S: 1 OK STORE completed.
        S: 2 OK STORE completed.
        S: * 1 FETCH (UID 1 FLAGS (\Seen))
        S: * 2 FETCH (UID 2 FLAGS (\Seen))
        S: 3 OK STORE completed.
        S: 4 OK STORE completed.
    """,
    "unless changed since (RFC 7162)": r"""
        C: 1 STORE 1 +FLAGS.SILENT (\Seen)
        C: 2 STORE 1:3 (UNCHANGEDSINCE {modseq}) +FLAGS (\Flagged)
        C: 3 UID STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS.SILENT (\Flagged)
        C: 4 UID STORE 2 +FLAGS.SILENT (\Seen)
        S: 1 OK STORE completed.
        S* * OK [HIGHESTMODSEQ
        S~ \* 2 FETCH \(UID 2 FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)
        S~ \* 3 FETCH \(UID 3 FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)
        S* 2 OK [MODIFIED 1]
        S* 3 OK [MODIFIED 1]
        S~ \* 2 FETCH \(UID 2 MODSEQ \(\d+\)\)
        S: 4 OK STORE completed.
    """,
    "expunge": r"""
        C: 1 STORE 1,3 +FLAGS.SILENT (\Deleted)
        C: 2 UID EXPUNGE 2:3
        C: 3 EXPUNGE
        C: 4 EXPUNGE
        S: 1 OK STORE completed.
        S: * 3 EXPUNGE
        S: 2 OK EXPUNGE completed.
        S: * 1 EXPUNGE
        S: 3 OK EXPUNGE completed.
        S: 4 OK EXPUNGE completed.
    """,
    "copy and move": r"""
        C: 1 CREATE Work
        C: 2 COPY 1,3 Work
        C: 3 UID COPY 9 Work
        C: 4 COPY 1 nowhere
        C: 5 MOVE 2 Work
        C: 6 UID COPY 1 INBOX
        C: 7 STATUS Work (MESSAGES)
        S* 1 OK
        S~ 2 OK \[COPYUID \d+ 1,3 1:2\] COPY completed\.
        S: 3 OK COPY completed.
        S* 4 NO [TRYCREATE]
        S~ \* OK \[COPYUID \d+ 2 3\] .*
        S: * 2 EXPUNGE
        S: 5 OK MOVE completed.
        S: * 3 EXISTS
        S~ 6 OK \[COPYUID \d+ 1 4\] COPY completed\.
        S: * STATUS "Work" (MESSAGES 3)
        S: 7 OK STATUS completed.
    """,
    "close": r"""
        C: 1 STORE 1 +FLAGS.SILENT (\Deleted)
        C: 2 UNSELECT
        C: 3 EXAMINE INBOX
        S: 1 OK STORE completed.
        S: 2 OK UNSELECT completed.
        S* * FLAGS
        S: * OK [PERMANENTFLAGS ()] These stay when changed.
        S: * 3 EXISTS
        S* * OK [UIDVALIDITY
        S: * OK [UIDNEXT 4] The next UID.
        S* * OK [HIGHESTMODSEQ
        S* * OK [MAILBOXID
        S: * LIST () "/" "INBOX"
        S: 3 OK [READ-ONLY] EXAMINE completed.
        --
        C: 4 STORE 1 +FLAGS (\Seen)
        C: 5 FETCH 1 BODY[TEXT]<0.1>
        C: 6 CLOSE
        C: 7 STATUS INBOX (MESSAGES)
        S* 4 NO
        S: * 1 FETCH (BODY[TEXT]<0> {1}
        S: W)
        S: 5 OK FETCH completed.
        S: 6 OK CLOSE completed.
        S: * STATUS "INBOX" (MESSAGES 3)
        S: 7 OK STATUS completed.
        --
        C: 8 SELECT INBOX
        C: 9 SELECT nowhere
        C: 10 FETCH 1 FLAGS
        S* * FLAGS
        S* * OK [PERMANENTFLAGS
        S: * 3 EXISTS
        S* * OK [UIDVALIDITY
        S: * OK [UIDNEXT 4] The next UID.
        S* * OK [HIGHESTMODSEQ
        S* * OK [MAILBOXID
        S: * LIST () "/" "INBOX"
        S: 8 OK [READ-WRITE] SELECT completed.
        S* * OK [CLOSED]
        S* 9 NO [NONEXISTENT]
        S* 10 BAD
        --
        C: 11 SELECT INBOX
        C: 12 CLOSE
        C: 13 STATUS INBOX (MESSAGES)
        S* * FLAGS
        S* * OK [PERMANENTFLAGS
        S: * 3 EXISTS
        S* * OK [UIDVALIDITY
        S: * OK [UIDNEXT 4] The next UID.
        S* * OK [HIGHESTMODSEQ
        S* * OK [MAILBOXID
        S: * LIST () "/" "INBOX"
        S: 11 OK [READ-WRITE] SELECT completed.
        S: 12 OK CLOSE completed.
        S: * STATUS "INBOX" (MESSAGES 2)
        S: 13 OK STATUS completed.
    """,
}

RESYNC = r"""
    C: 1 SELECT INBOX (QRESYNC ({validity} {modseq}))
    S* * FLAGS
    S* * OK [PERMANENTFLAGS
    S: * 3 EXISTS
    S* * OK [UIDVALIDITY
    S: * OK [UIDNEXT 5] The next UID.
    S* * OK [HIGHESTMODSEQ
    S* * OK [MAILBOXID
    S: * LIST () "/" "INBOX"
    S: * VANISHED (EARLIER) 2
    S~ \* 1 FETCH \(UID 1 FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)
    S~ \* 3 FETCH \(UID 4 FLAGS \(\) MODSEQ \(\d+\)\)
    S: 1 OK [READ-WRITE] SELECT completed.
    --
    C: 2 UID FETCH 1:3 (UID) (CHANGEDSINCE {modseq} VANISHED)
    C: 3 SELECT INBOX (QRESYNC ({validity} {modseq} 3:4))
    S: * VANISHED (EARLIER) 2
    S~ \* 1 FETCH \(UID 1 MODSEQ \(\d+\)\)
    S: 2 OK FETCH completed.
    S* * OK [CLOSED]
    S* * FLAGS
    S* * OK [PERMANENTFLAGS
    S: * 3 EXISTS
    S* * OK [UIDVALIDITY
    S: * OK [UIDNEXT 5] The next UID.
    S* * OK [HIGHESTMODSEQ
    S* * OK [MAILBOXID
    S: * LIST () "/" "INBOX"
    S~ \* 3 FETCH \(UID 4 FLAGS \(\) MODSEQ \(\d+\)\)
    S: 3 OK [READ-WRITE] SELECT completed.
    --
    C: 4 SELECT INBOX (QRESYNC (99 {modseq}))
    S* * OK [CLOSED]
    S* * FLAGS
    S* * OK [PERMANENTFLAGS
    S: * 3 EXISTS
    S* * OK [UIDVALIDITY
    S: * OK [UIDNEXT 5] The next UID.
    S* * OK [HIGHESTMODSEQ
    S* * OK [MAILBOXID
    S: * LIST () "/" "INBOX"
    S: 4 OK [READ-WRITE] SELECT completed.
"""

UIDONLY = r"""
    C: 1 UID FETCH 1:* (FLAGS BODY.PEEK[TEXT]<0.3>) (PARTIAL 1:1)
    C: 2 UID STORE 1 +FLAGS (\Deleted)
    C: 3 UID EXPUNGE 1
    C: 4 UID MOVE 2 INBOX
    C: 5 FETCH 1 FLAGS
    S: * 1 UIDFETCH (FLAGS () BODY[TEXT]<0> {3}
    S: Wor)
    S: 1 OK FETCH completed.
    S: * 1 UIDFETCH (FLAGS (\Deleted))
    S: 2 OK STORE completed.
    S: * VANISHED 1
    S: 3 OK EXPUNGE completed.
    S* * OK [COPYUID
    S: * VANISHED 2
    S: * 2 EXISTS
    S: * 4 UIDFETCH (FLAGS ())
    S: 4 OK MOVE completed.
    S* 5 BAD [UIDREQUIRED]
"""


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


def play(at: House, loop: asyncio.AbstractEventLoop, text: str, *before: str, how: str = "whole") -> None:
    status = loop.run_until_complete(at.mailboxes.status(at.accounts["ann"]))
    values = {"modseq": status.modseq, "validity": status.uid_validity}
    loop.run_until_complete(at.play(text, how=how, before=before, **values))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", [*FETCH, *CHANGE])
def test_sessions(tmp_path: Path, loop: asyncio.AbstractEventLoop, name: str, how: str) -> None:
    with house(tmp_path, loop) as at:
        at.deliver("ann", *MESSAGES)
        play(at, loop, (FETCH | CHANGE)[name], *REV2, how=how)


def test_uidonly(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    with house(tmp_path, loop) as at:
        at.deliver("ann", *MESSAGES)
        play(at, loop, UIDONLY, "ENABLE IMAP4rev2 UIDONLY", "SELECT INBOX")


def test_quick_resynchronization(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    with house(tmp_path, loop) as at:
        at.deliver("ann", *MESSAGES)
        status = loop.run_until_complete(at.mailboxes.status(at.accounts["ann"]))
        wire = loop.run_until_complete(at.sign_in("ann", "SELECT INBOX", r"STORE 1 +FLAGS (\Flagged)"))
        loop.run_until_complete(at.ask(wire, r"STORE 2 +FLAGS (\Deleted)"))
        loop.run_until_complete(at.ask(wire, "EXPUNGE"))
        at.deliver("ann", PLAIN)
        values = {"modseq": status.modseq, "validity": status.uid_validity}
        loop.run_until_complete(at.play(RESYNC, before=("ENABLE IMAP4rev2 QRESYNC",), **values))


def test_first_unseen_and_recent_in_rev1(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    with house(tmp_path, loop) as at:
        at.deliver("ann", PLAIN, flags=1)
        at.deliver("ann", PLAIN)
        wire = loop.run_until_complete(at.sign_in("ann"))
        said = loop.run_until_complete(at.ask(wire, "SELECT INBOX"))
        assert b"* 2 RECENT\r\n* OK [UNSEEN 2]" in said
        said = loop.run_until_complete(at.ask(wire, "FETCH 1:2 FLAGS"))
        assert said.startswith(b"* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n* 2 FETCH (FLAGS (\\Recent))\r\n")


def test_others_expunge_meanwhile(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 2180 4.1: what is gone is left out; by number that is a NO, by UID it is not."""
    with house(tmp_path, loop) as at:
        at.deliver("ann", PLAIN, PLAIN, PLAIN)
        first, second = (loop.run_until_complete(at.sign_in("ann", *REV2)) for _ in range(2))
        loop.run_until_complete(at.ask(first, r"STORE 2 +FLAGS.SILENT (\Deleted)"))
        loop.run_until_complete(at.ask(first, "EXPUNGE"))
        said = loop.run_until_complete(at.ask(second, "FETCH 1:3 RFC822.SIZE"))
        assert said == (
            b"* 1 FETCH (RFC822.SIZE 97)\r\n* 3 FETCH (RFC822.SIZE 97)\r\n"
            b"t NO [EXPUNGEISSUED] Some of these messages are no longer there.\r\n"
        )
        said = loop.run_until_complete(at.ask(second, "UID FETCH 1:3 RFC822.SIZE"))
        assert said.endswith(b"* 2 EXPUNGE\r\nt OK FETCH completed.\r\n")


@pytest.mark.parametrize("content", [PLAIN, LARGE])
def test_damage_concerns_one_message(tmp_path: Path, loop: asyncio.AbstractEventLoop, content: bytes) -> None:
    with house(tmp_path, loop) as at:
        at.deliver("ann", PLAIN, content, PLAIN)
        pack = next(path for path in sorted((tmp_path / "packs").rglob("*.pack")))
        octets = bytearray(pack.read_bytes())
        second = octets.index(b"EPK1", octets.index(b"EPK1") + 4)
        octets[second + 30] ^= 0xFF
        pack.write_bytes(octets)
        wire = loop.run_until_complete(at.sign_in("ann", *REV2))
        said = loop.run_until_complete(at.ask(wire, "FETCH 1:3 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
        head = b"BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: plain\r\n\r\n)\r\n"
        report = b"* NO [UNAVAILABLE] The message with number 2, UID 2 is damaged in the store.\r\n"
        assert sorted(said.replace(head, b"H\n").splitlines(keepends=True)) == sorted(
            [b"* 1 FETCH (UID 1 H\n", b"* 3 FETCH (UID 3 H\n", report, b"t OK FETCH completed.\r\n"]
        )
        said = loop.run_until_complete(at.ask(wire, "FETCH 2 BODY.PEEK[]"))
        assert b"t NO [UNAVAILABLE]" in said
        assert b"2 FETCH (UID 2 FLAGS" in loop.run_until_complete(at.ask(wire, "FETCH 2 (UID FLAGS)"))


def test_damage_that_shows_late_cuts_the_connection(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """Half a literal is out: nothing but the end of the connection says that it is not whole."""
    with house(tmp_path, loop) as at:
        at.deliver("ann", b"Subject: large\r\n\r\n" + random.Random(1).randbytes(3_000_000).replace(b"\0", b"0"))
        pack = next((tmp_path / "packs").rglob("*.pack"))
        octets = bytearray(pack.read_bytes())
        octets[2_500_000] ^= 0xFF
        pack.write_bytes(octets)
        wire = loop.run_until_complete(at.sign_in("ann", *REV2))
        wire.said.clear()
        wire.pump.data_received(b"1 FETCH 1 BODY.PEEK[]\r\n")
        loop.run_until_complete(asyncio.wait_for(_closed(wire), 20))
        assert wire.said.startswith(b"* 1 FETCH (BODY[] {3000018}\r\nSubject")
        assert b"1 OK" not in wire.said[-100:]


async def _closed(wire: Wire) -> None:
    while not wire.closed:
        wire.spoke.clear()
        await wire.spoke.wait()


def test_limit_of_messages(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 9738 3.1."""
    with house(tmp_path, loop) as at:
        at.service.settings = replace(at.service.settings, message_limit=2)
        at.deliver("ann", *MESSAGES)
        wire = loop.run_until_complete(at.sign_in("ann", *REV2))
        for command, reply in {
            r"STORE 1:* +FLAGS.SILENT (\Seen)": b"t OK STORE completed.\r\n",
            "COPY 1:* INBOX": b"t NO [MESSAGELIMIT 2] At most 2 messages at once.\r\n",
            "FETCH 1:2 UID": b"* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\nt OK FETCH completed.\r\n",
        }.items():
            assert loop.run_until_complete(at.ask(wire, command)) == reply


def test_many_messages_in_portions(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """Numbers and contents stay together over portions, with gaps in the UIDs and numbers that are no neighbours."""
    with house(tmp_path, loop) as at:
        at.deliver("ann", *(message(f"number {number}", "x" * number * 7) for number in range(1, 1300)))
        wire = loop.run_until_complete(at.sign_in("ann", *REV2))
        loop.run_until_complete(at.ask(wire, r"UID STORE 100,700,1200 +FLAGS.SILENT (\Deleted)"))
        loop.run_until_complete(at.ask(wire, "EXPUNGE"))
        for numbers, wanted in {
            "1:*": [uid for uid in range(1, 1300) if uid not in (100, 700, 1200)],
            "1,99:101,500:1100": [1, 99, 101, 102, *range(501, 700), *range(701, 1103)],
        }.items():
            for item in ("RFC822.SIZE", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"):
                said = loop.run_until_complete(at.ask(wire, f"FETCH {numbers} (UID {item})"))
                lines = [line.split() for line in said.splitlines() if b" FETCH (" in line]
                assert [int(line[4]) for line in lines] == wanted
                assert [int(line[1]) for line in lines] == [
                    uid - sum(gone < uid for gone in (100, 700, 1200)) for uid in wanted
                ]
                if item != "RFC822.SIZE":
                    subjects = [line for line in said.splitlines() if line.startswith(b"Subject:")]
                    assert subjects == [b"Subject: number %d" % uid for uid in wanted]


RIGHTS = {
    "lrs": r"""
        C: 1 STORE 1 +FLAGS (\Seen \Flagged)
        C: 2 STORE 1 +FLAGS (\Flagged)
        C: 3 STORE 1 FLAGS ($Junk)
        C: 4 EXPUNGE
        C: 5 MOVE 1 INBOX
        C: 6 COPY 1 "#user/ann@example.test/INBOX"
        C: 7 COPY 1 INBOX
        C: 8 FETCH 1 (BODY[TEXT])
        C: 9 APPEND "#user/ann@example.test/INBOX" {1}
        S: * 1 FETCH (FLAGS (\Seen \Answered))
        S: 1 OK STORE completed.
        S* 2 NO [NOPERM]
        S: * 1 FETCH (FLAGS (\Answered))
        S: 3 OK STORE completed.
        S* 4 NO [NOPERM]
        S* 5 NO [NOPERM]
        S* 6 NO [NOPERM]
        S~ 7 OK \[COPYUID \d+ 1 1\] COPY completed\.
        S: * 1 FETCH (FLAGS (\Seen \Answered) BODY[TEXT] {8}
        S: Words.
        S: )
        S: 8 OK FETCH completed.
        S* 9 NO [NOPERM]
    """,
    "lr": r"""
        C: 1 STORE 1 +FLAGS (\Seen)
        C: 2 FETCH 1 (FLAGS BODY[TEXT]<0.5>)
        S* 1 NO
        S: * 1 FETCH (FLAGS (\Answered) BODY[TEXT]<0> {5}
        S: Words)
        S: 2 OK FETCH completed.
    """,
    "lri": r"""
        C: 1 APPEND "#user/ann@example.test/INBOX" (\Seen \Deleted $Junk) {1+}
        C: x
        C: 2 COPY 1 "#user/ann@example.test/INBOX"
        C: 3 FETCH 1:3 FLAGS
        S: * 2 EXISTS
        S* 1 OK [APPENDUID
        S: * 3 EXISTS
        S* 2 OK [COPYUID
        S: * 1 FETCH (FLAGS (\Answered))
        S: * 2 FETCH (FLAGS ())
        S: * 3 FETCH (FLAGS ())
        S: 3 OK FETCH completed.
    """,
    "lrtw": r"""
        C: 1 STORE 1 FLAGS ($Junk \Deleted)
        C: 2 STORE 1 FLAGS (\Flagged)
        C: 3 CLOSE
        S* * FLAGS
        S* * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Draft $Junk \*)]
        S: * 1 FETCH (FLAGS (\Deleted $Junk))
        S: 1 OK STORE completed.
        S: * 1 FETCH (FLAGS (\Flagged))
        S: 2 OK STORE completed.
        S: 3 OK CLOSE completed.
    """,
}


@pytest.mark.parametrize("rights", RIGHTS)
def test_rights(tmp_path: Path, loop: asyncio.AbstractEventLoop, rights: str) -> None:
    """RFC 4314 4: what each right allows of this."""
    with house(tmp_path, loop) as at:
        at.deliver("ann", PLAIN, flags=2)
        loop.run_until_complete(at.sign_in("ann", f"SETACL INBOX bob@example.test {rights}"))
        select = ("ENABLE IMAP4rev2", 'SELECT "#user/ann@example.test/INBOX"')
        loop.run_until_complete(at.play(RIGHTS[rights], user="bob", before=select))
