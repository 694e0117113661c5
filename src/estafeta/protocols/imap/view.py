"""What a client believes about its selected mailbox, and what it has to be told to believe what is true.

A `View` is the list of UIDs whose positions are the client's sequence numbers (RFC 9051 2.3.1.2), and the MODSEQ up to
which it was told everything. `update` takes what happened in the mailbox since, moves the view, and gives the lines to
send; what may not be said yet (the EXPUNGE rule, `ImapServer.expunge_allowed`) stays in the view and is said later.
So numbers stay legal whatever others do: nothing else in the server assigns or removes them.

The UIDs of a mailbox are read only when first needed: SELECT of a million messages, and IDLE on it, need none.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from estafeta.protocols.imap.encode import encode_flags, encode_ranges, ranges_of

# Up to so many expunged messages are taken out of the list one by one; more by making it anew.
_FEW = 64


class Changed(NamedTuple):
    """A message that is new or whose flags changed; `keywords` separated by spaces."""

    uid: int
    modseq: int
    flags: int
    keywords: str


class Style(NamedTuple):
    """How the session wants to be told: RFC 7162 (`modseq`, `vanished`), RFC 9586 (`uid_only`), IMAP4rev1's RECENT."""

    modseq: bool = False
    vanished: bool = False
    uid_only: bool = False
    recent: bool = False


class Delta(NamedTuple):
    """What the view took in: UIDs added and changed, (sequence number, UID) removed, in the order sent."""

    added: tuple[int, ...]
    changed: tuple[int, ...]
    removed: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class View:
    """`count` messages below `uid_next`, as they were at `modseq`.

    Messages from `recent_from` on are \\Recent here; `recent_count` of them are in the view.
    """

    uid_next: int
    count: int
    modseq: int
    recent_from: int = 1 << 32
    recent_count: int = 0
    uids: "array[int] | None" = None
    held: int = 0
    """While the client may not be told what is gone: the MODSEQ up to which it knows everything. Else 0."""
    _gone: set[int] = field(default_factory=set)
    """Expunged, and the client may not be told yet."""

    @property
    def pending(self) -> bool:
        """Whether there are expunged messages that the client does not know of."""
        return bool(self._gone)

    def load(self, uids: "array[int]") -> None:
        """The UIDs, ascending: those that were there at `modseq`."""
        if self._gone:
            uids = array("I", sorted({*uids, *self._gone}))
        if len(uids) != self.count:
            # The counters and the rows of a mailbox change together: this would be a damaged store.
            raise RuntimeError(f"the view has {self.count} messages, {len(uids)} were read")
        self.uids = uids

    def sequence(self, uid: int) -> int:
        """The sequence number of a UID; 0 when it is not in the view."""
        uids = self._loaded()
        at = bisect_left(uids, uid)
        return at + 1 if at < len(uids) and uids[at] == uid else 0

    def within(self, low: int, high: int) -> "array[int]":
        """The UIDs from `low` to `high`, both included."""
        uids = self._loaded()
        return uids[bisect_left(uids, low) : bisect_left(uids, high + 1)]

    def at(self, first: int, last: int) -> "array[int]":
        """The UIDs at these sequence numbers, both included."""
        return self._loaded()[first - 1 : last]

    def last_uid(self) -> int:
        """What `*` is among UIDs; 0 in an empty view."""
        uids = self._loaded()
        return uids[-1] if uids else 0

    def needs_uids(self, changed: Iterable[Changed], gone: Iterable[int], style: Style) -> bool:
        """Whether `update` with these could not work before `load`."""
        if self.uids is not None or style.uid_only:
            return False
        limit = self.uid_next
        return any(uid < limit for uid in gone) or any(row.uid < limit for row in changed)

    def update(
        self,
        modseq: int,
        uid_next: int,
        changed: Sequence[Changed],
        gone: Iterable[int],
        *,
        style: Style,
        may_expunge: bool,
        silent: frozenset[int] | set[int] = frozenset(),
    ) -> tuple[list[bytes], Delta]:
        """Take in all that happened after `self.modseq`: messages new or changed (ascending by UID), UIDs gone.

        `modseq`, `uid_next`: of the mailbox at that moment. `silent`: MODSEQs of changes that this session made and
        wants no word of. The lines come with their line ends.
        """
        lines: list[bytes] = []
        before = self.held or self.modseq
        self._gone.update(uid for uid in gone if uid < self.uid_next)
        removed = self._expunge(lines, style) if may_expunge and self._gone else ()
        self.held = before if self._gone else 0
        added = tuple(row.uid for row in changed if row.uid >= self.uid_next)
        known = [row for row in changed if row.uid < self.uid_next]
        self.modseq, self.uid_next = modseq, max(uid_next, self.uid_next)
        if added:
            self._add(added, lines, style)
        lines += self._tell([row for row in known if row.modseq not in silent], style)
        if added and style.uid_only:
            # RFC 9586 3.4: new messages are told by UID, since nobody counts.
            lines += self._tell([row for row in changed if row.uid >= added[0]], style)
        return lines, Delta(added, tuple(row.uid for row in known), removed)

    def _loaded(self) -> "array[int]":
        if self.uids is None:
            raise RuntimeError("the UIDs of the view were not read")
        return self.uids

    def _add(self, added: tuple[int, ...], lines: list[bytes], style: Style) -> None:
        self.count += len(added)
        self.recent_count += sum(uid >= self.recent_from for uid in added)
        if self.uids is not None:
            self.uids.extend(added)
        lines.append(b"* %d EXISTS\r\n" % self.count)
        if style.recent:
            lines.append(b"* %d RECENT\r\n" % self.recent_count)

    def _tell(self, rows: Iterable[Changed], style: Style) -> list[bytes]:
        """FETCH (or UIDFETCH) lines with flags, for messages that are in the view."""
        lines = []
        for row in rows:
            recent = style.recent and row.uid >= self.recent_from
            flags = encode_flags(row.flags, row.keywords, recent)
            modseq = b" MODSEQ (%d)" % row.modseq if style.modseq else b""
            if style.uid_only:
                lines.append(b"* %d UIDFETCH (FLAGS %b%b)\r\n" % (row.uid, flags, modseq))
                continue
            number = self.sequence(row.uid)
            if number:
                lines.append(b"* %d FETCH (UID %d FLAGS %b%b)\r\n" % (number, row.uid, flags, modseq))
        return lines

    def _expunge(self, lines: list[bytes], style: Style) -> tuple[tuple[int, int], ...]:
        """Take what is gone out of the view, the last first, so that the numbers of the others need no thought."""
        gone, self._gone = sorted(self._gone, reverse=True), set()
        if self.uids is None:
            removed = [(0, uid) for uid in gone]
        else:
            removed = [(number, uid) for uid in gone if (number := self.sequence(uid))]
            self._take_out([number for number, _ in removed], {uid for _, uid in removed})
        if not removed:
            return ()
        self.count -= len(removed)
        self.recent_count -= sum(uid >= self.recent_from for _, uid in removed)
        if style.vanished or style.uid_only:
            uids = [uid for _, uid in reversed(removed)]
            lines.append(b"* VANISHED %b\r\n" % encode_ranges(ranges_of(uids)))
        else:
            lines += [b"* %d EXPUNGE\r\n" % number for number, _ in removed]
        return tuple(removed)

    def _take_out(self, numbers: Sequence[int], uids: set[int]) -> None:
        if self.uids is None:
            return
        if len(numbers) <= _FEW:
            for number in numbers:
                del self.uids[number - 1]
        else:
            self.uids = array("I", [uid for uid in self.uids if uid not in uids])
