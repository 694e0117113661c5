"""What clients do that mean harm or have no luck: nothing leaks, nothing is left behind, nobody else waits."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest
from imap_house import PASSWORD, House, Wire, house, message

from estafeta.core.ids import AccountId
from estafeta.protocols.imap.searchkeys import All, Or
from estafeta.servers.imap.folders import Folder
from estafeta.servers.imap.listing import Names
from estafeta.servers.imap.longwork import Progress, run_long
from estafeta.servers.imap.mailboxfilter import filtered
from estafeta.servers.imap.searchscope import scope_of, searcher
from estafeta.servers.imap.session import ImapSession

LOGIN = f'LOGIN ann@example.test "{PASSWORD}"\r\n'


def session_of(wire: Wire) -> ImapSession:
    session = wire.pump.session
    assert isinstance(session, ImapSession)
    return session


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


def run(tmp_path: Path, play: Callable[[House], Awaitable[None]]) -> None:
    """Run `play` in a house."""

    async def inside() -> None:
        with house(tmp_path, asyncio.get_running_loop()) as here:
            await play(here)

    asyncio.run(inside())


# What others have


SECRET = ("#user/ann@example.test/Secret", "#user/ann@example.test/Nothing", "#user/zoe@example.test/Secret")


@pytest.mark.parametrize(
    "command",
    [
        "SELECT {}",
        "EXAMINE {}",
        "STATUS {} (MESSAGES)",
        'LIST "" {}',
        'LIST "" {}* RETURN (STATUS (MESSAGES) MYRIGHTS METADATA (/shared/comment))',
        "COPY 1 {}",
        "UID MOVE 1 {}",
        "APPEND {} {{3+}}\r\nabc",
        "REPLACE 1 {} {{3+}}\r\nabc",
        "GETMETADATA {} /shared/comment",
        'SETMETADATA {} (/private/comment "x")',
        "GETQUOTAROOT {}",
        "MYRIGHTS {}",
        "GETACL {}",
        "SETACL {} bob@example.test lr",
        "DELETEACL {} bob@example.test",
        "LISTRIGHTS {} bob@example.test",
        "SUBSCRIBE {}",
        "UNSUBSCRIBE {}",
        "DELETE {}",
        "RENAME {} mine",
        "RENAME Mine {}",
        "CREATE {}",
        "CREATE {}/below",
        "NOTIFY SET STATUS (mailboxes {} (MessageNew MessageExpunge))",
        "NOTIFY SET STATUS (subtree {} (MessageNew MessageExpunge))",
        "ESEARCH IN (mailboxes {}) RETURN (ALL) ALL",
        "RESETKEY {}",
        'APPEND INBOX CATENATE (URL "imap://bob%40example.test@mail.example.test/{}/;UID=1")',
    ],
)
def test_what_may_not_be_seen_is_not_there(tmp_path: Path, command: str) -> None:
    async def play(here: House) -> None:
        here.deliver("bob", message())
        await here.sign_in("ann", "CREATE Secret", "APPEND Secret {3+}\r\nabc")
        said = []
        for name in SECRET:
            wire = await here.sign_in("bob", "CREATE Mine", "SELECT INBOX")
            answer = await here.ask(wire, command.format(name))
            said.append(answer.replace(name.encode(), b"NAME"))
        assert said[0] == said[1] == said[2]

    run(tmp_path, play)


@pytest.mark.parametrize("command", ["FETCH 1 BODY.PEEK[]", "SEARCH ALL", "STORE 1 +FLAGS (a)", "COPY 1 INBOX", "NOOP"])
def test_rights_that_are_taken_away_are_gone(tmp_path: Path, command: str) -> None:
    async def play(here: House) -> None:
        owner = await here.sign_in(
            "ann", "CREATE Work", "APPEND Work {3+}\r\nabc", "SETACL Work bob@example.test lrswite"
        )
        name = "#user/ann@example.test/Work"
        guest, idle = [await here.sign_in("bob", f"SELECT {name}") for _ in range(2)]
        idle.pump.data_received(b"i IDLE\r\n")
        await idle.expect(b"+ ")
        assert b"OK" in await here.ask(guest, command)
        await here.ask(owner, "DELETEACL Work bob@example.test")
        guest.said.clear()
        guest.pump.data_received(b"x " + command.encode() + b"\r\n")
        said = await guest.expect(b"* BYE ")
        assert b"FETCH" not in said
        assert b"x OK" not in said
        await idle.expect(b"* BYE ")

    run(tmp_path, play)


def test_nothing_remains_of_who_signed_out(tmp_path: Path) -> None:
    async def play(here: House) -> None:
        here.deliver("ann", message())
        wire = await here.sign_in(
            "ann",
            "ENABLE QRESYNC IMAP4rev2",
            "NOTIFY SET (personal (MessageNew MessageExpunge)) (selected (MessageNew MessageExpunge))",
            "SELECT INBOX",
            "SEARCH RETURN (SAVE) ALL",
            "SEARCH RETURN (UPDATE) ALL",
            "UNAUTHENTICATE",
        )
        assert not here.service.shared.sessions
        assert not here.feed._watchers
        assert not here.feed._accounts
        assert b"BAD Sign in first." in await here.ask(wire, "FETCH 1 FLAGS")
        await here.ask(wire, f'LOGIN bob@example.test "{PASSWORD}"')
        here.deliver("ann", message("for ann"))
        assert await here.ask(wire, "NOOP") == b"t OK NOOP completed.\r\n"
        assert b"BAD Select a mailbox first." in await here.ask(wire, "UID FETCH $ FLAGS")
        said = await here.ask(wire, "SELECT INBOX")
        assert b"* 0 EXISTS\r\n* 0 RECENT\r\n" in said
        assert not session_of(wire).machine.condstore

    run(tmp_path, play)


# What is left when they go


@pytest.mark.parametrize(
    "commands",
    [
        LOGIN,
        LOGIN + "b SELECT INBOX\r\nc IDLE\r\n",
        LOGIN + "b NOTIFY SET STATUS (personal (MessageNew MessageExpunge))\r\n",
        LOGIN + "b SELECT INBOX\r\nc FETCH 1:* BODY[]\r\nd SEARCH TEXT x\r\n",
        LOGIN + "b APPEND INBOX {2000000+}\r\n" + "x" * 600_000,
        LOGIN + "b APPEND INBOX {5+}\r\nhello {9",
    ],
    ids=["login", "idle", "notify", "reading", "append", "multiappend"],
)
def test_nothing_is_left_of_who_hangs_up(tmp_path: Path, commands: str) -> None:
    async def play(here: House) -> None:
        here.deliver("ann", message())
        await here.sign_in("bob")
        data = ("a " + commands).encode()
        for turns in range(40):
            wire = here.connect()
            wire.pump.data_received(data)
            for _ in range(turns):
                await asyncio.sleep(0)
            wire.close()
        await until(lambda: len(asyncio.all_tasks()) == 1 and len(here.service.connections) == 1)
        assert list(here.service.shared.sessions) == [here.accounts["bob"]]
        assert not here.feed._watchers
        assert not here.feed._accounts
        assert [path.name for path in (tmp_path / "packs").rglob("*.pack")] == ["1.pack"]

    run(tmp_path, play)


# Who asks for much


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("ENABLE" + " X" * 5000, "NO [LIMIT] The command has too many words."),
        ("SEARCH" + " {1+}\r\nX" * 5000, "NO [LIMIT] The command has too many words."),
        ("UID STORE 1 +FLAGS (" + "a " * 4500 + "a)", "NO [LIMIT] The command has too many words."),
        (
            "FETCH 1 (" + " ".join(f"BODY.PEEK[]<{at}.1>" for at in range(101)) + ")",
            "NO [LIMIT] Too many items of a message at once.",
        ),
        ("ESEARCH IN (" + "personal " * 101 + "inboxes) ALL", "BAD "),
        ('APPEND INBOX "31-Dec-9999 23:59:59 -1400" {1+}\r\na', "BAD There is no such date."),
        ('APPEND INBOX "01-Jan-0001 00:00:00 +1400" {1+}\r\na', "BAD There is no such date."),
        ('LIST "" "' + "\\\\" * 60_000 + '"', "OK "),
        ('LIST "" "' + "*a" * 60_000 + '"', "OK "),
        ("FETCH 1 BODY.PEEK[HEADER.FIELDS (" + "x" * 120_000 + ")]", "OK "),
    ],
)
def test_too_much(tmp_path: Path, command: str, answer: str) -> None:
    async def play(here: House) -> None:
        here.deliver("ann", message())
        wire = await here.sign_in("ann", "SELECT INBOX")
        said = await here.ask(wire, command)
        assert said.splitlines()[-1].startswith(b"t " + answer.encode())

    run(tmp_path, play)


def test_many_items_of_a_message_are_answered_in_small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def write(wire: Wire, data: bytes) -> None:
        sizes.append(len(data))
        wire.said[:] = (wire.said + data)[-1000:]
        wire.spoke.set()

    def write_all(wire: Wire, pieces: Iterable[bytes]) -> None:
        write(wire, b"".join(pieces))

    monkeypatch.setattr(Wire, "write", write)
    monkeypatch.setattr(Wire, "writelines", write_all)

    async def play(here: House) -> None:
        here.deliver("ann", message(body="x" * 200_000))
        wire = await here.sign_in("ann", "SELECT INBOX")
        sizes.clear()
        await here.ask(wire, "FETCH 1 (" + " ".join(f"BODY.PEEK[]<0.{900_000 + at}>" for at in range(100)) + ")")
        assert sum(sizes) > 20_000_000
        assert max(sizes) < 1 << 20

    run(tmp_path, play)


def test_very_many_small_messages(tmp_path: Path) -> None:
    async def play(here: House) -> None:
        wire = await here.sign_in("ann")
        started = time.thread_time()
        assert b"t OK [APPENDUID " in await here.ask(wire, "APPEND INBOX" + " {1+}\r\na" * 2000)
        assert time.thread_time() - started < 2
        assert b"t NO [LIMIT] " in await here.ask(wire, "APPEND INBOX" + " {1+}\r\na" * 9000)
        assert b"MESSAGES 2000" in await here.ask(wire, "STATUS INBOX (MESSAGES)")

    run(tmp_path, play)


def test_searches_of_one_user_wait_for_each_other_and_for_nobody_else(tmp_path: Path) -> None:
    async def play(here: House) -> None:
        first, second, other = [await here.sign_in(name) for name in ("ann", "ann", "bob")]
        go_on, began = threading.Event(), []

        def slow(progress: Progress) -> None:
            began.append(progress.session)
            go_on.wait(10)

        def quick(progress: Progress) -> str:
            began.append(progress.session)
            return "done"

        running = asyncio.ensure_future(run_long(session_of(first), slow))
        await until(lambda: bool(began))
        waiting = asyncio.ensure_future(run_long(session_of(second), quick))
        assert await run_long(session_of(other), quick) == "done"
        assert not waiting.done()
        go_on.set()
        assert await waiting == "done"
        await running
        assert began == [session_of(first), session_of(other), session_of(second)]

    run(tmp_path, play)


def test_a_search_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    async def play(here: House) -> None:
        here.deliver("ann", message())
        session = session_of(await here.sign_in("ann", "SELECT INBOX"))
        assert session.selected is not None
        search = searcher(session, await scope_of(session.selected), Progress(session))
        assert search.find(Or(All(), All())).uids == [1]
        session.gone = True
        assert search.find(Or(All(), All())).uids == []
        session.gone = False

    run(tmp_path, play)


def test_kept_searches_hear_of_much_at_once(tmp_path: Path) -> None:
    async def play(here: House) -> None:
        here.deliver("ann", *[message(f"{number % 7}") for number in range(40)])
        wire = await here.sign_in("ann", "SELECT INBOX")
        await here.ask(wire, "SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 ALL")
        await here.ask(wire, "SEARCH RETURN (UPDATE ALL) FROM ann")
        other = await here.sign_in("ann", "SELECT INBOX", "STORE 11:30 +FLAGS (\\Deleted)", "EXPUNGE")
        said = await here.ask(wire, "NOOP")
        assert said.count(b"REMOVEFROM") == 2
        assert b"REMOVEFROM (0 11:30)" in said
        assert said.count(b" EXPUNGE\r\n") == 20
        await here.ask(other, "APPEND INBOX" + " {15+}\r\nFrom: ann\r\n\r\nxy" * 3)
        assert b"ADDTO (0 21:23)" in await here.ask(wire, "NOOP")

    run(tmp_path, play)


def test_subtrees_by_the_thousand() -> None:
    names = [f"a{number}/b/c/d/e" for number in range(3000)]
    folders = {name: Folder(name, AccountId(1), None, frozenset()) for name in names}  # type: ignore[arg-type]
    tops = tuple(f"a{number}/b" for number in range(0, 6000, 2))
    started = time.thread_time()
    found = list(filtered(Names(AccountId(1), folders, frozenset()), "SUBTREE", tops))
    assert time.thread_time() - started < 1
    assert {folder.name for folder in found} == {f"a{number}/b/c/d/e" for number in range(0, 3000, 2)}
