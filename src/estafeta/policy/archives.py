"""What is inside of an archive: names and octets of its members, for zip, gzip, bzip2, xz, tar and TNEF.

Octets in, members out, one at a time; whoever asks counts and stops. Nothing raises, each step goes forward in the
octets, and nothing is unpacked before it is asked for, up to as many octets as the caller wants. Other formats are
known by their first octets and said to be UNSUPPORTED.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from estafeta.policy.archive_members import Member, clean_name, unpack
from estafeta.policy.archive_tar import is_tar, tar_members
from estafeta.policy.archive_tnef import SIGNATURE, tnef_members
from estafeta.policy.archive_zip import BZIP2_SLOWNESS, zip_members

#: XZ may ask for 4 GiB to unpack a few octets; `xz -9` asks for 65 MiB.
MAX_XZ_MEMORY = 80 << 20


class Format(StrEnum):
    """Formats of archives."""

    ZIP = "zip"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    TAR = "tar"
    TNEF = "tnef"
    UNSUPPORTED = "unsupported"


_BEGINNINGS = (
    (b"PK\3\4", Format.ZIP),
    (b"PK\5\6", Format.ZIP),
    (b"PK00PK\3\4", Format.ZIP),
    (b"\x1f\x8b\x08", Format.GZIP),
    (b"BZh", Format.BZIP2),
    (b"\xfd7zXZ\0", Format.XZ),
    (SIGNATURE, Format.TNEF),
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


def find_format(octets: bytes | bytearray, name: str = "") -> Format | None:
    """Which archive this is, by its octets; by its name only for formats that nothing here reads."""
    if octets[:1] and octets[0] in _FIRST_OCTETS:
        for beginning, found in _BEGINNINGS:
            if octets.startswith(beginning):
                return found
    if is_tar(octets):
        return Format.TAR
    for at, mark in _UNSUPPORTED_AT:
        if octets.startswith(mark, at):
            return Format.UNSUPPORTED
    return Format.UNSUPPORTED if name.lower().endswith(_UNSUPPORTED_ENDINGS) else None


def read_members(found: Format, octets: bytes, name: str = "") -> Iterator[Member]:
    """The members, in their order; none of what is UNSUPPORTED. What is damaged ends where it is."""
    if found in _READERS:
        return _READERS[found](octets)
    return iter(() if found is Format.UNSUPPORTED else (_sole_member(found, octets, name),))


_READERS: dict[Format, Callable[[bytes], Iterator[Member]]] = {
    Format.ZIP: zip_members,
    Format.TAR: tar_members,
    Format.TNEF: tnef_members,
}
_SLOWNESS = {Format.BZIP2: BZIP2_SLOWNESS, Format.XZ: 2}
_STREAMS = {Format.GZIP: b"\x1f\x8b\x08", Format.BZIP2: b"BZh", Format.XZ: b"\xfd7zXZ\0"}


def _sole_member(found: Format, octets: bytes, name: str) -> Member:
    """gzip, bzip2 and xz hold one file, named as the archive without its ending."""
    stem, _, ending = name.rpartition(".")
    inner = stem + (".tar" if ending.lower() in ("tgz", "tbz", "tbz2", "txz") else "")
    # RFC 1952 2.3.1: the size, modulo 2^32, stands at the end.
    said = int.from_bytes(octets[-4:], "little") if found is Format.GZIP else 0
    return Member(
        clean_name(inner) or "content",
        len(octets),
        lambda most: unpack(lambda: _new_decoder(found), memoryview(octets), most, _STREAMS[found]),
        said=said,
        slowness=_SLOWNESS.get(found, 1),
    )


def _new_decoder(found: Format) -> Any:
    if found is Format.GZIP:
        return zlib.decompressobj(31)
    if found is Format.BZIP2:
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY)
