"""Packs: append-only files of compressed contents (layout and crash states: docs/internals/store.md).

`Packs` knows the files and reads records. `PackAppender` belongs to one writer and appends small contents;
`SoloPack` streams one large content into a file of its own. Neither touches SQL: the caller commits the locations.
Damage comes out as `DamagedRecordError`, a full disk as `DiskFullError`.
"""

import errno
import fcntl
import os
import struct
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from threading import Lock, local
from typing import IO, NamedTuple, cast

import zstandard

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import ContentId, PackId
from estafeta.storage.database import DiskFullError

HEADER = struct.Struct("<4sIQQ")
HEADER_OCTETS = HEADER.size
MAGIC = b"EPK1"
_LENGTHS = struct.Struct("<QQ")
_LEVEL = 1
# Octets filled with zeros ahead of the end, so that fdatasync has no new file size to write.
_AHEAD = 4 << 20
_OPEN_FILES = 128
_CHUNK = 256 << 10
# Records nearer to each other than this are read in one piece, of at most so many octets on disk and decompressed.
_NEAR = 32 << 10
_TOGETHER = 1 << 20
_DECOMPRESSED = 4 << 20
_OFFSET_BITS = 32
_FULL = {errno.ENOSPC, errno.EDQUOT}
# Not damage: this process has no descriptors left, and will have again.
_CROWDED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class PackState(StrEnum):
    """How far a pack is (docs/internals/store.md)."""

    OPEN = "open"
    SEALED = "sealed"
    SOLO = "solo"
    DEAD = "dead"


class DamagedRecordError(EstafetaError):
    """A record that is not what was written: this content cannot be read, others can."""

    def __init__(self, location: "Location", cause: str) -> None:
        self.cause = cause
        private = f"pack {location.pack_id} offset {location.offset}: {cause}; run 'estafeta store verify'"
        super().__init__(Kind.UNAVAILABLE, "This message is damaged in the store; the operator can repair it.", private)


class Location(NamedTuple):
    """Where a content is: `length` octets of record at `offset` of a pack; `size` octets once decompressed."""

    content_id: ContentId
    pack_id: PackId
    offset: int
    length: int
    size: int


def content_id(pack_id: int, offset: int) -> ContentId:
    """The id of a content born at `offset` of `pack_id`; offsets stay below 2**32, pack numbers below 2**31."""
    return ContentId(pack_id << _OFFSET_BITS | offset)


def birth_pack(content_id: int) -> PackId:
    """The pack that a content was born in."""
    return PackId(content_id >> _OFFSET_BITS)


def born_in(pack_id: int) -> tuple[int, int]:
    """The ids of contents born in a pack: from the first number up to, without, the second."""
    return pack_id << _OFFSET_BITS, (pack_id + 1) << _OFFSET_BITS


class _File:
    """An open pack. Closed when the last reader lets go of it, so no descriptor changes hands during a read."""

    __slots__ = ("fd",)

    def __init__(self, path: Path) -> None:
        self.fd = -1
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


