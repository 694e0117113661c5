"""The IMAP load: connections in one thread that append, store, copy, move and expunge until they are stopped.

Each has two mailboxes of its own, in an account that mail is delivered to meanwhile. After every break, and now and
then without one, both are read in full and compared with what was acknowledged (`book.Book`).
"""

import asyncio
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from estafeta.app.crashtest.book import FIRST, SECOND, Book, Box, Change, Found, Key
from estafeta.app.crashtest.imap_client import Answer, BrokenError, ImapClient
from estafeta.app.crashtest.messages import Maker, find_number
from estafeta.core.errors import EstafetaError, Kind

_CHANGES_PER_CONNECTION = 25
_PAUSE_SECONDS = 0.02
_RETRY_SECONDS = 0.1
_STOP_SECONDS = 60.0
#: With more messages than this in a mailbox, the load removes rather than adds.
_ENOUGH = 30
_AT_ONCE = 4
_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded", "crash")
_DELETED = "\\Deleted"
_FLAGGED = 0.2
_ITEMS = re.compile(rb"\* \d+ FETCH \((.*)\)\Z", re.DOTALL)
_UID = re.compile(rb"(?:^| )UID (\d+)")
_STORED_FLAGS = re.compile(rb"(?:^| )FLAGS \(([^)]*)\)")
_MODSEQ = re.compile(rb"(?:^| )MODSEQ \((\d+)\)")
_BOX = re.compile(rb"\* OK \[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) (\d+)\]")
_COPY = re.compile(rb"\[COPYUID \d+ ([0-9:,]+) ([0-9:,]+)\]")


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs in."""

    address: str
    password: str


class ImapLoad:
    """A connection for each of `people` to `port` (TLS from the start) on this machine.

    `next_number` gives the numbers of new messages. `broken` counts connections that ended, `refused` answers that were
    not OK.
    """

    def __init__(self, port: int, maker: Maker, people: Sequence[Person], next_number: Callable[[], int]) -> None:
        self.broken = 0
        self.refused: dict[str, int] = {}
        self.books = {person.address: Book(person.address) for person in people}
        self._port = port
        self._maker = maker
        self._people = people
        self._next_number = next_number
        self._stopping = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def changes(self) -> dict[str, int]:
        """How many of which were acknowledged."""
        found: Counter[str] = Counter()
        for book in self.books.values():
            found.update(dict(book.acknowledged))
        return dict(found)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way. Raises what went wrong in the load itself."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)
        if self._failed is not None:
            raise EstafetaError(Kind.UNAVAILABLE, "The IMAP load failed.", repr(self._failed)) from self._failed

    def _run(self) -> None:
        try:
            asyncio.run(self._run_all())
        except Exception as error:  # noqa: BLE001 - told by `stop`, in the thread that asks
            self._failed = error

    async def _run_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for index, person in enumerate(self._people):
                group.create_task(self._keep_on(person, random.Random(index)))  # noqa: S311 - not a secret

    async def _keep_on(self, person: Person, dice: random.Random) -> None:
        while not self._stopping.is_set():
            try:
                client = await ImapClient.open(self._port)
                try:
                    await self._session(client, person, dice)
                finally:
                    client.close()
            except BrokenError:
                self.broken += 1
                await asyncio.sleep(_RETRY_SECONDS)

    async def _session(self, client: ImapClient, person: Person, dice: random.Random) -> None:
        book = self.books[person.address]
        await self._must(client, f"LOGIN {person.address} {person.password}")
        for mailbox in (FIRST, SECOND):
            await client.command(f"CREATE {mailbox}")
        await self._read_all(client, book)
        mailbox = dice.choice((FIRST, FIRST, SECOND))
        await self._must(client, f"SELECT {mailbox} (CONDSTORE)")
        for _ in range(_CHANGES_PER_CONNECTION):
            if self._stopping.is_set():
                break
            if not await self._change(client, book, mailbox, dice):
                return
            await asyncio.sleep(dice.uniform(0, _PAUSE_SECONDS))
        await self._read_all(client, book)

    async def _must(self, client: ImapClient, line: str) -> Answer:
        """A command without which there is no going on."""
        answer = await client.command(line)
        if not answer.ok:
            self._refuse(answer)
            raise BrokenError
        return answer

    def _refuse(self, answer: Answer) -> None:
        reply = f"IMAP {answer.status} {answer.text}"
        self.refused[reply] = self.refused.get(reply, 0) + 1

    async def _read_all(self, client: ImapClient, book: Book) -> None:
        """Read both mailboxes and judge. A late MOVE must not come between: then the first would have changed."""
        boxes: dict[str, Box] = {}
        messages: list[Found] = []
        while not boxes or box_of((await self._must(client, _examine(FIRST))).untagged) != boxes[FIRST]:
            boxes, messages = await self._read(client)
        book.compare(boxes, messages)

    async def _read(self, client: ImapClient) -> tuple[dict[str, Box], list[Found]]:
        boxes: dict[str, Box] = {}
        messages: list[Found] = []
        for mailbox in (FIRST, SECOND):
            selected = await self._must(client, _examine(mailbox))
            items = "(UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (X-Crash-Id)])"
            answer = await self._must(client, f"UID FETCH 1:* {items}")
            boxes[mailbox] = box_of(selected.untagged)
            messages += [found for response in answer.untagged if (found := found_in(mailbox, response))]
        return boxes, messages

    async def _change(self, client: ImapClient, book: Book, mailbox: str, dice: random.Random) -> bool:
        """One change; whether all is clear after it."""
        number = self._next_number()
        step = choose(book, mailbox, number, dice)
        if step is None:
            return True
        change, uids, command = step
        try:
            if command == "APPEND":
                flags = " ".join(sorted(change.after[FIRST, number] or ()))
                answer = await client.append(FIRST, flags, self._maker.content(number))
            else:
                answer = await client.command(command)
        except BrokenError:
            book.doubt(change)
            raise
        if not answer.ok:
            # NO may stand for a writer that died after its commit: nobody knows.
            self._refuse(answer)
            book.doubt(change)
            return False
        book.done(change, made_uids(change, uids, answer))
        for response in answer.untagged:
            hear(book, mailbox, uids, response)
        return True


Flags = dict[Key, frozenset[str] | None]
Step = tuple[Change, dict[int, int], str]
"""A change, the messages it names (number by UID), and the command, or APPEND."""


def choose(book: Book, mailbox: str, number: int, dice: random.Random) -> Step | None:
    """The next change in the mailbox that is selected; None when there is nothing to do. `number` is for APPEND."""
    here = book.in_mailbox(mailbox)
    doomed = [one for one, kept in here.items() if _DELETED in kept.flags]
    kind = dice.choice(_kinds(mailbox, len(here), bool(doomed)))
    if kind == "append":
        return _append(number, dice)
    some = doomed if kind == "expunge" else dice.sample(sorted(here), min(len(here), dice.randint(1, _AT_ONCE)))
    flag, sign = (_DELETED, "+") if kind == "delete" else (dice.choice(_FLAGS), dice.choice("+-"))
    if kind in ("copy", "move"):
        some = [one for one in some if not book.was_in(SECOND, one)]
    elif kind in ("store", "delete"):
        # A change that changes nothing could be done late, after the next one, and nobody would know which it was.
        some = [one for one in some if _with(here[one].flags, flag, sign) != here[one].flags]
    if not some:
        return None
    uids = {here[one].uid: one for one in some}
    named = ",".join(map(str, sorted(uids)))
    before: Flags = {(mailbox, one): here[one].flags for one in some}
    copies: Flags = {(SECOND, one): here[one].flags for one in some}
    none: Flags = dict.fromkeys(copies)
    gone: Flags = dict.fromkeys(before)
    match kind:
        case "expunge":
            return Change("EXPUNGE", before, gone), uids, f"UID EXPUNGE {named}"
        case "copy":
            return Change("COPY", before | none, before | copies), uids, f"UID COPY {named} {SECOND}"
        case "move":
            return Change("MOVE", before | none, gone | copies), uids, f"UID MOVE {named} {SECOND}"
        case _:
            after: Flags = {key: _with(flags, flag, sign) for key, flags in before.items()}
            return Change("STORE", before, after), uids, f"UID STORE {named} {sign}FLAGS ({flag})"


def _kinds(mailbox: str, messages: int, doomed: bool) -> list[str]:
    """What may come next, the likelier the oftener; few messages are there at any time, so that it all stays quick."""
    room = messages < _ENOUGH and mailbox == FIRST
    if not messages:
        return ["append"] if room else ["store"]
    kinds = ["store"] * 4 + ["expunge"] * 2 * doomed + ["delete"] * (1 if messages < _ENOUGH else 3)
    return kinds + ["append"] * 3 * room + ["copy", "move", "move"] * (mailbox == FIRST)


def _append(number: int, dice: random.Random) -> Step:
    flags = frozenset(flag for flag in _FLAGS if dice.random() < _FLAGGED)
    return Change("APPEND", {(FIRST, number): None}, {(FIRST, number): flags}), {}, "APPEND"


def _with(flags: frozenset[str] | None, flag: str, sign: str) -> frozenset[str]:
    there = flags or frozenset()
    return there | {flag} if sign == "+" else there - {flag}


def made_uids(change: Change, uids: dict[int, int], answer: Answer) -> dict[Key, int]:
    """The UIDs of messages that a command made, as the server named them (RFC 4315 3)."""
    code = answer.code
    if code[:1] == ["APPENDUID"]:
        return {key: int(code[2]) for key in change.after}
    for line in (f"[{' '.join(code)}]".encode(), *answer.untagged):
        if match := _COPY.search(line):
            pairs = zip(_numbers(match[1]), _numbers(match[2]), strict=True)
            return {(SECOND, uids[source]): target for source, target in pairs if source in uids}
    return {}


def hear(book: Book, mailbox: str, uids: dict[int, int], response: bytes) -> None:
    """Remember the MODSEQs that an answer told."""
    if items := _ITEMS.match(response):
        uid, modseq = _UID.search(items[1]), _MODSEQ.search(items[1])
        if uid and modseq and int(uid[1]) in uids:
            book.told(mailbox, uids[int(uid[1])], int(uid[1]), int(modseq[1]))


def _examine(mailbox: str) -> str:
    return f"EXAMINE {mailbox} (CONDSTORE)"


def box_of(untagged: Sequence[bytes]) -> Box:
    """What SELECT said of the mailbox."""
    said = {match[1]: int(match[2]) for line in untagged if (match := _BOX.match(line))}
    return Box(said.get(b"UIDVALIDITY", 0), said.get(b"UIDNEXT", 0), said.get(b"HIGHESTMODSEQ", 0))


def found_in(mailbox: str, response: bytes) -> Found | None:
    """The message in a FETCH response; None in any other. One without a number is message 0."""
    items = _ITEMS.match(response)
    if items is None:
        return None
    uid, flags, modseq = (pattern.search(items[1]) for pattern in (_UID, _STORED_FLAGS, _MODSEQ))
    if uid is None or flags is None or modseq is None:
        return None
    names = frozenset(flags[1].decode().split()) - {"\\Recent"}
    return Found(mailbox, find_number(items[1]) or 0, int(uid[1]), names, int(modseq[1]))


def _numbers(ranges: bytes) -> Iterator[int]:
    for part in ranges.split(b","):
        low, _, high = part.partition(b":")
        yield from range(int(low), int(high or low) + 1)
