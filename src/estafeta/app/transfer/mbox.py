"""The mbox format (RFC 4155 and its family): messages out of a file of any size, and the text of one to write.

A separator is a `From ` line behind an empty line, dated, or empty as Thunderbird writes it; or a dated one right
before a header field, for files that lack the empty lines. `>From ` loses one `>` (mboxrd; mboxo is the same but for
lines that began with `>` already). Memory is bounded whatever the message: it comes in pieces of about 256 KiB.

Flags are kept as `Status`, `X-Status` and `X-Keywords` right below the separator; there, and only there, they are
taken off again, so that what is exported comes back to the octet. Line ends are the caller's business.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import asctime, gmtime
from typing import BinaryIO
from urllib.parse import unquote

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.dates import parse_date
from estafeta.mail.headers import find_header_end, split_header
from estafeta.mailboxes.values import Flag

_BLOCK = 1 << 20
# A message up to this is one piece.
_PIECE = 256 << 10
# Octets kept before what is to be looked at: the end of a line and an empty one, with CRLF.
_BEFORE = 4
_MAX_LINE = 2000
# The line feed before the first octet of the file, as if an empty line stood there.
_START = b"\n\n\n\n"

_DATED = re.compile(rb"From [^\n]*\d:\d\d[^\n]*\b\d{4}\b")
_UNDATED = re.compile(rb"From (?:- ?)?\r?\Z")
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_DATE = re.compile(
    rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?(?:[A-Z][a-z]{2} +\d{1,2}|\d{1,2} [A-Z][a-z]{2}) .*\d:\d\d.*"
)
_QUOTED = re.compile(rb"\n>(>*From )")
_TO_QUOTE = re.compile(rb"\n(>*From )")

_OURS = (b"status", b"x-status", b"x-keywords")
_STATUS = {"R": Flag.SEEN}
_X_STATUS = {"A": Flag.ANSWERED, "F": Flag.FLAGGED, "D": Flag.DELETED, "T": Flag.DRAFT}
# Thunderbird's nsMsgMessageFlags.
_MOZILLA = {0x0001: Flag.SEEN, 0x0002: Flag.ANSWERED, 0x0004: Flag.FLAGGED}
_MOZILLA_EXPUNGED = 0x0008


@dataclass(frozen=True, slots=True)
class MboxMessage:
    """`separator` is its From_ line without line end; `pieces` must be read before the next message."""

    offset: int
    separator: bytes
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Marks:
    """What the fields of a message's header say about it. `expunged`: Thunderbird has deleted it already."""

    flags: int = 0
    keywords: tuple[str, ...] = ()
    expunged: bool = False


class MboxReader:
    """Messages of `file` from `offset` on, where a separator must be. `offset` moves on with each message read."""

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        self._file = file
        file.seek(offset)
        self._buffer = _START
        self._base = offset - len(_START)
        self._at = len(_START)
        self._ended = False

    @property
    def offset(self) -> int:
        """Where the next message, or the rest of this one, begins in the file."""
        return self._base + self._at

    def messages(self) -> Iterator[MboxMessage]:
        """Each message in turn. EstafetaError INVALID when there is no separator where the first one must be."""
        self._skip_empty_lines()
        while (separator := self._take_line()) is not None:
            if not separator.startswith(b"From "):
                raise EstafetaError(Kind.INVALID, "This is no mbox: it does not begin with a line 'From ...'.")
            offset = self.offset - len(separator) - 1
            pieces = self._pieces()
            yield MboxMessage(offset, separator.rstrip(b"\r"), pieces)
            for _ in pieces:  # what the caller did not want
                pass

    def _skip_empty_lines(self) -> None:
        while self._fill(1) and self._buffer[self._at : self._at + 1] in (b"\n", b"\r"):
            self._at += 1

    def _take_line(self) -> bytes | None:
        """The line that begins here, without its line feed; None at the end of the file."""
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            if len(self._buffer) - self._at > _MAX_LINE or not self._read():
                break
        line = self._buffer[self._at : end if end >= 0 else len(self._buffer)]
        self._at += len(line) + (end >= 0)
        return line if line or end >= 0 else None

    def _pieces(self) -> Iterator[bytes]:
        last = False
        while not last:
            cut, last = self._next_cut()
            # With the octet before, so that a quoted line at the very beginning is seen as one.
            piece = self._buffer[self._at - 1 : cut]
            self._at = cut
            if last:
                piece = _without_empty_line(piece)
            if b">From " in piece:
                piece = _QUOTED.sub(rb"\n\1", piece)
            if len(piece) > 1:
                yield piece[1:]

    def _next_cut(self) -> tuple[int, bool]:
        """Up to where in the buffer this message certainly goes, and whether that is its end."""
        while True:
            found, sure = self._find_separator()
            if found >= 0 and sure:
                return found, True
            if self._ended:
                return len(self._buffer), True
            if len(self._buffer) - self._at > _PIECE:
                limit = (found if found >= 0 else len(self._buffer)) - _BEFORE
                cut = self._buffer.rfind(b"\n", self._at, limit) + 1
                cut = cut or (limit if found < 0 else 0)
                if cut > self._at:
                    return cut, False
            self._read()

    def _find_separator(self) -> tuple[int, bool]:
        """Where the next separator line begins, or -1; false with it while more must be read to be sure."""
        at = self._at - 1
        while (at := self._buffer.find(b"\nFrom ", at)) >= 0:
            verdict = self._is_separator(at + 1)
            if verdict is None:
                return at + 1, False
            if verdict:
                return at + 1, True
            at += 1
        return -1, False

    def _is_separator(self, at: int) -> bool | None:
        """Whether the `From ` line at `at` begins a message; None when too little is buffered."""
        buffer = self._buffer
        end = buffer.find(b"\n", at, at + _MAX_LINE)
        if end < 0:
            if not self._ended and len(buffer) - at < _MAX_LINE:
                return None
            end = min(len(buffer), at + _MAX_LINE)
        dated = _DATED.match(buffer, at, end) is not None
        before = buffer[at - 3 : at]
        if before.endswith((b"\n\n", b"\n\r\n")):
            return dated or _UNDATED.match(buffer[at:end]) is not None
        if not dated:
            return False
        if len(buffer) - end < 200 and buffer.find(b"\n", end + 1) < 0 and not self._ended:
            return None
        return _FIELD.match(buffer, end + 1) is not None

    def _fill(self, count: int) -> bool:
        while len(self._buffer) - self._at < count:
            if not self._read():
                return False
        return True

    def _read(self) -> bool:
        """Read on, and drop what was passed; false at the end of the file."""
        block = b"" if self._ended else self._file.read(_BLOCK)
        if not block:
            self._ended = True
            return False
        start = self._at - _BEFORE
        self._buffer = self._buffer[start:] + block
        self._base += start
        self._at = _BEFORE
        return True


