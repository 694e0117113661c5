"""APPEND and REPLACE: messages from a client (RFC 9051 6.3.12; RFC 3502, 3516, 4469, 7889, 8508, 9755).

Messages are kept octet for octet as they come. All messages of a command are stored, or none.
"""

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from estafeta.core.errors import EstafetaError
from estafeta.mail.scan import MessageSummary
from estafeta.mailboxes import look
from estafeta.mailboxes.appending import AppendMessages
from estafeta.mailboxes.values import Appended, NewMessage
from estafeta.protocols.imap import commands
from estafeta.protocols.imap.encode import encode_ranges
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.protocols.imap.values import SequenceSet
from estafeta.servers.imap.copy import find_target
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.flagrights import allowed_flags
from estafeta.servers.imap.folders import Folder, quota_of
from estafeta.servers.imap.session import Handler, ImapSession
from estafeta.servers.imap.spool import Spool, finish_all
from estafeta.servers.imap.urlcontent import open_url
from estafeta.servers.imap.wanted import need_right, selected_of
from estafeta.storage.packs import Location

# Of all messages of one command, so much may wait in memory; what is more goes to disk, each to a file of its own.
_MEMORY_BYTES = 8 << 20
_MOST_FILES = 64
# What is kept of a message besides its octets counts too: a command may have very many very small ones.
_MESSAGE_BYTES = 1024

E = TypeVar("E")
R = TypeVar("R")


class Appending:
    """An APPEND on its way. `room`: octets that the quota leaves, None for no limit; `replaces`: where the message is
    that goes when this one is stored."""

    __slots__ = ("_files", "_held", "_spools", "_stored", "folder", "head", "quota", "replaces", "room", "spool")

    def __init__(self, folder: Folder, quota: tuple[int, int]) -> None:
        self.folder = folder
        self.quota = quota
        self.room: int | None = None
        self.replaces: tuple[int, int, int] | None = None
        self.head: commands.AppendMessage
        self.spool: Spool
        self._spools: list[tuple[commands.AppendMessage, Spool]] = []
        # Of the messages before the one that is being read: octets in memory, octets in all, and how many are in files.
        self._held = self._stored = self._files = 0

    def __len__(self) -> int:
        """Messages so far."""
        return len(self._spools)

    def begin(self, session: ImapSession, head: commands.AppendMessage) -> None:
        """Another message."""
        if self._spools:
            self._held += _MESSAGE_BYTES + self.spool.held
            self._stored += self.spool.size
            self._files += not self.spool.held
        left = _MEMORY_BYTES - self._held
        if left <= 0 and self._files >= _MOST_FILES:
            raise ReplyError(no("That is too much for one command; use several.", b"LIMIT"))
        self.head = head
        self.spool = Spool(session.mailboxes, max(0, left))
        self._spools.append((head, self.spool))

    def has_room(self, size: int) -> bool:
        """Whether the quota leaves room for so much more."""
        taken = self._stored + (self.spool.size if self._spools else 0)
        return self.room is None or taken + size <= self.room

    async def finish(self) -> tuple[tuple[NewMessage, ...], list[bytes | Location]]:
        """The messages and their contents, which are durable where they are not in memory."""
        messages, contents = [], []
        finished = await finish_all([spool for _, spool in self._spools])
        for (head, _), (summary, content) in zip(self._spools, finished, strict=True):
            messages.append(self._describe(head, summary))
            contents.append(content)
        return tuple(messages), contents

    def _describe(self, head: commands.AppendMessage, summary: MessageSummary) -> NewMessage:
        # RFC 4314 4: flags for which there is no right are left out.
        flags, keywords = allowed_flags(self.folder.rights)
        now_ms = int(time.time() * 1000)
        date_ms = now_ms if head.internal_date is None else int(head.internal_date.timestamp() * 1000)
        return NewMessage(summary, head.flags.flags & flags, head.flags.keywords if keywords else (), date_ms, now_ms)

    def close(self) -> None:
        """All is committed."""
        for _, spool in self._spools:
            spool.close()

    def discard(self) -> None:
        """Forget all of it."""
        for _, spool in self._spools:
            spool.discard()


def _step(handler: Callable[[ImapSession, Any], Awaitable[Reply | None] | Reply | None]) -> Handler:
    """A step of an APPEND: when it fails, what came so far is forgotten."""

    @wraps(handler)
    def step(session: ImapSession, event: Any) -> Awaitable[Reply | None] | Reply | None:
        try:
            result = handler(session, event)
        except (EstafetaError, ReplyError):
            _drop(session)
            raise
        return result if result is None or isinstance(result, Reply) else _guarded(session, result)

    return step


async def _guarded(session: ImapSession, waiting: Awaitable[R]) -> R:
    try:
        return await waiting
    except (EstafetaError, ReplyError):
        _drop(session)
        raise


def _drop(session: ImapSession) -> None:
    appending, session.appending = session.appending, None
    if appending is not None:
        appending.discard()


