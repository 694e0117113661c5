"""FETCH and STORE: their arguments (RFC 9051 6.4.5, 6.4.6; RFC 3516, 7162, 8474, 8514, 8970, 9394).

What follows the numbers of a FETCH is the same text over and over, for each client its own: its meaning is remembered.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from estafeta.protocols.imap.commands import Fetch, Store
from estafeta.protocols.imap.encode import encode_astring
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.fetchitems import (
    BinaryItem,
    BinarySizeItem,
    BodyItem,
    FetchItem,
    Item,
    SectionText,
)
from estafeta.protocols.imap.lexer import Dialect, Scanner
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.replies import Status
from estafeta.protocols.imap.texts import Text
from estafeta.protocols.imap.values import Partial

_NAME = re.compile(rb"[A-Za-z0-9.]+")
_PART = re.compile(rb"[1-9][0-9]{0,8}(?:\.[1-9][0-9]{0,8})*")
_SECTION_TEXT = re.compile(rb"[A-Za-z.]+")
_RANGE = re.compile(rb"<(\d{1,19})\.(\d{1,19})>")
_REMEMBERED_OCTETS = 512
_MOST_63 = 0x7FFF_FFFF_FFFF_FFFF
_MOST_PARTS = 100
"""Levels of a part's number: deeper than any message that the store takes apart."""

_FAST = (Item.FLAGS, Item.INTERNALDATE, Item.SIZE)
_ALL = (*_FAST, Item.ENVELOPE)
_MACROS = {b"FAST": _FAST, b"ALL": _ALL, b"FULL": (*_ALL, Item.BODY)}
_ITEMS: dict[bytes, FetchItem] = {
    item.value.encode(): item for item in Item if item not in (Item.BODY, Item.PREVIEW, Item.PREVIEW_LAZY)
}
# RFC 3501 6.4.5: these are BODY[], BODY.PEEK[HEADER] and BODY[TEXT] under other names.
_ITEMS[b"RFC822"] = BodyItem((), SectionText.WHOLE, (), False, None, None, b"RFC822")
_ITEMS[b"RFC822.HEADER"] = BodyItem((), SectionText.HEADER, (), True, None, None, b"RFC822.HEADER")
_ITEMS[b"RFC822.TEXT"] = BodyItem((), SectionText.TEXT, (), False, None, None, b"RFC822.TEXT")


class _Tail(NamedTuple):
    items: tuple[FetchItem, ...]
    changed_since: int | None
    vanished: bool
    partial: Partial | None


def parse_fetch(scanner: Scanner) -> Fetch:
    """FETCH."""
    return _fetch(scanner, uid=False)


def parse_uid_fetch(scanner: Scanner) -> Fetch:
    """UID FETCH."""
    return _fetch(scanner, uid=True)


def _fetch(scanner: Scanner, *, uid: bool) -> Fetch:
    scanner.space()
    numbers = scanner.set_or_saved()
    scanner.space()
    tail = scanner.data[scanner.pos :]
    short = len(tail) <= _REMEMBERED_OCTETS
    items, changed_since, vanished, partial = _remembered_tail(tail) if short else _parse_tail(tail)
    if vanished and (not uid or changed_since is None):
        # RFC 7162 3.2.6: only UID FETCH has VANISHED, and only with CHANGEDSINCE.
        raise CommandError
    if vanished and not scanner.dialect.qresync:
        raise CommandError(Text.NEEDS_QRESYNC)
    if partial is not None and not uid:
        # RFC 9394 3.2: a modifier of UID FETCH.
        raise CommandError
    return Fetch(numbers, items, uid, changed_since, vanished, partial)


def _parse_tail(tail: bytes) -> _Tail:
    scanner = Scanner(tail, 0, _PLAIN)
    items = _items(scanner)
    if not scanner.try_space():
        scanner.end()
        return _Tail(items, None, False, None)
    parsed = _modifiers(scanner, items)
    scanner.end()
    return parsed


_PLAIN = Dialect(Limits())
"""What comes behind the numbers means the same in every session."""
_remembered_tail = lru_cache(maxsize=512)(_parse_tail)


def _modifiers(scanner: Scanner, items: tuple[FetchItem, ...]) -> _Tail:
    """`fetch-modifiers` of RFC 4466: CHANGEDSINCE and VANISHED (RFC 7162 3.1.4.1, 3.2.6), PARTIAL (RFC 9394 3.2)."""
    changed_since, vanished, partial = None, False, None
    scanner.open_list()
    while True:
        name = scanner.keyword()
        if name == b"CHANGEDSINCE" and changed_since is None:
            scanner.space()
            changed_since = scanner.number64()
        elif name == b"VANISHED":
            vanished = True
        elif name == b"PARTIAL" and partial is None:
            scanner.space()
            partial = scanner.partial()
        else:
            raise CommandError
        if not scanner.more():
            return _Tail(items, changed_since, vanished, partial)


def _items(scanner: Scanner) -> tuple[FetchItem, ...]:
    if scanner.at(b"("):
        return parse_fetch_list(scanner)
    macro = _MACROS.get(scanner.peek_keyword())
    if macro is not None:
        scanner.keyword()
        return macro
    return (parse_fetch_item(scanner),)


def parse_fetch_list(scanner: Scanner) -> tuple[FetchItem, ...]:
    """`"(" fetch-att *(SP fetch-att) ")"`; what is asked for twice is answered once."""
    scanner.open_list()
    items = {parse_fetch_item(scanner): None}
    while scanner.more():
        items[parse_fetch_item(scanner)] = None
        if len(items) > scanner.dialect.limits.fetch_items:
            raise CommandError(Text.TOO_MANY_ITEMS, Status.NO, b"LIMIT")
    return tuple(items)


