"""Many sessions of several styles at work on one mailbox at once, on a server with two workers.

Each follows its mailbox by what it is told (`imap_strict.StrictClient`): nothing illegal may ever be said, and in the
end all agree. And what one session changes, another one that idles hears within a second, whichever worker has it.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from imap_site import Site, letter
from running import PASSWORD, Server, free_base, make_home, start_server

from estafeta.app.crashtest.imap_client import Answer, ImapClient
from imap_strict import Held, StrictClient, numbers

SEED = 20_261_122
OPERATIONS = 200
SECONDS = 10.0
#: What a session enables, and whether it reads the whole mailbox when it begins.
STYLES: dict[str, tuple[str, bool]] = {
    "rev1": ("", True),
    "rev1 lazy": ("", False),
    "rev2": ("IMAP4REV2", True),
    "condstore": ("CONDSTORE", True),
    "qresync": ("QRESYNC", True),
    "qresync lazy": ("QRESYNC IMAP4REV2", False),
    "uidonly": ("UIDONLY", True),
    "uidonly qresync": ("UIDONLY QRESYNC", False),
}
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded", "stress")
FEW, ENOUGH = 15, 60


class Session:
    """A connection with the mailbox selected, and the client that follows it."""

    def __init__(self, client: ImapClient, enabled: str, dice: random.Random) -> None:
        words = enabled.split()
        self.client = client
        self.dice = dice
        self.modseq = "CONDSTORE" in words or "QRESYNC" in words
        self.seen = StrictClient("IMAP4REV2" not in words, self.modseq, "QRESYNC" in words, "UIDONLY" in words)

    @classmethod
    async def open(cls, site: Site, style: str, dice: random.Random) -> "Session":
        enabled, fetch_all = STYLES[style]
        session = cls(await ImapClient.open(site.tls_port), enabled, dice)
        await session.do(f'LOGIN {site.user} "{site.password}"')
        if enabled:
            await session.do(f"ENABLE {enabled}")
        await session.select()
        if fetch_all:
            await session.fetch("1:*")
        return session

    async def select(self) -> None:
        self.seen.select()
        await self.do("SELECT INBOX")

    async def do(self, line: str) -> Answer:
        """A command that must succeed."""
        answer = await self.say(line)
        assert answer.ok, f"{line}: {answer}"
        return answer

    async def say(self, line: str) -> Answer:
        """RFC 9051 7.5.1: no EXPUNGE during FETCH, STORE, SEARCH by number; RFC 9586 3: unless nobody counts."""
        self.seen.may_expunge = self.seen.uid_only or line.split()[0] not in ("FETCH", "STORE", "SEARCH")
        return self.heard(await self.client.command(line))

    def heard(self, answer: Answer) -> Answer:
        self.seen.follow(answer.untagged)
        self.seen.take(f"tag {answer.status} {answer.text}".encode())
        return answer

    async def append(self, content: bytes) -> None:
        self.seen.may_expunge = True
        assert self.heard(await self.client.append("INBOX", "\\Seen", content)).ok

    async def idle(self, seconds: float, until: Callable[[], bool]) -> bool:
        """IDLE for at most so long; whether `until` became true."""
        client, self.seen.may_expunge = self.client, True
        tag = client._tag()
        await client._write(f"{tag} IDLE\r\n".encode())
        while not (line := await client._read()).startswith(b"+"):
            self.seen.take(line)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not until():
                    self.seen.take(await client._read())
        reached = until()
        await client._write(b"DONE\r\n")
        assert self.heard(await client._answer(tag)).ok
        return reached

    async def fetch(self, chosen: str) -> None:
        items = f"(FLAGS{' MODSEQ' if self.modseq else ''})"
        await self.say(f"UID FETCH {chosen} {items}" if self.seen.uid_only else f"FETCH {chosen} (UID {items[1:]}")

    # random work

    async def work(self, mine: "Iterator[int]") -> None:
        """One operation."""
        steps: list[Callable[[], Awaitable[object]]] = [
            self.store,
            self.store,
            self.store,
            self.look,
            self.look,
            self.pause,
            self.search,
            self.reselect,
        ]
        count = len(self.seen.entries)
        if count < ENOUGH:
            steps += [self.copy, lambda: self.append(letter(f"Stress{next(mine)}"))]
        if count > FEW:
            steps += [self.move, self.remove]
        await self.dice.choice(steps)()

    def some(self) -> tuple[str, str, set[int | None]]:
        """`UID ` or nothing, some messages by that, and which they are as far as known."""
        dice, entries = self.dice, self.seen.entries
        known = [uid for uid in self.seen.uids if uid is not None]
        if self.seen.uid_only or (known and dice.random() < 0.5):
            uids = set(dice.sample(known, min(len(known), dice.randint(1, 3)))) if known else set()
            return "UID ", ",".join(map(str, sorted(uids))), {*uids}
        chosen = sorted(dice.sample(range(len(entries)), min(len(entries), dice.randint(1, 3))))
        return "", ",".join(str(at + 1) for at in chosen), {entries[at].uid for at in chosen}

    async def store(self, flag: str = "") -> None:
        uid, chosen, uids = self.some()
        flag = flag or self.dice.choice(FLAGS)
        sign = self.dice.choice(("+", "-", "")) if flag != "\\Deleted" else "+"
        quiet = self.dice.random() < 0.5
        if not chosen:
            return
        if quiet:
            mode = {"+": "add", "-": "remove", "": "replace"}[sign]
            self.seen.assume({one for one in uids if one is not None}, mode, frozenset({flag}))
        answer = await self.say(f"{uid}STORE {chosen} {sign}FLAGS{'.SILENT' if quiet else ''} ({flag})")
        assert answer.ok or "EXPUNGEISSUED" in answer.text, answer

    async def look(self) -> None:
        if self.dice.random() < 0.3:
            await self.do("NOOP")
            return
        _, chosen, _ = self.some()
        if self.seen.uid_only or not chosen:
            await self.fetch("1:*")
        else:
            first, last = sorted(self.dice.choices(range(1, len(self.seen.entries) + 1), k=2))
            await self.fetch(f"{first}:{last}")

    async def pause(self) -> None:
        before = len(self.seen.entries)
        await self.idle(0.2, lambda: len(self.seen.entries) != before)

    async def search(self) -> None:
        uid = "UID " if self.seen.uid_only or self.dice.random() < 0.5 else ""
        before = len(self.seen.entries)
        answer = await self.do(f"{uid}SEARCH UNDELETED")
        found = [int(word) for line in answer.untagged for word in line.split()[2:] if line.startswith(b"* SEARCH")]
        found += [
            one
            for line in answer.untagged
            if line.startswith(b"* ESEARCH") and b" ALL " in line
            for one in numbers(line.rsplit(b" ", 1)[1])
        ]
        assert found == sorted(set(found))
        assert uid or not found or found[-1] <= before

    async def reselect(self) -> None:
        """Anew, or where QRESYNC is enabled most often with what is known (RFC 7162 3.2.5)."""
        seen, chance = self.seen, self.dice.random()
        if chance > 0.4:
            return
        if seen.vanished and seen.entries:
            await self.fetch("1:*")
        if chance > 0.1 and seen.resume():
            await self.do(f"SELECT INBOX (QRESYNC ({seen.validity} {seen.modseq}))")
            seen.resumed()
        else:
            await self.select()

    async def copy(self) -> None:
        await self.transfer("COPY", "INBOX")

    async def move(self) -> None:
        await self.transfer("MOVE", "Elsewhere")

    async def transfer(self, command: str, target: str) -> None:
        uid, chosen, _ = self.some()
        if chosen:
            answer = await self.say(f"{uid}{command} {chosen} {target}")
            assert answer.ok or "EXPUNGEISSUED" in answer.text, answer

    async def remove(self) -> None:
        await self.store("\\Deleted")
        known = [uid for uid in self.seen.uids if uid is not None]
        if known and self.dice.random() < 0.5:
            await self.do(f"UID EXPUNGE {min(known)}:{max(known)}")
        else:
            await self.do("EXPUNGE")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("stress") / "home"
    base = free_base()
    make_home(home, base)
    server: Server = start_server(home, base, "--workers", "2")
    certificate: Path = home / "certificates" / "default.crt"
    yield Site(
        "localhost",
        server.port(143),
        server.port(993),
        server.port(24),
        "alice@example.test",
        PASSWORD,
        certificate,
    )
    status = server.stop()
    server.process.stdout.close()
    assert status == 0
    log = (home / "stderr.log").read_text()
    assert "Traceback" not in log
    assert "trace=" not in log


async def truth_of(site: Site) -> dict[int, Held]:
    """The mailbox as a session sees it that begins now."""
    session = await Session.open(site, "condstore", random.Random())
    session.client.close()
    return {entry.uid: Held(entry.flags, entry.modseq) for entry in session.seen.entries}


async def deliver_until(done: asyncio.Event, site: Site) -> int:
    """Mail from elsewhere, one after another."""
    number = 0
    while not done.is_set():
        number += 1
        await asyncio.to_thread(site.deliver, letter(f"Delivered{number}"))
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 0.2)
    return number


async def stress(site: Site) -> None:
    mine = iter(range(1, 1 << 30))
    sessions = [
        await Session.open(site, style, random.Random(f"{SEED} {style}"))  # a seed of its own for each
        for style in STYLES
    ]
    await sessions[0].do("CREATE Elsewhere")
    done = asyncio.Event()
    end = asyncio.get_running_loop().time() + SECONDS

    async def work(session: Session) -> None:
        for _ in range(OPERATIONS):
            if asyncio.get_running_loop().time() > end:
                break
            await session.work(mine)

    async with asyncio.TaskGroup() as group:
        delivering = group.create_task(deliver_until(done, site))
        async with asyncio.TaskGroup() as working:
            for session in sessions:
                working.create_task(work(session))
        done.set()
    assert delivering.result() > 1
    for session in sessions:
        await session.do("NOOP")
    truth = await truth_of(site)
    assert truth
    for session in sessions:
        session.seen.check(truth)
        session.client.close()


async def listeners_on_both_workers(site: Site) -> list[Session]:
    """One of each style, and as many more as it takes: who gets a connection is the kernel's choice."""
    log = site.certificate.parents[1] / "stderr.log"
    sessions = [await Session.open(site, style, random.Random(0)) for style in STYLES]
    while len(set(re.findall(rf"(worker=\d+) signed in .*{site.user}", log.read_text()))) < 2:
        assert len(sessions) < 40
        sessions.append(await Session.open(site, "rev1", random.Random(0)))
    return sessions


