"""A connection to a scanner: octets out, octets in, never more of them kept than was asked for.

It has no times of its own but the one to connect: who uses it runs within one (`estafeta.policy.scanners.asking`), and
what is cancelled leaves no connection behind.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

from estafeta.directory.settings_scanners import Place
from estafeta.policy.content import Content
from estafeta.protocols.scanners.words import AnswerError

_READ_BYTES = 64 << 10
# What a message in memory has at most; larger ones are read from a disk, in a thread.
_INLINE_BYTES = 256 << 10
# A scanner on the same network takes a connection at once, or not at all.
CONNECT_SECONDS = 5.0

Answer = TypeVar("Answer")
Parse = Callable[..., Answer | None]
"""Called with all octets of an answer and `ended`; None: it is not whole. Raises AnswerError."""


class UnreachableError(OSError):
    """There is no connection: nobody listens there now."""


class Wire:
    """See the module. Raises OSError where the connection is lost."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send it, as fast as it is taken."""
        self._check_open()
        self._writer.write(data)
        await self._writer.drain()

    def finish(self) -> None:
        """Nothing more will be sent; what is read is the answer."""
        self._check_open()
        self._writer.write_eof()

    def _check_open(self) -> None:
        # uvloop has RuntimeError for what is written to a connection that the peer has ended.
        if self._writer.is_closing():
            raise ConnectionResetError("the connection was ended")

    async def read(self) -> bytes:
        """What has come, at least one octet; b"" at the end."""
        return await self._reader.read(_READ_BYTES)

    async def answer(self, parse: Parse[Answer]) -> Answer:
        """Read until an answer is whole. `parse` bounds what it can be. Raises AnswerError."""
        data, piece = bytearray(), b"-"
        while piece:
            piece = await self.read()
            data += piece
            found = parse(bytes(data), ended=not piece)
            if found is not None:
                return found
        raise AnswerError("its answer ended too early")


@asynccontextmanager
async def open_wire(place: Place, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """Connect. Raises UnreachableError."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if place.path:
                streams = await asyncio.open_unix_connection(place.path)
            else:
                streams = await asyncio.open_connection(place.host, place.port, ssl=tls)
    except ssl.SSLCertVerificationError as error:
        raise UnreachableError(f"its certificate is not right: {error.verify_message}") from None
    except TimeoutError:
        raise UnreachableError(f"no connection to {place} within {CONNECT_SECONDS:.0f} seconds") from None
    except OSError as error:
        words = (error.strerror or str(error) or type(error).__name__).lower()
        raise UnreachableError(f"no connection to {place}: {words[:200]}") from None
    wire = Wire(*streams)
    try:
        yield wire
        if tls is None:
            # What was said last is still sent; TLS would wait for an answer to its end.
            streams[1].close()
    finally:
        if not streams[1].is_closing():
            streams[1].transport.abort()


async def message_pieces(content: Content, most: int = 0) -> AsyncIterator[bytes]:
    """The message as it came, at most `most` octets of it (0: all). Large ones are read in a thread."""
    left = most or content.size
    pieces = content.message()
    async for piece in read_pieces(pieces, aside=content.size > _INLINE_BYTES):
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


async def read_pieces(pieces: Iterator[bytes], *, aside: bool) -> AsyncIterator[bytes]:
    """Pieces that are not empty; `aside`: each is read in a thread."""
    while True:
        piece = await asyncio.to_thread(next, pieces, None) if aside else next(pieces, None)
        if piece is None:
            return
        if piece:
            yield piece
