"""The scanner of messages: octets in, in pieces of any size; at the end, all that is ever asked about a message.

It never raises on any octets, gives the same result however the input is cut, takes time in proportion to the size
and keeps no content: only the header being read, the first octets of the text for the preview, an unfinished line
and the finished texts of parts. Implements RFC 5322 2.1, RFC 2045, RFC 2046 5.1 and 5.2 for finding structure.

How it works: `_base` is the offset of the window's first octet. A window always begins with the line feed before the
first octet not yet decided upon (an invented one at offset -1 when the message begins), so that "empty line" and
"delimiter line" are two searches for fixed octets, the same at every place. What may be the beginning of either
at the window's end is carried into the next window.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from estafeta.mail.encodedwords import decode_header
from estafeta.mail.entity import Entity, Fields
from estafeta.mail.imaptext import encode_envelope
from estafeta.mail.media import LEAF, MESSAGE, MULTIPART
from estafeta.mail.mime import decode_octets
from estafeta.mail.preview import make_preview
from estafeta.mail.structure import encode_structure

_PIECE = 64 * 1024
"""Octets looked at in one go: large enough to be fast, small enough to stay in the cache and cost no memory."""
_MAX_DELIMITER_LINE = 1000
"""A longer line is no delimiter: RFC 5322 2.1.1 ends lines at 998, boundaries are limited to a fifth of that."""
_MAX_REFERENCES = 100
"""Message ids kept from References; from longer threads the first (the root) and the last ones."""
_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,998}>")


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """What a message may make us keep. Beyond a limit the scan goes on, coarser, with a defect noted."""

    max_header_octets: int = 128 * 1024
    """Of one header; ten times the longest seen, mail of large lists. What comes after is not read for fields."""
    max_total_header_octets: int = 256 * 1024
    """Of all headers of a message together: bounds the memory for texts made from them."""
    max_parts: int = 1000
    """Each part costs about 1 KiB until the end. Digests of mailing lists stay under 300."""
    max_depth: int = 50
    """Forwarded forwards reach ten. IMAP clients read BODYSTRUCTURE recursively."""
    preview_octets: int = 32 * 1024
    """Of a text part kept for the preview: HTML often opens with long styles."""


_DEFAULT_LIMITS = ScanLimits()


class MessageSummary(NamedTuple):
    """All that is known of a message after a scan.

    `size` and `header_size` in octets, the latter with the empty line. `envelope`, `bodystructure`: the texts of
    IMAP (RFC 9051 7.5.2). `structure`: JSON, see estafeta.mail.structure. `preview`: at most 255 characters (RFC
    8970). `subject` decoded; `message_id` with its angle brackets; `defects` in alphabetical order, each once.
    """

    size: int
    header_size: int
    envelope: bytes
    bodystructure: bytes
    structure: bytes
    preview: str
    subject: str
    message_id: str
    received_count: int
    has_attachment: bool
    defects: tuple[str, ...]


@dataclass(slots=True)
class _Delimiter:
    """A delimiter line in the window: its line feed before, its end, whose boundary, and whether it closes."""

    at: int
    end: int
    owner: int
    closes: bool


class MessageScanner:
    """Feed it a message, then `close()` it for the summary. One scanner reads one message."""

    __slots__ = (
        "_base",
        "_boundaries",
        "_capture_from",
        "_capture_room",
        "_captured",
        "_carry",
        "_counted",
        "_defects",
        "_has_attachment",
        "_header_room",
        "_in_header",
        "_limits",
        "_line_feeds",
        "_open",
        "_part_count",
        "_prefix",
        "_preview",
        "_previous",
        "_root",
        "_root_texts",
        "_size",
        "_summary",
        "_waiting",
    )

    def __init__(self, limits: ScanLimits = _DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._root = Entity(0, is_message=True, is_nested=False)
        self._open = [self._root]
        self._in_header = True
        self._base, self._carry, self._previous = -1, b"\n", 0
        self._boundaries: dict[bytes, int] = {}
        self._prefix = b"\n--"
        self._waiting = -1
        self._captured: list[bytes] = []
        self._capture_from = 0
        self._header_room = limits.max_total_header_octets
        self._capture_room = min(limits.max_header_octets, self._header_room)
        self._counted, self._line_feeds = 0, 0
        self._part_count = 1
        self._defects: set[str] = set()
        self._preview = ""
        self._has_attachment = False
        self._root_texts = (b"", b"")
        self._size = 0
        self._summary: MessageSummary | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next octets of the message. After `close()` they are ignored."""
        if self._summary is not None:
            return
        size = len(data)
        self._size += size
        if size <= _PIECE:
            self._scan(bytes(data), final=False)
            return
        for start in range(0, size, _PIECE):
            self._scan(bytes(data[start : start + _PIECE]), final=False)

    def close(self) -> MessageSummary:
        """The end of the message has been fed. Asked again, it gives the same summary."""
        if self._summary is None:
            if self._carry:
                self._scan(b"", final=True)
            while self._in_header:
                self._defects.add("blank_line_missing")
                self._end_header(self._size, self._line_feeds)
            while self._open:
                self._finish(self._open.pop(), self._size, self._line_feeds)
            self._summary = self._make_summary()
        return self._summary

    def _scan(self, piece: bytes, *, final: bool) -> None:
        data = self._carry + piece if self._carry else piece
        if b"\0" in piece:
            self._defects.add("nul")
        at = 0
        while at >= 0:
            at = self._scan_header(data, at, final) if self._in_header else self._scan_body(data, at, final)

    def _scan_header(self, data: bytes, at: int, final: bool) -> int:
        blank = _find_blank_line(data, at)
        if self._boundaries:
            delimiter = self._find_delimiter(data, at, blank if blank >= 0 else len(data), final)
            if delimiter is not None:
                # The part has no body, not even the empty line before it.
                self._capture(data, delimiter.at + 1)
                self._defects.add("blank_line_missing")
                end = max(self._open[-1].header, self._base + self._end_before(data, delimiter.at))
                self._end_header(end, self._count_lines(data, end - self._base))
                return self._pass_delimiter(data, delimiter)
        if blank < 0:
            return self._carry_over(data, at, final)
        self._capture(data, blank + 1)
        body = blank + (2 if data[blank + 1] == 10 else 3)
        self._end_header(self._base + body, self._count_lines(data, body))
        return body - 1

    def _scan_body(self, data: bytes, at: int, final: bool) -> int:
        if self._boundaries:
            delimiter = self._find_delimiter(data, at, len(data), final)
            if delimiter is not None:
                self._capture(data, delimiter.at)
                return self._pass_delimiter(data, delimiter)
        return self._carry_over(data, at, final)

    def _find_delimiter(self, data: bytes, at: int, stop: int, final: bool) -> _Delimiter | None:
        """The first delimiter line from `at` on that begins before `stop`. An unfinished line that may be one
        is left in `_waiting`."""
        prefix, size = self._prefix, len(data)
        self._waiting = -1
        while True:
            found = data.find(prefix, at, stop)
            if found < 0:
                return None
            end = data.find(b"\n", found + 1, found + 1 + _MAX_DELIMITER_LINE)
            if end < 0 and size - found <= _MAX_DELIMITER_LINE:
                if not final:
                    self._waiting = found
                    return None
                end = size
            if end >= 0:
                delimiter = self._match(data[found + 1 : end], found, end)
                if delimiter is not None:
                    return delimiter
            at = found + 1

    def _match(self, line: bytes, at: int, end: int) -> _Delimiter | None:
        # RFC 2046 5.1.1: delimiter := "--" boundary, close-delimiter := delimiter "--", then white space only.
        line = line.rstrip(b" \t\r")
        owner = self._boundaries.get(line)
        if owner is not None:
            if self._part_count >= self._limits.max_parts:
                self._defects.add("too_many_parts")
                return None
            return _Delimiter(at, end, owner, False)
        owner = self._boundaries.get(line[:-2]) if line.endswith(b"--") else None
        return None if owner is None else _Delimiter(at, end, owner, True)

    def _pass_delimiter(self, data: bytes, delimiter: _Delimiter) -> int:
        """End what the delimiter ends and begin what it begins; where to go on, or -1 at the message's end."""
        opened = self._open
        # Right after an empty or a delimiter line, that line's end is this delimiter's too; it stays where it was.
        end = max(opened[-1].body, self._base + self._end_before(data, delimiter.at))
        lines = self._count_lines(data, end - self._base)
        while len(opened) > delimiter.owner + 1:
            self._finish(opened.pop(), end, lines)
        parent = opened[-1]
        after = min(delimiter.end + 1, len(data))
        if delimiter.closes:
            parent.boundary = b""
            self._in_header = False
            self._capture_room = 0
        else:
            in_digest = parent.media.subtype == b"digest"
            child = Entity(self._base + after, is_message=False, is_nested=parent.is_nested, in_digest=in_digest)
            self._begin_header(child)
        self._set_boundaries()
        if delimiter.end < len(data):
            return delimiter.end
        self._keep_from(data, len(data))
        return -1

    def _end_before(self, data: bytes, line_feed: int) -> int:
        """Where a body ends whose last line end belongs to the delimiter (RFC 2046 5.1.1)."""
        before = data[line_feed - 1] if line_feed else self._previous
        return line_feed - 1 if before == 13 else line_feed

    def _begin_header(self, entity: Entity) -> None:
        self._open.append(entity)
        self._part_count += 1
        self._in_header = True
        self._captured.clear()
        self._capture_from = entity.header
        self._capture_room = min(self._limits.max_header_octets, self._header_room)

    def _end_header(self, body: int, lines: int) -> None:
        """The header of the innermost entity is complete: read it and set out for what its body is."""
        entity = self._open[-1]
        entity.body = body
        entity.lines_before = lines
        self._in_header = False
        block = b"".join(self._captured)
        self._header_room -= len(block)
        if self._capture_room <= 0 and body - entity.header > len(block) + 2:
            self._defects.add("header_too_big")
            block = block[: block.rfind(b"\n") + 1]
        self._read_header(entity, block)
        self._captured.clear()
        self._capture_from = body
        self._capture_room = self._limits.preview_octets if not self._preview and entity.shows_text else 0
        if entity.role is MULTIPART:
            self._set_boundaries()
        elif entity.role is MESSAGE:
            self._begin_header(Entity(body, is_message=True, is_nested=True))

    def _read_header(self, entity: Entity, block: bytes) -> None:
        fields = entity.read(block)
        if entity.role is not LEAF and len(self._open) >= self._limits.max_depth:
            self._defects.add("too_deep")
            entity.make_opaque()
        self._defects.update(fields.defects)

    def _set_boundaries(self) -> None:
        # Inner entities come later and so win over an outer one with the same boundary.
        self._boundaries = {b"--" + e.boundary: i for i, e in enumerate(self._open) if e.boundary}
        self._prefix = b"\n" + (_common_prefix(self._boundaries) or b"--")

    def _finish(self, entity: Entity, end: int, lines: int) -> None:
        """The entity ends at offset `end`: hand its texts to the one around it."""
        if entity.fields is None:  # a message/rfc822 part ended before the header inside could begin
            entity.lines_before = lines
            self._read_header(entity, b"")
        size = max(0, end - entity.body)
        lines = max(0, lines - entity.lines_before)
        if entity.shows_text and not self._preview and self._captured:
            self._preview = self._make_preview(entity, size)
        self._capture_room = 0
        self._captured.clear()
        self._has_attachment = self._has_attachment or entity.is_attachment
        if entity.role is MULTIPART:
            self._check_multipart(entity)
        body, part = entity.encode_body(size, lines), entity.encode_structure(size, lines)
        if not self._open:
            self._root_texts = body, part
            return
        parent = self._open[-1]
        parent.inner_bodies.append(body)
        parent.inner_parts.append(part)
        if entity.is_message:
            parent.inner_envelope = encode_envelope(entity.fields or {})

    def _check_multipart(self, entity: Entity) -> None:
        if not entity.inner_bodies:
            self._defects.add("multipart_without_parts")
        if entity.boundary:
            self._defects.add("close_delimiter_missing")

    def _make_preview(self, entity: Entity, size: int) -> str:
        sample, media = b"".join(self._captured), entity.media
        return make_preview(sample, media.subtype, media.encoding, media.charset, torn=len(sample) < size)

    def _capture(self, data: bytes, stop: int) -> None:
        """Keep the octets up to index `stop` of the header or text being read, as far as there is room."""
        if self._capture_room <= 0:
            return
        start = self._capture_from - self._base
        if stop > start:
            kept = data[start : min(stop, start + self._capture_room)]
            self._captured.append(kept)
            self._capture_from += len(kept)
            self._capture_room -= len(kept)

    def _count_lines(self, data: bytes, stop: int) -> int:
        """Line feeds of the message before index `stop`, or before what is counted already."""
        if stop > self._counted:
            self._line_feeds += data.count(b"\n", self._counted, stop)
            self._counted = stop
        return self._line_feeds

    def _carry_over(self, data: bytes, at: int, final: bool) -> int:
        """The rest of the window is decided, but for what may begin an empty line or a delimiter. Always -1."""
        cut = len(data) if final else self._undecided(data, at)
        self._capture(data, cut)
        self._keep_from(data, cut)
        return -1

    def _undecided(self, data: bytes, at: int) -> int:
        if self._boundaries and self._waiting >= 0:
            return self._waiting
        size = len(data)
        if not self._in_header and not self._boundaries:
            return size
        last = data.rfind(b"\n", max(at, size - max(2, len(self._prefix))))
        if last < 0:
            return size
        rest = data[last:]
        if (self._in_header and rest in (b"\n", b"\n\r")) or (self._boundaries and self._prefix.startswith(rest)):
            return last
        return size

    def _keep_from(self, data: bytes, cut: int) -> None:
        self._count_lines(data, cut)
        if cut:
            self._previous = data[cut - 1]
        self._base += cut
        self._counted -= cut
        self._carry = data[cut:]

    def _make_summary(self) -> MessageSummary:
        root = self._root
        fields = root.fields or Fields(b"")
        get = fields.get
        message_id = _first_message_id(get(b"message-id", b""))
        earlier = get(b"references", b"") + b" " + get(b"in-reply-to", b"")
        references = _references(earlier) if len(earlier) > 1 else []
        body, part = self._root_texts
        return MessageSummary(
            size=self._size,
            header_size=root.body,
            envelope=encode_envelope(fields),
            bodystructure=body,
            structure=encode_structure(message_id, references, part),
            preview=self._preview,
            subject=decode_header(get(b"subject", b"")),
            message_id=message_id,
            received_count=fields.received_count,
            has_attachment=self._has_attachment,
            defects=tuple(sorted(self._defects)),
        )


def _find_blank_line(data: bytes, at: int) -> int:
    """The line feed before the first empty line from `at` on; -1 when there is none yet."""
    crlf = data.find(b"\n\r\n", at)
    bare = data.find(b"\n\n", at, crlf + 1 if crlf >= 0 else len(data))
    return bare if bare >= 0 else crlf


def _common_prefix(lines: Collection[bytes]) -> bytes:
    """What all begin with: the longer the octets to search for, the fewer lines are looked at in vain."""
    if len(lines) < 2:
        return next(iter(lines), b"")
    first, last = min(lines), max(lines)
    for at, octet in enumerate(first):
        if at == len(last) or octet != last[at]:
            return first[:at]
    return first


def _first_message_id(value: bytes) -> str:
    found = _MESSAGE_ID.search(value)
    return decode_octets(found.group()) if found is not None else decode_header(value)


def _references(value: bytes) -> list[str]:
    """The ids of RFC 5322 3.6.4, each once, oldest first."""
    ids = list(dict.fromkeys(_MESSAGE_ID.findall(value)))
    if len(ids) > _MAX_REFERENCES:
        ids = ids[:1] + ids[1 - _MAX_REFERENCES :]
    return [decode_octets(each) for each in ids]
