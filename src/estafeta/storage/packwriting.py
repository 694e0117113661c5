"""Writing packs: `PackAppender` belongs to one writer and appends small contents, `SoloPack` streams one large content
into a file of its own (layout and crash states: docs/internals/store.md).

Neither touches SQL: the caller commits the locations. A full disk comes out as `DiskFullError`.
"""

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import zstandard

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import PackId
from estafeta.storage.database import DiskFullError
from estafeta.storage.packs import HEADER, MAGIC, Location, Packs, content_id

_LENGTHS = struct.Struct("<QQ")
_LEVEL = 1
# Octets filled with zeros ahead of the end, so that fdatasync has no new file size to write.
_AHEAD = 4 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT}


class PackAppender:
    """Appends records to one pack that this process holds the lock on. One thread only."""

    def __init__(self, packs: Packs, pack_id: PackId, end: int, fd: int) -> None:
        self.packs = packs
        self.pack_id = pack_id
        self.end = end
        self._fd = fd
        self._filled = os.fstat(fd).st_size
        self._compress = zstandard.ZstdCompressor(level=_LEVEL).compress

    @classmethod
    def open(cls, packs: Packs, pack_id: PackId, end: int) -> "PackAppender | None":
        """Take the pack, or None when another process holds it."""
        fd = create_locked(packs.path(pack_id))
        return None if fd is None else cls(packs, pack_id, end, fd)

    def append(self, contents: Sequence[bytes]) -> list[Location]:
        """Write records behind the end, in one write; nothing is durable before `sync`. Raises DiskFullError."""
        records: list[bytes] = []
        locations: list[Location] = []
        offset = self.end
        for content in contents:
            frame = self._compress(content)
            records += (encode_header(frame, len(content)), frame)
            length = HEADER.size + len(frame)
            locations.append(Location(content_id(self.pack_id, offset), self.pack_id, offset, length, len(content)))
            offset += length
        self._write(b"".join(records))
        self.end = offset
        return locations

    def append_records(self, records: Sequence[bytes]) -> list[int]:
        """Append whole records as they are (compaction); their offsets. Raises DiskFullError."""
        offsets, offset = [], self.end
        for record in records:
            offsets.append(offset)
            offset += len(record)
        self._write(b"".join(records))
        self.end = offset
        return offsets

    def sync(self) -> None:
        """What was appended is on disk when this returns; after an OSError the pack must be left."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Give the pack up."""
        os.close(self._fd)

    def _write(self, data: bytes) -> None:
        try:
            if self.end + len(data) > self._filled:
                self._fill(self.end + len(data))
            write_all(self._fd, data, self.end)
        except OSError as error:
            raise as_store_error(error) from error

    def _fill(self, needed: int) -> None:
        write_all(self._fd, bytes(_AHEAD), needed)
        self._filled = needed + _AHEAD


class SoloPack:
    """One large content, streamed into a pack of its own. `write` pieces, then `finish` or `discard`."""

    def __init__(self, packs: Packs, pack_id: PackId) -> None:
        self._packs = packs
        self._pack_id = pack_id
        fd = create_locked(packs.path(pack_id))
        if fd is None:
            raise EstafetaError(Kind.TEMPORARY, "The store is busy; try again.", f"pack {pack_id} is locked")
        self._fd = fd
        self._stream = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        self._end = HEADER.size
        self._crc = 0
        self._size = 0
        self._finished = False

    def write(self, piece: bytes) -> None:
        """Add a piece. Raises DiskFullError."""
        self._size += len(piece)
        self._put(self._stream.compress(piece))

    def finish(self) -> Location:
        """Durable when this returns: frame, header, and the name in the directory."""
        self._put(self._stream.flush())
        lengths = _LENGTHS.pack(self._end - HEADER.size, self._size)
        header = HEADER.pack(MAGIC, zlib.crc32(lengths, self._crc), self._end - HEADER.size, self._size)
        try:
            write_all(self._fd, header, 0)
            os.fsync(self._fd)
            sync_directory(self._packs.path(self._pack_id).parent)
        except OSError as error:
            raise as_store_error(error) from error
        self._finished = True
        return Location(content_id(self._pack_id, 0), self._pack_id, 0, self._end, self._size)

    def close(self) -> None:
        """Let go of the file, once its row is committed or it was discarded."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Remove what was written. Once finished it may be under commit: then compaction removes it if SQL does not
        name it (docs/internals/store.md)."""
        if self._fd >= 0 and not self._finished:
            self._packs.path(self._pack_id).unlink(missing_ok=True)
        self.close()

    def _put(self, data: bytes) -> None:
        if not data:
            return
        try:
            write_all(self._fd, data, self._end)
        except OSError as error:
            raise as_store_error(error) from error
        self._crc = zlib.crc32(data, self._crc)
        self._end += len(data)


def encode_header(frame: bytes, size: int) -> bytes:
    """The header in front of `frame`, which decompresses to `size` octets."""
    crc = zlib.crc32(_LENGTHS.pack(len(frame), size), zlib.crc32(frame))
    return HEADER.pack(MAGIC, crc, len(frame), size)


def create_locked(path: Path) -> int | None:
    """Open or make a pack file and lock it; None when another process has it. Its directory entry is durable."""
    try:
        new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if new:
            os.fsync(fd)
            sync_directory(path.parent)
            sync_directory(path.parent.parent)
    except OSError as error:
        raise as_store_error(error) from error
    if not lock(fd) or not _still_there(path, fd):
        os.close(fd)
        return None
    return fd


def lock(fd: int) -> bool:
    """Take the `flock`; False when another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _still_there(path: Path, fd: int) -> bool:
    """Compaction may have removed the file between our opening and our locking it."""
    try:
        return os.stat(path).st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """`pwrite` until all is written."""
    done = os.pwrite(fd, data, offset)
    while done < len(data):
        done += os.pwrite(fd, memoryview(data)[done:], offset + done)


def as_store_error(error: OSError) -> EstafetaError:
    """What a failed write means to the one who waits for it."""
    if error.errno in _FULL:
        return DiskFullError(str(error))
    return EstafetaError(Kind.TEMPORARY, "The mail store cannot be written now; try again later.", str(error))
