"""Records of the journal: what happens to messages, with the two-letter codes of the i5/OS manual (row O2).

The first letter says which part of the server acts, the second what it does (docs/reference/journal-codes.md, made
from here). Whoever changes a message's fate makes the records and hands them to the operation that commits the change.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic_core import PydanticSerializationError, to_json

#: So many recipients are named in the record of a message; each that it goes to has records of its own as well.
MAX_NAMED = 20


class Code(StrEnum):
    """7: notices; 8: SMTP client; 9: SMTP server; A: non-delivery; B: local delivery; C: forwarding to the queue;
    D: read by POP; E: made by a program here; H: held or changed by an operator; J: read by IMAP; O: filtering;
    P: address resolution; T: lists."""

    RECEIVED_LOCAL = "94"
    RECEIVED_RELAY = "95"
    CONNECTION_REFUSED = "9S"
    RELAY_REFUSED = "9V"
    REJECTED = "9W"
    QUEUED = "C6"
    DELIVERED_LOCAL = "B8"
    NOT_DELIVERED_LOCAL = "B3"
    RESOLVED = "P2"
    MADE_HERE = "EH"
    ATTEMPT = "8B"
    SENT = "88"
    UNDELIVERABLE = "83"
    RETRY_FIRST = "8C"
    RETRY_SECOND = "8D"
    READY_AGAIN = "8E"
    PUT_BACK = "86"
    LOOKUP_FAILED = "8K"
    MAYBE_TWICE = "8T"
    CONFIRMATION = "7R"
    DELAY_NOTICE = "7D"
    NONDELIVERY = "AP"
    NO_NOTICE = "AN"
    HELD = "HH"
    RELEASED = "HR"
    REMOVED = "HX"
    BOUNCED = "HB"
    CHANGED = "HE"
    READ_POP = "DR"
    READ_IMAP = "JR"
    CHECKED = "OC"
    FILTERED = "OW"
    LIST_EXPANDED = "TX"
    LIST_HELD = "TH"
    LIST_REFUSED = "TW"
    LIST_COMMAND = "TC"
    LIST_BOUNCE = "TB"
    SPLIT = "8S"
    JOINED = "BJ"


class Record(NamedTuple):
    """One transition. `message_id` is the ident of the message as a number (`int(ident, 16)`); `address` whom it is
    about: the recipient, or the originator of a reception; `peer` the other machine (name and IP address, or a
    program); `size` in octets; `text` the remote's reply or the reason, in words; `detail` a JSON object (`detail()`),
    empty for none. Longest text and detail are cut where they are stored.

    What happens to a destination of the queue happens to all that waits for it, and is recorded once: `message_id` is
    the id of the destination below zero then, and `address` its next hop."""

    message_id: int
    code: str
    address: str = ""
    peer: str = ""
    size: int = 0
    text: str = ""
    detail: str = ""


def detail(**values: Any) -> str:
    """`Record.detail` from what is known; None and empty values are left out.

    Keys in use: subject, message_id (the field), to (list), envid, tls, helo, login, mailbox
    (`account/mailbox/uid`), sender (of what was refused), hop, host, seconds, attempt, next_ms, status, notice
    (ident of the notice), parent and child (idents), list, reason, who, kept, signed and sealed (by which keys: a
    domain and selectors)."""
    known = {key: value for key, value in values.items() if value}
    try:
        return to_json(known).decode()
    except (PydanticSerializationError, UnicodeError):  # half a surrogate pair, which has no UTF-8
        return json.dumps(known, ensure_ascii=False, separators=(",", ":"))


def refusal(
    said: str,
    sender: str,
    peer: str,
    *,
    code: Code = Code.REJECTED,
    number: int = 0,
    address: str = "",
    to: Sequence[str] = (),
) -> Record:
    """The record of a refusal: of a recipient (`address`), else of a sender, or of a message `to` these. `said`: the
    reply."""
    return Record(number, code, address, peer, text=said, detail=detail(sender=sender, to=list(to[:MAX_NAMED])))


def shorten_detail(text: str, longest: int) -> str:
    """A detail of at most `longest` characters: its longest values are cut until it fits, lists first."""
    if len(text) <= longest:
        return text
    values = read_detail(text)
    while values and len(text) > longest:
        key = max(values, key=lambda name: (isinstance(values[name], list), len(str(values[name]))))
        values[key] = _half(values[key])
        if not values[key]:
            del values[key]
        text = detail(**values)
    return text if len(text) <= longest else ""


def read_detail(text: str) -> dict[str, Any]:
    """The values of `Record.detail`; none where it cannot be read."""
    try:
        values = json.loads(text) if text else {}
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _half(value: Any) -> Any:
    """The first half of a list or a text; nothing of what has none."""
    return value[: len(value) // 2] if isinstance(value, list | str) else None
