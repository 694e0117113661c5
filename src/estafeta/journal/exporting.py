"""The journal as text, CSV, JSON lines, or in the manner of a display of the i5/OS journal QZMF.

Each form turns records into lines, so that a journal of any size goes out in little memory.
"""

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from estafeta.journal.reading import Entry
from estafeta.journal.records import Code
from estafeta.journal.words import Telling, printable, tell

_COLUMNS = ("time", "ident", "code", "address", "peer", "size", "text", "detail")


class Form(StrEnum):
    """How it is written."""

    TEXT = "text"
    CSV = "csv"
    JSONL = "jsonl"
    I5 = "i5"


def export(pages: Iterable[list[Entry]], form: Form) -> Iterator[str]:
    """Lines with their ends, one or several for each record."""
    if form is Form.CSV:
        yield _csv(_COLUMNS)
    make = _FORMS[form]
    for page in pages:
        yield "".join(line for entry in page for line in make(entry))


def _text(entry: Entry) -> Iterator[str]:
    yield f"{_utc(entry.at_us)}  {entry.message_id:x}  {entry.code}  {tell(entry, _TELLING)[1]}\n"


def _as_csv(entry: Entry) -> Iterator[str]:
    _, at_us, code, address, peer, size, text, detail = entry
    in_json = json.dumps(detail, ensure_ascii=False) if detail else ""
    yield _csv((_utc(at_us), f"{entry.message_id:x}", code, address, peer, str(size), text, in_json))


def _jsonl(entry: Entry) -> Iterator[str]:
    values = entry._asdict() | {"message_id": f"{entry.message_id:x}", "time": _utc(entry.at_us)}
    yield json.dumps({key: value for key, value in values.items() if value}, ensure_ascii=False) + "\n"


def _i5(entry: Entry) -> Iterator[str]:
    """Entry type LG with the code, then what belongs to it in lines of their own: function and 1 the originator, 2 a
    recipient or what is told of it, 9 the message id (the manual's "Mail server journal entries")."""
    front, function = f"LG {{}} {_utc(entry.at_us)} {entry.message_id:x} ", entry.code[0]
    words = _I5_WORDS.get(entry.code, "")
    received = entry.code in (Code.RECEIVED_LOCAL, Code.RECEIVED_RELAY)
    size = f"SIZE {entry.size}" if entry.size else ""
    parts = [words, entry.peer, size, f'"{entry.text}"' if entry.text else ""]
    yield _i5_line(front, entry.code, parts)
    sender = entry.address if received else str(entry.detail.get("sender") or "")
    if received or sender:
        yield _i5_line(front, f"{function}1", ["O", sender or "<>"])
        named = entry.detail.get("to")
        for one in named if isinstance(named, list) else ():
            yield _i5_line(front, f"{function}2", ["R", str(one)])
    if entry.address and not received:
        undelivered = entry.code in (Code.UNDELIVERABLE, Code.NOT_DELIVERED_LOCAL, Code.NONDELIVERY)
        yield _i5_line(front, f"{function}2", ["U" if undelivered else "R", entry.address])
    if field := entry.detail.get("message_id"):
        yield _i5_line(front, f"{function}9", ["MSGID", str(field)])


def _i5_line(front: str, code: str, parts: Iterable[str]) -> str:
    return (front.format(code) + printable(" ".join(filter(None, parts)))).rstrip() + "\n"


def _csv(values: Iterable[str]) -> str:
    """A line of RFC 4180. What a spreadsheet would take for a formula is told that it is text."""
    line = io.StringIO()
    csv.writer(line).writerow([f"'{one}" if one[:1] in ("=", "+", "-", "@") else one for one in values])
    return line.getvalue()


def _utc(at_us: int) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_us / 1e6))}.{at_us % 1_000_000:06d}Z"


_TELLING = Telling(clock=lambda ms: _utc(ms * 1000)[:19] + "Z")
_I5_WORDS: dict[str, str] = {
    Code.RECEIVED_LOCAL: "LIN",
    Code.RECEIVED_RELAY: "RIN",
    Code.CONNECTION_REFUSED: "CONNECTION REFUSED",
    Code.RELAY_REFUSED: "RELAY REFUSED",
    Code.RESOLVED: "RRSL",
    Code.QUEUED: "QTMSOUTQ",
    Code.RETRY_FIRST: "QTMSRTQ1",
    Code.RETRY_SECOND: "QTMSRTQ2",
    Code.READY_AGAIN: "QTMSOUTQ",
    Code.PUT_BACK: "QTMSOUTQ",
}
_FORMS: dict[Form, Callable[[Entry], Iterator[str]]] = {
    Form.TEXT: _text,
    Form.CSV: _as_csv,
    Form.JSONL: _jsonl,
    Form.I5: _i5,
}
