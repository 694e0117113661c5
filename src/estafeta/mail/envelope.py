"""Reads back the ENVELOPE text that estafeta.mail.imaptext wrote and the store keeps (RFC 9051 7.5.2).

`parse_envelope` reads all of it. The others are for searching and sorting thousands: they read one field and pass
over what stands before it, with one regular expression where the text is plain. Raises EstafetaError(INVALID) for
text that is no envelope, whichever field was asked for, as far as it was read.
"""

import re
from enum import IntEnum
from typing import NamedTuple, NoReturn

from estafeta.core.errors import EstafetaError, Kind

_QUOTED = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING = re.compile(rb'NIL|"([^"\\]*+(?:\\.[^"\\]*+)*+)"|\{(\d{1,9})\}\r\n', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_WORD = rb"(?:NIL|%b)" % _QUOTED
_ADDRESS = rb"\(%b %b %b %b\)" % (_WORD, _WORD, _WORD, _WORD)
_LIST = rb"(?:NIL|\((?:%b)++\))" % _ADDRESS
_PLAIN_WORD = rb'(?:NIL|"([^"\\]*+)")'
_PLAIN_ADDRESS = re.compile(rb"\(\(%b %b %b %b\)" % (_PLAIN_WORD, _PLAIN_WORD, _PLAIN_WORD, _PLAIN_WORD))
_SUBJECT_FAST = re.compile(rb'\(%b "([^"\\]*+)" ' % _WORD, re.DOTALL)


class Field(IntEnum):
    """The fields of an envelope, by their place in it."""

    DATE = 0
    SUBJECT = 1
    FROM = 2
    SENDER = 3
    REPLY_TO = 4
    TO = 5
    CC = 6
    BCC = 7
    IN_REPLY_TO = 8
    MESSAGE_ID = 9


_LISTS = range(Field.FROM, Field.BCC + 1)
# What stands before each field, where no literal is among it.
_BEFORE = [
    re.compile(rb"\(" + b"".join([(_LIST if before in _LISTS else _WORD) + b" " for before in range(field)]), re.DOTALL)
    for field in Field
]


class EnvelopeAddress(NamedTuple):
    """One address structure. All None but the mailbox: a group begins, which has that name; all None: it ends."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


Addresses = tuple[EnvelopeAddress, ...]


class Envelope(NamedTuple):
    """Values as they stand in the header, unfolded and not decoded; None for a field that is not there."""

    date: bytes | None
    subject: bytes | None
    from_: Addresses
    sender: Addresses
    reply_to: Addresses
    to: Addresses
    cc: Addresses
    bcc: Addresses
    in_reply_to: bytes | None
    message_id: bytes | None


def parse_envelope(text: bytes) -> Envelope:
    """All of it."""
    date, at = _string(text, _begin(text))
    subject, at = _string(text, _space(text, at))
    lists = []
    for _ in range(6):
        addresses, at = _list(text, _space(text, at))
        lists.append(addresses)
    in_reply_to, at = _string(text, _space(text, at))
    message_id, at = _string(text, _space(text, at))
    if text[at:] != b")":
        _damaged(text, at)
    from_, sender, reply_to, to, cc, bcc = lists
    return Envelope(date, subject, from_, sender, reply_to, to, cc, bcc, in_reply_to, message_id)


def envelope_date(text: bytes) -> bytes | None:
    """The value of the Date field."""
    return _string(text, _begin(text))[0]


def envelope_subject(text: bytes) -> bytes | None:
    """The value of the Subject field."""
    fast = _SUBJECT_FAST.match(text)
    return fast.group(1) if fast is not None else envelope_string(text, Field.SUBJECT)


def envelope_string(text: bytes, field: Field) -> bytes | None:
    """The value of DATE, SUBJECT, IN_REPLY_TO or MESSAGE_ID."""
    return _string(text, _find(text, field))[0]


def first_address(text: bytes, field: Field) -> EnvelopeAddress | None:
    """The first address structure of FROM to BCC, which may begin a group; None without one."""
    at = _find(text, field)
    plain = _PLAIN_ADDRESS.match(text, at)
    if plain is not None:
        return EnvelopeAddress(*plain.groups())
    if text[at : at + 3] == b"NIL":
        return None
    if text[at : at + 1] != b"(":
        _damaged(text, at)
    return _address(text, at + 1)[0]


def _damaged(text: bytes, at: int) -> NoReturn:
    raise EstafetaError(Kind.INVALID, "The stored envelope of a message is damaged.", repr(text[at : at + 40]))


def _begin(text: bytes) -> int:
    if text[:1] != b"(":
        _damaged(text, 0)
    return 1


def _space(text: bytes, at: int) -> int:
    if text[at : at + 1] != b" ":
        _damaged(text, at)
    return at + 1


def _find(text: bytes, field: Field) -> int:
    """Where the field's value begins."""
    plain = _BEFORE[field].match(text)
    if plain is not None:
        return plain.end()
    at = _begin(text)
    for before in range(field):
        at = (_list if before in _LISTS else _string)(text, at)[1]
        at = _space(text, at)
    return at


def _string(text: bytes, at: int) -> tuple[bytes | None, int]:
    """`nstring` and where it ends."""
    found = _STRING.match(text, at)
    if found is None:
        _damaged(text, at)
    quoted, size = found.groups()
    end = found.end()
    if quoted is not None:
        return _ESCAPE.sub(rb"\1", quoted) if b"\\" in quoted else quoted, end
    if size is None:
        return None, end
    stop = end + int(size)
    if stop > len(text):
        _damaged(text, at)
    return text[end:stop], stop


def _list(text: bytes, at: int) -> tuple[Addresses, int]:
    """The list of addresses, () for NIL, and where it ends."""
    if text[at : at + 3] == b"NIL":
        return (), at + 3
    if text[at : at + 1] != b"(":
        _damaged(text, at)
    at += 1
    found = []
    while text[at : at + 1] == b"(":
        address, at = _address(text, at)
        found.append(address)
    if text[at : at + 1] != b")":
        _damaged(text, at)
    return tuple(found), at + 1


def _address(text: bytes, at: int) -> tuple[EnvelopeAddress, int]:
    if text[at : at + 1] != b"(":
        _damaged(text, at)
    name, at = _string(text, at + 1)
    route, at = _string(text, _space(text, at))
    mailbox, at = _string(text, _space(text, at))
    host, at = _string(text, _space(text, at))
    if text[at : at + 1] != b")":
        _damaged(text, at)
    return EnvelopeAddress(name, route, mailbox, host), at + 1
