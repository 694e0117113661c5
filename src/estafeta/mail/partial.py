"""Messages in pieces: message/partial of RFC 2046 5.2.2, cut and joined. Never raises.

A piece is a message of its own: the header of the whole without what describes it (Content-..., MIME-Version,
Subject, Message-ID, Encrypted), then the fields of message/partial, then a stretch of the whole, cut at a line end.
What was left out of the header stands at the beginning of the first stretch (RFC 2046 5.2.2.1). Pieces are ASCII:
the whole is put into 7 bits first, since pieces may have no transfer encoding.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from estafeta.mail.composing import text_field
from estafeta.mail.downgrade import to_seven_bit
from estafeta.mail.encodedwords import decode_header
from estafeta.mail.headers import find_header_end, split_header
from estafeta.mail.mime import decode_octets, get_parameter, parse_content_type

MAX_PIECES = 10_000
"""A larger number is a mistake or malice; so many are more than any mailbox would show."""
MIN_PIECE_BYTES = 4096
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_INNER = frozenset({b"subject", b"message-id", b"encrypted", b"mime-version"})
_LONGEST_ID = 500
_MAX_HEADER = 256 * 1024
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9.@-]")


class Piece(NamedTuple):
    """What a header says of its piece. `number` counts from 1; `total` is 0 where it is not said, which only the last
    piece has to."""

    id: str
    number: int
    total: int


def parse_piece(header: bytes) -> Piece | None:
    """The piece that a message with this header is; None for another message, or one that says nonsense."""
    value = next((value for name, value in split_header(header) if name.lower() == b"content-type"), b"")
    if b"partial" not in value.lower():
        return None
    media = parse_content_type(value)
    if media is None or media[:2] != (b"message", b"partial"):
        return None
    ident = get_parameter(media[2], b"id")
    number, total = get_parameter(media[2], b"number"), get_parameter(media[2], b"total")
    if not ident or len(ident) > _LONGEST_ID or not _is_count(number) or (total and not _is_count(total)):
        return None
    piece = Piece(decode_octets(ident), int(number), int(total or 0))
    return None if piece.total and piece.number > piece.total else piece


def find_piece(content: bytes) -> Piece | None:
    """The piece that a message is, or None; its header is looked at. `content` may be its beginning."""
    end = find_header_end(content[:_MAX_HEADER])
    return parse_piece(content[:end]) if end > 0 else None


def _is_count(digits: bytes) -> bool:
    return digits.isdigit() and len(digits) <= 5 and 1 <= int(digits) <= MAX_PIECES


def join_key(piece: Piece, sender: str) -> str:
    """A name for all pieces of one message of one sender: letters and digits. Ids are unique only as far as their
    maker took care, so that pieces of other senders are kept apart."""
    return hashlib.sha256(f"{sender.lower()}\n{piece.id}".encode("utf-8", "replace")).hexdigest()[:32]


def split_message(content: bytes, piece_bytes: int, *, ident: str, hostname: str) -> Iterator[bytes]:
    """Pieces of about `piece_bytes` octets (at least `MIN_PIECE_BYTES`, and as many as make no more than `MAX_PIECES`),
    in order. One that is small enough already comes as it is. `ident` is unique on this host."""
    if len(content) <= piece_bytes:
        yield content
        return
    content = to_seven_bit(content)
    end = find_header_end(content)
    end = len(content) if end < 0 else end
    outer, inner = _divide(content[:end])
    body = memoryview(content)[end:]
    room = max(piece_bytes - len(outer) - 500, MIN_PIECE_BYTES, -(-(len(inner) + len(body)) // (MAX_PIECES // 2)))
    cuts = list(_cut(content, end, room, len(inner)))
    total = len(cuts)
    subject = next((decode_header(v) for n, v in split_header(content[:end]) if n.lower() == b"subject"), "")
    name = _NOT_IN_ID.sub("-", ident)[:100] + "@" + _NOT_IN_ID.sub("-", hostname)
    for number, (start, stop) in enumerate(cuts, 1):
        head = _piece_fields(subject, name, number, total)
        first = inner + b"\r\n" if number == 1 else b""
        yield b"".join([outer, head, b"\r\n", first, memoryview(content)[start:stop]])


def _divide(header: bytes) -> tuple[bytes, bytes]:
    """The fields of the outer header, and those of the inner one (RFC 2046 5.2.2.1)."""
    outer: list[bytes] = []
    inner: list[bytes] = []
    for field in _FIELD.findall(header):
        name = field.partition(b":")[0].strip().lower()
        if field in (b"\r\n", b"\n"):
            break
        (inner if name in _INNER or name.startswith(b"content-") else outer).append(field)
    return b"".join(outer), b"".join(inner)


def _cut(content: bytes, start: int, room: int, used: int) -> Iterator[tuple[int, int]]:
    """Stretches that end with a line (RFC 2046 5.2.2), of at most `room` octets as far as lines allow."""
    while True:
        stop = start + max(1, room - used)
        if stop >= len(content):
            yield start, len(content)
            return
        line_end = content.rfind(b"\n", start, stop) + 1
        if line_end <= start:
            line_end = content.find(b"\n", stop) + 1 or len(content)
        yield start, line_end
        if line_end == len(content):
            return
        start, used = line_end, 0


def _piece_fields(subject: str, name: str, number: int, total: int) -> bytes:
    return (
        text_field("Subject", f"{subject} ({number}/{total})")
        + f"Message-ID: <{number}.{name}>\r\nMIME-Version: 1.0\r\n".encode("ascii")
        + f'Content-Type: message/partial; id="{name}";\r\n\tnumber={number}; total={total}\r\n'.encode("ascii")
    )


def is_complete(pieces: Sequence[Piece]) -> bool:
    """Whether every number is there; twice does no harm. Pieces that disagree on the total never are."""
    totals = {piece.total for piece in pieces if piece.total}
    return len(totals) == 1 and {piece.number for piece in pieces} >= set(range(1, max(totals) + 1))


def join_pieces(contents: Sequence[bytes]) -> bytes | None:
    """The whole of pieces in any order; None when one is missing or they do not belong together. Of two with one number
    the first counts. Fields that the servers on the way put in front of the first piece stay (RFC 2046 5.2.2.1)."""
    found: dict[int, bytes] = {}
    said = []
    for content in contents:
        end = find_header_end(content)
        piece = parse_piece(content[:end]) if end >= 0 else None
        if piece is None:
            return None
        said.append(piece)
        found.setdefault(piece.number, content)
    if not said or len({piece.id for piece in said}) != 1 or not is_complete(said):
        return None
    total = max(piece.total for piece in said)
    bodies = [memoryview(found[n])[find_header_end(found[n]) :] for n in range(1, total + 1)]
    first = found[1]
    start = bytes(bodies[0])
    end = find_header_end(start)
    if end < 0:
        end = len(start)
    outer = _divide(first[: find_header_end(first)])[0]
    inner = _divide(start[:end])[1]
    return b"".join([outer, inner, b"\r\n", memoryview(start)[end:], *bodies[1:]])
