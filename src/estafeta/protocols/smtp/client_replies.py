"""Replies of a server cut out of octets, and read (RFC 5321 4.2).

`ReplyReader` keeps at most one reply that is not complete: REPLY_OCTETS and REPLY_LINES bound it, and whoever says
more than that, or something that is no reply, ends the session with a `ReplyFault`. What comes out does not depend on
how the octets were split. LF alone ends a line too: servers that send it do no harm to a client.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from estafeta.protocols.smtp.replies import Reply

REPLY_OCTETS: Final = 64 * 1024
"""RFC 5321 4.5.3.1.5 has 512 octets a line and no limit of lines. Long policy texts and the longest EHLO come nowhere
near this; an endless banner does at once."""
REPLY_LINES: Final = 200
TEXT_OCTETS: Final = 4096
"""What is kept of a reply to show it to people."""

_CODES: Final = {b"%d" % code: code for code in range(200, 600)}
_DASH: Final = 45
_ENDS: Final = frozenset(b" \r\n\t")
# RFC 2034 4 and RFC 3463 2: status-code ::= class "." subject "." detail
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class ReplyFault(StrEnum):
    """Why what came is no reply."""

    ENDLESS = "endless"
    NO_REPLY = "no_reply"


class RawReply(NamedTuple):
    """A reply: its code (of the last line) and its octets as they came. `parse_reply` reads them."""

    code: int
    octets: bytes

    @property
    def positive(self) -> bool:
        """2yz: done."""
        return self.code < 300


class ReplyReader:
    """Cuts replies out of what is fed. `wrong` holds the line that a NO_REPLY fault is about."""

    __slots__ = ("_data", "_lines", "_pos", "_scan", "taken", "wrong")

    def __init__(self) -> None:
        self._data = b""
        self._pos = 0  # where the reply begins
        self._scan = 0  # where its next line begins
        self._lines = 0
        self.taken = 0
        """Replies so far."""
        self.wrong = b""

    def __len__(self) -> int:
        return len(self._data) - self._pos

    def feed(self, data: bytes) -> None:
        """Append; without a copy when everything before has been used."""
        pos = self._pos
        if pos >= len(self._data):
            self._data, self._scan = data, self._scan - pos
        else:
            self._data, self._scan = self._data[pos:] + data, self._scan - pos
        self._pos = 0

    def clear(self) -> None:
        """Throw away what has not been used."""
        self._data, self._pos, self._scan, self._lines = b"", 0, 0, 0

    def take(self) -> RawReply | ReplyFault | None:
        """The next reply; None when it is not complete."""
        data, scan = self._data, self._scan
        while True:
            end = data.find(b"\n", scan)
            if end < 0:
                self._scan = scan
                # Whatever would follow, the reply is longer than it may be.
                return ReplyFault.ENDLESS if len(data) - self._pos > REPLY_OCTETS else None
            code = _CODES.get(data[scan : scan + 3])
            mark = data[scan + 3] if code else 0
            if code is None or (mark != _DASH and mark not in _ENDS):
                self.wrong = data[scan : min(end, scan + 200)]
                return ReplyFault.NO_REPLY
            scan = end + 1
            if mark != _DASH:
                return self._cut(code, scan)
            self._lines += 1
            if self._lines >= REPLY_LINES:
                return ReplyFault.ENDLESS

    def _cut(self, code: int, end: int) -> RawReply | ReplyFault:
        start = self._pos
        if end - start > REPLY_OCTETS:
            return ReplyFault.ENDLESS
        self._pos = self._scan = end
        self._lines = 0
        self.taken += 1
        return RawReply(code, self._data[start:end])


def parse_reply(raw: RawReply) -> Reply:
    """Code, enhanced code and text; `\\n` between lines, `?` for what cannot be printed, at most TEXT_OCTETS."""
    lines = raw.octets[:TEXT_OCTETS].decode("utf-8", "replace").rstrip("\r\n").split("\n")
    texts = [line[4:].rstrip("\r") for line in lines]
    match = _ENHANCED.match(texts[0])
    # RFC 2034 4: the class agrees with the reply code; where it does not, the code is what counts.
    if match is None or int(match[1][0]) != raw.code // 100:
        return Reply(raw.code, "", "\n".join(map(_printable, texts)))
    status = match[1]
    texts = [text[len(status) :].lstrip() if text.startswith(status) else text for text in texts]
    return Reply(raw.code, status, "\n".join(map(_printable, texts)))


def reply_lines(raw: RawReply) -> list[bytes]:
    """The texts of all lines, without codes and line ends."""
    return [line[4:].rstrip(b"\r") for line in raw.octets.removesuffix(b"\n").split(b"\n")]


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
