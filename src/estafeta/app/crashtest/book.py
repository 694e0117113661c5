"""What one IMAP connection of the load knows of its two mailboxes, and what it must find there after a crash.

A message is known by mailbox and number, and is in each of the two once at most. A change that was acknowledged must be
there; one whose end nobody knows is a *doubt*: all of it may have happened or none, now or a little later (the process
that had it may still be at work), and until that is known its messages are left alone. So doubts never touch one
another, and each is judged by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

#: The two mailboxes of a connection: where messages are appended, and where they are copied and moved to.
FIRST, SECOND = "Crash", "Crash/Second"

Key = tuple[str, int]
"""A mailbox and the number of a message."""
State = Mapping[Key, frozenset[str] | None]
"""The flags of messages; None: it is not there."""


class Found(NamedTuple):
    """A message as it was read. `flags` without \\Recent."""

    mailbox: str
    number: int
    uid: int
    flags: frozenset[str]
    modseq: int

    @property
    def key(self) -> Key:
        """Which it is."""
        return self.mailbox, self.number


class Box(NamedTuple):
    """What a mailbox says of itself."""

    uid_validity: int
    uid_next: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Change:
    """What one command does to the messages it touches, or only reads: everything in `before` and `after`."""

    what: str
    before: State
    after: State


@dataclass(slots=True)
class Kept:
    """A message that is there for certain. Its MODSEQ was told once, so it is never below that."""

    uid: int
    flags: frozenset[str]
    modseq: int


@dataclass(slots=True)
class Book:
    """`lost`: acknowledged, but not there (or there again). `torn`: half of a change, or what nobody ever did."""

    name: str
    kept: dict[Key, Kept] = field(default_factory=dict)
    doubts: list[Change] = field(default_factory=list)
    lost: dict[str, None] = field(default_factory=dict)
    torn: dict[str, None] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    _uids: dict[Key, int] = field(default_factory=dict)
    """The UID that each message has in its mailbox, or had."""
    _owners: dict[tuple[str, int], int] = field(default_factory=dict)
    """By mailbox and UID, which message that is, for ever."""
    _boxes: dict[str, Box] = field(default_factory=dict)

    def in_mailbox(self, mailbox: str) -> dict[int, Kept]:
        """The messages that are there for certain, by number."""
        return {number: kept for (there, number), kept in self.kept.items() if there == mailbox}

    def was_in(self, mailbox: str, number: int) -> bool:
        """Whether the message is, was, or may be in this mailbox."""
        return (mailbox, number) in self._uids or any((mailbox, number) in doubt.after for doubt in self.doubts)

    def told(self, mailbox: str, number: int, uid: int, modseq: int = 0) -> None:
        """The server named a UID, or a MODSEQ, of this message."""
        key = mailbox, number
        self._own(mailbox, number, uid)
        if (kept := self.kept.get(key)) is not None:
            kept.modseq = max(kept.modseq, modseq)
        if (box := self._boxes.get(mailbox)) is not None:
            self._boxes[mailbox] = Box(box.uid_validity, max(box.uid_next, uid + 1), max(box.modseq, modseq))

    def done(self, change: Change, uids: Mapping[Key, int]) -> None:
        """The change was acknowledged; `uids` are those of the messages that it made."""
        self.acknowledged[change.what] = self.acknowledged.get(change.what, 0) + 1
        for key, flags in change.after.items():
            if flags is None:
                self.kept.pop(key, None)
            elif (kept := self.kept.get(key)) is not None:
                kept.flags = flags
            elif key in uids:
                self.kept[key] = Kept(uids[key], flags, 0)
                self.told(*key, uids[key])
            else:
                self.torn[f"{self._place(key)}: {change.what} was acknowledged without its UID"] = None

    def doubt(self, change: Change) -> None:
        """Nobody knows what became of the change."""
        for key in change.before:
            self.kept.pop(key, None)
        self.doubts.append(change)

    def compare(self, boxes: Mapping[str, Box], messages: Iterable[Found]) -> None:
        """Judge what was read. What turned out to have happened is certain from now on."""
        for mailbox, box in boxes.items():
            self._compare_box(mailbox, box)
        there: dict[Key, Found] = {}
        for found in messages:
            self._own(found.mailbox, found.number, found.uid)
            if found.key in there:
                self.torn[f"{self._place(found.key)}: is there twice"] = None
            there[found.key] = found
        for key, kept in self.kept.items():
            self._compare_kept(key, kept, there.pop(key, None))
        self.doubts = [doubt for doubt in self.doubts if not self._settle(doubt, there)]
        for key in there:
            self.lost[f"{self._place(key)}: is there and should not be"] = None

    def _compare_box(self, mailbox: str, box: Box) -> None:
        last = self._boxes.get(mailbox, box)
        if box.uid_validity != last.uid_validity:
            self.lost[f"{self.name} {mailbox}: another UIDVALIDITY"] = None
        if box.uid_next < last.uid_next:
            self.lost[f"{self.name} {mailbox}: UIDNEXT {box.uid_next} after {last.uid_next}"] = None
        if box.modseq < last.modseq:
            self.lost[f"{self.name} {mailbox}: MODSEQ {box.modseq} after {last.modseq}"] = None
        self._boxes[mailbox] = box

    def _compare_kept(self, key: Key, kept: Kept, found: Found | None) -> None:
        if found is None:
            self.lost[f"{self._place(key)}: is gone"] = None
            return
        if found.flags != kept.flags:
            flags = f"{sorted(found.flags)} instead of {sorted(kept.flags)}"
            self.lost[f"{self._place(key)}: has the flags {flags}"] = None
        if found.modseq < kept.modseq:
            self.lost[f"{self._place(key)}: MODSEQ {found.modseq} after {kept.modseq}"] = None
        kept.modseq = found.modseq

    def _settle(self, doubt: Change, there: dict[Key, Found]) -> bool:
        """Whether the change is no doubt any more. Takes its messages out of `there`."""
        mine = {key: there.pop(key, None) for key in {**doubt.before, **doubt.after}}
        now = {key: None if found is None else found.flags for key, found in mine.items()}
        if now == doubt.after:
            for key, found in mine.items():
                if found is not None:
                    self.kept[key] = Kept(found.uid, found.flags, found.modseq)
            return True
        if now != doubt.before:
            places = ", ".join(map(self._place, now))
            self.torn[f"{places}: {doubt.what} was done in part: {now}"] = None
            return True
        return False

    def _own(self, mailbox: str, number: int, uid: int) -> None:
        """A UID is one message's for ever, and a message keeps its UID (RFC 9051 2.3.1.1)."""
        owner = self._owners.setdefault((mailbox, uid), number)
        if owner != number:
            self.torn[f"{self._place((mailbox, number))}: has UID {uid}, which was that of message {owner}"] = None
        if self._uids.setdefault((mailbox, number), uid) != uid:
            self.torn[f"{self._place((mailbox, number))}: has another UID"] = None

    def _place(self, key: Key) -> str:
        return f"{self.name} {key[0]} message {key[1]}"
