"""The mailboxes as servers see them: asynchronous, every change by way of the group commit.

What each change takes, gives and raises is said where its payload is declared. Reading rows goes to threads; reading
content that the system already has in memory does not (`read_cached`). Errors are `EstafetaError`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.annotations import SetAnnotations, set_annotations
from estafeta.mailboxes.appending import AppendMessages, append_messages
from estafeta.mailboxes.change import Expunge, expunge
from estafeta.mailboxes.copying import CopyMessages, copy_messages
from estafeta.mailboxes.deliver import Outcome, deliver
from estafeta.mailboxes.folders import (
    ClaimRecent,
    CreateMailbox,
    DeleteMailbox,
    RenameBelow,
    RenameMailbox,
    SetSubscribed,
    claim_recent,
    create_mailbox,
    delete_mailbox,
    rename_below,
    rename_mailbox,
    set_subscribed,
)
from estafeta.mailboxes.furnish import Furnish, furnish
from estafeta.mailboxes.noting import NoteRead, note_read
from estafeta.mailboxes.sharing import SetAcl, set_acl
from estafeta.mailboxes.specialuse import SetSpecialUse, set_special_use
from estafeta.mailboxes.storing import StoreFlags, store_flags
from estafeta.mailboxes.urlkeys import ResetUrlKeys, UrlKey, reset_url_keys, url_key
from estafeta.mailboxes.values import (
    Appended,
    Arrival,
    Copied,
    Expunged,
    MailboxStatus,
    Snapshot,
    Stored,
)
from estafeta.storage.commit import Operation
from estafeta.storage.contents import find_location
from estafeta.storage.database import Database
from estafeta.storage.packs import DamagedRecordError, Location, Packs

# So many messages go in one transaction: a tenth of a second or two, in which nobody else can write (SQLite).
_EXPUNGED_AT_ONCE = 20_000

Submit = Callable[[Operation, Any, Sequence[bytes | Location]], "asyncio.Future[Any]"]
"""How a change is made durable: `Writer.submit`."""


class Mailboxes:
    """All mailboxes of one store."""

    def __init__(self, database: Database, packs: Packs, submit: Submit) -> None:
        #: For code that runs in a thread already.
        self.database = database
        self.packs = packs
        self._submit = submit

    # Changes

    def deliver(self, arrival: Arrival, content: bytes | Location) -> "asyncio.Future[list[Outcome]]":
        """Store one message for all its deliveries; durable when the future is done."""
        return self._submit(deliver, arrival, (content,))

    async def append_messages(self, wanted: AppendMessages, contents: Sequence[bytes | Location]) -> Appended:
        """Append messages, all or none; one content for each, in the same order."""
        done: Appended = await self._submit(append_messages, wanted, contents)
        return done

    async def copy_messages(self, wanted: CopyMessages) -> Copied:
        """Copy or move messages."""
        done: Copied = await self._submit(copy_messages, wanted, ())
        return done

    async def store_flags(self, wanted: StoreFlags) -> Stored:
        """Change flags and keywords."""
        done: Stored = await self._submit(store_flags, wanted, ())
        return done

    async def expunge(self, wanted: Expunge) -> Expunged:
        """Remove messages; very many not in one transaction, so that other changes get their turn."""
        ranges: list[tuple[int, int]] = []
        modseq, rest = 0, wanted.ranges
        while rest:
            done: Expunged = await self._submit(expunge, replace(wanted, ranges=rest, most=_EXPUNGED_AT_ONCE), ())
            wanted = replace(wanted, reading=None)
            ranges += done.ranges
            modseq, rest = done.modseq or modseq, done.rest
        return Expunged(modseq, tuple(ranges))

    def note_read(self, wanted: NoteRead) -> "asyncio.Future[int]":
        """Record who read what."""
        return self._submit(note_read, wanted, ())

    async def create_mailbox(self, wanted: CreateMailbox) -> MailboxId:
        """Make a mailbox."""
        return MailboxId(await self._submit(create_mailbox, wanted, ()))

    async def rename_mailbox(self, wanted: RenameMailbox) -> None:
        """Rename a mailbox and those below it."""
        await self._submit(rename_mailbox, wanted, ())

    async def rename_below(self, wanted: RenameBelow) -> None:
        """Rename the mailboxes below a name that is none itself."""
        await self._submit(rename_below, wanted, ())

    async def delete_mailbox(self, wanted: DeleteMailbox) -> int:
        """Remove a mailbox; the result is how many messages went."""
        return int(await self._submit(delete_mailbox, wanted, ()))

    async def set_subscribed(self, wanted: SetSubscribed) -> None:
        """Subscribe to a name, or no longer."""
        await self._submit(set_subscribed, wanted, ())

    async def claim_recent(self, wanted: ClaimRecent) -> int:
        """The `recent_uid` before; now it is that of the last message."""
        return int(await self._submit(claim_recent, wanted, ()))

    async def furnish(self, wanted: Furnish) -> bool:
        """Make the folders that an account begins with; whether that was done now."""
        return bool(await self._submit(furnish, wanted, ()))

    async def set_special_use(self, wanted: SetSpecialUse) -> None:
        """Give a mailbox its special uses."""
        await self._submit(set_special_use, wanted, ())

    async def set_acl(self, wanted: SetAcl) -> None:
        """Give or take rights on a mailbox."""
        await self._submit(set_acl, wanted, ())

    async def set_annotations(self, wanted: SetAnnotations) -> None:
        """Set or remove annotations."""
        await self._submit(set_annotations, wanted, ())

    async def url_key(self, wanted: UrlKey) -> bytes:
        """The key that URLs of a mailbox are signed with for a person; made on first use."""
        return bytes(await self._submit(url_key, wanted, ()))

    async def reset_url_keys(self, wanted: ResetUrlKeys) -> int:
        """Forget keys of URLs; the result is how many."""
        return int(await self._submit(reset_url_keys, wanted, ()))

    # Reads, each in a thread

    async def snapshot(self, account_id: AccountId, mailbox_id: MailboxId = INBOX) -> Snapshot:
        """Every message of a mailbox as it is now."""
        return await asyncio.to_thread(look.snapshot, self.database, account_id, mailbox_id)

    async def status(self, account_id: AccountId, mailbox_id: MailboxId = INBOX) -> MailboxStatus:
        """The counters of a mailbox."""
        return await asyncio.to_thread(look.status, self.database, account_id, mailbox_id)

    async def used_bytes(self, account_id: AccountId) -> int:
        """Octets that an account holds, as its quota counts them."""
        return await asyncio.to_thread(look.used_bytes, self.database, account_id)

    async def usage(self, account_id: AccountId) -> tuple[int, int]:
        """Octets and messages that an account holds, as its quota counts them."""
        return await asyncio.to_thread(look.usage, self.database, account_id)

    async def first_unseen(self, account_id: AccountId, mailbox_id: MailboxId) -> int | None:
        """The lowest UID without \\Seen, among the first 10,000 messages."""
        return await asyncio.to_thread(look.first_unseen, self.database, account_id, mailbox_id)

    # Contents

    def read_cached(self, location: Location) -> bytes | None:
        """The content if it is in memory already: never waits for the disk."""
        return self.packs.read_cached(location)

    async def read(self, location: Location) -> bytes:
        """The whole content (for sizes that fit in memory; `chunks` for others)."""
        return await asyncio.to_thread(self.read_now, location)

    async def chunks(self, location: Location) -> AsyncIterator[bytes]:
        """The content in pieces of bounded size, each read in a thread."""
        pieces = self.pieces_now(location)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece

    def read_now(self, location: Location) -> bytes:
        """The whole content, for code that runs in a thread already."""
        try:
            return self.packs.read(location)
        except DamagedRecordError as error:
            return self.packs.read(self._moved(location, error))

    def pieces_now(self, location: Location) -> Iterator[bytes]:
        """The content in pieces of bounded size, for code that runs in a thread already."""
        pieces = self.packs.chunks(location)
        try:
            yield next(pieces, b"")
        except DamagedRecordError as error:
            pieces = self.packs.chunks(self._moved(location, error))
        yield from pieces

    def _moved(self, location: Location, error: DamagedRecordError) -> Location:
        """Where compaction put a content after a session that lives for hours looked it up. Else the error stands."""
        now = find_location(self.database, location.content_id)
        if now is None or now == location:
            raise error
        return now