class Packs:
    """The pack files below `root`, and reading from them. Safe for any number of threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: OrderedDict[int, _File] = OrderedDict()
        self._lock = Lock()
        # Making a decompressor costs as much as a small content; one must not serve two threads at once.
        self._mine = local()

    def path(self, pack_id: int) -> Path:
        """The file of a pack, whether it exists or not."""
        return self.root / str(pack_id // 1000) / f"{pack_id}.pack"

    def read(self, location: Location) -> bytes:
        """The content. Raises DamagedRecordError."""
        return decode_record(location, self._pread(location), self._decompressor())

    def read_many(self, locations: Sequence[Location]) -> list[bytes]:
        """The contents, in the order of their locations, all in memory at once: what is asked for together must fit.

        Neighbours in a pack are read together, whatever the order. Raises DamagedRecordError for the first that is."""
        contents: list[bytes] = [b""] * len(locations)
        for indexes in _neighbours(locations):
            for index, content in zip(indexes, self._read_together([locations[i] for i in indexes]), strict=True):
                contents[index] = content
        return contents

    def chunks(self, location: Location) -> Iterator[bytes]:
        """The content in pieces of bounded size; damage may only show at the end."""
        crc = _check_header(location, head := self._pread(location, 0, HEADER.size))
        frame = _Frame(self, location)
        reader, size = zstandard.ZstdDecompressor().stream_reader(cast(IO[bytes], frame)), 0
        while data := _decompressed(location, reader):
            size += len(data)
            if size > location.size:
                break
            yield data
        if size != location.size or frame.left or zlib.crc32(head[8:], frame.crc) != crc:
            raise DamagedRecordError(location, "the checksum differs")

    def read_cached(self, location: Location) -> bytes | None:
        """The content if the system has it in memory, else None: never waits for the disk (for event loops)."""
        record = bytearray(location.length)
        try:
            got = os.preadv(self._file(location.pack_id).fd, [record], location.offset, os.RWF_NOWAIT)
        except (OSError, EstafetaError):
            return None
        return decode_record(location, record, self._decompressor()) if got == location.length else None

    def forget(self, pack_id: int) -> None:
        """Let go of the file of a pack that is being removed."""
        with self._lock:
            self._files.pop(pack_id, None)

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            self._files.clear()

    def pread(self, location: Location, start: int, count: int) -> bytes:
        """Octets of a record as they are on disk. Raises DamagedRecordError when they are not there."""
        return self._pread(location, start, count)

    def _read_together(self, locations: Sequence[Location]) -> list[bytes]:
        """The contents of records of one pack, in the order of their offsets."""
        if len(locations) == 1:
            return [self.read(locations[0])]
        start = locations[0].offset
        length = max(location.offset + location.length for location in locations) - start
        try:
            data = self._pread(Location(*locations[0][:3], length, 0))
            frames = _check_records(locations, data, start)
            return decompress_many(self._decompressor(), frames, [location.size for location in locations])
        except (DamagedRecordError, zstandard.ZstdError, ValueError):
            # One of them is damaged, or does not say its size: each by itself.
            return [self.read(location) for location in locations]

    def _decompressor(self) -> zstandard.ZstdDecompressor:
        """This thread's own."""
        made: zstandard.ZstdDecompressor | None = getattr(self._mine, "decompressor", None)
        if made is None:
            made = self._mine.decompressor = zstandard.ZstdDecompressor()
        return made

    def _pread(self, location: Location, start: int = 0, count: int | None = None) -> bytes:
        count = location.length if count is None else count
        try:
            file = self._file(location.pack_id)
            data = os.pread(file.fd, count, location.offset + start)
        except OSError as error:
            if error.errno in _CROWDED:
                raise EstafetaError(Kind.TEMPORARY, "The server is busy; try again later.", str(error)) from error
            raise DamagedRecordError(location, error.strerror or str(error)) from error
        if len(data) != count:
            raise DamagedRecordError(location, "the pack is too short")
        return data

    def _file(self, pack_id: int) -> _File:
        file = self._files.get(pack_id)
        if file is not None:
            return file
        with self._lock:
            file = self._files.get(pack_id)
            if file is None:
                file = self._files[pack_id] = _File(self.path(pack_id))
                if len(self._files) > _OPEN_FILES:
                    self._files.popitem(last=False)
        return file


class _Frame:
    """The frame of a record as a file to read from, a piece at a time; keeps the checksum of what was read."""

    def __init__(self, packs: Packs, location: Location) -> None:
        self._packs = packs
        self._location = location
        self.left = location.length - HEADER.size
        self.crc = 0

    def read(self, count: int = -1) -> bytes:
        """The next octets; empty at the end."""
        count = min(_CHUNK if count < 0 else count, self.left)
        if not count:
            return b""
        data = self._packs.pread(self._location, self._location.length - self.left, count)
        self.left -= count
        self.crc = zlib.crc32(data, self.crc)
        return data


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


