"""A message on its way in by APPEND: kept octet for octet, in memory or in a file of its own.

Up to `SPOOL_BYTES` it is parsed at the end of the command; more is streamed to a pack of its own and parsed on the way,
so that a message of any size costs little memory. Nothing is stored before a commit names it. Errors: TEMPORARY (disk).
"""

import asyncio
from collections.abc import Awaitable, Sequence

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.scan import MessageScanner, MessageSummary
from estafeta.mailboxes.service import Mailboxes
from estafeta.storage.commit import next_pack_id
from estafeta.storage.packs import Location
from estafeta.storage.packwriting import SoloPack

#: Contents up to this may stay in memory; larger ones are streamed to disk in pieces of this size.
SPOOL_BYTES = 256 << 10
# All messages of a command together up to this are parsed on the event loop: the worst that anyone can put into so
# little takes some 10 ms.
_INLINE_BYTES = 16 << 10


class Spool:
    """One message. `write` its octets, then `finish_all`; `close` once it is committed, or `discard` it."""

    __slots__ = ("_buffer", "_buffered", "_disk", "_gone", "_mailboxes", "_memory", "_scanner", "_solo", "size")

    def __init__(self, mailboxes: Mailboxes, memory: int = SPOOL_BYTES) -> None:
        """`memory`: octets that may be kept; beyond, it goes to disk."""
        self._mailboxes = mailboxes
        self._memory = min(memory, SPOOL_BYTES)
        self._buffer: list[bytes] = []
        self._buffered = 0
        # One thread at a time has the file: a peer may go while it is being written.
        self._disk = asyncio.Lock()
        self._scanner: MessageScanner | None = None
        self._solo: SoloPack | None = None
        self._gone = False
        self.size = 0

    @property
    def held(self) -> int:
        """Octets of it that are in memory."""
        return self._buffered

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Take a piece. What is returned must be awaited before the next one: the disk is being written."""
        self.size += len(data)
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered <= (self._memory if self._solo is None else SPOOL_BYTES):
            return None
        return self._aside()

    async def finish_file(self) -> tuple[MessageSummary, Location]:
        """Of a message that is on disk: what is known of it, and where it is, durable."""
        await self._aside()
        return await asyncio.to_thread(self._finish_file)

    def parse(self) -> tuple[MessageSummary, bytes]:
        """Of a message that is in memory: what is known of it, and its content."""
        content = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
        scanner = MessageScanner()
        scanner.feed(content)
        return scanner.close(), content

    @property
    def on_disk(self) -> bool:
        """Whether it was too large for memory."""
        return self._solo is not None

    def close(self) -> None:
        """It is committed: let go of the file."""
        if self._solo is not None:
            self._solo.close()

    def discard(self) -> None:
        """Forget it; a file is removed, after the thread that may be writing it has ended."""
        if not self._gone:
            self._gone = True
            asyncio.get_running_loop().create_task(self._remove())

    async def _remove(self) -> None:
        async with self._disk:
            self._buffer.clear()
            solo, self._solo = self._solo, None
            if solo is not None:
                await asyncio.to_thread(solo.discard)

    async def _aside(self) -> None:
        async with self._disk:
            if self._gone:
                raise EstafetaError(Kind.TEMPORARY, "The message was given up.")
            await asyncio.to_thread(self._write_out)

    def _write_out(self) -> None:
        """In a thread: write what is buffered to the file, parsing it on the way."""
        block = b"".join(self._buffer)
        self._buffer.clear()
        self._buffered = 0
        if self._solo is None or self._scanner is None:
            self._solo = SoloPack(self._mailboxes.packs, next_pack_id(self._mailboxes.database))
            self._scanner = MessageScanner()
        self._scanner.feed(block)
        self._solo.write(block)

    def _finish_file(self) -> tuple[MessageSummary, Location]:
        if self._solo is None or self._scanner is None:
            raise RuntimeError("nothing was written to a file")
        return self._scanner.close(), self._solo.finish()


async def finish_all(spools: Sequence[Spool]) -> list[tuple[MessageSummary, bytes | Location]]:
    """What is known of each message, and its content, or where that is. What is in memory is parsed in one go."""
    held = [spool for spool in spools if not spool.on_disk]
    if sum(spool.held for spool in held) <= _INLINE_BYTES:
        parsed = [spool.parse() for spool in held]
    else:
        parsed = await asyncio.to_thread(lambda: [spool.parse() for spool in held])
    in_turn = iter(parsed)
    return [await spool.finish_file() if spool.on_disk else next(in_turn) for spool in spools]