async def hear_each_other(site: Site) -> None:
    listeners = await listeners_on_both_workers(site)
    speaker = await Session.open(site, "rev1", random.Random(0))
    await speaker.do("CREATE Elsewhere")
    await speaker.append(letter("Heard"))
    for session in [*listeners, speaker]:
        await session.do("NOOP")
        await session.fetch("1:*")
    uid = max(one for one in speaker.seen.uids if one is not None)

    def flagged(session: Session) -> bool:
        return any(entry.uid == uid and "heard" in (entry.flags or ()) for entry in session.seen.entries)

    async def listen(until: Callable[[Session], bool], command: str) -> None:
        waiting = [asyncio.create_task(session.idle(5.0, lambda s=session: until(s))) for session in listeners]
        await speaker.do("NOOP")
        await speaker.do(command)
        assert all(await asyncio.gather(*waiting)), command

    await listen(flagged, f"UID STORE {uid} +FLAGS (heard)")
    await listen(lambda session: uid in session.seen.gone, f"UID MOVE {uid} Elsewhere")
    for session in [*listeners, speaker]:
        session.client.close()


async def change_behind_each_others_back(site: Site) -> None:
    one, other = [await Session.open(site, "rev1", random.Random(0)) for _ in range(2)]
    for name in ("First", "Second"):
        await one.append(letter(name))
    for session in (one, other):
        await session.do("NOOP")
        await session.fetch("1:*")
    # RFC 9051 6.4.6: who stores .SILENT hears all the same of what others stored just before.
    await other.do("UID STORE 1 +FLAGS.SILENT (\\Flagged)")
    one.seen.assume({1}, "add", frozenset({"\\Draft"}))
    await one.do("UID STORE 1 +FLAGS.SILENT (\\Draft)")
    one.seen.check(await truth_of(site))
    # RFC 9051 7.5.1: what could not be said during STORE is said once IDLE begins, not when something else happens.
    await other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    await other.do("EXPUNGE")
    await one.do("STORE 2 +FLAGS (\\Answered)")
    assert len(one.seen.entries) == 2
    assert await one.idle(5.0, lambda: len(one.seen.entries) == 1)
    one.seen.check(await truth_of(site))
    for session in (one, other):
        session.client.close()


def test_every_session_is_told_only_what_is_legal_and_all_agree_in_the_end(site: Site):
    asyncio.run(stress(site))


def test_what_one_session_changes_the_idling_ones_hear_within_a_second(site: Site):
    asyncio.run(hear_each_other(replace(site, user="bob@example.test")))


def test_what_others_did_meanwhile_is_never_kept_back(site: Site):
    asyncio.run(change_behind_each_others_back(replace(site, user="carol@example.test")))
