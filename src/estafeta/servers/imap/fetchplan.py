"""What FETCH asks of the store: a list of items, compiled once into columns to read and a recipe for answers.

An answer is segments of text, each a template with one value for each message and place, and between them octets of the
message. `fetchlines` fills them in, for all messages of a portion at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from estafeta.mail.sections import Section, SectionText
from estafeta.protocols.imap.fetchitems import BinaryItem, BinarySizeItem, BodyItem, FetchItem, Item
from estafeta.servers.imap import fetchvalues as values
from estafeta.servers.imap.bodies import BinaryPart, Body, BodySection, binary_size
from estafeta.servers.imap.portion import LOCATION, Portion

Values = Callable[[Portion], Iterable[Any]]

#: How many rows are read and answered at once; large ones are fewer at once.
_MANY, _SOME = 5000, 1000
# What an item is called stands in each answer, and a list of header fields may be long.
_TEXT_OCTETS = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """`template` takes a value of each of `values`; where `body` is set, one more: how long its octets are. Those
    come after the text."""

    template: bytes
    values: tuple[Values, ...]
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`columns` of `look.fetch_rows`, UID first. `at_once`: rows of a portion. The number in front, a sequence number
    or in a UIDONLY session the UID, is the first value of the first segment."""

    columns: tuple[str, ...]
    segments: tuple[Segment, ...]
    reads_content: bool
    at_once: int

    @property
    def bodies(self) -> int:
        """How many items may each be as long as the message."""
        return sum(segment.body is not None for segment in self.segments)


_PLAIN: dict[Item, tuple[bytes, tuple[str, ...], Values]] = {
    Item.UID: (b"UID %d", ("uid",), values.column("uid")),
    Item.SIZE: (b"RFC822.SIZE %d", ("size",), values.column("size")),
    Item.INTERNALDATE: (b"INTERNALDATE %b", ("internal_date_ms",), values.date("internal_date_ms")),
    Item.SAVEDATE: (b"SAVEDATE %b", ("save_date_ms",), values.date("save_date_ms")),
    Item.ENVELOPE: (b"ENVELOPE %b", ("envelope",), values.column("envelope")),
    Item.BODYSTRUCTURE: (b"BODYSTRUCTURE %b", ("bodystructure",), values.column("bodystructure")),
    Item.BODY: (b"BODY %b", ("bodystructure",), values.basic_body),
    Item.MODSEQ: (b"MODSEQ (%d)", ("modseq",), values.column("modseq")),
    # RFC 8474 5.1: the same for all copies of a message, since they share one content.
    Item.EMAILID: (b"EMAILID (E%x)", ("content_id",), values.column("content_id")),
    Item.THREADID: (b"THREADID (%b)", ("structure", "content_id"), values.thread_id),
    Item.PREVIEW: (b"PREVIEW %b", ("preview",), values.preview),
    Item.PREVIEW_LAZY: (b"PREVIEW %b", ("preview",), values.preview),
}
_LONG = {"envelope", "bodystructure", "structure", "preview"}


def make_plan(items: Iterable[FetchItem], *, uid_only: bool = False, recent_from: int = 1 << 32) -> Plan:
    """The plan for these items, each once. Messages from the UID `recent_from` on are `\\Recent`."""
    builder = _Builder(b"* %d UIDFETCH (" if uid_only else b"* %d FETCH (", recent_from)
    for item in dict.fromkeys(items):
        builder.add(item)
    return builder.finish()


def sets_seen(items: Iterable[FetchItem]) -> bool:
    """Whether fetching these sets \\Seen (RFC 9051 6.4.5)."""
    return any(isinstance(item, (BodyItem, BinaryItem)) and not item.peek for item in items)


class _Builder:
    """Gathers segments."""

    def __init__(self, head: bytes, recent_from: int) -> None:
        self._recent_from = recent_from
        self._columns: dict[str, None] = {"uid": None}
        self._segments: list[Segment] = []
        self._text = head
        self._values: list[Values] = [values.numbers]
        self._reads_content = False
        self._space = b""

    def add(self, item: FetchItem) -> None:
        if isinstance(item, Item):
            self._add_plain(item)
        elif isinstance(item, BodyItem):
            section = Section(item.part, SectionText(item.text.value), item.fields)
            self._add_body(item.label, BodySection(section, item.start, item.count))
        elif isinstance(item, BinaryItem):
            self._add_body(item.label, BinaryPart(item.part, item.start, item.count))
        else:
            self._add_binary_size(item)
        self._space = b" "

    def finish(self) -> Plan:
        self._segments.append(Segment(self._text + b")\r\n", tuple(self._values)))
        long = self._reads_content or not _LONG.isdisjoint(self._columns)
        text = sum(len(segment.template) for segment in self._segments)
        at_once = min(_SOME if long else _MANY, max(1, _TEXT_OCTETS // text))
        return Plan(tuple(self._columns), tuple(self._segments), self._reads_content, at_once)

    def _add_plain(self, item: Item) -> None:
        flags = b"FLAGS %b", ("flags", "keywords"), values.Flags(self._recent_from)
        text, columns, made = flags if item is Item.FLAGS else _PLAIN[item]
        self._text += self._space + text
        self._values.append(made)
        self._columns.update(dict.fromkeys(columns))

    def _add_body(self, label: bytes, body: Body) -> None:
        text = self._text + self._space + label.replace(b"%", b"%%") + b" %b"
        self._segments.append(Segment(text, tuple(self._values), body))
        self._text, self._values = b"", []
        self._read_content(body.columns)

    def _add_binary_size(self, item: BinarySizeItem) -> None:
        self._text += self._space + item.label.replace(b"%", b"%%") + b" %d"
        self._values.append(binary_size(item.part))
        self._read_content(("structure",))

    def _read_content(self, columns: tuple[str, ...]) -> None:
        self._reads_content = True
        self._columns.update(dict.fromkeys((*LOCATION, *columns)))
