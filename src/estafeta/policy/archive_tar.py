"""Files in a tar: the old form, ustar, GNU's and pax's (IEEE 1003.1, pax). Long names stand in files of their own."""

import re
from collections.abc import Iterator

from estafeta.policy.archive_members import Member, clean_name, take

_BLOCK = 512
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*")
# What stands in front of a file to say more of it is read up to here.
_MOST_MORE = 4096
# Links, devices, folders, pipes: they have no octets.
_NO_FILES = b"123456"
# Of the whole archive, of a volume, of what GNU's dumps leave out.
_NO_MEMBERS = b"gDKMNV"


def is_tar(octets: bytes | bytearray) -> bool:
    """By its magic; the old form has none, and is known by the sum of its first header."""
    if octets[257:262] == b"ustar":
        return True
    if len(octets) < _BLOCK or not octets[0]:
        return False
    digits = _OCTAL.fullmatch(octets[148:156])
    return (
        digits is not None and digits[1] != b"" and int(digits[1], 8) == sum(octets[:148]) + 256 + sum(octets[156:512])
    )


def tar_members(octets: bytes) -> Iterator[Member]:
    """In their order, up to where it is damaged."""
    view = memoryview(octets)
    at, name, length = 0, b"", -1
    while at + _BLOCK <= len(octets) and octets[at]:
        head = octets[at : at + _BLOCK]
        size = _size(head[124:136]) if length < 0 else length
        if size < 0:
            return
        start = at + _BLOCK
        at = start + -(-size // _BLOCK) * _BLOCK
        kind = head[156:157]
        more = octets[start : start + min(size, _MOST_MORE)]
        if kind == b"L":
            name, length = more.partition(b"\0")[0], -1
        elif kind in (b"x", b"X"):
            records = dict(_pax_records(more))
            name = records.get(b"path", name)
            said = records.get(b"size", b"")
            length = int(said) if said.isdigit() and len(said) < 20 else -1
        elif kind not in _NO_MEMBERS:
            # An unknown kind is a file (POSIX, pax, typeflag).
            if kind == b"\0" or kind not in _NO_FILES:
                data = view[start : start + size]
                yield _member(name or _name(head), data, size)
            name, length = b"", -1


def _member(name: bytes, data: memoryview, size: int) -> Member:
    return Member(
        clean_name(name.decode("utf-8", "replace")),
        size,
        lambda most: (found := take(data, most))._replace(complete=len(found.octets) == size),
    )


def _size(field: bytes) -> int:
    """In octal, or as GNU writes large ones: a bit, and the number in base 256. -1 where it is neither."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:])
    digits = _OCTAL.fullmatch(field)
    return -1 if digits is None else int(digits[1] or b"0", 8)


def _pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """`LENGTH KEY=VALUE\\n`, the length that of the whole record."""
    at = 0
    while at < len(data):
        length = data[at : at + 8].partition(b" ")[0]
        if not length.isdigit() or int(length) <= len(length):
            return
        key, found, value = data[at + len(length) + 1 : at + int(length)].partition(b"=")
        if found:
            yield key, value.removesuffix(b"\n")
        at += int(length)


def _name(head: bytes) -> bytes:
    prefix = head[345:500].partition(b"\0")[0] if head[257:263] == b"ustar\0" else b""
    name = head[:100].partition(b"\0")[0]
    return prefix + b"/" + name if prefix else name
