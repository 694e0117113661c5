"""Contents of queued messages as they go out: from where the store has them, without what is only ours in front."""

import logging
from collections.abc import AsyncIterator, Iterator, Sequence

from sqlalchemy import select

from estafeta.core.errors import EstafetaError
from estafeta.mailboxes.service import Mailboxes
from estafeta.storage.contents import PLACE, location_of
from estafeta.storage.packs import Location
from estafeta.storage.tables import contents

log = logging.getLogger("estafeta.delivery")

# Contents up to this are read beforehand, together, as long as they are not more than so much in all.
READ_AHEAD_BYTES = 256 << 10
_TOGETHER_BYTES = 1 << 20


class StoredSource:
    """A content in the store; `skip` octets in front do not go out."""

    __slots__ = ("_content", "_location", "_mailboxes", "_skip", "size")

    def __init__(self, mailboxes: Mailboxes, location: Location, skip: int, content: bytes | None) -> None:
        self._mailboxes = mailboxes
        self._location = location
        self._skip = skip
        self._content = content
        self.size = location.size - skip

    def whole(self) -> bytes | None:
        """All of it, if it was read beforehand."""
        return self._content

    async def stored(self) -> bytes:
        """All of it as it is stored, with what does not go out."""
        return await self._mailboxes.read(self._location)

    def beginning(self, whole: bool) -> bytes:
        """In a thread: all of it, or so much that the header is in it."""
        found: list[bytes] = []
        octets = 0
        for piece in self.pieces_now():
            found.append(piece)
            octets += len(piece)
            if not whole and octets >= READ_AHEAD_BYTES:
                break
        return b"".join(found)

    def pieces_now(self) -> Iterator[bytes]:
        """In a thread: all of it in pieces of bounded size."""
        if self._content is not None:
            yield self._content
            return
        skip = self._skip
        for piece in self._mailboxes.pieces_now(self._location):
            if skip < len(piece):
                yield piece[skip:] if skip else piece
            skip = max(0, skip - len(piece))

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it in pieces of bounded size."""
        if self._content is not None:
            yield self._content
            return
        skip = self._skip
        async for piece in self._mailboxes.chunks(self._location):
            if skip < len(piece):
                yield piece[skip:] if skip else piece
            skip = max(0, skip - len(piece))


def load_sources(mailboxes: Mailboxes, wanted: Sequence[tuple[int, int]]) -> list[StoredSource | None]:
    """In a thread: the contents of (content_id, skip), small ones read already; None where there is none (damage)."""
    ids = {content_id for content_id, _ in wanted}
    with mailboxes.database.read() as conn:
        rows = conn.execute(select(*PLACE).where(contents.c.content_id.in_(ids))).all()
    places = {row.content_id: location_of(row) for row in rows}
    room = _TOGETHER_BYTES
    found: list[StoredSource | None] = []
    for content_id, skip in wanted:
        location = places.get(content_id)
        if location is None:
            found.append(None)
            continue
        content = None
        if location.size <= min(READ_AHEAD_BYTES, room):
            room -= location.size
            try:
                content = mailboxes.read_now(location)[skip:]
            except (EstafetaError, OSError) as error:
                # One that is damaged holds up no other.
                log.error("the content of a queued message cannot be read", exc_info=error)
                found.append(None)
                continue
        found.append(StoredSource(mailboxes, location, skip, content))
    return found