def decode_record(
    location: Location, record: bytes | bytearray, decompressor: zstandard.ZstdDecompressor | None = None
) -> bytes:
    """The content of a whole record. Raises DamagedRecordError."""
    frame = check_record(location, memoryview(record))
    try:
        content = (decompressor or zstandard.ZstdDecompressor()).decompress(frame, max_output_size=location.size)
    except zstandard.ZstdError as error:
        raise DamagedRecordError(location, str(error)) from error
    if len(content) != location.size:
        raise DamagedRecordError(location, "the size differs")
    return content


def check_record(location: Location, record: memoryview) -> memoryview:
    """The frame of a whole record. Raises DamagedRecordError."""
    crc = _check_header(location, record)
    frame = record[HEADER.size :]
    if zlib.crc32(record[8 : HEADER.size], zlib.crc32(frame)) != crc:
        raise DamagedRecordError(location, "the checksum differs")
    return frame


def _check_records(locations: Sequence[Location], data: bytes, start: int) -> list[memoryview]:
    """The frames of records in octets of a pack that begin at `start`: `check_record` for many, in half the time.

    Raises DamagedRecordError."""
    frames, view, crc32, unpack = [], memoryview(data), zlib.crc32, HEADER.unpack_from
    for location in locations:
        _, _, offset, length, size = location
        begin = offset - start
        frame = view[begin + HEADER_OCTETS : begin + length]
        magic, crc, frame_length, content_size = unpack(data, begin)
        lengths = data[begin + 8 : begin + HEADER_OCTETS]
        if magic != MAGIC or frame_length != length - HEADER_OCTETS or content_size != size:
            raise DamagedRecordError(location, "there is no such record")
        if crc32(lengths, crc32(frame)) != crc:
            raise DamagedRecordError(location, "the checksum differs")
        frames.append(frame)
    return frames


def decompress_many(
    decompressor: zstandard.ZstdDecompressor, frames: Sequence[memoryview], sizes: Sequence[int]
) -> list[bytes]:
    """The contents of frames of which each has its size in `sizes`. Raises ZstdError, or ValueError for other sizes."""
    at_once = getattr(decompressor, "multi_decompress_to_buffer", None)
    if at_once is None or 0 in sizes:
        # Not every build has it, and it takes 0 for a size that is not known.
        pairs = zip(frames, sizes, strict=True)
        found = [decompressor.decompress(frame, max_output_size=size) for frame, size in pairs]
    else:
        lengths = array("Q", sizes).tobytes()
        found = [segment.tobytes() for segment in at_once(frames, decompressed_sizes=lengths)]
    if [len(content) for content in found] != list(sizes):
        raise ValueError("a frame has another size than its record says")
    return found


def _neighbours(locations: Sequence[Location]) -> Iterator[list[int]]:
    """Indexes of locations that are near to each other, in the order of the octets on disk."""
    run: list[int] = []
    pack_id, start, end, octets = PackId(-1), 0, 0, 0
    places = [location[1:3] for location in locations]
    for index in sorted(range(len(places)), key=places.__getitem__):
        _, its_pack, offset, length, size = locations[index]
        near = its_pack == pack_id and offset - end <= _NEAR and offset + length - start <= _TOGETHER
        if run and not (near and octets + size <= _DECOMPRESSED):
            yield run
            run = []
        if not run:
            pack_id, start, end, octets = its_pack, offset, offset, 0
        run.append(index)
        end = max(end, offset + length)
        octets += size
    if run:
        yield run


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


def _check_header(location: Location, record: bytes | bytearray | memoryview) -> int:
    magic, crc, length, size = HEADER.unpack_from(record)
    if (magic, length, size) != (MAGIC, location.length - HEADER.size, location.size):
        raise DamagedRecordError(location, "there is no such record")
    return int(crc)


def _decompressed(location: Location, reader: "zstandard.ZstdDecompressionReader") -> bytes:
    try:
        return reader.read(_CHUNK)
    except zstandard.ZstdError as error:
        raise DamagedRecordError(location, str(error)) from error
