"""Searches whose results stay up to date: RETURN (UPDATE) and CANCELUPDATE (RFC 5267 4.3).

A context remembers which messages its client knows as results. After each change of the mailbox that the client is
told, the messages concerned are looked at again, and the differences go out as ADDTO and REMOVEFROM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estafeta.mail.imaptext import quote
from estafeta.mailboxes.values import ranges_of
from estafeta.protocols.imap.commands import CancelUpdate, SortKey
from estafeta.protocols.imap.encode import encode_ranges
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.protocols.imap.searchkeys import SearchKey
from estafeta.protocols.imap.view import Delta
from estafeta.servers.imap.searchscope import scope_of, searcher, sort_these

if TYPE_CHECKING:
    from estafeta.servers.imap.selected import Selected
    from estafeta.servers.imap.session import ImapSession

# Each costs a search at every change.
_MOST = 16


@dataclass(slots=True)
class Context:
    """One search that is kept up to date. `uids` in the order of the result."""

    session: "ImapSession"
    selected: "Selected"
    tag: bytes
    key: SearchKey
    uids: list[int]
    uid: bool
    criteria: tuple[SortKey, ...]

    def removing(self, delta: Delta) -> None:
        """Messages go: their removal is told while their numbers still mean them."""
        known = set(self.uids)
        for number, uid in delta.removed:
            if uid in known:
                self._say(b"REMOVEFROM", [(self._position(uid), uid if self.uid else number)])
                self.uids.remove(uid)

    async def told(self, delta: Delta) -> None:
        """Messages came or changed: which of them are results now?"""
        concerned = sorted({*delta.added, *delta.changed})
        if not concerned:
            return
        now = await self._matching(concerned)
        known = set(self.uids)
        for uid in [uid for uid in concerned if uid in known and uid not in now]:
            self._say(b"REMOVEFROM", [(self._position(uid), self._number(uid))])
            self.uids.remove(uid)
        new = [uid for uid in concerned if uid in now and uid not in known]
        if new:
            await self._add(new)

    async def _add(self, new: list[int]) -> None:
        if not self.criteria:
            self.uids += new
            self._say(b"ADDTO", [(0, self._number(uid)) for uid in new])
            return
        wanted = {*self.uids, *new}
        ordered = await self._sorted(sorted(wanted))
        self.uids = ordered
        fresh = set(new)
        # RFC 5267 4.3.3: each position is that after the additions before it.
        self._say(b"ADDTO", [(at, self._number(uid)) for at, uid in enumerate(ordered, 1) if uid in fresh])

    def _position(self, uid: int) -> int:
        """RFC 5267 4.3.1: 0 where the order means nothing."""
        return self.uids.index(uid) + 1 if self.criteria else 0

    def _number(self, uid: int) -> int:
        return uid if self.uid else self.selected.view.sequence(uid)

    def _say(self, word: bytes, places: Sequence[tuple[int, int]]) -> None:
        if not self.criteria:
            changes = b"0 " + encode_ranges(ranges_of(number for _, number in places))
        else:
            changes = b" ".join(b"%d %d" % place for place in places)
        unit = b" UID" if self.uid else b""
        self.session.untagged(b"ESEARCH (TAG %b)%b %b (%b)" % (quote(self.tag), unit, word, changes))

    async def _matching(self, uids: list[int]) -> set[int]:
        search = searcher(self.session, await scope_of(self.selected))
        found = await self.session.thread(search.find, self.key, ranges_of(uids))
        return set(found.uids)

    async def _sorted(self, uids: list[int]) -> list[int]:
        search = searcher(self.session, await scope_of(self.selected))
        return await self.session.thread(sort_these, search, uids, self.criteria)


def keep_context(
    session: "ImapSession",
    selected: "Selected",
    key: SearchKey,
    uids: Sequence[int],
    *,
    uid: bool,
    criteria: tuple[SortKey, ...] = (),
) -> None:
    """RETURN (UPDATE): keep the result of the command in progress up to date, or say that it will not be."""
    tag = session.machine.tag
    if len(selected.contexts) >= _MOST:
        session.machine.condition(no("Too many searches are kept up to date.", b"NOUPDATE " + quote(tag)))
        return
    selected.contexts[tag] = Context(session, selected, tag, key, list(uids), uid, criteria)


def cancel_update(session: "ImapSession", event: CancelUpdate) -> Reply:
    """CANCELUPDATE."""
    if session.selected is not None:
        for tag in event.tags:
            session.selected.contexts.pop(tag, None)
    return ok("CANCELUPDATE completed.")
