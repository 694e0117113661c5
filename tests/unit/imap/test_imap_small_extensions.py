"""Small extensions of IMAP, each at least once, as sessions in text against the real service."""

import asyncio
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_house import House, house, message
from imap_together import play_together

from estafeta.directory.settings_reading import ImapSecurity
from estafeta.servers.imap import longwork, notices

HOW = ("whole", "bytes", "split")
MESSAGES = (
    message("pie", "flour", Date="Mon, 1 Jan 2024 10:00:00 +0000", Message_ID="<1@x>", To="Zoe <a@x.test>"),
    message("Re: pie", "sugar", Date="Tue, 2 Jan 2024 10:00:00 +0000", Message_ID="<2@x>", References="<1@x>"),
    message("Re: pie", "salt", Date="Wed, 3 Jan 2024 10:00:00 +0000", Message_ID="<3@x>", References="<1@x> <2@x>"),
    message("other", "x", Date="Thu, 4 Jan 2024 10:00:00 +0000", Message_ID="<4@x>"),
)

SESSIONS = {
    "WITHIN (RFC 5032)": r"""
        ann+ SELECT INBOX
        ann> 1 SEARCH OLDER 3600
        ann< * SEARCH 1 2 3 4
        ann< 1 OK SEARCH completed.
        ann> 2 SEARCH YOUNGER 3600
        ann< * SEARCH
        ann< 2 OK SEARCH completed.
        ann+ COPY 1 INBOX
        ann> 3 APPEND INBOX {1+}
        ann> a
        ann< * 6 EXISTS
        ann< * 6 RECENT
        ann< 3 OK [APPENDUID V 6] APPEND completed.
        ann> 4 SEARCH YOUNGER 3600
        ann< * SEARCH 6
        ann< 4 OK SEARCH completed.
        ann> 5 SEARCH NOT OLDER 3600
        ann< * SEARCH 6
        ann< 5 OK SEARCH completed.
    """,
    "SORT, THREAD (RFC 5256, 5957)": r"""
        ann+ SELECT INBOX
        ann> 1 THREAD REFS UTF-8 ALL
        ann< * THREAD (1 2 3)(4)
        ann< 1 OK THREAD completed.
        ann> 2 THREAD REFERENCES UTF-8 ALL
        ann< * THREAD (1 2 3)(4)
        ann< 2 OK THREAD completed.
        ann> 3 THREAD ORDEREDSUBJECT UTF-8 ALL
        ann< * THREAD (1 (2)(3))(4)
        ann< 3 OK THREAD completed.
        ann> 4 UID THREAD REFS UTF-8 NOT 2
        ann< * THREAD (1 3)(4)
        ann< 4 OK THREAD completed.
        ann> 5 SORT (DISPLAYTO) UTF-8 1:3
        ann< * SORT 2 3 1
        ann< 5 OK SORT completed.
        ann> 6 SORT (TO) UTF-8 1:3
        ann< * SORT 1 2 3
        ann< 6 OK SORT completed.
        ann> 7 SORT (REVERSE DATE) UTF-8 ALL
        ann< * SORT 4 3 2 1
        ann< 7 OK SORT completed.
        ann> 8 SORT (SUBJECT REVERSE DATE) UTF-8 ALL
        ann< * SORT 4 3 2 1
        ann< 8 OK SORT completed.
        ann> 9 UID SORT (SIZE) UTF-8 SUBJECT none
        ann< * SORT
        ann< 9 OK SORT completed.
    """,
    "OBJECTID, SAVEDATE, PREVIEW (RFC 8474, 8514, 8970)": r"""
        ann+ CREATE Work
        ann+ SELECT INBOX
        ann+ COPY 1 Work
        ann> 1 STATUS Work (MAILBOXID)
        ann< * STATUS "Work" (MAILBOXID (M1-2))
        ann< 1 OK STATUS completed.
        ann+ RENAME Work Play
        ann> 2 STATUS Play (MAILBOXID)
        ann< * STATUS "Play" (MAILBOXID (M1-2))
        ann< 2 OK STATUS completed.
        ann> 3 SEARCH EMAILID none
        ann< * SEARCH
        ann< 3 OK SEARCH completed.
        ann> 4 SEARCH SAVEDATESUPPORTED
        ann< * SEARCH 1 2 3 4
        ann< 4 OK SEARCH completed.
        ann> 5 SEARCH SAVEDON 14-Nov-2023
        ann< * SEARCH 1 2 3 4
        ann< 5 OK SEARCH completed.
        ann> 6 SEARCH SAVEDBEFORE 14-Nov-2023
        ann< * SEARCH
        ann< 6 OK SEARCH completed.
        ann> 7 SEARCH SAVEDSINCE 14-Nov-2023
        ann< * SEARCH 1 2 3 4
        ann< 7 OK SEARCH completed.
        ann> 8 FETCH 1 (SAVEDATE PREVIEW (LAZY))
        ann< * 1 FETCH (SAVEDATE "14-Nov-2023 22:13:20 +0000" PREVIEW "flour")
        ann< 8 OK FETCH completed.
    """,
    "UPDATE that tells of what comes (RFC 5465 7)": r"""
        ann+ SELECT INBOX
        ann> 1 SEARCH RETURN (COUNT UPDATE (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])) SUBJECT other
        ann< * ESEARCH (TAG "1") COUNT 1
        ann< 1 OK SEARCH completed.
        ann2+ SELECT INBOX
        ann2+ COPY 4 INBOX
        ann2+ COPY 1 INBOX
        ann> 2 NOOP
        ann< * 6 EXISTS
        ann< * 6 RECENT
        ann< * 5 FETCH (UID 5 BODY[HEADER.FIELDS (SUBJECT)] {18}
        ann< Subject: other
        ann<
        ann< )
        ann< * ESEARCH (TAG "1") ADDTO (0 5)
        ann< 2 OK NOOP completed.
        ann> 3 SORT RETURN (UPDATE (FLAGS)) (SUBJECT) UTF-8 SEEN
        ann< * ESEARCH (TAG "3")
        ann< 3 OK SORT completed.
        ann> 4 STORE 2 +FLAGS.SILENT (\Seen)
        ann< * ESEARCH (TAG "3") ADDTO (1 2)
        ann< 4 OK STORE completed.
        ann> 5 CANCELUPDATE "1" "3"
        ann< 5 OK CANCELUPDATE completed.
        ann> 6 STORE 2 FLAGS.SILENT ()
        ann< 6 OK STORE completed.
    """,
    "UTF8=ACCEPT (RFC 6855, 9755)": r"""
        ann> 1 CREATE Entw&APw-rfe
        ann< 1 OK [MAILBOXID (M1-2)] CREATE completed.
        ann> 2 ENABLE UTF8=ACCEPT
        ann< * ENABLED UTF8=ACCEPT
        ann< 2 OK ENABLE completed.
        ann> 3 LIST "" E*
        ann< * LIST (\HasNoChildren) "/" "Entwürfe"
        ann< 3 OK LIST completed.
        ann> 4 CREATE "Été"
        ann< 4 OK [MAILBOXID (M1-3)] CREATE completed.
        ann> 5 STATUS "Été" (MESSAGES)
        ann< * STATUS "Été" (MESSAGES 0)
        ann< 5 OK STATUS completed.
        ann+ SELECT INBOX
        ann> 6 APPEND INBOX (\Seen) UTF8 (~{18+}
        ann> Subject: Été
        ann>
        ann> )
        ann< * 5 EXISTS
        ann< * 5 RECENT
        ann< 6 OK [APPENDUID V 5] APPEND completed.
        ann> 7 SEARCH SUBJECT "été"
        ann< * SEARCH 5
        ann< 7 OK SEARCH completed.
        ann> 8 FETCH 5 (ENVELOPE)
        ann< * 5 FETCH (ENVELOPE (NIL {5}
        ann< Été NIL NIL NIL NIL NIL NIL NIL NIL))
        ann< 8 OK FETCH completed.
        ann> 9 SEARCH CHARSET UTF-8 ALL
        ann< 9 BAD CHARSET cannot be used after UTF8=ACCEPT was enabled.
    """,
}


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.fixture
def at(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[House]:
    with house(tmp_path, loop) as made:
        made.deliver("ann", *MESSAGES)
        yield made


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", SESSIONS)
def test_sessions(at: House, loop: asyncio.AbstractEventLoop, name: str, how: str) -> None:
    loop.run_until_complete(play_together(at, SESSIONS[name], how))


def test_ids_find_their_messages(at: House, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 8474 5, 6: copies have one EMAILID, answers the THREADID of what they answer."""

    async def run() -> None:
        ann = await at.sign_in("ann", "SELECT INBOX", "COPY 1 INBOX")
        said = (await at.ask(ann, "FETCH 1:5 (EMAILID THREADID)")).decode()
        emails, threads = re.findall(r"EMAILID \((\w+)\)", said), re.findall(r"THREADID \((\w+)\)", said)
        assert emails[0] == emails[4]
        assert len(set(emails)) == 4
        assert threads == [threads[0]] * 3 + [threads[3], threads[0]]
        assert b"* SEARCH 1 5\r\n" in await at.ask(ann, f"SEARCH EMAILID {emails[0]}")
        assert b"* SEARCH 1 2 3 5\r\n" in await at.ask(ann, f"SEARCH THREADID {threads[0]}")

    loop.run_until_complete(run())


def test_a_long_search_says_how_far_it_is(
    at: House, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9585 3."""
    monkeypatch.setattr(longwork, "_WORD_SECONDS", 0.0)

    async def run() -> None:
        ann = await at.sign_in("ann", "SELECT INBOX")
        said = await at.ask(ann, "SEARCH BODY sugar")
        assert b'* OK [INPROGRESS ("t" ' in said
        assert b"* SEARCH 2\r\n" in said

    loop.run_until_complete(run())


def test_no_password_in_clear(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 9051 6.2.3, 7.2.2; RFC 5530 3."""

    async def run(made: House) -> None:
        wire = made.connect()
        said = await made.ask(wire, "CAPABILITY")
        assert b" LOGINDISABLED" in said
        assert b" AUTH=" not in said
        assert b"NO [PRIVACYREQUIRED]" in await made.ask(wire, 'LOGIN ann@example.test "long secret"')
        assert b"t NO" in await made.ask(wire, "AUTHENTICATE PLAIN")
        assert b"t NO [CANNOT] STARTTLS is not offered here." in await made.ask(wire, "STARTTLS")

    with house(tmp_path, loop, security=ImapSecurity.TLS) as made:
        loop.run_until_complete(run(made))


def test_so_many_searches_are_kept_up_to_date(at: House, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 5267 4.3.2: the search is done all the same."""

    async def run() -> None:
        ann = await at.sign_in("ann", "SELECT INBOX")
        for _ in range(16):
            assert b"NOUPDATE" not in await at.ask(ann, "SEARCH RETURN (UPDATE COUNT) ALL")
        said = await at.ask(ann, "SEARCH RETURN (UPDATE COUNT) ALL")
        assert b"COUNT 4" in said
        assert b'* NO [NOUPDATE "t"]' in said

    loop.run_until_complete(run())


def test_numbers_of_a_kept_search_mean_what_they_did(at: House, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 5267 4.3: when the command came. A tag stands for one search."""

    async def run() -> None:
        ann = await at.sign_in("ann", "SELECT INBOX")
        ann.said.clear()
        for tag in ("s1", "s2"):
            ann.pump.data_received(f"{tag} SEARCH RETURN (UPDATE ALL SAVE) 2:9\r\n".encode())
            assert f'* ESEARCH (TAG "{tag}") ALL 2:4\r\n'.encode() in await ann.expect(f"{tag} OK".encode())
        ann.pump.data_received(b"s1 SORT RETURN (UPDATE) (DATE) UTF-8 ALL\r\n")
        assert b"s1 BAD A search with this tag" in await ann.expect(b"s1 BAD")
        ann.pump.data_received(b"s3 UID SEARCH RETURN (UPDATE) $\r\n")
        await ann.expect(b"s3 OK")
        await at.ask(ann, "SEARCH RETURN (SAVE) 1")
        said = await at.ask(ann, r"STORE 1:2 +FLAGS.SILENT (\Deleted)") + await at.ask(ann, "EXPUNGE")
        assert said.count(b"REMOVEFROM (0 2)") == 3
        assert b"ESEARCH" not in await at.ask(ann, "COPY 1 INBOX")
        assert b"ESEARCH" not in await at.ask(ann, r"STORE 1:* +FLAGS (\Seen)")

    loop.run_until_complete(run())


def test_too_many_mailboxes_to_tell_of(
    at: House, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5465 5.8."""
    monkeypatch.setattr(notices, "_MOST", 1)

    async def run() -> None:
        ann = await at.sign_in("ann", "NOTIFY SET (personal (MailboxName))")
        await at.sign_in("ann", "CREATE Work")
        assert b"* OK [NOTIFICATIONOVERFLOW]" in await ann.expect(b"OVERFLOW")

    loop.run_until_complete(run())


def test_a_compressed_session(at: House, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 4978: all that follows the OK is one deflated stream, in either direction."""

    async def run() -> None:
        ann = await at.sign_in("ann", "SELECT INBOX")
        assert b"t OK" in await at.ask(ann, "COMPRESS DEFLATE")
        deflate, inflate = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
        sent = b"1 FETCH 4 (FLAGS)\r\n2 COMPRESS DEFLATE\r\n"
        ann.pump.data_received(deflate.compress(sent) + deflate.flush(zlib.Z_SYNC_FLUSH))
        said = b""
        while b"2 NO [COMPRESSIONACTIVE]" not in said:
            said += inflate.decompress(await ann.expect(b""))
            await asyncio.sleep(0)
        assert b"* 4 FETCH (FLAGS (\\Recent))\r\n1 OK FETCH completed.\r\n" in said

    loop.run_until_complete(run())