def _current(session: ImapSession) -> Appending:
    appending = session.appending
    if not isinstance(appending, Appending):
        raise RuntimeError("no APPEND is under way")
    return appending


@_step
async def append(session: ImapSession, event: commands.Append) -> None:
    """The command begins: where to, and what room there is."""
    _drop(session)
    if session.service.shared.space.low:
        raise ReplyError(no("The server is short of disk space; try again later.", b"UNAVAILABLE"))
    folder = await find_target(session, event.mailbox)
    appending = Appending(folder, await quota_of(session, folder.account_id))
    freed = 0
    if event.replaces is not None:
        freed = await _find_replaced(session, appending, event)
    if appending.quota[0]:
        appending.room = appending.quota[0] - await session.mailboxes.used_bytes(folder.account_id) + freed
    session.appending = appending


async def _find_replaced(session: ImapSession, appending: Appending, event: commands.Append) -> int:
    """RFC 8508 3: the message that goes; the result is how many octets of the target's quota it gives back."""
    selected = selected_of(session)
    need_right(selected, "te")
    number = event.replaces or 0
    uids = await selected.resolve(SequenceSet(((number, number),)), uid=event.uid)
    source = selected.folder
    where = source.account_id, source.mailbox_id
    ranges = ((uids[0], uids[0]),) if uids else ()
    rows = await session.thread(look.fetch_rows, session.mailboxes.database, *where, ("uid", "size"), ranges)
    if not rows:
        raise ReplyError(no("The message to be replaced is not there.", b"NONEXISTENT"))
    appending.replaces = (*where, uids[0])
    return int(rows[0][1]) if source.account_id == appending.folder.account_id else 0


@_step
def message(session: ImapSession, event: commands.AppendMessage) -> None:
    """A message begins. What there is no room for is refused before it is sent."""
    appending = _current(session)
    limit = session.settings.message_limit
    if limit and len(appending) >= limit:
        # RFC 9738 3.1.
        raise ReplyError(no(f"At most {limit} messages at once.", b"MESSAGELIMIT %d" % limit))
    _check_room(appending, event.size or 0)
    appending.begin(session, event)


@_step
def data(session: ImapSession, event: commands.AppendData) -> Awaitable[None] | None:
    """Octets of the message."""
    appending = _current(session)
    if not appending.head.binary and b"\0" in event.data:
        # RFC 9051 4.3: only a literal8 holds NUL.
        raise ReplyError(no("A message with NUL octets has to come as literal8.", b"CANNOT"))
    return appending.spool.write(event.data)


@_step
async def url(session: ImapSession, event: commands.AppendUrl) -> None:
    """CATENATE: octets of another message go here (RFC 4469 3)."""
    appending = _current(session)
    stream = await open_url(session, event.url)
    limit = session.settings.max_append_bytes
    if limit and appending.spool.size + stream.size > limit:
        raise ReplyError(no("The message is larger than this server takes.", b"TOOBIG"))
    _check_room(appending, stream.size)
    while piece := await session.thread(next, stream.pieces, b""):
        waiting = appending.spool.write(piece)
        if waiting is not None:
            await waiting


@_step
def message_end(session: ImapSession, event: commands.AppendMessageEnd) -> None:
    """The message is complete."""
    if not _current(session).spool.size:
        raise ReplyError(no("A message needs at least one octet."))


@_step
async def end(session: ImapSession, event: commands.AppendEnd) -> Reply:
    """All messages are there: store them."""
    appending = _current(session)
    folder, (quota_bytes, quota_messages) = appending.folder, appending.quota
    messages, contents = await appending.finish()
    wanted = AppendMessages(
        folder.account_id,
        folder.mailbox_id,
        messages,
        quota_bytes=quota_bytes,
        quota_messages=quota_messages,
        replaces=appending.replaces,
    )
    done = await session.mailboxes.append_messages(wanted, contents)
    session.appending = None
    appending.close()
    return _reply(session, appending, done)


def aborted(session: ImapSession, event: commands.AppendAborted) -> None:
    """The rest of the command made no sense, and the client was told so."""
    _drop(session)


def _check_room(appending: Appending, size: int) -> None:
    if not appending.has_room(size):
        raise ReplyError(no("The mailbox is full.", b"OVERQUOTA"))


def _reply(session: ImapSession, appending: Appending, done: Appended) -> Reply:
    """RFC 4315 3: APPENDUID. RFC 8508 3: said before the EXPUNGE of the message that was replaced."""
    uids = ((done.first_uid, done.first_uid + done.count - 1),)
    code = b"APPENDUID %d %b" % (done.uid_validity, encode_ranges(uids))
    selected, folder = session.selected, appending.folder
    if selected is not None:
        here = selected.folder.account_id, selected.folder.mailbox_id
        if here == (folder.account_id, folder.mailbox_id):
            selected.touched(done.modseq, silent=False)
        if appending.replaces is not None:
            selected.touched(done.replaced_modseq, silent=False)
    if appending.replaces is None:
        return ok("APPEND completed.", code)
    session.machine.condition(ok("The new message is there.", code))
    return ok("REPLACE completed.")
