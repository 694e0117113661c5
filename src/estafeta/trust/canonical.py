"""Canonical forms of header fields and bodies (RFC 6376 3.4), and the hashes of a body.

A body is never whole in memory: it comes in pieces, is brought into both forms as it passes, and all hashes that
signatures want are made in one pass. What is kept between two pieces is three octets and a number.

Octets are what they are: only CRLF ends a line, only space and tab are white space. Never raises.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

_WSP = b" \t"
_FOLD = b"\r\n"
#: Larger pieces are cut: a form of a piece is made in memory.
_MAX_PIECE = 1 << 20
#: Empty lines are hashed in blocks of so many: a body may be made of them.
_LINES = 4096
_EMPTY_LINES = b"\r\n" * _LINES

# Copied for each: to make one anew takes four times as long.
_NEW = hashlib.sha256(usedforsecurity=False)

Sink = Callable[[bytes], object]


class BodyKey(NamedTuple):
    """Which SHA-256 hash of the body: of its relaxed or its simple form, and the octets of that which count (l=), None
    for all."""

    relaxed: bool
    length: int | None = None


class BodyDigest(NamedTuple):
    """The hash, and how many octets the whole canonical body has."""

    digest: bytes
    octets: int


def relaxed_field(field: bytes) -> bytes:
    """A header field, given without its final CRLF, in the form of RFC 6376 3.4.2."""
    name, _, value = field.partition(b":")
    if _FOLD in value:
        value = value.replace(_FOLD, b"")
    return name.rstrip(_WSP).lower() + b":" + _single_spaces(value).strip(b" ")


def relaxed_fields(header: bytes) -> list[bytes]:
    """All fields of a header in this form at once, in a third of the time: of one whose lines all end with CRLF, and
    whose names have no white space in them. Behind a last CRLF there is one more."""
    text = _single_spaces(header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" "))
    parts = [line.partition(b":") for line in text.split(_FOLD)]
    return [name.rstrip(b" ").lower() + b":" + value.strip(b" ") for name, _, value in parts]


class _Body:
    """One canonical form of a body, on its way into hashes."""

    __slots__ = ("_held", "_lines", "_relaxed", "_sinks", "octets")

    def __init__(self, relaxed: bool) -> None:
        self._relaxed = relaxed
        self._sinks: list[Sink] = []
        self._held = b""  # the end of what came, while it depends on what follows
        self._lines = 0  # empty lines that count only if something follows
        self.octets = 0

    def add(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def feed(self, piece: bytes) -> None:
        data = self._held + piece if self._held else piece
        if self._relaxed:
            data = _shrink(data)
        held = 1 if data[-1:] == b"\r" else 0
        if self._relaxed and data[-1 - held : len(data) - held] == b" ":
            held += 1
        cut = len(data) - held
        self._held = data[cut:]
        text, lines = _without_end(data[:cut] if held else data)
        if text:
            self._flush_lines()
            self._emit(text)
        self._lines += lines

    def finish(self) -> None:
        # White space at the end belongs to a last line that has no CRLF.
        rest = b"" if self._relaxed and self._held == b" " else self._held
        if rest:
            self._flush_lines()
            self._emit(rest)
        # RFC 6376 3.4.3, 3.4.4: exactly one CRLF at the end; an empty body is CRLF if simple, nothing if relaxed.
        if self.octets or not self._relaxed:
            self._emit(_FOLD)

    def _flush_lines(self) -> None:
        while self._lines:
            count = min(self._lines, _LINES)
            self._emit(_EMPTY_LINES[: 2 * count])
            self._lines -= count

    def _emit(self, data: bytes) -> None:
        self.octets += len(data)
        for sink in self._sinks:
            sink(data)


class BodyHashes:
    """All hashes that are wanted of one body: `feed` its pieces, then ask for `digests` once."""

    def __init__(self, wanted: Iterable[BodyKey]) -> None:
        self._hashes = {key: _NEW.copy() for key in wanted}
        self._bodies: dict[bool, _Body] = {}
        for key, hasher in self._hashes.items():
            body = self._bodies.get(key.relaxed)
            if body is None:
                body = self._bodies[key.relaxed] = _Body(key.relaxed)
            body.add(hasher.update if key.length is None else _limited(hasher.update, key.length))

    def feed(self, piece: bytes) -> None:
        """The next octets of the body."""
        for start in range(0, len(piece), _MAX_PIECE):
            part = piece[start : start + _MAX_PIECE]
            for body in self._bodies.values():
                body.feed(part)

    def digests(self) -> dict[BodyKey, BodyDigest]:
        """The hashes; the body has ended."""
        for body in self._bodies.values():
            body.finish()
        return {
            key: BodyDigest(hasher.digest(), self._bodies[key.relaxed].octets) for key, hasher in self._hashes.items()
        }


def hash_bodies(wanted: Iterable[BodyKey], pieces: Iterable[bytes]) -> Mapping[BodyKey, BodyDigest]:
    """All hashes of a body in one pass over its pieces, which are not touched when nothing is wanted."""
    hashes = BodyHashes(wanted)
    if not hashes._hashes:
        return {}
    for piece in pieces:
        hashes.feed(piece)
    return hashes.digests()


def _single_spaces(data: bytes) -> bytes:
    """Runs of white space as one space. Several times as quick as a pattern, and each turn halves the longest run."""
    if b"\t" in data:
        data = data.replace(b"\t", b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data


def _shrink(data: bytes) -> bytes:
    """Runs of white space as one space, none before CRLF."""
    data = _single_spaces(data)
    return data.replace(b" \r\n", _FOLD) if b" \r\n" in data else data


def _without_end(data: bytes) -> tuple[bytes, int]:
    """What stands before the CRLFs at the end, and their number."""
    if data[-2:] != _FOLD:
        return data, 0
    if data[-3:-2] not in b"\r\n":
        return data[:-2], 1
    # The end is made of CR and LF in any order: only whole pairs at its end count.
    start = len(data.rstrip(_FOLD))
    marks = data[start:].replace(_FOLD, b".")
    lines = len(marks) - len(marks.rstrip(b"."))
    return data[: len(data) - 2 * lines], lines


def _limited(sink: Sink, octets: int) -> Sink:
    """A sink that takes only the first octets."""
    left = octets

    def take(data: bytes) -> None:
        nonlocal left
        if left:
            part = data[:left]
            left -= len(part)
            sink(part)

    return take
