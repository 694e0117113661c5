"""spamd: SYMBOLS and PING of the SPAMC protocol 1.5 (SpamAssassin, spamd/PROTOCOL). No I/O."""

import re
from typing import NamedTuple

from estafeta.protocols.scanners.words import AnswerError, cleaned

PING = b"PING SPAMC/1.5\r\n\r\n"

#: Rules that fire have some 3000 characters at most.
MAX_ANSWER_OCTETS = 32 << 10
_MOST_SYMBOLS = 200

_STATUS = re.compile(rb"SPAMD/[0-9.]{1,5} (\d{1,3}) ([ -~]*)")
_SPAM = re.compile(rb"(?im)^spam: *(?:true|false|yes|no) *; *(-?\d{1,6}(?:\.\d{1,6})?) */ *(-?\d{1,6}(?:\.\d{1,6})?)")
_LENGTH = re.compile(rb"(?im)^content-length: *(\d{1,9})\s*$")
_FINE = 0


class SpamAnswer(NamedTuple):
    """`points` against `threshold`, from which it is spam for SpamAssassin; `symbols`: the rules that fired."""

    points: float
    threshold: float
    symbols: tuple[str, ...] = ()


def encode_request(size: int, user: str = "") -> bytes:
    """The head of a question about a message of `size` octets, which follow it."""
    named = b"User: %b\r\n" % user.encode("ascii", "replace") if user else b""
    return b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n%b\r\n" % (size, named)


def parse_pong(data: bytes, *, ended: bool) -> bool:
    """Whether the answer to PING is there: `SPAMD/1.5 0 PONG`. Raises AnswerError."""
    if b"\n" not in data and not ended and len(data) <= MAX_ANSWER_OCTETS:
        return False
    _check_status(data)
    return True


def parse_answer(data: bytes, *, ended: bool) -> SpamAnswer | None:
    """The answer to SYMBOLS; None while it is not whole. `ended`: no more will come. Raises AnswerError."""
    if len(data) > MAX_ANSWER_OCTETS:
        raise AnswerError("its answer has no end")
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        if ended:
            _check_status(data)
            raise AnswerError("its answer ended too early")
        return None
    _check_status(head)
    spam = _SPAM.search(head)
    if spam is None:
        raise AnswerError("its answer has no points")
    length = _LENGTH.search(head)
    if not ended and (length is None or len(body) < int(length[1])):
        return None
    names = cleaned(body, MAX_ANSWER_OCTETS).replace(" ", "").split(",")
    return SpamAnswer(float(spam[1]), float(spam[2]), tuple(name[:100] for name in names if name)[:_MOST_SYMBOLS])


def _check_status(data: bytes) -> None:
    status = _STATUS.match(data)
    if status is None:
        raise AnswerError(f"it answered {cleaned(data[:200], 100)!r}" if data.strip() else "it did not answer")
    if int(status[1]) != _FINE:
        raise AnswerError(f"it answered {int(status[1])} {cleaned(status[2], 100)}")
