"""A connection to another server that is ready: messages are sent over it one after the other.

Nothing that a server does raises out of `send`: it becomes outcomes. A cancelled `send` ends the connection at once.
`delivery.connection` makes connections.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from estafeta.core.errors import EstafetaError
from estafeta.delivery.connection_link import Link
from estafeta.delivery.connection_options import ConnectionOptions
from estafeta.delivery.connection_outcomes import judge_transaction, problem_info, reply_info
from estafeta.delivery.connection_plan import Offer, Plan, plan_transmission, wants_seven_bit
from estafeta.delivery.tlsdemand import TlsDemand, TlsFailure
from estafeta.delivery.values import (
    AttemptError,
    Endpoint,
    ErrorKind,
    Finished,
    MemorySource,
    MessageSource,
    Outcome,
    OutcomeKind,
    ReplyInfo,
    Stage,
    Transmission,
    TransmissionResult,
)
from estafeta.mail.downgrade import to_seven_bit
from estafeta.protocols.smtp.client import Answered, ClientState, ContentWanted, SmtpClient
from estafeta.protocols.smtp.client_extensions import Extensions
from estafeta.protocols.smtp.client_transaction import Message, Phase, Problem, Transaction
from estafeta.queue.values import EntryFlag

log = logging.getLogger("estafeta.delivery")

# Contents up to this go out at once with their commands; a larger one waits to hear that somebody wants it.
_EAGER_BYTES = 64 * 1024
# After a longer silence the other side may have closed: the content waits for its answer to MAIL.
_EAGER_SECONDS = 1.0
# Contents up to this are put together in memory before they are sent.
_GATHER_BYTES = 256 * 1024
_UTF8 = int(EntryFlag.UTF8)


class Connection:
    """A session that is ready. `tls_words` as `tlscontexts.tls_words`, "" for clear text; `demand` what was asked of
    TLS in the end; `tls_failures` what went wrong with TLS before that, with the demand that it went wrong under."""

    def __init__(self, endpoint: Endpoint, options: ConnectionOptions, demand: TlsDemand, link: Link) -> None:
        self.peer = endpoint
        self.demand = demand
        self.tls_words = ""
        self.tls_failures: tuple[tuple[TlsDemand, TlsFailure], ...] = ()
        self.transactions = 0
        self._options = options
        self._times = options.times
        self._link = link
        self._machine = link.machine
        # RFC 9422 4: MAILMAX counts MAIL commands, accepted or not.
        self._most = min(options.max_messages, self.extensions.mail_max or options.max_messages)

    @property
    def extensions(self) -> Extensions:
        """What the server offers."""
        return self._machine.extensions

    @property
    def usable(self) -> bool:
        """Whether another message may be sent over it."""
        # Octets that nobody asked for: a 421, or a server that has lost count.
        ready = self._machine.state is ClientState.READY and not self._machine.buffered
        return ready and self.transactions < self._most and not self._link.lost

    @property
    def idle_seconds(self) -> float:
        """How long nothing has come from the other side."""
        return asyncio.get_running_loop().time() - self._link.last

    # Sending

    async def send(self, message: Transmission) -> TransmissionResult:
        """Send one message to all of its recipients, in as many transactions as the server wants."""
        started = time.monotonic()
        try:
            outcomes, lost, sent = await self._send(message)
        except BaseException:
            self.abort()
            raise
        return TransmissionResult(
            tuple(outcomes),
            lost,
            self.usable,
            self.extensions.dsn,
            self.tls_words,
            time.monotonic() - started,
            sent.signed,
            sent.sealed,
        )

    async def etrn(self, domain: str) -> ReplyInfo:
        """Ask the server for our mail (RFC 1985). Raises AttemptError where the connection ends."""
        return await self._command(b"ETRN " + domain.encode("ascii", "replace"), "ETRN")

    async def reset(self) -> ReplyInfo:
        """RSET: forget the transaction; also tells whether the server is there. Raises AttemptError."""
        return await self._command(b"RSET", "RSET")

    async def quit(self) -> None:
        """Say goodbye and close. Never raises."""
        if self._machine.state is ClientState.READY and not self._link.lost:
            self._machine.command(b"QUIT")
            await self._link.wait(self._times.quit)
        self._link.close()

    def abort(self) -> None:
        """Cut the connection at once."""
        self._link.abort()

    async def _command(self, line: bytes, command: str) -> ReplyInfo:
        self._machine.command(line)
        event = await self._link.wait(self._times.command)
        if isinstance(event, Answered):
            return reply_info(event.reply, command)
        raise broken(self.peer, Stage.IDLE, command, self._machine)

    async def _send(self, message: Transmission) -> tuple[list[Outcome], bool, Finished]:
        offer = Offer(self.peer.host or self.peer.path, self.extensions, self._machine.tls, self._options.chunking)
        try:
            source = await _gathered(message.content)
            encoded = wants_seven_bit(message.flags, offer)
            if encoded:
                source = await _seven_bit(source)
            sent = Finished(source) if message.finish is None else await message.finish(source, encoded)
        except (OSError, EstafetaError) as error:
            log.warning("content cannot be read", exc_info=error)
            return [_unreadable(offer.host)] * len(message.recipients), False, Finished(message.content)
        source = sent.content
        plan = plan_transmission(message, offer, source.size, ascii_header=_ascii_header(source, message))
        outcomes = [_refused(reply, offer.host) if reply else _NOTHING for reply in plan.refusals]
        left = [number for number, reply in enumerate(plan.refusals) if reply is None]
        lost = False
        while left:
            most = self.extensions.rcpt_max or len(left)
            batch, left = left[:most], left[most:]
            again, ended = await self._transact(plan, batch, source, outcomes)
            left = again + left
            lost = lost or ended
        return outcomes, lost, sent

    async def _transact(
        self, plan: Plan, batch: list[int], source: MessageSource, outcomes: list[Outcome]
    ) -> tuple[list[int], bool]:
        """One transaction for the recipients at the places `batch`. Those that want another, and whether the
        connection was lost after the content."""
        if not self.usable:
            _fill(outcomes, batch, [self._unusable()] * len(batch))
            return [], False
        fresh = self.transactions == 0
        self.transactions += 1
        rcpts = plan.rcpts if len(batch) == len(plan.rcpts) else tuple(plan.rcpts[number] for number in batch)
        transaction = await self._run(Message(plan.mail, rcpts, source.whole(), source.size), source)
        name = self.peer.host or self.peer.path
        judged = judge_transaction(transaction, len(batch), name, fresh=fresh, wrong=self._machine.wrong)
        _fill(outcomes, batch, judged.outcomes)
        if not self._machine.closed:
            # With the connection at its end a "too many" stands as it is: the queue brings it back.
            return [batch[number] for number in judged.again], judged.lost_after_dot
        self._link.abort()
        return [], judged.lost_after_dot

    def _unusable(self) -> Outcome:
        """What to say of recipients when nothing can be said to the server. It is no attempt, unless this connection
        was of no use from the start."""
        error = broken(self.peer, Stage.IDLE, "MAIL", self._machine)
        kind = OutcomeKind.UNTRIED if self.transactions else OutcomeKind.DEFERRED
        reply = error.reply or ReplyInfo(0, "4.4.2", error.text, "MAIL")
        return Outcome(kind, reply, self.peer.host or self.peer.path, error.rule_word)

    async def _run(self, message: Message, source: MessageSource) -> Transaction:
        link, machine = self._link, self._machine
        eager = message.size <= _EAGER_BYTES and self.idle_seconds < _EAGER_SECONDS
        transaction = machine.begin(message, eager=eager)
        while transaction.phase is not Phase.DONE:
            event = await link.wait(self._times.command)
            if isinstance(event, ContentWanted):
                await self._stream(source)
        return transaction

    async def _stream(self, source: MessageSource) -> None:
        """The content in pieces, as fast as the other side takes it."""
        machine, link, sent = self._machine, self._link, 0
        try:
            async with aclosing(cast("AsyncGenerator[bytes, None]", source.pieces())) as pieces:
                async for piece in pieces:
                    sent += len(piece)
                    if machine.state is not ClientState.TRANSACTION or sent > source.size:
                        break
                    machine.put_piece(piece)
                    if sent == source.size:
                        # With BDAT the reply may come as soon as the last octet is out: the machine must know first.
                        break
                    link.flush()
                    await link.room(self._times.data_block)
        except (OSError, EstafetaError):
            sent = -1
        if sent != source.size:
            # The only honest end of a content that is not complete is none at all.
            machine.lost(Problem.LOCAL)
            return
        machine.end_content()


_NOTHING = Outcome(OutcomeKind.UNTRIED, ReplyInfo(0, "", ""), "")


def broken(peer: Endpoint, stage: Stage, command: str, machine: SmtpClient) -> AttemptError:
    """The error for a session that ended before its time."""
    problem = machine.problem or Problem.LOST
    kind, info = problem_info(problem, peer.words, command, machine.wrong)
    if machine.closing is not None:
        reply = reply_info(machine.closing, command)
        return AttemptError(stage, ErrorKind.REPLY, f"{peer.words} said: {reply.words}", reply=reply)
    return AttemptError(stage, kind, info.text)


def _fill(outcomes: list[Outcome], batch: list[int], judged: list[Outcome]) -> None:
    for number, outcome in zip(batch, judged, strict=True):
        outcomes[number] = outcome


def _refused(reply: ReplyInfo, host: str) -> Outcome:
    return Outcome(OutcomeKind.FAILED, reply, host, ErrorKind.LOCAL)


def _unreadable(host: str) -> Outcome:
    reply = ReplyInfo(0, "4.3.0", "The message could not be read here.", "DATA")
    return Outcome(OutcomeKind.DEFERRED, reply, host, ErrorKind.LOCAL)


def _ascii_header(source: MessageSource, message: Transmission) -> bool:
    if not int(message.flags) & _UTF8:
        return True
    content = source.whole()
    return content is not None and content[: content.find(b"\r\n\r\n")].isascii()


async def _gathered(source: MessageSource, most: int = _GATHER_BYTES) -> MessageSource:
    """In memory, if it has at most so many octets. Raises OSError, EstafetaError."""
    if source.whole() is not None or source.size > most:
        return source
    content = b"".join([piece async for piece in source.pieces()])
    if len(content) != source.size:
        raise OSError(f"the content has {len(content)} octets instead of {source.size}")
    return MemorySource(content)


async def _seven_bit(source: MessageSource) -> MessageSource:
    """Encoded anew in 7 bits, in a thread: it is parsed and written."""
    gathered = await _gathered(source, source.size)
    content = gathered.whole() or b""
    return MemorySource(await asyncio.to_thread(to_seven_bit, content))
