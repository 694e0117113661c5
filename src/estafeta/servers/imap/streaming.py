"""Long answers, piece by piece: made in a thread while those before them are being sent; and messages that are too
large to be had whole.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Generic, NamedTuple, NoReturn, TypeVar

from estafeta.core.errors import EstafetaError
from estafeta.servers.imap.fetchplan import Plan, Segment
from estafeta.servers.imap.portion import Portion
from estafeta.servers.imap.session import ImapSession
from estafeta.storage.packs import DamagedRecordError

log = logging.getLogger("estafeta.imap")

# So many pieces may be ready before they are needed.
_AHEAD = 2

T = TypeVar("T")


class _Begun(NamedTuple):
    """What is sent first of a segment, the pieces after it, and how many octets they are to be together."""

    first: bytes
    pieces: Iterator[bytes]
    left: int


async def prepared(session: ImapSession, pieces: Iterator[T]) -> AsyncGenerator[T, None]:
    """The pieces, made in a thread while those before them are used."""
    ahead = _Ahead(session, pieces)
    try:
        while ahead.made or await ahead.wait():
            piece = ahead.made.popleft()
            ahead.go_on()
            yield piece
    finally:
        ahead.stop()


class _Ahead(Generic[T]):
    """A thread makes pieces until enough of them wait: it is not kept where a slow client takes none, and needs not be
    called anew for each where a quick one does."""

    def __init__(self, session: ImapSession, pieces: Iterator[T]) -> None:
        self.made: deque[T] = deque()
        self._session = session
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._ended = self._stopped = False
        self._job: asyncio.Future[None] | None = None

    def go_on(self) -> None:
        """See that a thread is at work, unless all is made or something is wrong."""
        job = self._job
        if not self._ended and (job is None or (job.done() and job.exception() is None)):
            self._job = asyncio.ensure_future(self._session.thread(self._make))
            self._job.add_done_callback(lambda job: self._news.set())

    async def wait(self) -> bool:
        """Wait for a piece; False: there are no more. Raises what the making of a piece raised."""
        while not self.made and not self._ended:
            if self._job is not None and self._job.done():
                self._job.result()
            self.go_on()
            self._news.clear()
            await self._news.wait()
        return bool(self.made)

    def stop(self) -> None:
        """Nobody wants the rest."""
        self._stopped = True
        if self._job is not None:
            self._job.cancel()

    def _make(self) -> None:
        """In the thread."""
        while len(self.made) < _AHEAD and not self._stopped:
            try:
                self.made.append(next(self._pieces))
            except StopIteration:
                self._ended = True
                return
            self._loop.call_soon_threadsafe(self._news.set)


async def send_large(session: ImapSession, plan: Plan, portion: Portion) -> bool:
    """Answer about the one message of the portion. False: it is damaged, and nothing was sent.

    Damage that shows later leaves half a literal behind, and only a cut connection says that it is not whole: raises
    ConnectionResetError then, as when the peer is gone.
    """
    begun = False
    try:
        for segment in plan.segments:
            start = await session.thread(_begin, segment, portion)
            begun = True
            await session.send(start.first)
            left = start.left
            async with aclosing(prepared(session, start.pieces)) as pieces:
                async for piece in pieces:
                    left -= len(piece)
                    await session.send(piece)
            if left:
                raise DamagedRecordError(portion.locations()[0], f"{left} octets are missing")
    except EstafetaError as error:
        if begun:
            cut_off(session, error)
        if not isinstance(error, DamagedRecordError):
            raise
        log.warning("damaged message peer=%s cause=%r", session.pump.peer, error.private)
        return False
    return True


def cut_off(session: ImapSession, error: EstafetaError) -> NoReturn:
    """Half a literal is out: end the session."""
    log.warning("cut off in a message peer=%s reason=%r cause=%r", session.pump.peer, error.public, error.private)
    session.pump.abort()
    raise ConnectionResetError from error


def _begin(segment: Segment, portion: Portion) -> _Begun:
    """In a thread. The first piece is read at once: most damage shows there."""
    values = [next(iter(made(portion))) for made in segment.values]
    if segment.body is None:
        return _Begun(segment.template % tuple(values), iter(()), 0)
    stream = segment.body.stream(portion)
    if stream is None:
        return _Begun(segment.template % (*values, b"NIL"), iter(()), 0)
    text = segment.template % (*values, segment.body.literal % stream.size)
    first = next(stream.pieces, b"")
    return _Begun(text + first, stream.pieces, stream.size - len(first))
