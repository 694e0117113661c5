"""What is inside of an archive: names and octets of its members, for zip, gzip, bzip2, xz and tar.

Octets in, members out, one at a time; whoever asks counts and stops. Nothing raises, each step goes forward in the
octets, and nothing is unpacked before it is asked for, up to as many octets as the caller wants. Other formats are
known by their first octets and said to be UNSUPPORTED.
"""

import bz2
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

#: A path in an archive that is longer was made to cost memory.
MAX_NAME = 255
#: XZ may ask for 4 GiB to unpack a few octets; `xz -9` asks for 65 MiB.
MAX_XZ_MEMORY = 80 << 20
#: bzip2 and xz take so many times as long as inflate for an octet that comes out.
SLOWNESS = {"bzip2": 4, "xz": 2}

_PIECE = 64 << 10
# The end record of a zip with the longest comment.
_ZIP_TAIL = 22 + 0xFFFF
_ZIP_ENTRY = struct.Struct("<4s6H3L5H2L")
_ZIP_LOCAL = struct.Struct("<4s5H3L2H")
_ZIP_END = struct.Struct("<4s4H2LH")
_ENCRYPTED = 1
_UTF8_NAME = 0x800
_TAR_BLOCK = 512
_PAX_PATH = re.compile(rb"\d+ path=([^\n]*)\n")
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*")


class Format(StrEnum):
    """Formats of archives."""

    ZIP = "zip"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    TAR = "tar"
    UNSUPPORTED = "unsupported"


_BEGINNINGS = (
    (b"PK\3\4", Format.ZIP),
    (b"PK\5\6", Format.ZIP),
    (b"PK00PK\3\4", Format.ZIP),
    (b"\x1f\x8b\x08", Format.GZIP),
    (b"BZh", Format.BZIP2),
    (b"\xfd7zXZ\0", Format.XZ),
    (b"Rar!\x1a\x07", Format.UNSUPPORTED),
    (b"7z\xbc\xaf\x27\x1c", Format.UNSUPPORTED),
    (b"MSCF\0\0\0\0", Format.UNSUPPORTED),
    (b"\x28\xb5\x2f\xfd", Format.UNSUPPORTED),
    (b"\x1f\x9d", Format.UNSUPPORTED),
    (b"LZIP", Format.UNSUPPORTED),
)
_FIRST_OCTETS = frozenset(beginning[0] for beginning, _ in _BEGINNINGS)
_UNSUPPORTED_AT = ((7, b"**ACE**"), (2, b"-lh"), (32769, b"CD001"))
_UNSUPPORTED_ENDINGS = (".rar", ".7z", ".cab", ".ace", ".arj", ".lzh", ".lha", ".iso", ".img", ".zst")


class Member(NamedTuple):
    """A file in an archive. `read(most)` gives its octets, at most so many, and whether that is all of it; `packed`
    is its size in the archive; `said` what the archive says of its size unpacked, 0 where it says nothing. `encrypted`:
    nobody without the password reads it."""

    name: str
    packed: int
    read: Callable[[int], tuple[bytes, bool]]
    encrypted: bool = False
    said: int = 0


def find_format(octets: bytes | bytearray, name: str = "") -> Format | None:
    """Which archive this is, by its octets; by its name only for formats that nothing here reads."""
    if octets[:1] and octets[0] in _FIRST_OCTETS:
        for beginning, found in _BEGINNINGS:
            if octets.startswith(beginning):
                return found
    if octets[257:262] == b"ustar":
        return Format.TAR
    if any(octets.startswith(mark, at) for at, mark in _UNSUPPORTED_AT):
        return Format.UNSUPPORTED
    return Format.UNSUPPORTED if name.lower().endswith(_UNSUPPORTED_ENDINGS) else None


def read_members(found: Format, octets: bytes, name: str = "") -> Iterator[Member]:
    """The members, in their order; none of what is UNSUPPORTED. What is damaged ends where it is."""
    if found is Format.ZIP:
        return _zip_members(octets)
    if found is Format.TAR:
        return _tar_members(octets)
    if found is Format.UNSUPPORTED:
        return iter(())
    return iter((_sole_member(found, octets, name),))


def _sole_member(found: Format, octets: bytes, name: str) -> Member:
    """gzip, bzip2 and xz hold one file, named as the archive without its ending."""
    stem, _, ending = name.rpartition(".")
    inner = stem + (".tar" if ending.lower() in ("tgz", "tbz", "tbz2", "txz") else "")
    # RFC 1952 2.3.1: the size, modulo 2^32, stands at the end.
    said = int.from_bytes(octets[-4:], "little") if found is Format.GZIP else 0
    return Member(
        _clean(inner) or "content", len(octets), lambda most: _unpack(_new_decoder(found), octets, most), said=said
    )


def _new_decoder(found: Format) -> Any:
    if found is Format.GZIP:
        return zlib.decompressobj(31)
    if found is Format.BZIP2:
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY)


def _unpack(decoder: Any, packed: bytes, most: int) -> tuple[bytes, bool]:
    """At most `most` octets, as far as they are whole, and whether that is all."""
    out = bytearray()
    try:
        for at in range(0, len(packed), _PIECE):
            out += decoder.decompress(packed[at : at + _PIECE], most + 1 - len(out))
            if len(out) > most or decoder.eof:
                break
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError, MemoryError):
        return bytes(out[:most]), False
    return bytes(out[:most]), decoder.eof and len(out) <= most


