"""Packs: append-only files of compressed contents (layout and crash states: docs/internals/store.md).

`Packs` knows the files and reads records; storage/packwriting.py makes them. Damage comes out as `DamagedRecordError`.
"""

import errno
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

HEADER = struct.Struct("<4sIQQ")
HEADER_OCTETS = HEADER.size
MAGIC = b"EPK1"
_OPEN_FILES = 128
_CHUNK = 256 << 10
# Records nearer to each other than this are read in one piece, of at most so many octets on disk and decompressed.
_NEAR = 32 << 10
_TOGETHER = 1 << 20
_DECOMPRESSED = 4 << 20
_OFFSET_BITS = 32
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