def parse_fetch_item(scanner: Scanner) -> FetchItem:
    """`fetch-att`."""
    match = _NAME.match(scanner.data, scanner.pos)
    if match is None:
        raise CommandError
    scanner.pos = match.end()
    name = match[0].upper()
    if scanner.at(b"["):
        return _section_item(scanner, name)
    item = _ITEMS.get(name)
    if item is not None:
        return item
    if name == b"BODY":
        return Item.BODY
    if name == b"PREVIEW":
        return _preview(scanner)
    raise CommandError


def _preview(scanner: Scanner) -> Item:
    # RFC 8970 3.1: "PREVIEW" [SP "(" "LAZY" ")"]; a list behind a bare PREVIEW may be FETCH's own modifiers instead.
    before = scanner.pos
    if scanner.try_space() and scanner.skip(b"("):
        scanner.try_space()
        if scanner.peek_keyword() == b"LAZY":
            scanner.keyword()
            scanner.try_space()
            scanner.expect(b")")
            return Item.PREVIEW_LAZY
    scanner.pos = before
    return Item.PREVIEW


def _section_item(scanner: Scanner, name: bytes) -> FetchItem:
    scanner.expect(b"[")
    if name in (b"BODY", b"BODY.PEEK"):
        return _body(scanner, peek=name == b"BODY.PEEK")
    part = _part(scanner)
    scanner.expect(b"]")
    label = b"[%b]" % b".".join(b"%d" % number for number in part)
    if name == b"BINARY.SIZE":
        return BinarySizeItem(part, b"BINARY.SIZE" + label)
    if name not in (b"BINARY", b"BINARY.PEEK"):
        raise CommandError
    start, count, origin = _range(scanner)
    return BinaryItem(part, name == b"BINARY.PEEK", start, count, b"BINARY" + label + origin)


def _body(scanner: Scanner, *, peek: bool) -> BodyItem:
    part = _part(scanner)
    text = SectionText.WHOLE
    fields: tuple[bytes, ...] = ()
    label = b".".join(b"%d" % number for number in part)
    if not scanner.at(b"]"):
        if part:
            scanner.expect(b".")
            label += b"."
        text = _section_text(scanner, part)
        label += text.value.encode()
        if text in (SectionText.FIELDS, SectionText.FIELDS_NOT):
            fields = _fields(scanner)
            label += b" (%b)" % b" ".join(map(encode_astring, fields))
    scanner.expect(b"]")
    start, count, origin = _range(scanner)
    return BodyItem(part, text, fields, peek, start, count, b"BODY[%b]%b" % (label, origin))


def _part(scanner: Scanner) -> tuple[int, ...]:
    match = _PART.match(scanner.data, scanner.pos)
    if match is None:
        return ()
    scanner.pos = match.end()
    numbers = match[0].split(b".")
    if len(numbers) > _MOST_PARTS:
        raise CommandError
    return tuple(map(int, numbers))


def _section_text(scanner: Scanner, part: tuple[int, ...]) -> SectionText:
    match = _SECTION_TEXT.match(scanner.data, scanner.pos)
    if match is None:
        raise CommandError
    scanner.pos = match.end()
    try:
        text = SectionText(match[0].decode("ascii").upper())
    except ValueError as error:
        raise CommandError from error
    # RFC 9051 6.4.5: a message has no MIME header of its own.
    if text is SectionText.MIME and not part:
        raise CommandError
    return text


def _fields(scanner: Scanner) -> tuple[bytes, ...]:
    scanner.space()
    scanner.open_list()
    fields = [scanner.astring()]
    while scanner.more():
        fields.append(scanner.astring())
    return tuple(fields)


def _range(scanner: Scanner) -> tuple[int | None, int | None, bytes]:
    """`partial`: start, count, and the origin as the answer shows it."""
    match = _RANGE.match(scanner.data, scanner.pos)
    if match is None:
        return None, None, b""
    scanner.pos = match.end()
    start, count = int(match[1]), int(match[2])
    if not count or max(start, count) > _MOST_63:
        raise CommandError
    return start, count, b"<%d>" % start


_STORES: dict[bytes, tuple[str, bool]] = {
    b"FLAGS": ("replace", False),
    b"FLAGS.SILENT": ("replace", True),
    b"+FLAGS": ("add", False),
    b"+FLAGS.SILENT": ("add", True),
    b"-FLAGS": ("remove", False),
    b"-FLAGS.SILENT": ("remove", True),
}


def parse_store(scanner: Scanner) -> Store:
    """STORE."""
    return _store(scanner, uid=False)


def parse_uid_store(scanner: Scanner) -> Store:
    """UID STORE."""
    return _store(scanner, uid=True)


def _store(scanner: Scanner, *, uid: bool) -> Store:
    scanner.space()
    numbers = scanner.set_or_saved()
    scanner.space()
    unchanged_since = None
    if scanner.skip(b"("):
        # RFC 7162 3.1.3
        scanner.try_space()
        if scanner.keyword() != b"UNCHANGEDSINCE":
            raise CommandError
        scanner.space()
        unchanged_since = scanner.number64()
        if scanner.more():
            raise CommandError
        scanner.space()
    how = _STORES.get(scanner.keyword())
    if how is None:
        raise CommandError
    scanner.space()
    flags = scanner.flag_list() if scanner.at(b"(") else scanner.bare_flags()
    scanner.end()
    return Store(numbers, how[0], how[1], flags, uid, unchanged_since)