def _zip_members(octets: bytes) -> Iterator[Member]:
    """By the directory at the end (APPNOTE 4.3.12); where that is missing or torn off, by what the files begin with."""
    at, offset = _zip_directory(octets)
    if at < 0:
        yield from _zip_files(octets)
        return
    while at + _ZIP_ENTRY.size <= len(octets):
        entry = _ZIP_ENTRY.unpack_from(octets, at)
        if entry[0] != b"PK\1\2":
            return
        flags, method, packed, said = entry[3], entry[4], entry[8], entry[9]
        names, extra, comment = entry[10:13]
        raw = octets[at + _ZIP_ENTRY.size : at + _ZIP_ENTRY.size + names]
        at += _ZIP_ENTRY.size + names + extra + comment
        if not raw.endswith(b"/"):
            yield _zip_member(octets, raw, flags, method, offset + entry[16], packed)._replace(said=said)


def _zip_directory(octets: bytes) -> tuple[int, int]:
    """Where the directory begins, and what to add to its offsets (the zip may follow a program); -1 without one."""
    end = octets.rfind(b"PK\5\6", max(0, len(octets) - _ZIP_TAIL))
    if end < 0 or end + _ZIP_END.size > len(octets):
        return -1, 0
    _, _, _, _, _, size, offset, _ = _ZIP_END.unpack_from(octets, end)
    at = end - size
    return (at, at - offset) if at >= 0 and octets.startswith(b"PK\1\2", at) else (-1, 0)


def _zip_files(octets: bytes) -> Iterator[Member]:
    at = octets.find(b"PK\3\4")
    while 0 <= at <= len(octets) - _ZIP_LOCAL.size:
        _, _, flags, method, _, _, _, packed, _, names, extra = _ZIP_LOCAL.unpack_from(octets, at)
        raw = octets[at + _ZIP_LOCAL.size : at + _ZIP_LOCAL.size + names]
        # A size that is written after the file (bit 3) is 0 here: the file then ends before the next one begins.
        after = octets.find(b"PK\3\4", at + _ZIP_LOCAL.size + names + extra + packed)
        whole = (after if after >= 0 else len(octets)) - at - _ZIP_LOCAL.size - names - extra
        if not raw.endswith(b"/"):
            yield _zip_member(octets, raw, flags, method, at, packed or whole)
        at = after


def _zip_member(octets: bytes, raw: bytes, flags: int, method: int, local: int, packed: int) -> Member:
    def read(most: int) -> tuple[bytes, bool]:
        if not 0 <= local <= len(octets) - _ZIP_LOCAL.size or not octets.startswith(b"PK\3\4", local):
            return b"", False
        names, extra = _ZIP_LOCAL.unpack_from(octets, local)[9:11]
        start = local + _ZIP_LOCAL.size + names + extra
        if method == 0:
            stored = octets[start : start + min(packed, most)]
            return stored, len(stored) == packed
        data = octets[start : start + packed]
        if method == 8:
            return _unpack(zlib.decompressobj(-15), data, most)
        return _unpack(bz2.BZ2Decompressor(), data, most // SLOWNESS["bzip2"]) if method == 12 else (b"", False)

    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("cp437")
    return Member(_clean(name), packed, read, bool(flags & _ENCRYPTED))


def _tar_members(octets: bytes) -> Iterator[Member]:
    at, long_name = 0, b""
    while at + _TAR_BLOCK <= len(octets) and octets[at]:
        head = octets[at : at + _TAR_BLOCK]
        digits = _OCTAL.fullmatch(head[124:136])
        if digits is None:
            return  # more than 8 GiB, or no tar
        size = int(digits[1] or b"0", 8)
        start = at + _TAR_BLOCK
        at = start + -(-size // _TAR_BLOCK) * _TAR_BLOCK
        kind = head[156:157]
        if kind == b"L":
            long_name = octets[start : start + min(size, 4096)].rstrip(b"\0")
        elif kind == b"x":
            path = _PAX_PATH.search(octets[start : start + min(size, 4096)])
            long_name = path[1] if path else b""
        elif kind in (b"0", b"\0", b"7"):
            yield _tar_member(octets, long_name or _tar_name(head), start, size)
            long_name = b""


def _tar_name(head: bytes) -> bytes:
    prefix = head[345:500].partition(b"\0")[0] if head[257:263] == b"ustar\0" else b""
    name = head[:100].partition(b"\0")[0]
    return prefix + b"/" + name if prefix else name


def _tar_member(octets: bytes, name: bytes, start: int, size: int) -> Member:
    def read(most: int) -> tuple[bytes, bool]:
        held = octets[start : start + min(size, most)]
        return held, len(held) == size

    return Member(_clean(name.decode("utf-8", "replace")), size, read)


def _clean(name: str) -> str:
    """A path as one line, with / between its parts, of bounded length: its end is kept, which says what it is."""
    name = name.replace("\\", "/")[-MAX_NAME:]
    return name if name.isprintable() else "".join(c if c.isprintable() else "_" for c in name)
