"""One message on its way in: its content piece by piece, then what policy says of it, then the commit.

Up to `SPOOL_BYTES` stays in memory and joins the group commit; more is put aside until policy has looked at it, and
then goes into a pack of its own, all of that in threads. Nothing is acknowledged before `finish` is done. Errors are
`EstafetaError`: LIMIT for a loop, TOO_BIG, QUOTA, TEMPORARY.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.intake.conditions import Conditions, Message, Origin, Recipient
from estafeta.intake.held import HeldFile
from estafeta.intake.joining import hold_pieces
from estafeta.intake.opening import Coming, write_opening
from estafeta.journal.records import MAX_NAMED, Code, Record, detail, refusal
from estafeta.journal.writing import note
from estafeta.mail.address import Address
from estafeta.mail.outline import OutlineScanner
from estafeta.mail.scan import MessageScanner, MessageSummary
from estafeta.mail.urgency import is_urgent
from estafeta.mailboxes.deliver import Outcome
from estafeta.policy.content import Content
from estafeta.policy.judgement import Judgement, RefusedError
from estafeta.policy.together import resumed
from estafeta.policy.verdict import Action
from estafeta.queue.accepting import accept
from estafeta.queue.values import Acceptance, Accepted
from estafeta.storage.commit import next_pack_id
from estafeta.storage.packs import Location
from estafeta.storage.packwriting import SoloPack
from estafeta.trust.requiretls import tls_not_required

if TYPE_CHECKING:
    from estafeta.intake.accept import Intake

# Contents up to this stay in memory; larger ones are put aside in pieces of this size.
SPOOL_BYTES = 256 << 10
# Messages up to this are parsed on the event loop: the worst that anyone can put into so little takes some 10 ms.
# Larger ones are parsed in a thread.
INLINE_BYTES = 16 << 10
# For more mailboxes and addresses elsewhere it is arranged in a thread, too.
INLINE_TARGETS = 200


class Receipt(NamedTuple):
    """What became of a message: `failures` has for each recipient None (it is in its mailbox or queued) or why not."""

    ident: str
    failures: tuple[EstafetaError | None, ...]


Stored = list[Outcome] | tuple[Accepted, ...]
"""What the commit gives: outcomes alone for a message that is only for mailboxes here."""


Notice = tuple[Acceptance, bytes]
"""A message of our own, with its content."""

Inspect = Callable[[Content], Awaitable[Judgement]]
"""Policy's word on a message that is complete, before anything of it is stored. It is begun outside of a task, which
`asyncio.timeout` wants: what needs one makes its own."""

Confirm = Callable[[Message, Sequence[Recipient], Conditions, bytes], Sequence[Notice]]
"""Notices to commit together with a message: confirmations of its delivery (RFC 3461 5.2.3). The last argument is the
beginning of the message. Asks the directory: called in a thread."""


class Reception:
    """One message on its way in."""

    __slots__ = (
        "_author",
        "_buffer",
        "_buffered",
        "_conditions",
        "_disk",
        "_eight_bit",
        "_failure",
        "_head",
        "_held",
        "_hops",
        "_inspect",
        "_intake",
        "_judgement",
        "_max_bytes",
        "_now",
        "_origin",
        "_places",
        "_recipients",
        "_sender",
        "_size",
        "_skip",
        "_solo",
        "ident",
    )

    def __init__(
        self,
        intake: "Intake",
        sender: Address | None,
        recipients: tuple[Recipient, ...],
        origin: Origin,
        conditions: Conditions,
        max_bytes: int,
        max_hops: int,
        inspect: Inspect,
    ) -> None:
        self._intake = intake
        self._inspect = inspect
        self._judgement: Judgement | None = None
        self._conditions = conditions
        self._eight_bit = False
        self._head = b""
        self._author = ""
        self._skip = 0
        self._sender = sender
        self._recipients = recipients
        self._origin = origin
        self._max_bytes = max_bytes
        self._hops = max_hops
        self._now = intake.clock()
        self.ident = intake.idents.new(self._now)
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._size = 0
        self._failure: EstafetaError | None = None
        # One thread at a time has the file: a peer may go while it is being written.
        self._disk = asyncio.Lock()
        # What is large waits here until it was looked at: only then is known what is written in front of it.
        self._held: HeldFile | None = None
        self._solo: SoloPack | None = None

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

    def finish(self) -> "asyncio.Future[Stored]":
        """Make it durable in mailboxes and queue, once policy was asked. Only when the future is done may it be
        acknowledged (`receipt`). RefusedError of policy is in the future, as all errors are.

        No task is made of a small message for which nothing has to be waited for: most are."""
        asked = self._ask()
        try:
            first = asked.send(None)
        except StopIteration as end:
            return self._go_on(end.value)
        except Exception as error:  # noqa: BLE001 - as of a task
            return _failed(error)
        return asyncio.get_running_loop().create_task(self._finish_asked(resumed(asked, first)))

    def receipt(self, stored: Stored) -> Receipt:
        """What became of it, recipient by recipient, from the result of `finish`."""
        outcomes = stored[0].outcomes if isinstance(stored, tuple) else stored
        failures = [
            None if recipient.onward else _failure(outcomes, place)
            for recipient, place in zip(self._recipients, self._places, strict=True)
        ]
        return Receipt(self.ident, tuple(failures))

    async def _ask(self) -> Content:
        """Ask policy about it. Raises RefusedError, and EstafetaError where it could not be taken at all."""
        try:
            self._check_taken()
            content = Content.of(b"".join(self._buffer)) if self._held is None else await self._held_content(self._held)
            self._judgement = judgement = await self._inspect(content)
            if not judgement.decisive.accepted:
                raise self._refused(judgement)
            if self._is_held:
                self._author = content.fields.text("from")
        except BaseException:
            await self.abandon()
            raise
        return content

    def _go_on(self, content: Content) -> "asyncio.Future[Stored]":
        """It was asked about, and is taken."""
        judgement = self._judgement
        if judgement is not None and judgement.action is Action.DISCARD:
            return asyncio.get_running_loop().create_task(self._drop(judgement, content))
        return self._store()

    async def _finish_asked(self, asked: Coroutine[Any, Any, Content]) -> Stored:
        return await self._go_on(await asked)

    def _store(self) -> "asyncio.Future[Stored]":
        small = self._size <= INLINE_BYTES and self._is_for_few
        if not small or self._confirmed:
            return asyncio.get_running_loop().create_task(self._finish_large())
        try:
            summary, content = self._parse()
            return self._commit(self._arrange(summary, content), content, ())
        except Exception as error:  # noqa: BLE001 - as of a task
            return _failed(error)

    def _refused(self, judgement: Judgement) -> RefusedError:
        verdict, sender, peer = judgement.decisive, self._sender_words, self._origin.peer
        said = f"{verdict.code} {verdict.enhanced} {verdict.text}"
        to = [str(recipient.address) for recipient in self._recipients[:MAX_NAMED]]
        refused = refusal(said, sender, peer, number=self.number, to=to)
        return RefusedError(verdict, (*judgement.records(self.number, sender, peer), refused))

    async def _held_content(self, held: HeldFile) -> Content:
        """A large message as it came, for checks to look at."""
        async with self._disk:
            await asyncio.to_thread(self._hold)
            return await asyncio.to_thread(held.content)

    async def _drop(self, judgement: Judgement, content: Content) -> Stored:
        """Taken and kept from its recipients; the journal says so."""
        self._places: list[tuple[int, ...]] = [()] * len(self._recipients)
        reason, said = judgement.decisive.reason, detail(subject=content.fields.text("subject")[:200])
        records = (
            *judgement.records(self.number, self._sender_words, self._origin.peer),
            *(
                Record(self.number, Code.FILTERED, str(one.address), text=reason, detail=said)
                for one in self._recipients
            ),
        )
        try:
            await self._intake.submit(note, self._intake.planner.policies.recording.keep(records), ())
        finally:
            await self.abandon()
        return (Accepted(()),)

    @property
    def number(self) -> int:
        """The ident as the journal has it."""
        return int(self.ident, 16)

    @property
    def _sender_words(self) -> str:
        return "" if self._sender is None else str(self._sender)

    def _check_taken(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._too_big():
            raise EstafetaError(Kind.TOO_BIG, "The message is larger than this address takes.")

    def _new_scanner(self) -> MessageScanner | OutlineScanner:
        """Of what only passes through nobody will ask more than its header says."""
        here = any(recipient.targets for recipient in self._recipients)
        return MessageScanner() if here else OutlineScanner()

    def _parse(self) -> tuple[MessageSummary, bytes | Location]:
        block = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
        content = self._opened(block)
        self._eight_bit = not content.isascii()
        scanner = self._new_scanner()
        scanner.feed(content)
        return scanner.close(), content

    async def _finish_large(self) -> Stored:
        try:
            summary, content = await self._parse_somewhere()
            notices: Sequence[Notice] = ()
            if self._confirmed and not self._is_held:
                message = self._message(summary, content)
                confirm = partial(self._intake.confirm, message, self._recipients, self._conditions, self._head)
                notices = await asyncio.to_thread(confirm)
            few = self._size <= INLINE_BYTES and self._is_for_few
            arranged = (
                self._arrange(summary, content) if few else await asyncio.to_thread(self._arrange, summary, content)
            )
            stored: Stored = await self._commit(arranged, content, notices)
        except BaseException:
            await self.abandon()
            raise
        for file in (self._solo, self._held):
            if file is not None:
                file.close()
        return stored

    async def _parse_somewhere(self) -> tuple[MessageSummary, bytes | Location]:
        if self._held is not None:
            return await asyncio.to_thread(self._store_held, self._held)
        return self._parse() if self._size <= INLINE_BYTES else await asyncio.to_thread(self._parse)

    def _too_big(self) -> bool:
        return 0 < self._max_bytes < self._size

    @property
    def _is_for_few(self) -> bool:
        """Groups and aliases may stand for thousands: a row for each takes some 15 us."""
        return sum(len(one.targets) + len(one.onward) for one in self._recipients) <= INLINE_TARGETS

    def _arrange(self, summary: MessageSummary, content: bytes | Location) -> Acceptance:
        if summary.received_count > self._hops:
            raise EstafetaError(Kind.LIMIT, "The message has passed too many servers: it is in a loop.")
        intake = self._intake
        message = self._message(summary, content)
        if intake.planner.policies.join:
            self._recipients = tuple(hold_pieces(self._recipients, self._head, self._sender))
        arranged, self._places = intake.planner.arrange(
            message, self._recipients, self._origin, self._conditions, judgement=self._judgement
        )
        return arranged

    def _commit(
        self, arranged: Acceptance, content: bytes | Location, notices: Sequence[Notice]
    ) -> "asyncio.Future[Any]":
        intake = self._intake
        if arranged.entry is None and arranged.arrival is not None and not notices:
            return intake.mailboxes.deliver(arranged.arrival, content)
        acceptances = (arranged, *[acceptance for acceptance, _ in notices])
        return intake.submit(accept, acceptances, (content, *[octets for _, octets in notices]))

    def _message(self, summary: MessageSummary, content: bytes | Location) -> Message:
        return Message(
            self.number,
            self._sender,
            summary,
            len(content) if isinstance(content, bytes) else content.size,
            self._skip,
            int(self._now * 1000),
            self._eight_bit,
            urgent=self._origin.repair and is_urgent(self._head),
            tls_optional=tls_not_required(self._head),
            author=self._author,
        )

    @property
    def _is_held(self) -> bool:
        """Whether it goes into quarantine: then it has not arrived yet."""
        return self._judgement is not None and self._judgement.action is Action.QUARANTINE

    @property
    def _confirmed(self) -> bool:
        """Whether the sender wants to hear that it arrived (RFC 3461 4.1)."""
        return any("SUCCESS" in recipient.notify for recipient in self._recipients)

    async def abandon(self) -> None:
        """Forget it; what was spooled is removed, after the thread that may be writing it has ended."""
        async with self._disk:
            self._failure = self._failure or EstafetaError(Kind.TEMPORARY, "The message was given up.")
            self._buffer.clear()
            solo, self._solo = self._solo, None
            held, self._held = self._held, None
            if held is not None:
                held.close()
            if solo is not None:
                await asyncio.to_thread(solo.discard)

    def _opened(self, block: bytes) -> bytes:
        """The beginning of the message as it is stored; `block` has its header section."""
        intake = self._intake
        coming = Coming(self._sender, self._recipients, self._origin, self.ident, intake.hostname, self._now)
        opening = write_opening(block, coming, intake.planner.rewriter, self._judgement)
        self._head, self._skip = opening.block[:SPOOL_BYTES], len(opening.path)
        return opening.path + opening.front + opening.block

    async def _spool_aside(self) -> None:
        """Write to disk in a thread. The rest of a message that failed here is still read; its end tells the sender."""
        try:
            async with self._disk:
                if self._failure is None:
                    await asyncio.to_thread(self._hold)
        except EstafetaError as error:
            self._failure = error
            await self.abandon()

    def _hold(self) -> None:
        """In a thread: put aside what is buffered until the message has been looked at."""
        if self._held is None:
            self._held = HeldFile(self._intake.packs.root)
        self._held.write(b"".join(self._buffer))
        self._buffer.clear()
        self._buffered = 0

    def _store_held(self, held: HeldFile) -> tuple[MessageSummary, bytes | Location]:
        """In a thread: what was put aside, parsed on its way into a pack of its own."""
        solo = self._solo = SoloPack(self._intake.packs, next_pack_id(self._intake.database))
        scanner = self._new_scanner()
        for number, piece in enumerate(held.pieces()):
            block = piece if number else self._opened(piece)
            self._eight_bit = self._eight_bit or not block.isascii()
            scanner.feed(block)
            solo.write(block)
        return scanner.close(), solo.finish()


def _failed(error: Exception) -> "asyncio.Future[Any]":
    failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    failed.set_exception(error)
    return failed


def _failure(outcomes: Sequence[Outcome], place: Sequence[int]) -> EstafetaError | None:
    """A recipient failed when none of its mailboxes got the message."""
    mine = [outcomes[index] for index in place]
    errors = [outcome for outcome in mine if isinstance(outcome, EstafetaError)]
    return errors[0] if errors and len(errors) == len(mine) else None
