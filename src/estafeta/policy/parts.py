"""The parts of a message, decoded, down to what is inside of archives: what filters and scanners look at.

Bounded in every direction, since hostile mail is made to be dear: see the constants. What lies beyond a limit is not
looked at, and `Part.complete` and `Parts.beyond` say so, for a rule to judge.

Where the parts are is known from the scan that each message gets (`estafeta.mail.structure`); only a message without
one is scanned here.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, lru_cache
from itertools import chain
from mimetypes import MimeTypes
from typing import NamedTuple

from estafeta.mail.headers import find_header_end
from estafeta.mail.scan import MessageScanner, MessageSummary, ScanLimits
from estafeta.mail.structure import Part as Place
from estafeta.policy.archive_members import Member, Unpacked
from estafeta.policy.archives import Format, find_format, read_members
from estafeta.policy.fields import MAX_HEADER_OCTETS
from estafeta.policy.part_places import is_wrapped, leaves, root_of
from estafeta.policy.transfer import decoder_for, is_as_it_was

#: Leaves of the message, without what is in archives. Digests of mailing lists stay under 300.
MAX_PARTS = 1000
#: Multiparts and messages in each other. Forwarded forwards reach ten.
MAX_DEPTH = 20
#: Archives in each other. People do two (a .tar.gz); four is already a sign of something.
MAX_ARCHIVE_DEPTH = 4
#: Files and folders in all archives of a message together. Office documents have some tens.
MAX_MEMBERS = 1000
#: Kept of one part, decoded: rules and words are found in its beginning.
MAX_PART_OCTETS = 1 << 20
#: An archive is read up to here for what is in it: a zip's directory stands at its end.
MAX_ARCHIVE_OCTETS = 8 << 20
#: Decoded and unpacked in all: some 100 ms of work at worst. What is read without any coming of it counts as well.
MAX_TOTAL_OCTETS = 16 << 20
#: ... and of a small message no more than this and twice MAX_RATIO times its size (a .tar.gz is unpacked, and its
#: files are decoded once more): it is looked at between others.
SMALL_TOTAL_OCTETS = 256 << 10
#: Unpacked octets for one that is packed. Text packs to a fifth, logs to a fiftieth; bombs reach 1000.
MAX_RATIO = 100
#: ... except for so many, which cost nothing.
FREE_OCTETS = 64 << 10
#: An archive that says to hold so much, and more than MAX_RATIO times its own size, is a bomb for whoever opens it; a
#: white page as a picture packs a thousandfold, too, but is a few MiB.
BOMB_OCTETS = 100 << 20

# Headers of parts: digests of lists have hundreds of letters with all their fields.
_LIMITS = ScanLimits(
    max_header_octets=MAX_HEADER_OCTETS,
    max_total_header_octets=8 * MAX_HEADER_OCTETS,
    max_parts=MAX_PARTS,
    max_depth=MAX_DEPTH,
    preview_octets=0,
)
_DEFECTS = {"too_many_parts": "parts", "too_deep": "depth", "header_too_big": "header"}
_STEP = 256 << 10
# To find the parts of a message that came as a file takes so many times as long as to unpack it, if it has thousands.
_SCAN_COST = 2
# What has several parts says so; fields of a letter are short.
_WITH_PARTS = re.compile(rb"multipart|message", re.IGNORECASE)
_SHORT_FIELDS = 500
# The size of the body where that is all of the message.
_ALL = sys.maxsize
_SHORT = 64 << 10
_CONTENT_FIELD = re.compile(rb"^content-[^\n]*(?:\n[ \t][^\n]*)*\n", re.IGNORECASE | re.MULTILINE)
_OFFICE_PASSWORD = "EncryptedPackage".encode("utf-16-le")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Archive(StrEnum):
    """What a part is as an archive. OPEN: its members follow it. LEFT: it lies beyond a limit, or it is damaged."""

    NO = ""
    OPEN = "open"
    ENCRYPTED = "encrypted"
    UNSUPPORTED = "unsupported"
    LEFT = "left"


class Part(NamedTuple):
    """A leaf: `media` as in `text/plain`, lower case; `name` the name of the file, decoded, "" for none; `path` where
    it is, as in `2/letters.zip/invoice.exe`; `octets` decoded, cut at a limit (`complete` is False then); `charset`
    as said; `attached`: it is a file for the reader to save; `archive`: whether it is one, and could be read;
    `other_name`: what its header calls the file besides.

    An archive stands before its members. A message/rfc822 part stands before its own parts, with its header as octets.
    """

    media: str
    name: str = ""
    path: str = "1"
    octets: bytes = b""
    complete: bool = True
    charset: str = ""
    attached: bool = False
    archive: Archive = Archive.NO
    other_name: str = ""


class Parts(tuple[Part, ...]):
    """Parts in their order. `beyond`: the names of the limits that left something unread, in alphabetical order:
    archive-depth, bomb, depth, header, members, octets, parts, ratio."""

    beyond: tuple[str, ...] = ()

    @classmethod
    def of(cls, parts: Iterable[Part], beyond: Iterable[str] = ()) -> "Parts":
        """Both together."""
        made = cls(parts)
        made.beyond = tuple(sorted(beyond))
        return made


def read_parts(
    header: bytes,
    pieces: Callable[[], Iterator[bytes]],
    summary: MessageSummary | None = None,
    *,
    size: int = MAX_TOTAL_OCTETS,
) -> Parts:
    """The leaves of a message of `size` octets. `pieces` gives the body, as in `Content`; `summary` is that of the
    scan, of the same message, whatever fields were put in front since. Never raises."""
    reader = _Reader(room=min(MAX_TOTAL_OCTETS, SMALL_TOTAL_OCTETS + 2 * size * MAX_RATIO))
    reader.read(header, pieces, summary)
    return Parts.of(reader.parts, reader.beyond)


class _Source:
    """The body, read once from front to back."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._base = 0

    def stretch(self, start: int, end: int) -> Iterator[bytes]:
        """The octets from `start` to `end`; each stretch begins after the one before."""
        while start < end:
            offset = start - self._base
            if offset >= len(self._piece):
                self._base += len(self._piece)
                self._piece = next(self._pieces, b"")
                if not self._piece:
                    return
                continue
            piece = self._piece[offset : offset + min(end - start, _STEP)]
            start += len(piece)
            yield piece


