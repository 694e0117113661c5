"""Long answers, piece by piece: each made in a thread while the one before it is being sent; and messages that are too
large to be had whole.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import NamedTuple, NoReturn, TypeVar

from estafeta.core.errors import EstafetaError
from estafeta.servers.imap.fetchplan import Plan, Segment
from estafeta.servers.imap.portion import Portion
from estafeta.servers.imap.session import ImapSession
from estafeta.storage.packs import DamagedRecordError

log = logging.getLogger("estafeta.imap")

T = TypeVar("T")


class _Begun(NamedTuple):
    """What is sent first of a segment, the pieces after it, and how many octets they are to be together."""

    first: bytes
    pieces: Iterator[bytes]
    left: int


async def prepared(session: ImapSession, pieces: Iterator[T]) -> AsyncGenerator[T, None]:
    """The pieces, each made in a thread while the one before it is used."""
    ahead = asyncio.ensure_future(session.thread(next, pieces, None))
    try:
        while (piece := await ahead) is not None:
            ahead = asyncio.ensure_future(session.thread(next, pieces, None))
            yield piece
    finally:
        ahead.cancel()


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
