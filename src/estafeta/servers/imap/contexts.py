"""Searches whose results stay up to date: RETURN (UPDATE) and CANCELUPDATE (RFC 5267 4.3).

A context remembers which messages its client knows as results. After each change of the mailbox that the client is
told, the messages concerned are looked at again, and the differences go out as ADDTO and REMOVEFROM.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estafeta.mail.imaptext import quote
from estafeta.mailboxes.values import ranges_of
from estafeta.protocols.imap.commands import CancelUpdate, SearchReturn, SortKey
from estafeta.protocols.imap.encode import encode_ranges
from estafeta.protocols.imap.fetchitems import FetchItem
from estafeta.protocols.imap.replies import Reply, bad, no, ok
from estafeta.protocols.imap.searchkeys import SearchKey
from estafeta.protocols.imap.view import Delta
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.fetching import send_messages
from estafeta.servers.imap.searching import Searcher
from estafeta.servers.imap.searchscope import scope_of, searcher, sort_these

if TYPE_CHECKING:
    from estafeta.servers.imap.selected import Selected
    from estafeta.servers.imap.session import ImapSession

# Each costs a search at every change.
_MOST = 16


@dataclass(slots=True)
class Context:
    """One search that is kept up to date. `uids` in the order of the result; `items` are what is told of messages that
    come and are results (RFC 5465 7)."""

    session: "ImapSession"
    selected: "Selected"
    tag: bytes
    key: SearchKey
    uids: list[int]
    uid: bool
    criteria: tuple[SortKey, ...]
    items: tuple[FetchItem, ...]

    def removing(self, delta: Delta) -> list[bytes]:
        """The lines about messages that go, to be said while their numbers still mean them. For a thread."""
        known = set(self.uids)
        return self._remove({uid: uid if self.uid else number for number, uid in delta.removed if uid in known})

    async def told(self, delta: Delta) -> None:
        """Messages came or changed: which of them are results now?"""
        if delta.added or delta.changed:
            search = searcher(self.session, await scope_of(self.selected))
            lines = await self.session.thread(self._differences, search, delta)
            await self._describe(delta)
            for line in lines:
                await self.session.send(line)

    async def _describe(self, delta: Delta) -> None:
        results = set(self.uids) if self.items and delta.added else set()
        new = array("I", [uid for uid in delta.added if uid in results])
        if new:
            await send_messages(self.session, self.selected, self.items, new)

    def _differences(self, search: Searcher, delta: Delta) -> list[bytes]:
        concerned = sorted({*delta.added, *delta.changed})
        now = set(search.find(self.key, ranges_of(concerned)).uids)
        known = set(self.uids)
        lines = self._remove({uid: self._number(uid) for uid in concerned if uid in known and uid not in now})
        new = [uid for uid in concerned if uid in now and uid not in known]
        return [*lines, *self._add(search, new)]

    def _remove(self, gone: Mapping[int, int]) -> list[bytes]:
        """Forget these UIDs, which the client knows by these numbers."""
        if not gone:
            return []
        # RFC 5267 4.3.4: each position is that after the removals before it; from the end, none moves another.
        places = [(at, gone[uid]) for at, uid in enumerate(self.uids, 1) if uid in gone]
        self.uids = [uid for uid in self.uids if uid not in gone]
        return [self._line(b"REMOVEFROM", places[::-1])]

    def _add(self, search: Searcher, new: list[int]) -> list[bytes]:
        if not new:
            return []
        if not self.criteria:
            self.uids += new
            return [self._line(b"ADDTO", [(0, self._number(uid)) for uid in new])]
        self.uids = sort_these(search, sorted({*self.uids, *new}), self.criteria)
        fresh = set(new)
        # RFC 5267 4.3.3: each position is that after the additions before it.
        return [self._line(b"ADDTO", [(at, self._number(uid)) for at, uid in enumerate(self.uids, 1) if uid in fresh])]

    def _number(self, uid: int) -> int:
        return uid if self.uid else self.selected.view.sequence(uid)

    def _line(self, word: bytes, places: Sequence[tuple[int, int]]) -> bytes:
        """RFC 5267 4.3.3: the position is 0 where the order means nothing."""
        if not self.criteria:
            changes = b"0 " + encode_ranges(ranges_of(sorted(number for _, number in places)))
        else:
            changes = b" ".join(b"%d %d" % place for place in places)
        unit = b" UID" if self.uid else b""
        return b"* ESEARCH (TAG %b)%b %b (%b)\r\n" % (quote(self.tag), unit, word, changes)


def refuse_reuse(session: "ImapSession", selected: "Selected", returning: SearchReturn | None) -> None:
    """RFC 5267 4.3: BAD for a second search that is to be kept up to date under one tag."""
    if returning is not None and "UPDATE" in returning.options and session.machine.tag in selected.contexts:
        raise ReplyError(bad("A search with this tag is kept up to date."))


def keep_context(
    session: "ImapSession",
    selected: "Selected",
    key: SearchKey,
    uids: Sequence[int],
    *,
    uid: bool,
    criteria: tuple[SortKey, ...] = (),
    items: tuple[FetchItem, ...] = (),
) -> None:
    """RETURN (UPDATE): keep the result of the command in progress up to date, or say that it will not be. The key is
    one that keeps its meaning (`fixedkey`)."""
    tag = session.machine.tag
    if len(selected.contexts) >= _MOST:
        session.machine.condition(no("Too many searches are kept up to date.", b"NOUPDATE " + quote(tag)))
        return
    selected.contexts[tag] = Context(session, selected, tag, key, list(uids), uid, criteria, items)


def cancel_update(session: "ImapSession", event: CancelUpdate) -> Reply:
    """CANCELUPDATE."""
    if session.selected is not None:
        for tag in event.tags:
            session.selected.contexts.pop(tag, None)
    return ok("CANCELUPDATE completed.")