@dataclass(slots=True)
class _Reader:
    """What was read, and what may still be."""

    parts: list[Part] = field(default_factory=list)
    beyond: set[str] = field(default_factory=set)
    leaves: int = 0
    members: int = 0
    room: int = MAX_TOTAL_OCTETS

    def read(
        self,
        header: bytes,
        pieces: Callable[[], Iterator[bytes]],
        summary: MessageSummary | None = None,
        within: str = "",
        depth: int = 0,
        archives: int = 0,
    ) -> None:
        """A message; `within` goes in front of the paths of its parts."""
        if summary is not None and summary.structure:
            root, defects = root_of(summary)
        else:
            root, defects = _scan(header, pieces)
        self.beyond.update(_DEFECTS[defect] for defect in defects if defect in _DEFECTS)
        if root is None or self._letter(root, pieces, within):
            return
        source, begin = _Source(pieces()), root.body_offset
        for place, path, deep in leaves(root, within, depth):
            if deep > MAX_DEPTH:
                self.beyond.add("depth")
            elif self.leaves >= MAX_PARTS:
                self.beyond.add("parts")
                return
            else:
                self.leaves += 1
                self._leaf(place, path, source, begin, deep, archives)

    def _letter(self, root: Place, pieces: Callable[[], Iterator[bytes]], within: str) -> bool:
        """Take a message that is one short text, sent as it is: most mail, which needs nothing of all the rest."""
        if root.body_size != _ALL or root.type != "text" or root.filename or root.other_name:
            return False
        found = pieces()
        octets = next(found, b"")
        short = len(octets) <= min(_SHORT, self.room) and next(found, None) is None
        if not short or not is_as_it_was(root.encoding, octets) or find_format(octets) or octets.startswith(_OLE):
            return False
        self.leaves += 1
        self.room -= len(octets)
        attached = root.disposition == "attachment"
        self.parts.append(Part(f"text/{root.subtype}", "", f"{within}1", octets, True, root.charset, attached))
        return True

    def _leaf(self, place: Place, path: str, source: _Source, begin: int, depth: int, archives: int) -> None:
        attached = place.disposition == "attachment" or bool(place.filename)
        media = f"{place.type}/{place.subtype}"
        start, size, encoding = place.body_offset - begin, place.body_size, place.encoding
        if place.message is not None and not is_wrapped(place):
            start, size, encoding = place.message.header_offset - begin, place.message.header_size, ""
        octets, complete = self._decode(source.stretch(start, start + size), encoding)
        part = Part(media, place.filename, path, octets, complete, place.charset, attached)
        part = part._replace(other_name=place.other_name) if place.other_name else part
        if place.message is not None and not is_wrapped(place):
            self.parts.append(part)
        else:
            self._file(part, depth, archives)

    def _decode(self, stretch: Iterator[bytes], encoding: str) -> tuple[bytes, bool]:
        """A part's octets, and whether these are all."""
        beginning = next(stretch, b"")
        decoder = decoder_for(encoding, beginning[:100])
        out, most = bytearray(), min(MAX_PART_OCTETS, self.room)
        for piece in chain((beginning,), stretch):
            out += decoder.feed(piece)
            if len(out) > most:
                most = min(MAX_ARCHIVE_OCTETS if find_format(out[:512]) else MAX_PART_OCTETS, self.room)
                if len(out) > most:
                    break
        else:
            out += decoder.close()
        return self._charge(bytes(out[:most]), len(out) <= most)

    def _charge(self, octets: bytes, complete: bool, cost: int = 0) -> tuple[bytes, bool]:
        """Take what was made from the room, or what it cost to make it where that is more."""
        self.room = max(0, self.room - max(len(octets), cost))
        if not complete and not self.room:
            self.beyond.add("octets")
        return octets, complete

    def _file(self, part: Part, depth: int, archives: int) -> None:
        """A leaf, or a member of an archive; and what is in it."""
        octets = part.octets
        if len(octets) > MAX_PART_OCTETS:
            part = part._replace(octets=octets[:MAX_PART_OCTETS], complete=False)
        found = find_format(octets, part.name)
        if found is not None:
            self._archive(part, found, octets, depth, archives)
            return
        if octets.startswith(_OLE) and _OFFICE_PASSWORD in octets:
            part = part._replace(archive=Archive.ENCRYPTED)
        self.parts.append(part)
        if part.media in ("message/rfc822", "message/global") or part.name.lower().endswith(".eml"):
            self._message(part, octets, depth, archives)

    def _message(self, part: Part, octets: bytes, depth: int, archives: int) -> None:
        """A message that came as a file."""
        if depth >= MAX_DEPTH:
            self.beyond.add("depth")
            return
        if self.leaves >= MAX_PARTS:
            self.beyond.add("parts")
            return
        self._charge(b"", True, _SCAN_COST * len(octets))
        end = find_header_end(octets)
        header = octets if end < 0 else octets[: end - (2 if octets[:end].endswith(b"\r\n") else 1)]
        body = b"" if end < 0 else octets[end:]
        self.read(header, lambda: iter((body,)), None, part.path + "/", depth + 1, archives)

    def _archive(self, part: Part, found: Format, octets: bytes, depth: int, archives: int) -> None:
        place = len(self.parts)
        self.parts.append(part)
        if found is Format.UNSUPPORTED:
            state = Archive.UNSUPPORTED
        elif archives >= MAX_ARCHIVE_DEPTH:
            self.beyond.add("archive-depth")
            state = Archive.LEFT
        else:
            state = self._members(part, found, octets, depth, archives + 1)
        self.parts[place] = part._replace(archive=state)

    def _members(self, part: Part, found: Format, octets: bytes, depth: int, archives: int) -> Archive:
        # These two may be empty without being damaged.
        empty = found is Format.TNEF or octets.startswith(b"PK\5\6")
        state, said = Archive.OPEN if empty else Archive.LEFT, 0
        for member in read_members(found, octets, part.name):
            if self.members >= MAX_MEMBERS:
                self.beyond.add("members")
                break
            self.members += 1
            state = _state_with(state, member)
            if member.name.endswith("/"):
                continue
            said += member.said
            if said > max(BOMB_OCTETS, len(octets) * MAX_RATIO):
                self.beyond.add("bomb")
            inner = _part_of(part, member)
            if member.encrypted:
                self.parts.append(inner)
                continue
            unpacked, complete = self._unpack(member)
            self._file(inner._replace(octets=unpacked, complete=complete), depth, archives)
        return state

    def _unpack(self, member: Member) -> tuple[bytes, bool]:
        fair = max(FREE_OCTETS, member.packed * MAX_RATIO)
        most = min(MAX_PART_OCTETS, self.room // member.slowness, fair)
        octets, complete = self._charge_unpacked(member, member.read(most) if most > 0 else Unpacked(b"", False))
        if not complete and len(octets) == fair:
            self.beyond.add("ratio")
        elif not complete and most <= 0:
            self.beyond.add("octets")
        elif not complete and len(octets) == MAX_PART_OCTETS and find_format(octets):
            most = min(MAX_ARCHIVE_OCTETS, self.room // member.slowness, fair)
            octets, complete = self._charge_unpacked(member, member.read(most))
        return octets, complete

    def _charge_unpacked(self, member: Member, found: Unpacked) -> tuple[bytes, bool]:
        cost = max(len(found.octets), found.taken) * member.slowness
        return self._charge(found.octets, found.complete, cost)


def _state_with(state: Archive, member: Member) -> Archive:
    """The state of an archive that has this member, too: what nobody can look into is told."""
    if member.encrypted or state is Archive.ENCRYPTED:
        return Archive.ENCRYPTED
    return Archive.UNSUPPORTED if not member.readable or state is Archive.UNSUPPORTED else Archive.OPEN


@cache
def _types() -> MimeTypes:
    """Types by names. The tables of the machine are not asked: the same message reads the same everywhere."""
    return MimeTypes()


def _part_of(archive: Part, member: Member) -> Part:
    """A member, without its octets."""
    media = _types().guess_type(member.name.rpartition("/")[2], strict=False)[0] or "application/octet-stream"
    path = f"{archive.path}/{member.name}"[:1000]
    return Part(media, member.name, path, complete=False, attached=True, other_name=member.other_name)


def _scan(header: bytes, pieces: Callable[[], Iterator[bytes]]) -> tuple[Place | None, Sequence[str]]:
    # Only what says where parts are: no envelope is wanted, which is half of the work.
    fields = b"".join(_CONTENT_FIELD.findall(header if header.endswith(b"\n") else header + b"\r\n"))
    short = len(fields) <= _SHORT_FIELDS and not _WITH_PARTS.search(fields)
    letter = _scan_letter(fields) if short else None
    return (letter, ()) if letter is not None else _scan_all(fields, pieces())


@lru_cache(maxsize=256)
def _scan_letter(fields: bytes) -> Place | None:
    """A message that is one part from its fields alone, which programs write the same every day; None for others."""
    root, defects = _scan_all(fields, ())
    if root is None or defects or root.type in ("multipart", "message"):
        return None
    return replace(root, body_size=_ALL)


def _scan_all(fields: bytes, pieces: Iterable[bytes]) -> tuple[Place | None, Sequence[str]]:
    scanner = MessageScanner(_LIMITS)
    scanner.feed(fields + b"\r\n")
    for piece in pieces:
        scanner.feed(piece)
    return root_of(scanner.close())
