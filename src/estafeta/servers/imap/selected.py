"""The selected mailbox of a session: its view, what the store says happened since, and telling the client."""

import asyncio
from array import array
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mailboxes import look
from estafeta.mailboxes.folders import ClaimRecent
from estafeta.mailboxes.values import Changes
from estafeta.protocols.imap.replies import bad, ok
from estafeta.protocols.imap.values import Ranges, SequenceSet
from estafeta.protocols.imap.view import Changed, Delta, Style, View
from estafeta.servers.imap.accessnow import changes_nothing, tell_access
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.flaglines import tell_new_keywords
from estafeta.servers.imap.folders import sight_of
from estafeta.servers.imap.reading import Bookmark

if TYPE_CHECKING:
    from estafeta.servers.imap.contexts import Context
    from estafeta.servers.imap.folders import Folder
    from estafeta.servers.imap.session import ImapSession

# A view of more messages than this is changed in a thread: it may take longer than a turn of the event loop.
_MANY = 20_000
# More changes than this are taken in in a thread for the same reason.
_FEW = 500
# Lines that are sent together.
_LINES = 1000


class Selected:
    """A mailbox that is selected in a session. Make it with `open`."""

    __slots__ = (
        "_foreign",
        "_silent",
        "_unwatch",
        "bookmark",
        "contexts",
        "dirty",
        "doubtful",
        "examined",
        "folder",
        "read_only",
        "saved",
        "session",
        "view",
    )

    def __init__(self, session: "ImapSession", folder: "Folder", *, examined: bool) -> None:
        status = folder.status
        self.session = session
        self.folder = folder
        self.examined = examined
        self.read_only = examined or changes_nothing(folder.rights)
        self.view = View(uid_next=status.uid_next, count=status.messages, modseq=status.modseq)
        self.saved: Ranges = ()
        """The result that SEARCH RETURN (SAVE) kept (RFC 5182)."""
        self.bookmark = Bookmark()
        """Where the last FETCH of a part of a large message stopped."""
        self.contexts: dict[bytes, Context] = {}
        """Searches that are kept up to date, by their tags (RFC 5267)."""
        self.dirty = False
        """Somebody announced a change that the client was not told."""
        self._foreign = folder.account_id != session.user.account_id
        self.doubtful = self._foreign
        """It is another's, and what was announced may have been that rights to it were taken away."""
        self._silent: set[int] = set()
        self._unwatch: Callable[[], None] | None = None

    @classmethod
    async def open(cls, session: "ImapSession", folder: "Folder", *, examined: bool) -> "Selected":
        """Select: from here on changes are noticed. The folder's status may be older than that, so it is read anew."""
        selected = cls(session, folder, examined=examined)
        selected._unwatch = await session.service.shared.feed.watch(
            folder.account_id, folder.mailbox_id, selected._heard
        )
        # What changed between the reading of the status and the watching.
        selected.dirty = True
        try:
            if not session.machine.rev2:
                await selected._claim_recent()
        except BaseException:
            selected.close()
            raise
        return selected

    def close(self) -> "asyncio.Future[int] | None":
        """Deselect. What this session was told as recent is recent for nobody else (RFC 3501 2.3.2); when that is
        kept, the result is done. It need not be waited for."""
        claim: asyncio.Future[int] | None = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        status, view = self.folder.status, self.view
        if not self.read_only and view.recent_from < view.uid_next and view.uid_next > status.uid_next:
            future = self.session.mailboxes.claim_recent(ClaimRecent(self.folder.account_id, self.folder.mailbox_id))
            claim = asyncio.ensure_future(future)
            claim.add_done_callback(_ignore)
        self.contexts.clear()
        return claim

    # for the commands

    async def uids(self) -> "array[int]":
        """All UIDs in the view, ascending."""
        await self._load()
        return self.view.within(0, 1 << 32)

    async def resolve(self, numbers: SequenceSet | None, *, uid: bool) -> "array[int]":
        """The UIDs in the view that are meant, ascending; None stands for `$`.

        Raises ReplyError for a sequence number that no message has (of UIDs, missing ones are no
        error: RFC 9051 6.4.9).
        """
        await self._load()
        pairs = self.saved if numbers is None else numbers.pairs
        return await self.session.made(len(pairs), lambda: self._resolve(numbers, uid=uid))

    def _resolve(self, numbers: SequenceSet | None, *, uid: bool) -> "array[int]":
        view = self.view
        if numbers is None:
            return _join(view.within(low, high) for low, high in self.saved)
        if uid:
            return _join(view.within(low, high) for low, high in numbers.resolve(view.last_uid()))
        ranges = numbers.resolve(view.count)
        if ranges and (ranges[-1][1] > view.count or ranges[0][0] < 1):
            raise ReplyError(bad(f"There are {view.count} messages here; that number is none of theirs."))
        return _join(view.at(first, last) for first, last in ranges)

    def touched(self, modseq: int, *, silent: bool) -> None:
        """This session changed something here at `modseq`; `silent`: the client is not to be told of it again."""
        if modseq:
            self.dirty = True
            if silent:
                self._silent.add(modseq)

    def knows(self, modseq: int) -> bool:
        """Whether the client was told all up to `modseq`, or made itself what it was not told."""
        return modseq <= max(self.view.modseq, *self._silent, 0)

    def wants_sync(self, *, asking: bool) -> bool:
        """Whether there may be something to tell."""
        return self.dirty or asking or self.view.pending

    async def check_rights(self) -> None:
        """Read anew what the person may do here. Raises PERMISSION when that is not even to read (RFC 4314 4)."""
        self.doubtful = False
        folder = self.folder
        where = folder.account_id, folder.mailbox_id
        rights = await self.session.thread(sight_of(self.session).rights, *where)
        if "r" not in rights:
            raise EstafetaError(Kind.PERMISSION, "You have no right to this mailbox any more.")
        if rights != folder.rights:
            self.folder = replace(folder, rights=rights)
            tell_access(self)

    async def sync(self) -> Delta | None:
        """Tell the client what happened since it was told last. Raises NOT_FOUND when the mailbox is gone, PERMISSION
        when the person may not read it any more."""
        if self.doubtful:
            await self.check_rights()
        self.dirty = False
        session, view = self.session, self.view
        where = self.folder.account_id, self.folder.mailbox_id
        # Of what the client is not to be told again, only a search that is kept up to date wants to know.
        own = () if self.contexts else frozenset(self._silent)
        changes = await session.thread(look.changes_since, session.mailboxes.database, *where, view.modseq, without=own)
        if changes.modseq == view.modseq and not view.pending:
            return None
        style = self.style()
        # Both ascend: where the first was not in the view, none was.
        if view.needs_uids([Changed(*row) for row in changes.changed[:1]], changes.expunged[:1], style):
            await self._load()
        update = self._update(changes, style)
        pieces, delta = await session.thread(update) if self._takes_long(changes) else update()
        self._silent.clear()
        if changes.status.keywords != self.folder.status.keywords:
            tell_new_keywords(session, self, changes.status.keywords.split())
        contexts = tuple(self.contexts.values())
        if contexts and delta.removed:
            removing = await session.thread(lambda: [line for context in contexts for line in context.removing(delta)])
            await session.send(*removing)
        for piece in pieces:
            await session.send(piece)
        if style.vanished and view.held:
            # RFC 7162 3.2, 6: a client that goes by the MODSEQs it saw would never ask for what is told later.
            session.machine.condition(ok("What is gone is told later.", b"HIGHESTMODSEQ %d" % view.held))
        for context in contexts:
            await context.told(delta)
        return delta

    def style(self) -> Style:
        """How this session wants to be told."""
        machine = self.session.machine
        return Style(
            modseq=machine.condstore,
            vanished=machine.qresync,
            uid_only=machine.uid_only,
            recent=not machine.rev2,
        )

    # inside

    def _heard(self) -> None:
        self.dirty = True
        self.doubtful = self._foreign
        self.session.poke()

    def _takes_long(self, changes: Changes) -> bool:
        """Whether to take this in would keep the event loop from others."""
        pending = len(changes.changed) + len(changes.expunged)
        return pending > _FEW or (self.view.count > _MANY and (bool(changes.expunged) or self.view.pending))

    def _update(self, changes: Changes, style: Style) -> Callable[[], tuple[list[bytes], Delta]]:
        may_expunge = self.session.machine.expunge_allowed
        silent = frozenset(self._silent)

        def update() -> tuple[list[bytes], Delta]:
            lines, delta = self.view.update(
                changes.modseq,
                changes.status.uid_next,
                [Changed(*row) for row in changes.changed],
                changes.expunged,
                style=style,
                may_expunge=may_expunge,
                silent=silent,
            )
            return [b"".join(lines[start : start + _LINES]) for start in range(0, len(lines), _LINES)], delta

        return update

    async def _load(self) -> None:
        view = self.view
        if view.uids is None:
            session = self.session
            where = self.folder.account_id, self.folder.mailbox_id
            view.load(
                await session.thread(look.view_as_of, session.mailboxes.database, *where, view.uid_next, view.modseq)
            )

    async def _claim_recent(self) -> None:
        """IMAP4rev1: what came since the last session looked is `\\Recent` in this one, and in no later one."""
        session, status, view = self.session, self.folder.status, self.view
        before = status.recent_uid
        if before + 1 < status.uid_next and not self.read_only:
            before = await session.mailboxes.claim_recent(ClaimRecent(self.folder.account_id, self.folder.mailbox_id))
        view.recent_from = before + 1
        if not before:
            view.recent_count = view.count
        elif view.recent_from < view.uid_next:
            view.recent_count = len(await self.uids()) - len(view.within(0, before))


def _join(parts: Iterable["array[int]"]) -> "array[int]":
    found = array("I")
    for part in parts:
        found.extend(part)
    return found


def _ignore(future: "asyncio.Future[int]") -> None:
    """A claim that failed costs nobody anything: those messages are recent once more."""
    if not future.cancelled() and isinstance(future.exception(), EstafetaError):
        return
