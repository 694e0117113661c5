"""What FETCH may be asked for (RFC 9051 6.4.5, RFC 3516, 7162, 8474, 8514, 8970)."""

from dataclasses import dataclass
from enum import StrEnum

from estafeta.mail.sections import SectionText


class Item(StrEnum):
    """Items without arguments. ALL, FAST and FULL are taken apart by the parser; RFC822, RFC822.HEADER and
    RFC822.TEXT become `BodyItem`s whose `label` says how they answer."""

    FLAGS = "FLAGS"
    UID = "UID"
    INTERNALDATE = "INTERNALDATE"
    SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    MODSEQ = "MODSEQ"
    EMAILID = "EMAILID"
    THREADID = "THREADID"
    SAVEDATE = "SAVEDATE"
    PREVIEW = "PREVIEW"
    PREVIEW_LAZY = "PREVIEW (LAZY)"


@dataclass(frozen=True, slots=True)
class BodyItem:
    """`BODY[...]`. `fields` as sent, for HEADER.FIELDS. `start`, `count`: the partial, None without one.

    `label` is what the answer calls it: `BODY[1.HEADER.FIELDS (Subject)]<0>`, `RFC822.TEXT`.
    """

    part: tuple[int, ...]
    text: SectionText
    fields: tuple[bytes, ...]
    peek: bool
    start: int | None
    count: int | None
    label: bytes


@dataclass(frozen=True, slots=True)
class BinaryItem:
    """`BINARY[part]` (RFC 3516 4.3). `label` as in `BodyItem`."""

    part: tuple[int, ...]
    peek: bool
    start: int | None
    count: int | None
    label: bytes


@dataclass(frozen=True, slots=True)
class BinarySizeItem:
    """`BINARY.SIZE[part]`."""

    part: tuple[int, ...]
    label: bytes


__all__ = ["BinaryItem", "BinarySizeItem", "BodyItem", "FetchItem", "Item", "SectionText"]

FetchItem = Item | BodyItem | BinaryItem | BinarySizeItem
