"""Values of FETCH items out of columns of rows, a whole column at a time (RFC 9051 7.5.2)."""

from collections.abc import Callable, Iterable
from typing import Any

from estafeta.core.errors import EstafetaError
from estafeta.mail.basicbody import basic_body as basic_text
from estafeta.mail.imaptext import quote
from estafeta.mail.threadid import thread_id as thread_of
from estafeta.protocols.imap.encode import encode_date, encode_flags
from estafeta.servers.imap.portion import Portion

_REMEMBERED = 4096
_NO_BODY = b'("text" "plain" NIL NIL NIL "7bit" 0 0)'
"""What a message whose stored structure is damaged looks like."""


def numbers(portion: Portion) -> Iterable[int]:
    """What stands in front."""
    return portion.numbers


def column(name: str) -> Callable[[Portion], Iterable[Any]]:
    """A column as it is."""
    return lambda portion: portion[name]


def date(name: str) -> Callable[[Portion], Iterable[bytes]]:
    """A `date-time` out of epoch milliseconds."""
    return lambda portion: map(encode_date, portion[name])


def basic_body(portion: Portion) -> Iterable[bytes]:
    """BODY: BODYSTRUCTURE without extension data."""
    return map(_basic_body, portion["bodystructure"])


def _basic_body(text: bytes) -> bytes:
    try:
        return basic_text(text)
    except EstafetaError:
        return _NO_BODY


def preview(portion: Portion) -> Iterable[bytes]:
    """PREVIEW (RFC 8970 3.1), in UTF-8."""
    return [quote(text.encode()) for text in portion["preview"]]


def thread_id(portion: Portion) -> Iterable[bytes]:
    """THREADID (RFC 8474 5.2)."""
    return map(_thread_id, portion["structure"], portion["content_id"])


def _thread_id(structure: bytes, content_id: int) -> bytes:
    try:
        return thread_of(structure, content_id).encode()
    except EstafetaError:
        return b"T%x" % content_id


class Flags:
    """Flag lists. Most messages of a mailbox have one of a few, so their texts are remembered."""

    __slots__ = ("_recent_from", "_texts")

    def __init__(self, recent_from: int) -> None:
        self._recent_from = recent_from
        self._texts = _Texts()

    def __call__(self, portion: Portion) -> Iterable[bytes]:
        uids = portion["uid"]
        if uids[-1] >= self._recent_from:
            return map(encode_flags, portion["flags"], portion["keywords"], map(self._recent_from.__le__, uids))
        return map(self._texts.__getitem__, zip(portion["flags"], portion["keywords"], strict=True))


class _Texts(dict[tuple[int, str], bytes]):
    def __missing__(self, key: tuple[int, str]) -> bytes:
        text = encode_flags(*key)
        if len(self) < _REMEMBERED:
            self[key] = text
        return text
