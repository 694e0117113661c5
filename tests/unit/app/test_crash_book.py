"""The bookkeeping of the crash test's IMAP load: what a right server does is right, and each kind of damage is seen."""

import random
from collections.abc import Iterator

import pytest

from estafeta.app.crashtest.book import FIRST, SECOND, Book, Box, Change, Found, Kept, Key
from estafeta.app.crashtest.imap_client import Answer
from estafeta.app.crashtest.imap_load import box_of, choose, found_in, hear, made_uids

SEEN, NONE = frozenset({"\\Seen"}), frozenset()


class Server:
    """Two mailboxes that do what `Change` says, at once and rightly."""

    def __init__(self) -> None:
        self.messages: dict[Key, Kept] = {}
        self.next = {FIRST: 1, SECOND: 1}
        self.modseq = 1

    def do(self, change: Change) -> dict[Key, int]:
        self.modseq += 1
        made = {}
        for key, flags in change.after.items():
            if flags is None:
                self.messages.pop(key, None)
            elif key in self.messages:
                if self.messages[key].flags != flags:
                    self.messages[key] = Kept(self.messages[key].uid, flags, self.modseq)
            else:
                made[key] = self.next[key[0]]
                self.messages[key] = Kept(made[key], flags, self.modseq)
                self.next[key[0]] += 1
        return made

    def boxes(self) -> dict[str, Box]:
        return {mailbox: Box(7, uid_next, self.modseq) for mailbox, uid_next in self.next.items()}

    def found(self) -> list[Found]:
        return [Found(*key, kept.uid, kept.flags, kept.modseq) for key, kept in self.messages.items()]


def begun(*numbers: int) -> tuple[Book, Server]:
    """A book and a server with these messages in the first mailbox."""
    book, server = Book("ann"), Server()
    for number in numbers:
        change = Change("APPEND", {(FIRST, number): None}, {(FIRST, number): NONE})
        book.done(change, server.do(change))
    book.compare(server.boxes(), server.found())
    return book, server


@pytest.mark.parametrize("seed", range(20))
def test_a_right_server_is_found_right_however_often_it_breaks(seed: int):
    dice = random.Random(seed)
    book, server = begun()
    late: list[Change] = []
    for number in range(1, 400):
        mailbox = dice.choice((FIRST, FIRST, SECOND))
        step = choose(book, mailbox, number, dice)
        if step is None:
            continue
        change = step[0]
        match dice.choice(("done", "done", "done", "unheard", "lost", "late")):
            case "done":
                book.done(change, server.do(change))
            case "unheard":
                server.do(change)
                book.doubt(change)
            case "lost":
                book.doubt(change)
            case "late":
                book.doubt(change)
                late.append(change)
        if late and dice.random() < 0.3:
            server.do(late.pop())
        if dice.random() < 0.2:
            book.compare(server.boxes(), server.found())
    book.compare(server.boxes(), server.found())
    assert not book.lost
    assert not book.torn
    assert {"APPEND", "STORE", "COPY", "MOVE", "EXPUNGE"} == set(book.acknowledged)


def damages() -> Iterator[tuple[str, str, object]]:
    first = (FIRST, 1)
    yield "lost", "is gone", lambda server: server.messages.pop(first)
    yield "lost", "has the flags", lambda server: setattr(server.messages[first], "flags", SEEN)
    yield "lost", "MODSEQ 1 after", lambda server: setattr(server.messages[first], "modseq", 1)
    yield "lost", "should not be", lambda server: server.messages.update({(SECOND, 9): Kept(3, NONE, 9)})
    yield "lost", "UIDNEXT", lambda server: server.next.update({FIRST: 1})
    yield "lost", "MODSEQ 0", lambda server: setattr(server, "modseq", 0)
    yield "torn", "has another UID", lambda server: setattr(server.messages[first], "uid", 9)
    yield "torn", "that of message", lambda server: setattr(server.messages[first], "uid", 2)


@pytest.mark.parametrize(("where", "text", "damage"), [*damages()], ids=lambda value: str(value)[:20])
def test_damage_is_seen(where: str, text: str, damage):
    book, server = begun(1, 2)
    damage(server)
    book.compare(server.boxes(), server.found())
    assert any(text in sentence for sentence in getattr(book, where)), (book.lost, book.torn)


def test_a_message_in_two_places_or_half_a_change_is_torn():
    move = Change("MOVE", {(FIRST, 1): NONE, (SECOND, 1): None}, {(FIRST, 1): None, (SECOND, 1): NONE})
    for wrong in ({(FIRST, 1): NONE, (SECOND, 1): NONE}, {(FIRST, 1): None, (SECOND, 1): None}):
        book, server = begun(1, 2)
        book.doubt(move)
        server.do(Change("half", move.before, wrong))
        book.compare(server.boxes(), server.found())
        assert any("MOVE was done in part" in sentence for sentence in book.torn)
    book, server = begun(1, 2)
    both = {(FIRST, 1): NONE, (FIRST, 2): NONE}
    book.doubt(Change("STORE", both, dict.fromkeys(both, SEEN)))
    server.do(Change("half", both, both | {(FIRST, 1): SEEN}))
    book.compare(server.boxes(), server.found())
    assert any("STORE was done in part" in sentence for sentence in book.torn)


def test_what_was_expunged_does_not_come_back_and_its_uid_is_not_used_again():
    book, server = begun(1)
    gone = Change("EXPUNGE", {(FIRST, 1): NONE}, {(FIRST, 1): None})
    book.done(gone, server.do(gone))
    book.compare(server.boxes(), server.found())
    assert not book.lost
    server.messages[FIRST, 2] = Kept(1, NONE, 9)
    book.compare(server.boxes(), server.found())
    assert any("which was that of message 1" in sentence for sentence in book.torn)


def test_an_append_without_its_uid_is_told():
    book = Book("ann")
    book.done(Change("APPEND", {(FIRST, 1): None}, {(FIRST, 1): NONE}), {})
    assert book.torn


def test_what_the_server_says_is_understood():
    lines = (b"* OK [UIDVALIDITY 5] x", b"* OK [UIDNEXT 8] x", b"* OK [HIGHESTMODSEQ 77] x", b"* 3 EXISTS")
    assert box_of(lines) == Box(5, 8, 77)
    fetched = b"* 2 FETCH (UID 4 FLAGS (\\Seen \\Recent) MODSEQ (9) BODY[HEADER.FIELDS (X-Crash-Id)] {17}\r\n"
    assert found_in(FIRST, fetched + b"X-Crash-Id: 12\r\n\r\n)") == Found(FIRST, 12, 4, SEEN, 9)
    assert found_in(FIRST, b"* 2 EXPUNGE") is None
    appended = Change("APPEND", {(FIRST, 1): None}, {(FIRST, 1): NONE})
    assert made_uids(appended, {}, Answer("OK", "[APPENDUID 5 8] done", ())) == {(FIRST, 1): 8}
    moved = Answer("OK", "done", (b"* OK [COPYUID 5 2,4:5 10:12] there", b"* 2 EXPUNGE"))
    assert made_uids(appended, {2: 20, 4: 40, 5: 50}, moved) == {(SECOND, 20): 10, (SECOND, 40): 11, (SECOND, 50): 12}
    book, _ = begun(1)
    hear(book, FIRST, {1: 1}, b"* 1 FETCH (UID 1 FLAGS () MODSEQ (50))")
    assert book.kept[FIRST, 1].modseq == 50
