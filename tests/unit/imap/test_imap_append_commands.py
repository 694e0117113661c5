"""APPEND, REPLACE, CATENATE and URLAUTH, as sessions in text against the real service."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from imap_house import House, Wire, house, message

from estafeta.core.ids import INBOX
from estafeta.mailboxes import look

HOW = ("whole", "bytes", "split")
PLAIN = message("plain", "Words.")
REV2 = ("ENABLE IMAP4rev2", "SELECT INBOX")

SESSIONS = {
    "one message": r"""
        C: 1 APPEND INBOX (\Seen $Note) "01-Feb-2026 08:09:10 +0100" {8+}
        C: A: b
        C:
        C:
        C: 2 FETCH * (UID FLAGS INTERNALDATE BODY.PEEK[])
        S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Note)
        S* * OK [PERMANENTFLAGS
        S* * 2 EXISTS
        S~ 1 OK \[APPENDUID \d+ 2\] APPEND completed\.
        S: * 2 FETCH (UID 2 FLAGS (\Seen $Note) INTERNALDATE "01-Feb-2026 07:09:10 +0000" BODY[] {8}
        S: A: b
        S:
        S: )
        S: 2 OK FETCH completed.
    """,
    "several (RFC 3502)": r"""
        C: 1 APPEND INBOX {5+}
        C: first (\Flagged) ~{6+}
        C: second
        C: 2 FETCH 2:3 (FLAGS RFC822.SIZE)
        S: * 3 EXISTS
        S~ 1 OK \[APPENDUID \d+ 2:3\] APPEND completed\.
        S: * 2 FETCH (FLAGS () RFC822.SIZE 5)
        S: * 3 FETCH (FLAGS (\Flagged) RFC822.SIZE 6)
        S: 2 OK FETCH completed.
    """,
    "refusals": r"""
        C: 1 APPEND nowhere {5+}
        C: first
        C: 2 APPEND nowhere {5}
        C: 3 APPEND INBOX {5+}
        C: first {0+}
        C:
        C: 4 APPEND INBOX (\Seen) "not a date" {5+}
        C: first
        C: 5 STATUS INBOX (MESSAGES)
        S* 1 NO [TRYCREATE]
        S* 2 NO [TRYCREATE]
        S* 3 NO
        S* 4 BAD
        S: * STATUS "INBOX" (MESSAGES 1)
        S: 5 OK STATUS completed.
    """,
    "replace (RFC 8508)": r"""
        C: 1 REPLACE 1 INBOX (\Draft) {3+}
        C: new
        C: 2 UID REPLACE 1 INBOX {3+}
        C: not
        C: 3 UID FETCH 1:* (FLAGS RFC822.SIZE)
        S~ \* OK \[APPENDUID \d+ 2\] .*
        S: * 1 EXPUNGE
        S: * 1 EXISTS
        S: 1 OK REPLACE completed.
        S* 2 NO [NONEXISTENT]
        S: * 1 FETCH (UID 2 FLAGS (\Draft) RFC822.SIZE 3)
        S: 3 OK FETCH completed.
    """,
    "catenate (RFC 4469)": r"""
        C: 1 APPEND INBOX CATENATE (TEXT {8+}
        C: A: b
        C:
        C:  URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT {3+}
        C: end)
        C: 2 FETCH 2 BODY.PEEK[TEXT]
        C: 3 APPEND INBOX CATENATE (URL "/INBOX/;UID=77")
        C: 4 APPEND INBOX CATENATE (URL "imap://bob@example.test/INBOX/;UID=1" TEXT {3+}
        C: end)
        C: 5 STATUS INBOX (MESSAGES)
        S: * 2 EXISTS
        S~ 1 OK \[APPENDUID \d+ 2\] APPEND completed\.
        S: * 2 FETCH (BODY[TEXT] {11}
        S: Words.
        S: end)
        S: 2 OK FETCH completed.
        S: 3 NO [BADURL "/INBOX/;UID=77"] That URL leads to nothing here.
        S* 4 NO [BADURL "imap://bob
        S: * STATUS "INBOX" (MESSAGES 2)
        S: 5 OK STATUS completed.
    """,
}


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", SESSIONS)
def test_sessions(tmp_path: Path, loop: asyncio.AbstractEventLoop, name: str, how: str) -> None:
    with house(tmp_path, loop) as at:
        at.deliver("ann", PLAIN)
        loop.run_until_complete(at.play(SESSIONS[name], how=how, before=REV2))


@pytest.mark.parametrize("size", [200_000, 300_000, 3_000_000])
def test_large_messages_are_kept_octet_for_octet(tmp_path: Path, loop: asyncio.AbstractEventLoop, size: int) -> None:
    with house(tmp_path, loop) as at:
        wire = loop.run_until_complete(at.sign_in("ann", *REV2))
        content = b"Subject: large\n\r\n" + b"\xc3\xa9 lines \r end\n" * (size // 15)
        command = b"APPEND INBOX {%d+}\r\n%b {9+}\r\nA: small\n" % (len(content), content)
        said = loop.run_until_complete(at.ask(wire, command))
        assert b"APPENDUID" in said
        said = loop.run_until_complete(at.ask(wire, "UID FETCH 1 BODY.PEEK[]"))
        assert said.split(b"}\r\n", 1)[1][: len(content)] == content
        assert _leftovers(at) == []


def test_what_is_given_up_leaves_no_file(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    async def give_up(at: House, tail: bytes) -> None:
        wire = await at.sign_in("ann")
        wire.pump.data_received(b"a APPEND INBOX {2000000+}\r\n" + b"x" * 700_000)
        while not await asyncio.to_thread(_leftovers, at):
            pass
        if tail:
            wire.pump.data_received(b"x" * 1_300_000 + tail)
            await wire.expect(b"a BAD")
        else:
            wire.close()
        while await asyncio.to_thread(_leftovers, at):
            pass

    with house(tmp_path, loop) as at:
        for tail in (b"", b" nonsense\r\n"):
            loop.run_until_complete(asyncio.wait_for(give_up(at, tail), 20))
        assert look.status(at.database, at.accounts["ann"], INBOX).messages == 0


def _leftovers(at: House) -> list[str]:
    """Files that no row names."""
    with at.database.read() as conn:
        known = {str(row[0]) for row in conn.exec_driver_sql("SELECT pack_id FROM packs")}
    return [path.stem for path in at.packs.root.rglob("*.pack") if path.stem not in known]


def test_nul_needs_a_literal8(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 9051 4.3; and a message that holds one goes out as BINARY, or with another octet in its place."""
    with house(tmp_path, loop) as at:
        wire = loop.run_until_complete(at.sign_in("ann", *REV2))
        for spec, reply in ((b"{10+}", b"NO [CANNOT]"), (b"~{10+}", b"OK [APPENDUID")):
            said = loop.run_until_complete(at.ask(wire, b"APPEND INBOX " + spec + b"\r\nA: b\r\n\r\n\0z"))
            assert reply in said
        said = loop.run_until_complete(at.ask(wire, "FETCH 1 (BODY.PEEK[] BINARY.PEEK[1])"))
        assert said.startswith(b"* 1 FETCH (BODY[] {10}\r\nA: b\r\n\r\n\x80z BINARY[1] ~{2}\r\n\0z)\r\n")


def test_quota_is_looked_at_before_the_literal(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    with house(tmp_path, loop) as at:
        at.deliver("ann", PLAIN)
        at.directory.change_user("ann@example.test", quota_bytes=len(PLAIN) + 20)
        wire = loop.run_until_complete(at.sign_in("ann", *REV2))
        assert b"t NO [OVERQUOTA]" in loop.run_until_complete(at.ask(wire, "APPEND INBOX {30}"))
        assert b"t NO [OVERQUOTA]" in loop.run_until_complete(
            at.ask(wire, b"APPEND INBOX {15+}\r\n%b {15}" % (b"x" * 15))
        )
        assert b"t OK" in loop.run_until_complete(at.ask(wire, b"REPLACE 1 INBOX {30+}\r\n" + b"x" * 30))


def test_too_many_at_once(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 9738 3.1."""
    with house(tmp_path, loop) as at:
        at.service.settings = replace(at.service.settings, message_limit=1)
        wire = loop.run_until_complete(at.sign_in("ann"))
        said = loop.run_until_complete(at.ask(wire, b"APPEND INBOX {1+}\r\nx {1+}\r\nx"))
        assert b"t NO [MESSAGELIMIT 1]" in said


def _generate(at: House, wire: Wire, loop: asyncio.AbstractEventLoop, url: str) -> bytes:
    said = loop.run_until_complete(at.ask(wire, f'GENURLAUTH "{url}" INTERNAL'))
    match = re.search(rb'\* GENURLAUTH "?([^"\s]+)', said)
    return match[1] if match else said


def test_urlauth(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 4467: a signed URL gives others what it names, until the key is reset."""
    with house(tmp_path, loop) as at:
        at.deliver("ann", PLAIN)
        ann, bob = (loop.run_until_complete(at.sign_in(name)) for name in ("ann", "bob"))
        url = "imap://ann@example.test@mail.example.test/INBOX/;UID=1/;SECTION=TEXT"
        url = url.replace("ann@example.test@", "ann%40example.test@")
        signed = {
            access: _generate(at, ann, loop, f"{url};URLAUTH={access}").decode()
            for access in ("authuser", "anonymous", "user+bob@example.test", "user+ann@example.test", "submit+ann")
        }
        expired = _generate(at, ann, loop, f"{url};EXPIRE=2020-01-01T00:00:00Z;URLAUTH=authuser").decode()
        cases = {
            signed["authuser"]: b"{8}\r\nWords.\r\n",
            signed["anonymous"]: b"{8}\r\nWords.\r\n",
            signed["user+bob@example.test"]: b"{8}\r\nWords.\r\n",
            signed["user+ann@example.test"]: b"NIL",
            signed["submit+ann"]: b"NIL",
            signed["authuser"][:-1] + "0x"[signed["authuser"].endswith("0")]: b"NIL",
            signed["authuser"].replace("UID=1", "UID=2"): b"NIL",
            expired: b"NIL",
            f"{url};URLAUTH=authuser": b"NIL",
            "nonsense": b"NIL",
        }
        for text, answer in cases.items():
            said = loop.run_until_complete(at.ask(bob, f'URLFETCH "{text}"'))
            assert said.endswith(b" " + answer + b"\r\nt OK URLFETCH completed.\r\n"), (text, said)
        assert b"OK [URLMECH INTERNAL]" in loop.run_until_complete(at.ask(ann, "RESETKEY INBOX INTERNAL"))
        said = loop.run_until_complete(at.ask(bob, f'URLFETCH "{signed["authuser"]}"'))
        assert b" NIL\r\n" in said


@pytest.mark.parametrize(
    "url",
    [
        "imap://bob%40example.test@mail.example.test/INBOX/;UID=1;URLAUTH=authuser",
        "imap://mail.example.test/INBOX/;UID=1;URLAUTH=authuser",
        "imap://ann%40example.test@mail.example.test/INBOX/;UID=1",
        "imap://ann%40example.test@mail.example.test/INBOX/;UID=1;URLAUTH=everyone",
        "imap://ann%40example.test@mail.example.test/INBOX;URLAUTH=authuser",
    ],
)
def test_urls_that_nobody_may_sign(tmp_path: Path, loop: asyncio.AbstractEventLoop, url: str) -> None:
    with house(tmp_path, loop) as at:
        ann = loop.run_until_complete(at.sign_in("ann"))
        assert loop.run_until_complete(at.ask(ann, f'GENURLAUTH "{url}" INTERNAL')).startswith(b"t BAD")
