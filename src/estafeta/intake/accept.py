"""Taking a message in: trace fields in front, parsed once, stored durably for all its local recipients.

A `Reception` gets the content piece by piece. Up to 256 KiB stays in memory and joins the group commit; more is
streamed into a pack of its own, in a thread, so a message of any size costs a worker little memory. Nothing is
acknowledged before `finish` returns. Errors are `EstafetaError`: LIMIT for a loop, TOO_BIG, QUOTA, TEMPORARY.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory.model import LocalTarget
from estafeta.mail.address import Address
from estafeta.mail.headers import find_header_end
from estafeta.mail.repair import missing_fields
from estafeta.mail.scan import MessageScanner, MessageSummary
from estafeta.mail.trace import received, return_path
from estafeta.mailboxes.deliver import Outcome
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.storage.commit import next_pack_id
from estafeta.storage.database import Database
from estafeta.storage.packs import Location, Packs, SoloPack

# Contents up to this stay in memory; larger ones are streamed to disk in pieces of this size.
SPOOL_BYTES = 256 << 10
# Messages up to this are parsed on the event loop: the worst that anyone can put into so little takes some 10 ms.
# Larger ones are parsed in a thread.
INLINE_BYTES = 16 << 10

Clock = Callable[[], float]


class Origin(NamedTuple):
    """Where a message comes from, as its Received field tells it.

    `protocol` is a keyword of RFC 3848; `repair` says that missing fields may be added (submission, RFC 6409 8).
    """

    protocol: str
    helo: str
    client: str
    tls: str | None = None
    repair: bool = False


class Recipient(NamedTuple):
    """A recipient that was accepted, and the mailboxes that it means."""

    address: Address
    targets: tuple[LocalTarget, ...]


class Receipt(NamedTuple):
    """What became of a message: `failures` has for each recipient None (it is in its mailbox) or why not."""

    ident: str
    failures: tuple[EstafetaError | None, ...]


class Intake:
    """Makes receptions. One for each worker; `worker` keeps the idents of several apart."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        packs: Packs,
        database: Database,
        *,
        hostname: str,
        worker: int = 0,
        clock: Clock = time.time,
    ) -> None:
        self.mailboxes = mailboxes
        self.packs = packs
        self.database = database
        self.hostname = hostname
        self.clock = clock
        self._worker = worker
        self._count = itertools.count()

    def open(
        self, sender: Address | None, recipients: Sequence[Recipient], origin: Origin, *, max_bytes: int, max_hops: int
    ) -> "Reception":
        """Begin to take a message of at most `max_bytes` octets (0: no limit)."""
        return Reception(self, sender, tuple(recipients), origin, max_bytes, max_hops)

    def new_ident(self, now: float) -> str:
        """A name for a message in logs and in its Received field, unique on this node."""
        return f"{int(now * 1000) << 20 | (self._worker & 0xFF) << 12 | next(self._count) & 0xFFF:x}"