def separator_date(separator: bytes) -> float | None:
    """Epoch seconds of a From_ line; one without zone is in UTC (RFC 4155)."""
    found = _DATE.search(separator)
    return None if found is None else parse_date(found.group())


def read_marks(first_piece: bytes) -> tuple[Marks, bytes]:
    """What Status, X-Status, X-Keywords and X-Mozilla-Status say, and the piece without those that an mbox added.

    Only fields that stand in front of all others, in the order in which `encode_head` writes them, are taken off.
    """
    ours, rest = _take_ours(first_piece)
    if ours:
        return _marks(ours), rest
    end = find_header_end(first_piece)
    header = first_piece[: end if end >= 0 else len(first_piece)]
    if b"tatus" not in header and b"STATUS" not in header:
        return Marks(), first_piece
    fields: dict[bytes, bytes] = {}
    for name, value in split_header(header):
        fields.setdefault(name.lower(), value)
    return _marks(fields), first_piece


def encode_head(sender: bytes, epoch_seconds: float, flags: int, keywords: Sequence[str]) -> bytes:
    """The separator and the fields that carry the flags; LF line ends."""
    status = "RO" if flags & Flag.SEEN else "O"
    more = "".join(letter for letter, flag in _X_STATUS.items() if flags & flag)
    words = " ".join(keywords)
    head = f" {asctime(gmtime(epoch_seconds))}\nStatus: {status}\nX-Status: {more}\nX-Keywords: {words}\n"
    return b"From " + (_clean_sender(sender) or b"MAILER-DAEMON") + head.encode()


def quote_lines(text: bytes, *, begins_line: bool = True) -> bytes:
    """`>` in front of each line that would be a separator or a quoted one (mboxrd)."""
    if b"From " not in text:
        return text
    before = b"\n" if begins_line else b""
    return _TO_QUOTE.sub(rb"\n>\1", before + text)[len(before) :]


def file_name(mailbox: str) -> str:
    """The file of a mailbox in a directory of them: `Sent/2024` -> `Sent/2024.mbox`. No level begins with a dot."""
    levels = [level.replace("%", "%25") for level in mailbox.split("/")]
    return "/".join("%2E" + level[1:] if level.startswith(".") else level for level in levels) + ".mbox"


def mailbox_name(file: str) -> str:
    """The mailbox whose file is called so."""
    return unquote(file.removesuffix(".mbox"))


def _take_ours(piece: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """The three fields of `encode_head`, if the piece begins with all of them, and what follows them."""
    fields: dict[bytes, bytes] = {}
    at = 0
    for name in _OURS:
        end = piece.find(b"\n", at, at + 8192)
        line = piece[at : max(end, at)]
        if not line.lower().startswith(name + b":") or piece[end + 1 : end + 2] in (b" ", b"\t"):
            return {}, piece
        fields[name] = line[len(name) + 1 :].strip()
        at = end + 1
    return fields, piece[at:]


def _marks(fields: dict[bytes, bytes]) -> Marks:
    flags = Flag.NONE
    for name, letters in ((b"status", _STATUS), (b"x-status", _X_STATUS)):
        said = fields.get(name, b"").decode("ascii", "replace").upper()
        for letter, flag in letters.items():
            if letter in said:
                flags |= flag
    mozilla = _hexadecimal(fields.get(b"x-mozilla-status", b""))
    for bit, flag in _MOZILLA.items():
        if mozilla & bit:
            flags |= flag
    words = fields.get(b"x-keywords", b"").decode("utf-8", "replace").split()
    keywords = tuple(sorted({word for word in words if is_keyword(word)}))
    return Marks(int(flags), keywords, bool(mozilla & _MOZILLA_EXPUNGED))


def is_keyword(word: str) -> bool:
    """Whether it can be an IMAP keyword (an atom, RFC 9051 9) that is stored in a reasonable space."""
    return 0 < len(word) <= 100 and word.isascii() and word.isprintable() and not set(word) & set('(){ %*"\\]')


def _hexadecimal(value: bytes) -> int:
    try:
        return int(value, 16)
    except ValueError:
        return 0


def _clean_sender(sender: bytes) -> bytes:
    return re.sub(rb"[\x00-\x20\x7f]", b"", sender)[:300]


def _without_empty_line(piece: bytes) -> bytes:
    """Drop the empty line in front of the next separator. `piece` has the octet before it as its first."""
    if piece.endswith(b"\n\n"):
        return piece[:-1]
    return piece[:-2] if piece.endswith(b"\n\r\n") else piece
