"""What is said unasked: IDLE, NOTIFY, searches kept up to date, and what the end of a command tells."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_house import House, house, message


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.fixture
def at(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[House]:
    with house(tmp_path, loop) as made:
        made.deliver("ann", message("one"), message("two"))
        yield made


def test_idle_hears_of_mail_flags_and_expunge(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        idler = await at.sign_in("ann", "SELECT INBOX")
        other = await at.sign_in("ann", "SELECT INBOX")
        idler.said.clear()
        idler.pump.data_received(b"i IDLE\r\n")
        await idler.expect(b"+ idling\r\n")
        at.deliver("ann", message("three"))
        said = await idler.expect(b"RECENT\r\n")
        assert said == b"* 3 EXISTS\r\n* 3 RECENT\r\n"
        await at.ask(other, r"STORE 1 +FLAGS.SILENT (\Deleted)")
        assert await idler.expect(b"Recent))\r\n") == b"* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))\r\n"
        await at.ask(other, "EXPUNGE")
        assert await idler.expect(b"EXPUNGE\r\n") == b"* 1 EXPUNGE\r\n"
        idler.pump.data_received(b"DONE\r\n")
        assert await idler.expect(b"completed.\r\n") == b"i OK IDLE completed.\r\n"

    loop.run_until_complete(run())


def test_numbers_stay_until_they_may_change(at: House, loop: asyncio.AbstractEventLoop) -> None:
    """RFC 9051 7.5.1: no EXPUNGE while FETCH, STORE or SEARCH are answered."""

    async def run() -> None:
        ann = await at.sign_in("ann", "SELECT INBOX", "FETCH 1:2 (FLAGS)")
        other = await at.sign_in("ann", "SELECT INBOX", r"STORE 1 +FLAGS (\Deleted)", "EXPUNGE")
        said = await at.ask(ann, "FETCH 2 (UID)")
        assert b" EXPUNGE\r\n" not in said
        assert b"* 2 FETCH (UID 2)\r\n" in said
        assert b" EXPUNGE\r\n" not in await at.ask(ann, "SEARCH ALL")
        gone = await at.ask(ann, "FETCH 1 (UID)")
        assert b" EXPUNGE\r\n" not in gone
        assert b"[EXPUNGEISSUED]" in gone
        assert b"* 1 EXPUNGE\r\n" in await at.ask(ann, "UID FETCH 2 (UID)")
        assert b"* 1 FETCH (UID 2)\r\n" in await at.ask(ann, "FETCH 1 (UID)")
        other.close()

    loop.run_until_complete(run())


def test_a_removed_mailbox_ends_the_session_that_has_it_selected(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        other = await at.sign_in("ann", "CREATE Work")
        ann = await at.sign_in("ann", "SELECT Work")
        await at.ask(other, "DELETE Work")
        ann.said.clear()
        ann.pump.data_received(b"x NOOP\r\n")
        assert b"* BYE [UNAVAILABLE]" in await ann.expect(b"* BYE")

    loop.run_until_complete(run())


def test_notify_tells_of_other_mailboxes(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        ann = await at.sign_in("ann", "CREATE Work", "SELECT Work")
        said = await at.ask(
            ann,
            "NOTIFY SET STATUS (selected (MessageNew (UID) MessageExpunge)) "
            "(personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))",
        )
        assert b'* STATUS "INBOX" (MESSAGES 2 ' in said
        other = await at.sign_in("ann")
        at.deliver("ann", message("three"))
        assert b"MESSAGES 3 UIDNEXT 4 UNSEEN 3" in await ann.expect(b"STATUS")
        await at.ask(other, "CREATE News")
        assert b'* LIST () "/" "News"\r\n' in await ann.expect(b"LIST")
        await at.ask(other, "RENAME News Letters")
        assert b'* LIST () "/" "Letters" ("OLDNAME" ("News"))\r\n' in await ann.expect(b"OLDNAME")
        await at.ask(other, "SUBSCRIBE Letters")
        assert b'* LIST (\\Subscribed) "/" "Letters"\r\n' in await ann.expect(b"Subscribed")
        await at.ask(other, "DELETE Letters")
        assert b'* LIST (\\NonExistent) "/" "Letters"\r\n' in await ann.expect(b"NonExistent")
        await at.ask(other, "SELECT INBOX")
        await at.ask(other, "COPY 1 Work")
        assert b"* 1 FETCH (UID 1)\r\n" in await ann.expect(b"FETCH")
        await at.ask(ann, "NOTIFY NONE")

    loop.run_until_complete(run())


def test_searches_are_kept_up_to_date(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        ann = await at.sign_in("ann", "SELECT INBOX")
        ann.said.clear()
        ann.pump.data_received(b"s1 UID SEARCH RETURN (ALL UPDATE) UNSEEN\r\n")
        assert b'* ESEARCH (TAG "s1") UID ALL 1:2\r\n' in await ann.expect(b"s1 OK")
        ann.pump.data_received(b"s2 UID SORT RETURN (ALL UPDATE) (REVERSE SUBJECT) UTF-8 ALL\r\n")
        assert b'* ESEARCH (TAG "s2") UID ALL 2,1\r\n' in await ann.expect(b"s2 OK")
        at.deliver("ann", message("sandwich"))
        said = await at.ask(ann, "NOOP")
        assert b"* 3 EXISTS\r\n" in said
        assert b'* ESEARCH (TAG "s1") UID ADDTO (0 3)\r\n' in said
        assert b'* ESEARCH (TAG "s2") UID ADDTO (2 3)\r\n' in said
        said = await at.ask(ann, r"UID STORE 2 +FLAGS (\Seen \Deleted)")
        assert b'* ESEARCH (TAG "s1") UID REMOVEFROM (0 2)\r\n' in said
        said = await at.ask(ann, "EXPUNGE")
        assert b'* ESEARCH (TAG "s2") UID REMOVEFROM (1 2)\r\n' in said
        await at.ask(ann, 'CANCELUPDATE "s1"')
        assert b'"s1"' not in await at.ask(ann, r"UID STORE 1 +FLAGS (\Seen)")

    loop.run_until_complete(run())


def test_sign_in(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        wire = at.connect()
        assert b"* OK [CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL+" in wire.said
        assert b"AUTHENTICATIONFAILED" in await at.ask(wire, "LOGIN ann@example.test wrong")
        said = await at.ask(wire, "AUTHENTICATE PLAIN AGFubkBleGFtcGxlLnRlc3QAbG9uZyBzZWNyZXQ=")
        assert b"t OK [CAPABILITY" in said
        assert b"t OK" in await at.ask(wire, "UNAUTHENTICATE")
        assert b"BAD" in await at.ask(wire, "SELECT INBOX")
        assert b"* BYE" in await at.ask(wire, "LOGOUT")

    loop.run_until_complete(run())


def test_too_many_failures_end_the_session(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        wire = at.connect()
        most = at.service.settings.max_sign_ins
        for _ in range(most):
            said = await at.ask(wire, "LOGIN ann@example.test wrong")
        assert b"* BYE" in said + await wire.expect(b"")
        assert wire.closed

    loop.run_until_complete(run())


def test_a_user_has_only_so_many_sessions(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    async def run(at: House) -> None:
        wires = [await at.sign_in("bob") for _ in range(5)]
        late = at.connect()
        assert b"[LIMIT]" in await at.ask(late, 'LOGIN bob@example.test "long secret"')
        wires[0].close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert b"t OK" in await at.ask(late, 'LOGIN bob@example.test "long secret"')

    with house(tmp_path, loop, max_sessions_per_user=5) as at:
        loop.run_until_complete(run(at))


def test_enable_language_comparator_id(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        ann = await at.sign_in("ann")
        assert b"* ENABLED CONDSTORE IMAP4rev2\r\n" in await at.ask(ann, "ENABLE CONDSTORE X-NONE IMAP4rev2")
        assert b"* LANGUAGE (" in await at.ask(ann, "LANGUAGE")
        assert b"* LANGUAGE (es)\r\n" in await at.ask(ann, "LANGUAGE es-MX")
        assert b"Orden desconocida" in await at.ask(ann, "FROBNICATE")
        assert b'* COMPARATOR "i;unicode-casemap"' in await at.ask(ann, "COMPARATOR")
        assert b"BADCOMPARATOR" in await at.ask(ann, 'COMPARATOR "i;octet"')
        assert b'* ID ("name" "Estafeta"' in await at.ask(ann, 'ID ("name" "test")')

    loop.run_until_complete(run())


def test_a_lost_announcement_costs_no_more_than_time(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        idler = await at.sign_in("ann", "SELECT INBOX")
        idler.pump.data_received(b"i IDLE\r\n")
        await idler.expect(b"+ idling\r\n")
        await at.feed.look_again(at.database)
        at.database.publish = lambda topics: None
        at.deliver("ann", message("three"))
        await at.feed.look_again(at.database)
        assert b"* 3 EXISTS\r\n" in await idler.expect(b"EXISTS\r\n")

    loop.run_until_complete(run())


def test_new_keywords_of_others_are_announced(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        ann = await at.sign_in("ann", "SELECT INBOX")
        await at.sign_in("ann", "SELECT INBOX", "STORE 1 +FLAGS ($Work)")
        said = await at.ask(ann, "NOOP")
        assert said.index(b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Work)") < said.index(b"FETCH")

    loop.run_until_complete(run())


def test_who_is_disabled_is_gone(at: House, loop: asyncio.AbstractEventLoop) -> None:
    async def run() -> None:
        ann, bob = await at.sign_in("ann", "SELECT INBOX"), await at.sign_in("bob")
        at.directory.disable_user("ann@example.test")
        ann.said.clear()
        ann.pump.data_received(b"x FETCH 1 BODY.PEEK[]\r\n")
        said = await ann.expect(b"* BYE")
        assert b"FETCH (" not in said
        assert b"t OK" in await at.ask(bob, "NOOP")

    loop.run_until_complete(run())
