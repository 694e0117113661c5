"""Files in a zip, by its directory, and those that lie in it besides.

Programs do not agree on what is in a zip with two directories, or with other names in front of its files than in its
directory. Whoever hides something counts on that; so all of it is found.
"""

import bz2
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from estafeta.policy.archive_members import Member, Unpacked, clean_name, take, unpack

#: bzip2 takes so many times as long as inflate for an octet that comes out.
BZIP2_SLOWNESS = 4

# The end record with the longest comment.
_TAIL = 22 + 0xFFFF
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_WIDE = 0xFFFFFFFF
_ENCRYPTED, _SIZE_BEHIND = 1, 8
# Methods of packing (APPNOTE 4.4.5) besides 0, which is none.
_UNPACKERS: dict[int, Callable[[], Any]] = {8: partial(zlib.decompressobj, -15), 12: bz2.BZ2Decompressor}
# Octets that look like the beginning of a file and are none: programs that unpack themselves have some.
_MOST_FALSE = 1000


def zip_members(octets: bytes) -> Iterator[Member]:
    """By the directory at the end (APPNOTE 4.3.12), in its order; then what it does not name: where it is missing, torn
    off or another's, by what files begin with."""
    listed: list[tuple[int, int]] = []
    at, offset = _directory(octets)
    while 0 <= at <= len(octets) - _ENTRY.size:
        entry = _ENTRY.unpack_from(octets, at)
        if entry[0] != b"PK\1\2":
            break
        names, extra, comment = entry[10:13]
        begin = at + _ENTRY.size
        raw, more = octets[begin : begin + names], octets[begin + names : begin + names + extra]
        at = begin + names + extra + comment
        said, packed, local = _widened(more, entry[9], entry[8], entry[16])
        local += offset
        name, start = _local_file(octets, local)
        if start < len(octets):
            listed.append((local, start + packed))
        yield _member(octets, raw, entry[3], entry[4], start, packed)._replace(
            said=said, other_name="" if name == raw else _decoded(name)
        )
    yield from _unlisted(octets, sorted(listed))


def _directory(octets: bytes) -> tuple[int, int]:
    """Where the directory begins, and what to add to its offsets (the zip may follow a program); -1 without one."""
    end = octets.rfind(b"PK\5\6", max(0, len(octets) - _TAIL))
    if end < 0 or end + _END.size > len(octets):
        return -1, 0
    _, _, _, _, _, size, offset, _ = _END.unpack_from(octets, end)
    at = end - size
    return (at, at - offset) if at >= 0 and octets.startswith(b"PK\1\2", at) else (-1, 0)


def _widened(extra: bytes, *narrow: int) -> list[int]:
    """Sizes and offset of 64 bits, in the field 1 that has those which do not fit (APPNOTE 4.5.3)."""
    if _WIDE not in narrow:
        return list(narrow)
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{min(size, len(extra) - at - 4) // 8}Q", extra, at + 4))
            return [next(wide, value) if value == _WIDE else value for value in narrow]
        at += 4 + size
    return list(narrow)


def _local_file(octets: bytes, at: int) -> tuple[bytes, int]:
    """The name that stands in front of a file, and where its octets begin: behind the end where there is none."""
    if not 0 <= at <= len(octets) - _LOCAL.size or not octets.startswith(b"PK\3\4", at):
        return b"", len(octets)
    names, extra = _LOCAL.unpack_from(octets, at)[9:11]
    begin = at + _LOCAL.size
    return octets[begin : begin + names], begin + names + extra


def _unlisted(octets: bytes, listed: list[tuple[int, int]]) -> Iterator[Member]:
    """Files outside of those that were listed: begin and end of each, ascending."""
    at, false = 0, 0
    while (at := octets.find(b"PK\3\4", at)) >= 0 and at <= len(octets) - _LOCAL.size and false < _MOST_FALSE:
        near = bisect_right(listed, (at, _WIDE << 32)) - 1
        if near >= 0 and at < listed[near][1]:
            at = max(at + 1, listed[near][1])
            continue
        _, version, flags, method, _, _, _, packed, _, names, extra = _LOCAL.unpack_from(octets, at)
        raw, start = octets[at + _LOCAL.size : at + _LOCAL.size + names], at + _LOCAL.size + names + extra
        if version & 0xFF > 63 or method > 99 or not raw:
            at, false = at + 4, false + 1
            continue
        if flags & _SIZE_BEHIND or packed == _WIDE:
            # The size stands behind the file: it ends before the next one begins.
            ends = [end for end in (octets.find(mark, start) for mark in (b"PK\3\4", b"PK\1\2")) if end >= 0]
            packed = min(ends, default=len(octets)) - start
        yield _member(octets, raw, flags, method, start, packed)
        at = start + max(0, packed)


def _member(octets: bytes, raw: bytes, flags: int, method: int, start: int, packed: int) -> Member:
    data, unpacker = memoryview(octets)[start : start + packed], _UNPACKERS.get(method)

    def read(most: int) -> Unpacked:
        if method == 0:
            stored = take(data, most)
            return stored._replace(complete=len(stored.octets) == packed)
        return unpack(unpacker, data, most) if unpacker is not None else Unpacked(b"", False)

    readable = method == 0 or unpacker is not None
    slowness = BZIP2_SLOWNESS if method == 12 else 1
    return Member(_decoded(raw), packed, read, bool(flags & _ENCRYPTED), slowness=slowness, readable=readable)


def _decoded(raw: bytes) -> str:
    try:
        return clean_name(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return clean_name(raw.decode("cp437"))
