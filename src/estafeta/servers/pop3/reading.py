"""RETR and TOP (RFC 1939 5 and 7).

A small content that the system has in memory is answered at once; one that it has not is read in a thread; a large one
goes out piece by piece, no faster than the peer takes it, so that memory stays small whatever its size.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable

from estafeta.mailboxes.values import SnapshotRow
from estafeta.protocols.pop3 import events
from estafeta.protocols.pop3.content import Head, Stuffer
from estafeta.protocols.pop3.texts import Text
from estafeta.servers.pop3.listing import find
from estafeta.servers.pop3.session import Pop3Session

# Up to this size a content is handled in one piece: a fraction of a millisecond of decompressing and stuffing.
_WHOLE_OCTETS = 256 << 10


def retr(session: Pop3Session, event: events.Retrieve) -> Awaitable[None] | None:
    """A whole message."""
    return _send(session, event.number, None)


def top(session: Pop3Session, event: events.Top) -> Awaitable[None] | None:
    """The header and the first lines of the body."""
    return _send(session, event.number, event.lines)


def _send(session: Pop3Session, number: int, lines: int | None) -> Awaitable[None] | None:
    row = find(session, number)
    if row is None:
        return None
    if row.size > _WHOLE_OCTETS:
        return _stream(session, row, lines)
    content = session.service.shared.mailboxes.read_cached(row.location)
    if content is None:
        return _read(session, row, lines)
    _answer(session, row, content, lines)
    return None


async def _read(session: Pop3Session, row: SnapshotRow, lines: int | None) -> None:
    _answer(session, row, await session.service.shared.mailboxes.read(row.location), lines)


def _answer(session: Pop3Session, row: SnapshotRow, content: bytes, lines: int | None) -> None:
    if lines is None:
        session.machine.ok_content(content, Text.OCTETS, len(content))
        _was_read(session, row)
    else:
        session.machine.ok_content(Head(lines).feed(content), Text.TOP_OF_MESSAGE)


async def _stream(session: Pop3Session, row: SnapshotRow, lines: int | None) -> None:
    pieces = session.service.shared.mailboxes.chunks(row.location)
    try:
        # The first piece shows whether the content can be read at all: after +OK there is no way to say that it cannot.
        first = await anext(pieces, b"")
        if lines is None:
            session.machine.begin_content(Text.OCTETS, row.size)
        else:
            session.machine.begin_content(Text.TOP_OF_MESSAGE)
        await _send_pieces(session, first, pieces, Head(lines) if lines is not None else None)
        if lines is None:
            _was_read(session, row)
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


def _was_read(session: Pop3Session, row: SnapshotRow) -> None:
    if session.maildrop is not None:
        session.maildrop.note_read(row)


async def _send_pieces(session: Pop3Session, piece: bytes, rest: AsyncIterator[bytes], head: Head | None) -> None:
    stuffer, pump = Stuffer(), session.pump
    await pump.send(session.machine.take_output())
    while piece:
        await pump.send(stuffer.feed(piece if head is None else head.feed(piece)))
        piece = b"" if head is not None and head.done else await anext(rest, b"")
    session.machine.end_content(stuffer.finish())
