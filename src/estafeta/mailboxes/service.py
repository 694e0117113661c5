"""The mailboxes as servers see them: asynchronous, every change by way of the group commit.

Reading rows goes to threads; reading content that the system already has in memory does not (`read_cached`). Errors are
`EstafetaError`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.change import Expunge, SetFlags, expunge, set_flags
from estafeta.mailboxes.deliver import Outcome, deliver
from estafeta.mailboxes.values import Arrival, MailboxStatus, Snapshot
from estafeta.storage.commit import Operation
from estafeta.storage.contents import find_location
from estafeta.storage.database import Database
from estafeta.storage.packs import DamagedRecordError, Location, Packs

Submit = Callable[[Operation, Any, Sequence[bytes | Location]], "asyncio.Future[Any]"]
"""How a change is made durable: `Writer.submit`."""


class Mailboxes:
    """All mailboxes of one store."""

    def __init__(self, database: Database, packs: Packs, submit: Submit) -> None:
        self._database = database
        self._packs = packs
        self._submit = submit

    def deliver(self, arrival: Arrival, content: bytes | Location) -> "asyncio.Future[list[Outcome]]":
        """Store one message for all its deliveries; durable when the future is done."""
        return self._submit(deliver, arrival, (content,))

    async def snapshot(self, account_id: AccountId, mailbox_id: MailboxId = INBOX) -> Snapshot:
        """Every message of a mailbox as it is now."""
        return await asyncio.to_thread(look.snapshot, self._database, account_id, mailbox_id)

    async def status(self, account_id: AccountId, mailbox_id: MailboxId = INBOX) -> MailboxStatus:
        """The counters of a mailbox."""
        return await asyncio.to_thread(look.status, self._database, account_id, mailbox_id)

    async def used_bytes(self, account_id: AccountId) -> int:
        """Octets that an account holds, as its quota counts them."""
        return await asyncio.to_thread(look.used_bytes, self._database, account_id)

    async def expunge(self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[int]) -> int:
        """Remove messages; the result is how many were still there."""
        return int(await self._submit(expunge, Expunge(account_id, mailbox_id, tuple(uids)), ()))

    async def set_flags(self, wanted: SetFlags) -> int:
        """Change flags; the result is the new MODSEQ, 0 when nothing changed."""
        return int(await self._submit(set_flags, wanted, ()))

    def read_cached(self, location: Location) -> bytes | None:
        """The content if it is in memory already: never waits for the disk."""
        return self._packs.read_cached(location)

    async def read(self, location: Location) -> bytes:
        """The whole content (for sizes that fit in memory; `chunks` for others)."""
        return await asyncio.to_thread(self._read, location)

    async def chunks(self, location: Location) -> AsyncIterator[bytes]:
        """The content in pieces of bounded size, each read in a thread."""
        pieces = self._pieces(location)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece

    def _read(self, location: Location) -> bytes:
        try:
            return self._packs.read(location)
        except DamagedRecordError as error:
            return self._packs.read(self._moved(location, error))

    def _pieces(self, location: Location) -> Iterator[bytes]:
        pieces = self._packs.chunks(location)
        try:
            yield next(pieces, b"")
        except DamagedRecordError as error:
            pieces = self._packs.chunks(self._moved(location, error))
        yield from pieces

    def _moved(self, location: Location, error: DamagedRecordError) -> Location:
        """Where compaction put a content after a session that lives for hours looked it up. Else the error stands."""
        now = find_location(self._database, location.content_id)
        if now is None or now == location:
            raise error
        return now