class Reception:
    """One message on its way in."""

    __slots__ = (
        "_buffer",
        "_buffered",
        "_disk",
        "_failure",
        "_hops",
        "_intake",
        "_max_bytes",
        "_now",
        "_origin",
        "_places",
        "_recipients",
        "_scanner",
        "_sender",
        "_size",
        "_solo",
        "ident",
    )

    def __init__(
        self,
        intake: Intake,
        sender: Address | None,
        recipients: tuple[Recipient, ...],
        origin: Origin,
        max_bytes: int,
        max_hops: int,
    ) -> None:
        self._intake = intake
        self._sender = sender
        self._recipients = recipients
        self._origin = origin
        self._max_bytes = max_bytes
        self._hops = max_hops
        self._now = intake.clock()
        self.ident = intake.new_ident(self._now)
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._size = 0
        self._failure: EstafetaError | None = None
        # One thread at a time has the file: a peer may go while it is being written.
        self._disk = asyncio.Lock()
        self._solo: SoloPack | None = None
        self._scanner: MessageScanner | None = None

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Take a piece. What is returned must be awaited before the next one: the disk is being written."""
        self._size += len(data)
        if self._failure is not None:
            return None
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered <= SPOOL_BYTES:
            return None
        return self._spool_aside()

    def finish(self) -> "asyncio.Future[list[Outcome]]":
        """Make it durable in every mailbox. Only when the future is done may it be acknowledged (`receipt`)."""
        if self._size <= INLINE_BYTES and self._solo is None and self._failure is None and not self._too_big():
            return self._finish_small()
        return asyncio.get_running_loop().create_task(self._finish_large())

    def receipt(self, outcomes: Sequence[Outcome]) -> Receipt:
        """What became of it, recipient by recipient, from the result of `finish`."""
        return Receipt(self.ident, tuple([_failure(outcomes, place) for place in self._places]))

    def _finish_small(self) -> "asyncio.Future[list[Outcome]]":
        """Parsed here and stored by the group commit, without a task: the way of most messages."""
        return self._store(*self._parse())

    def _parse(self) -> tuple[MessageSummary, bytes | Location]:
        block = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
        content = self._prefix(block) + block
        scanner = MessageScanner()
        scanner.feed(content)
        return scanner.close(), content

    async def _finish_large(self) -> list[Outcome]:
        try:
            if self._failure is not None:
                raise self._failure
            if self._too_big():
                raise EstafetaError(Kind.TOO_BIG, "The message is larger than this address takes.")
            work = self._parse if self._solo is None else self._finish_spool
            outcomes = await self._store(*await asyncio.to_thread(work))
        except BaseException:
            await self.abandon()
            raise
        if self._solo is not None:
            self._solo.close()
        return outcomes

    def _too_big(self) -> bool:
        return 0 < self._max_bytes < self._size

    def _store(self, summary: MessageSummary, content: bytes | Location) -> "asyncio.Future[list[Outcome]]":
        if summary.received_count > self._hops:
            raise EstafetaError(Kind.LIMIT, "The message has passed too many servers: it is in a loop.")
        deliveries, self._places = _deliveries(self._recipients)
        now_ms = int(self._now * 1000)
        return self._intake.mailboxes.deliver(Arrival(summary, deliveries, now_ms, now_ms), content)

    async def abandon(self) -> None:
        """Forget it; what was spooled is removed, after the thread that may be writing it has ended."""
        async with self._disk:
            self._failure = self._failure or EstafetaError(Kind.TEMPORARY, "The message was given up.")
            self._buffer.clear()
            solo, self._solo = self._solo, None
            if solo is not None:
                await asyncio.to_thread(solo.discard)

    def _prefix(self, block: bytes) -> bytes:
        """The fields that go in front; `block` begins with the header section."""
        origin, intake = self._origin, self._intake
        recipients = self._recipients
        trace = received(
            helo=origin.helo,
            client=origin.client,
            client_name=None,
            by=intake.hostname,
            protocol=origin.protocol,
            ident=self.ident,
            recipient=str(recipients[0].address) if len(recipients) == 1 else None,
            tls=origin.tls,
            now=self._now,
        )
        added = b""
        if origin.repair:
            end = find_header_end(block)
            header = block if end < 0 else block[:end]
            added = missing_fields(
                header, sender=self._sender, ident=self.ident, hostname=intake.hostname, now=self._now
            )
        return return_path(self._sender) + trace + added

    async def _spool_aside(self) -> None:
        """Write to disk in a thread. The rest of a message that failed here is still read; its end tells the sender."""
        try:
            async with self._disk:
                if self._failure is None:
                    await asyncio.to_thread(self._spool)
        except EstafetaError as error:
            self._failure = error
            await self.abandon()

    def _spool(self) -> None:
        """In a thread: write what is buffered to the pack of its own, parsing it on the way."""
        block = b"".join(self._buffer)
        self._buffer.clear()
        self._buffered = 0
        if self._scanner is None:
            self._solo = SoloPack(self._intake.packs, next_pack_id(self._intake.database))
            self._scanner = MessageScanner()
            block = self._prefix(block) + block
        assert self._solo is not None
        self._scanner.feed(block)
        self._solo.write(block)

    def _finish_spool(self) -> tuple[MessageSummary, bytes | Location]:
        self._spool()
        assert self._solo is not None
        assert self._scanner is not None
        return self._scanner.close(), self._solo.finish()


def _deliveries(recipients: Sequence[Recipient]) -> tuple[tuple[Delivery, ...], list[tuple[int, ...]]]:
    """One delivery per mailbox, however many recipients mean it, and for each recipient which deliveries are its.

    The quota is binding where one recipient means one mailbox. Where several share a fate (an alias, one reply for
    all), it was checked at RCPT, and a mailbox may go over it by this one message rather than lose it.
    """
    order: dict[AccountId, int] = {}
    limits: dict[AccountId, tuple[int, int]] = {}
    places = []
    for recipient in recipients:
        mine = []
        for target in recipient.targets:
            mine.append(order.setdefault(target.account_id, len(order)))
            limits[target.account_id] = target.quota_bytes, target.quota_messages
        places.append(tuple(mine))
    binding = len(recipients) == 1 and len(order) == 1
    if not binding:
        return tuple(Delivery(account) for account in order), places
    [(account, (octets, messages))] = limits.items()
    return (Delivery(account, quota_bytes=octets, quota_messages=messages),), places


def _failure(outcomes: Sequence[Outcome], place: Sequence[int]) -> EstafetaError | None:
    """A recipient failed when none of its mailboxes got the message."""
    mine = [outcomes[index] for index in place]
    errors = [outcome for outcome in mine if isinstance(outcome, EstafetaError)]
    return errors[0] if errors and len(errors) == len(mine) else None
