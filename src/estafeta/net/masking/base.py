"""The part of masking that all protocols share: lines out of octets, literals, contents, inflating."""

import base64
import binascii
import re
import zlib
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from estafeta.net.masking.sides import Side

LEFT_OUT: Final = "(secret)"

_MOST_SHOWN: Final = 1000
_MOST_INFLATED: Final = 1 << 20


class Who(StrEnum):
    """Who says it: the client of the protocol, its server, or nobody (a note)."""

    CLIENT = "C"
    SERVER = "S"
    NOTE = "*"


class Line(NamedTuple):
    """One line to show."""

    who: Who
    text: str


class Inflater(Protocol):
    """What is used of zlib's decompression object."""

    @property
    def unconsumed_tail(self) -> bytes:
        """What did not fit into the most that was asked for."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The next octets."""


class Masker(ABC):
    """One connection. `sure` False: it was under way when it was first seen."""

    def __init__(self, *, sure: bool = True) -> None:
        self.sure = sure
        #: Who signed in, or tried to.
        self.user = ""
        self._asked = False
        self._sides = {Who.CLIENT: Side(), Who.SERVER: Side()}
        self._inflaters: dict[Who, Inflater] = {}
        self._secret = False
        self._signed_in = False
        self._lines: list[Line] = []

    def feed(self, who: Who, data: bytes) -> list[Line]:
        """Octets of one side; the lines that are complete now."""
        self._lines = []
        side = self._sides[who]
        data = self._inflated(who, data)
        while data:
            if side.left:
                data = self._literal(who, side, data)
                continue
            end = data.find(b"\n")
            if end < 0:
                side.keep(data)
                break
            line = side.complete(data[:end])
            data = data[end + 1 :]
            before = len(self._inflaters)
            self._take(who, side, line)
            if len(self._inflaters) != before:
                data = self._inflated(who, data)
        return self._lines

    def _take(self, who: Who, side: Side, line: bytes) -> None:
        if not self.sure:
            self._asked = self._asked or who is Who.CLIENT
            self.sure = who is Who.SERVER and self._asked and self._is_answer(line)
            return
        if side.content is not None:
            self._content_line(who, side, line)
        elif who is Who.CLIENT:
            self._client_line(side, line)
        else:
            self._server_line(side, line)

    # what protocols do their own way

    @abstractmethod
    def _is_answer(self, line: bytes) -> bool:
        """Whether this line ends an answer, so that the client's next line begins a command."""

    @abstractmethod
    def _client_line(self, side: Side, line: bytes) -> None:
        """A line of the client that is no content."""

    @abstractmethod
    def _server_line(self, side: Side, line: bytes) -> None:
        """A line of the server that is no content."""

    # helpers

    def _show(self, who: Who, text: bytes | str) -> None:
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        self._lines.append(Line(who, words if len(words) <= _MOST_SHOWN else words[:_MOST_SHOWN] + " ..."))

    def _content_line(self, who: Who, side: Side, line: bytes) -> None:
        """A line of a message that ends with a dot."""
        assert side.content is not None
        if line == b".":
            self._show(who, side.content.summary())
            self._show(who, b".")
            side.content = None
            return
        for shown in side.content.add(line + b"\r\n"):
            self._show(who, shown)

    def _literal(self, who: Who, side: Side, data: bytes) -> bytes:
        piece, rest = data[: side.left], data[side.left :]
        side.left -= len(piece)
        if side.content is not None:
            for shown in side.content.add(piece):
                self._show(who, shown)
            if not side.left:
                self._show(who, side.content.summary())
                side.content = None
        return rest

    def _inflated(self, who: Who, data: bytes) -> bytes:
        inflater = self._inflaters.get(who)
        if inflater is None:
            return data
        try:
            inflated = inflater.decompress(data, _MOST_INFLATED)
        except zlib.error:
            return b""
        if inflater.unconsumed_tail:
            # So much out of so little is no mail: from here on this side is left out.
            self._inflaters[who] = _Deaf()
        return inflated

    def _note_user(self, mechanism: bytes, response: bytes) -> None:
        """Who signs in, from the first response of a SASL exchange; the rest of it is nobody's business."""
        try:
            words = base64.b64decode(response.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return
        if mechanism.upper() == b"PLAIN":
            parts = words.split("\0")
            self.user = parts[1] if len(parts) == 3 else self.user
        elif mechanism.upper().startswith(b"SCRAM"):
            found = re.search(r"(?:^|,)n=([^,]+)", words)
            self.user = found[1] if found else self.user
        elif mechanism.upper() == b"LOGIN" and not self.user:
            self.user = words


class _Deaf:
    unconsumed_tail = b""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return b""
