"""Writing records, in the transaction of what they record.

Two transitions of a message never have the same key: within a call the microseconds are counted on. Should a clock that
was set back come to the very microsecond of another record of the same message, that transaction fails, and nothing of
it happens: whoever asked for it asks again, as after any failure.
"""

import time
from collections.abc import Sequence

from sqlalchemy import insert

from estafeta.journal.records import Record, shorten_detail
from estafeta.journal.tables import journal
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared

#: Octets of a reply or a reason that are kept: four lines of RFC 5321 4.5.3.1.5, and some more.
MAX_TEXT = 2000
MAX_DETAIL = 8000
_MAX_NAME = 1000


def write_records(tx: Transaction, records: Sequence[Record], now_us: int | None = None) -> None:
    """Write them, in their order, as of now or of `now_us` (epoch microseconds). A record with message_id 0 is of no
    message (a refused connection): it gets an ident of its own."""
    if not records:
        return
    at_us = time.time_ns() // 1000 if now_us is None else now_us
    _ADD.many(tx, [_row(record, at_us + place) for place, record in enumerate(records)])


def note(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Operation of the group commit: payloads are tuples of `Record`."""
    write_records(tx, [record for item in items for record in item.payload])
    return [None] * len(items)


def message_id_at(at_us: int) -> int:
    """The least ident that a message of this microsecond can have; as `Intake.new_ident` makes them."""
    return at_us // 1000 << 20


def _row(record: Record, at_us: int) -> tuple[object, ...]:
    message_id, code, address, peer, size, text, detail = record
    words = address + peer + text
    if len(words) > _MAX_NAME or not words.isascii() or "\0" in words:
        address, peer, text = _clean(address, _MAX_NAME), _clean(peer, _MAX_NAME), _clean(text, MAX_TEXT)
    if len(detail) > MAX_DETAIL or not detail.isascii():
        detail = _clean(shorten_detail(detail, MAX_DETAIL))
    return (message_id or _ident_of_none(at_us), at_us, str(code), address, peer, size, text, detail)


def _ident_of_none(at_us: int) -> int:
    """Apart from those of messages, whose bits 12 to 19 are the number of a worker: no node has 255 of them."""
    return message_id_at(at_us) | 0xFF << 12 | at_us % 1000 << 2


def _clean(text: str, longest: int = MAX_DETAIL) -> str:
    """What a database can hold: PostgreSQL has no NUL in texts, and neither has half a surrogate pair."""
    if len(text) > longest:
        text = text[:longest]
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


_ADD = Prepared(insert(journal), *(column.name for column in journal.columns))
