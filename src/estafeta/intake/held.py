"""A large message that is put aside until policy has looked at it: a file without a name, gone with its last user."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from estafeta.mail.headers import find_header_end
from estafeta.policy.content import Content
from estafeta.policy.fields import MAX_HEADER_OCTETS
from estafeta.storage.packwriting import as_store_error

_PIECE = 256 << 10


class HeldFile:
    """Written once, read any number of times. Raises DiskFullError and the like, as the store does."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise as_store_error(error) from error
        self._size = 0

    def write(self, data: bytes) -> None:
        """Add to its end."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            raise as_store_error(error) from error
        self._size += len(data)

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """Its octets from `start` on."""
        position = start
        while position < self._size:
            piece = self._read(position)
            if not piece:
                return
            position += len(piece)
            yield piece

    def content(self) -> Content:
        """As checks see it."""
        # A longer header is cut: what follows counts as body.
        head = self._read(0)[:MAX_HEADER_OCTETS]
        end = find_header_end(head)
        return Content.split(head, end, lambda: self.pieces(len(head) if end < 0 else end), self._size)

    def close(self) -> None:
        """Forget it."""
        self._file.close()

    def _read(self, position: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), _PIECE, position)
        except OSError as error:
            raise as_store_error(error) from error
