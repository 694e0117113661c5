"""Reading contents that are too large to be had whole, by stretches.

Clients fetch large messages in pieces of 64 KiB, one after the other (`BODY[]<65536.65536>`). A content is compressed
as one stream, so each piece would cost the reading of all before it; a `Bookmark` keeps the place where the last one
ended. For threads; one command of one session at a time.
"""

from collections.abc import Iterator

from estafeta.mailboxes.service import Mailboxes
from estafeta.storage.contents import find_location
from estafeta.storage.packs import DamagedRecordError, Location


class Reading:
    """A content that is being read from its beginning to its end. `start`: where the piece begins that was read
    last."""

    __slots__ = ("_piece", "_pieces", "location", "start")

    def __init__(self, mailboxes: Mailboxes, location: Location) -> None:
        self.location = location
        self.start = 0
        self._piece = b""
        self._pieces = open_chunks(mailboxes, location)

    def read(self, offset: int, stop: int) -> Iterator[bytes]:
        """The octets from `offset`, which is not before `start`, up to `stop`. The end of the content is read to its
        very end, where damage may show. Raises DamagedRecordError."""
        while True:
            cut = self._piece[max(0, offset - self.start) : max(0, stop - self.start)]
            if cut:
                yield cut
            end = self.start + len(self._piece)
            if stop <= end < self.location.size:
                return
            piece = next(self._pieces, b"")
            if not piece:
                return
            self.start, self._piece = end, piece


class Bookmark:
    """Where the last reading of a large content in a session stopped."""

    __slots__ = ("_reading",)

    def __init__(self) -> None:
        self._reading: Reading | None = None

    def read(self, mailboxes: Mailboxes, location: Location, offset: int, size: int) -> Iterator[bytes]:
        """A stretch of a content; from the bookmark on, if that is in it and not behind the stretch."""
        reading, self._reading = self._reading, None
        if reading is None or reading.location.content_id != location.content_id or reading.start > offset:
            reading = Reading(mailboxes, location)
        yield from reading.read(offset, offset + size)
        if offset + size < location.size:
            self._reading = reading


def open_chunks(mailboxes: Mailboxes, location: Location) -> Iterator[bytes]:
    """A content in pieces, also when compaction moved it since it was looked up."""
    pieces = mailboxes.packs.chunks(location)
    try:
        yield next(pieces, b"")
    except DamagedRecordError:
        now = find_location(mailboxes.database, location.content_id)
        if now is None or now == location:
            raise
        pieces = mailboxes.packs.chunks(now)
    yield from pieces
