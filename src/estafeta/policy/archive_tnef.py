"""Attachments in a winmail.dat (TNEF, MS-OXTNEF): what Outlook puts all files of a message into.

Of each attachment the old short name and the long one of its properties are found, and its octets; a message that is
attached is TNEF again. What is damaged ends where it is.
"""

import struct
from collections.abc import Iterator

from estafeta.policy.archive_members import Member, clean_name, take

SIGNATURE = b"\x78\x9f\x3e\x22"

#: Attributes and properties that are read in all: an attachment has some thirty.
MAX_STEPS = 20_000

_ATTRIBUTE = struct.Struct("<BHHL")
_RENDERING, _TITLE, _DATA, _PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_ATTACHMENT = 2
# Properties (MS-OXPROPS): the octets or the attached message, the short and the long name.
_CONTENT, _SHORT_NAME, _LONG_NAME = 0x3701, 0x3704, 0x3707
_STRING, _UNICODE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_VARIABLE = frozenset((_STRING, _UNICODE, _OBJECT, _BINARY))
# Octets of the others, padded to four.
_SIZES = {0: 4, 1: 4, 2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_MANY = 0x1000
_GUID = 16


class _DamagedError(Exception):
    """It cannot be read on from here."""


class _Attachment:
    """What is known of one so far."""

    def __init__(self) -> None:
        self.title = self.name = ""
        self.data = memoryview(b"")

    def member(self) -> Member:
        name, data = self.name or self.title or "attachment", self.data
        other = self.title if self.title != name else ""
        return Member(clean_name(name), len(data), lambda most: take(data, most), other_name=clean_name(other))


class _Reader:
    """Steps forward in the octets; each step goes on, and there are only so many."""

    def __init__(self, octets: bytes) -> None:
        self._view = memoryview(octets)
        self._steps = MAX_STEPS

    def attributes(self) -> Iterator[tuple[int, memoryview]]:
        """Those of attachments: their number and their octets."""
        at = len(SIGNATURE) + 2
        while at + _ATTRIBUTE.size <= len(self._view) and self._step():
            level, number, _, size = _ATTRIBUTE.unpack_from(self._view, at)
            begin = at + _ATTRIBUTE.size
            at = begin + size + 2
            if level == _ATTACHMENT:
                yield number, self._view[begin : begin + size]

    def properties(self, data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
        """Number, kind and octets of each. Raises _DamagedError, struct.error."""
        at = 4
        for _ in range(struct.unpack_from("<L", data)[0]):
            kind, number = struct.unpack_from("<2H", data, at)
            at += 4
            if number & 0x8000:
                at = _behind_name(data, at)
            kind, many = kind & ~_MANY, kind & _MANY
            count = 1
            if many or kind in _VARIABLE:
                count, at = struct.unpack_from("<L", data, at)[0], at + 4
            for _ in range(count):
                size = _SIZES.get(kind, -1)
                if kind in _VARIABLE:
                    size, at = struct.unpack_from("<L", data, at)[0], at + 4
                if size < 0 or at > len(data) or not self._step():
                    raise _DamagedError
                yield number, kind, data[at : at + size]
                at += -(-size // 4) * 4

    def _step(self) -> bool:
        self._steps -= 1
        return self._steps >= 0


def tnef_members(octets: bytes) -> Iterator[Member]:
    """The attachments, in their order."""
    reader, current = _Reader(octets), None
    for number, data in reader.attributes():
        if number == _RENDERING:
            if current is not None:
                yield current.member()
            current = _Attachment()
        elif current is not None:
            _fill(current, number, data, reader)
    if current is not None:
        yield current.member()


def _fill(current: _Attachment, number: int, data: memoryview, reader: _Reader) -> None:
    if number == _TITLE:
        current.title = _text(data)
    elif number == _DATA:
        current.data = data
    elif number == _PROPERTIES:
        try:
            for name, kind, value in reader.properties(data):
                _take(current, name, kind, value)
        except (struct.error, _DamagedError):
            pass


def _take(current: _Attachment, number: int, kind: int, value: memoryview) -> None:
    if number == _CONTENT and kind in (_OBJECT, _BINARY):
        # An object has in front what it is; of messages that is TNEF.
        current.data = value[_GUID:] if kind == _OBJECT else value
    elif number in (_SHORT_NAME, _LONG_NAME) and kind in (_STRING, _UNICODE):
        text = _text(value, "utf-16-le" if kind == _UNICODE else "")
        if number == _LONG_NAME or not current.name:
            current.name = text


def _behind_name(data: memoryview, at: int) -> int:
    """Where a property goes on that has a name instead of a number."""
    (kind,) = struct.unpack_from("<L", data, at + _GUID)
    at += _GUID + 4
    if kind == 0:
        return at + 4
    (size,) = struct.unpack_from("<L", data, at)
    return int(at + 4 + -(-size // 4) * 4)


def _text(data: memoryview, charset: str = "") -> str:
    octets = bytes(data[:2048])
    if charset:
        return octets.decode(charset, "replace").partition("\0")[0]
    octets = octets.partition(b"\0")[0]
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")
