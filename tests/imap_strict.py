"""A client that believes nothing: it follows one selected mailbox by the responses alone, and fails on an illegal one.

It knows a UID only once it was told it, so the messages are entries in a list with holes, in which every number and
every UID must fit. In a UIDONLY session (RFC 9586) nobody counts, and the messages are a set with a number of unknown
ones. Used with the lines of a `View` and with those of a server.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_COUNT = re.compile(rb"\* (\d+) (EXISTS|RECENT|EXPUNGE)")
_VANISHED = re.compile(rb"\* VANISHED (\(EARLIER\) )?([0-9:,]+)")
_FETCH = re.compile(rb"\* (\d+) (FETCH|UIDFETCH) \((.*)\)", re.DOTALL)
_UID = re.compile(rb"(?:^| )UID (\d+)")
_FLAGS = re.compile(rb"(?:^| )FLAGS \(([^)]*)\)")
_MODSEQ = re.compile(rb"(?:^| )MODSEQ \((\d+)\)")
_CODE = re.compile(rb"\S+ OK \[(HIGHESTMODSEQ|UIDNEXT|UIDVALIDITY) (\d+)\]")


class Held(NamedTuple):
    """A message as it truly is."""

    flags: frozenset[str]
    modseq: int


@dataclass(slots=True, eq=False)
class Entry:
    """What is known of one message: None where nothing is. `above`: its UID is larger than this."""

    above: int = 0
    uid: int | None = None
    flags: frozenset[str] | None = None
    modseq: int | None = None


class IllegalError(AssertionError):
    """The server said what no server may say now."""


@dataclass
class StrictClient:
    """One session with a mailbox selected. `may_expunge`: whether a command is in progress that lets numbers shift."""

    rev1: bool = True
    condstore: bool = False
    vanished: bool = False
    uid_only: bool = False
    may_expunge: bool = True
    modseq: int = 0
    validity: int = 0
    highest: int = 0
    """The largest UID that was ever heard of."""
    entries: list[Entry] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    cached: dict[int, Entry] | None = None
    """While a mailbox is resynchronized (RFC 7162 3.2.5): what was known of it before, less what vanished since."""

    @property
    def uids(self) -> list[int | None]:
        """By sequence number; in a UIDONLY session in no order."""
        return [entry.uid for entry in self.entries]

    def select(self) -> None:
        """The SELECT command was sent: everything is new."""
        self.entries, self.gone = [], set()
        self.modseq = self.validity = self.highest = 0

    def resume(self) -> bool:
        """SELECT with QRESYNC is about to be sent; false when not all UIDs are known, and that is of no use."""
        if not self.vanished or not self.modseq or None in self.uids:
            return False
        self.cached = {entry.uid: entry for entry in self.entries if entry.uid is not None}
        self.entries, self.highest = [], 0
        return True

    def resumed(self) -> None:
        """SELECT is answered: what was known and did not vanish is there still, in its place."""
        cached, self.cached = self.cached or {}, None
        known = {entry.uid for entry in self.entries if entry.uid is not None}
        every = sorted(known | cached.keys())
        _legal(len(every) <= len(self.entries), f"{len(every)} should be there")
        if self.uid_only:
            every = [uid for uid in every if uid not in known]
        self.highest = max(self.highest, *every, 0)
        places = [entry for entry in self.entries if not self.uid_only or entry.uid is None]
        for entry, uid in zip(places, every, strict=False):
            _legal(entry.uid in (None, uid), f"UID {entry.uid} is in the place of {uid}")
            entry.uid = uid
            if entry.flags is None and uid in cached:
                entry.flags, entry.modseq = cached[uid].flags, cached[uid].modseq

    def follow(self, lines: Iterable[bytes]) -> None:
        """Take in responses, without their line ends."""
        for line in lines:
            self.take(line)

    def take(self, line: bytes) -> None:
        """Take in one response; what does not speak of messages is let pass."""
        try:
            self._take(line)
        except IllegalError as error:
            raise IllegalError(f"{line[:200]!r}: {error}; {self!r:.2000}") from None

    def assume(self, uids: Collection[int], mode: str, names: frozenset[str]) -> None:
        """What a client thinks after STORE .SILENT: that its change was the only one."""
        for entry in self.entries:
            if entry.uid in uids and entry.flags is not None:
                if mode == "replace":
                    entry.flags = names
                else:
                    entry.flags = entry.flags | names if mode == "add" else entry.flags - names

    def check(self, truth: Mapping[int, Held]) -> None:
        """Fails unless what is known agrees with what is there."""
        assert len(self.entries) == len(truth), f"{len(self.entries)} told, {len(truth)} there"
        known = {entry.uid for entry in self.entries if entry.uid is not None}
        assert known <= truth.keys(), f"{sorted(known - truth.keys())} are not there"
        for entry, uid in zip(self.entries, sorted(truth), strict=True):
            assert self.uid_only or entry.uid in (None, uid), f"UIDs {self.uids}, there {sorted(truth)}"
        for entry in self.entries:
            if entry.uid is not None:
                held = truth[entry.uid]
                assert entry.flags in (None, held.flags), f"{entry}: {held}"
                assert entry.modseq in (None, held.modseq), f"{entry}: {held}"

    def _take(self, line: bytes) -> None:
        if match := _COUNT.fullmatch(line):
            self._count(int(match[1]), match[2])
        elif match := _FETCH.fullmatch(line):
            self._fetch(int(match[1]), match[2], match[3])
        elif match := _VANISHED.fullmatch(line):
            self._vanish([*numbers(match[2])], earlier=bool(match[1]))
        elif match := _CODE.match(line):
            self._code(match[1], int(match[2]))

    def _code(self, name: bytes, value: int) -> None:
        if name == b"HIGHESTMODSEQ":
            _legal(value >= self.modseq, "HIGHESTMODSEQ went back")
            self.modseq = value
        elif name == b"UIDVALIDITY":
            _legal(self.validity in (0, value), "UIDVALIDITY changed")
            self.validity = value
        else:
            _legal(value > self.highest, "UIDNEXT is used already")
            self.highest = value - 1

    def _count(self, number: int, kind: bytes) -> None:
        if kind == b"EXISTS":
            # RFC 9051 7.4.1: only EXPUNGE makes a mailbox smaller.
            _legal(number >= len(self.entries), "EXISTS shrank")
            self.entries += [Entry(self.highest) for _ in range(number - len(self.entries))]
        elif kind == b"RECENT":
            _legal(self.rev1, "RECENT is not of IMAP4rev2")
            _legal(number <= len(self.entries), "more are recent than there are")
        else:
            _legal(not self.vanished and not self.uid_only, "EXPUNGE instead of VANISHED")
            _legal(self.may_expunge, "no EXPUNGE allowed now")
            _legal(1 <= number <= len(self.entries), "no such number")
            self._forget(self.entries.pop(number - 1).uid)

    def _vanish(self, uids: list[int], *, earlier: bool) -> None:
        _legal(self.vanished or self.uid_only, "VANISHED was not enabled")
        for uid in uids if self.cached is not None else ():
            self.cached.pop(uid, None)
        if earlier:
            _legal(self.cached is not None, "nobody asked what was EARLIER")
            _legal(not {*uids} & {*self.uids}, "VANISHED (EARLIER) of what is there")
            return
        _legal(self.may_expunge, "no VANISHED allowed now")
        _legal(uids == sorted(set(uids)), "not ascending")
        for uid in uids:
            _legal(uid not in self.gone, f"{uid} vanished before")
            self.entries.remove(self._find(uid))
            self._forget(uid)

    def _fetch(self, number: int, kind: bytes, items: bytes) -> None:
        _legal((kind == b"UIDFETCH") == self.uid_only, "FETCH or UIDFETCH, whichever it is not")
        uid, flags, modseq = _UID.search(items), _FLAGS.search(items), _MODSEQ.search(items)
        if self.uid_only:
            entry = self._find(number)
            entry.uid = number
        else:
            _legal(1 <= number <= len(self.entries), "no such number")
            entry = self.entries[number - 1]
            # RFC 7162 3.2.3: with QRESYNC every FETCH that nobody asked for has the UID.
            _legal(uid is not None or not self.vanished, "no UID in it")
            if uid is not None:
                self._place(number - 1, int(uid[1]))
        # RFC 7162 3.1: once CONDSTORE is enabled, every change of flags comes with its MODSEQ.
        _legal(modseq is not None or not self.condstore, "no MODSEQ in it")
        if flags is not None:
            entry.flags = self._flags(flags[1])
        if modseq is not None:
            _legal(int(modseq[1]) >= (entry.modseq or 0), "MODSEQ went back")
        entry.modseq = int(modseq[1]) if modseq is not None else None

    def _flags(self, names: bytes) -> frozenset[str]:
        found = frozenset(names.decode().split())
        _legal(self.rev1 or "\\Recent" not in found, "\\Recent is not of IMAP4rev2")
        return found - {"\\Recent"}

    def _place(self, at: int, uid: int) -> None:
        """The message at this place has this UID."""
        entry = self.entries[at]
        _legal(uid not in self.gone, f"{uid} was expunged")
        if entry.uid is None:
            low, high = self._gap(uid)
            _legal(low <= at < high, "the UIDs do not ascend")
            _legal(uid > entry.above, "a UID that is older than its message")
            entry.uid = uid
            self.highest = max(self.highest, uid)
        _legal(entry.uid == uid, f"UID {entry.uid} was there")

    def _find(self, uid: int) -> Entry:
        """The entry that has this UID, or the one that loses least of what is known by having it."""
        _legal(uid not in self.gone, f"{uid} was expunged")
        for entry in self.entries:
            if entry.uid == uid:
                return entry
        low, high = (0, len(self.entries)) if self.uid_only else self._gap(uid)
        fitting = [entry for entry in self.entries[low:high] if entry.uid is None and entry.above < uid]
        _legal(bool(fitting), f"no message can have UID {uid}")
        self.highest = max(self.highest, uid)
        return fitting[-1]

    def _gap(self, uid: int) -> tuple[int, int]:
        """Between which places a UID that is not known would be."""
        known = [(at, entry.uid) for at, entry in enumerate(self.entries) if entry.uid is not None]
        low = max((at + 1 for at, other in known if other <= uid), default=0)
        high = min((at for at, other in known if other >= uid), default=len(self.entries))
        return low, high

    def _forget(self, uid: int | None) -> None:
        if uid is not None:
            self.gone.add(uid)
            self.highest = max(self.highest, uid)


def numbers(ranges: bytes) -> Iterable[int]:
    """The numbers of a set without `*`, in the order in which it names them."""
    for part in ranges.split(b","):
        low, _, high = part.partition(b":")
        yield from range(int(low), int(high or low) + 1)


def _legal(condition: bool, what: str) -> None:
    if not condition:
        raise IllegalError(what)
