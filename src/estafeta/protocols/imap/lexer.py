"""Tokens of IMAP out of one command (RFC 9051 9), literals included as they came: `{3}` CRLF `abc`.

Each method takes what it names at `pos` and moves on, or raises CommandError. Spaces are taken as one or more, also
before the end: clients send such, and nothing is ambiguous about it. Everything is a regular expression over one
buffer; none of them goes back more than one token.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from estafeta.core.errors import EstafetaError
from estafeta.protocols.imap.faults import CommandError, LiteralMissingError
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.mailboxnames import decode_mailbox
from estafeta.protocols.imap.replies import Status
from estafeta.protocols.imap.texts import Text
from estafeta.protocols.imap.values import SYSTEM_FLAGS, FlagList, Partial, SequenceSet

LITERAL_AT_END = re.compile(rb"(~?)\{(\d{1,20})(\+?)\}$")
"""What a line ends with when a literal follows (RFC 9051 4.3, RFC 7888, RFC 3516 4.1)."""
_LITERAL = re.compile(rb"(~?)\{(\d{1,20})\+?\}\r\n")
_ATOM = re.compile(rb'[^\x00- "%()*\\\]{\x7f-\xff]+')
_ASTRING = re.compile(rb'[^\x00- "%()*\\{\x7f-\xff]+')
_PATTERN = re.compile(rb'[^\x00- "()\\{\x7f-\xff]+')
_QUOTED = re.compile(rb'"([^"\\\r\n\0]*(?:\\["\\][^"\\\r\n\0]*)*)"')
_NUMBER = re.compile(rb"\d{1,20}")
_SET = re.compile(rb"[0-9*:,]+")
_END = rb"(?:[1-9]\d{0,9}|\*)"
_WELL_FORMED = re.compile(rb"(?:%b(?::%b)?(?:,(?!$)|$))+" % (_END, _END)).fullmatch
_FLAG = re.compile(rb'\\?[^\x00- "%()*\\\]{\x7f-\xff]+')
_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1')
_DATE_TIME = re.compile(rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')
_PARTIAL = re.compile(rb"(-?)(\d{1,10}):(-?)(\d{1,10})")
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"), 1
    )
}
_MOST_32 = 0xFFFF_FFFF
_MOST_63 = 0x7FFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the session enabled, as far as the grammar depends on it."""

    limits: Limits
    utf8: bool = False
    """Mailbox names are UTF-8 (RFC 9051 5.1, RFC 9755 3)."""
    utf8_accept: bool = False
    """UTF8=ACCEPT: SEARCH takes no CHARSET (RFC 9755 3)."""
    uid_only: bool = False
    """UIDONLY: no sequence numbers (RFC 9586)."""
    qresync: bool = False


class Scanner:
    """One command and how far it was read."""

    __slots__ = ("data", "dialect", "pos")

    def __init__(self, data: bytes, pos: int, dialect: Dialect) -> None:
        self.data = data
        self.pos = pos
        self.dialect = dialect

    # Marks

    def at(self, mark: bytes) -> bool:
        """Whether this comes next; nothing is taken."""
        return self.data.startswith(mark, self.pos)

    def skip(self, mark: bytes) -> bool:
        """Take `mark` if it comes next."""
        if self.data.startswith(mark, self.pos):
            self.pos += len(mark)
            return True
        return False

    def expect(self, mark: bytes) -> None:
        """Take `mark`, which must come."""
        if not self.skip(mark):
            raise CommandError

    def space(self) -> None:
        """SP."""
        if not self.try_space():
            raise CommandError

    def try_space(self) -> bool:
        """SP, if it comes and something follows it."""
        data, pos = self.data, self.pos
        if data[pos : pos + 1] != b" ":
            return False
        pos += 1
        while data[pos : pos + 1] == b" ":
            pos += 1
        if pos == len(data):
            return False
        self.pos = pos
        return True

    def end(self) -> None:
        """Nothing but spaces may follow."""
        if self.data[self.pos :].strip(b" "):
            raise CommandError

    def open_list(self) -> None:
        """An opening parenthesis, with spaces behind it."""
        self.expect(b"(")
        self.try_space()

    def more(self) -> bool:
        """Within a list, between its elements: True when another one follows, False when it was closed."""
        spaced = self.try_space()
        if self.skip(b")"):
            return False
        if not spaced:
            raise CommandError
        return True

    # Words

    def _take(self, pattern: re.Pattern[bytes]) -> bytes:
        match = pattern.match(self.data, self.pos)
        if match is None:
            raise CommandError
        self.pos = match.end()
        return match[0]

    def atom(self) -> bytes:
        """`atom`."""
        return self._take(_ATOM)

    def keyword(self) -> bytes:
        """An atom whose case does not matter, in capitals."""
        return self._take(_ATOM).upper()

    def peek_keyword(self) -> bytes:
        """The same without taking it; empty if there is none."""
        match = _ATOM.match(self.data, self.pos)
        return match[0].upper() if match else b""

    def string(self) -> bytes:
        """`string`: quoted, where UTF-8 is taken in any session (RFC 9051 4.3), or a literal without NUL."""
        match = _QUOTED.match(self.data, self.pos)
        if match is None:
            value = self.literal()
            if b"\0" in value:
                raise CommandError(Text.NUL)
            return value
        self.pos = match.end()
        value = match[1]
        return _unescape(value) if b"\\" in value else value

    def literal(self, *, binary: bool = False) -> bytes:
        """`literal`; with `binary` also `literal8` (RFC 3516 4.1)."""
        data = self.data
        match = _LITERAL.match(data, self.pos)
        if match is None:
            if LITERAL_AT_END.match(data, self.pos):
                raise LiteralMissingError
            raise CommandError
        if match[1] and not binary:
            raise CommandError
        start = match.end()
        self.pos = start + int(match[2])
        return data[start : self.pos]

    def astring(self) -> bytes:
        """`astring`."""
        match = _ASTRING.match(self.data, self.pos)
        if match is None:
            return self.string()
        self.pos = match.end()
        return match[0]

    def text(self) -> str:
        """`astring` that is UTF-8."""
        try:
            return self.astring().decode("utf-8")
        except UnicodeDecodeError as error:
            raise CommandError(Text.NOT_UTF8) from error

    def nil(self) -> bool:
        """Take NIL if it comes next."""
        if self.peek_keyword() != b"NIL":
            return False
        self.pos += 3
        return True

    # Numbers

    def number(self, most: int = _MOST_32) -> int:
        """`number`."""
        value = int(self._take(_NUMBER))
        if value > most:
            raise CommandError(Text.NUMBER_TOO_LARGE)
        return value

    def number64(self) -> int:
        """`number64`, `mod-sequence-valzer`: up to 63 bits."""
        return self.number(_MOST_63)

    def nz_number(self, most: int = _MOST_32) -> int:
        """`nz-number`."""
        value = self.number(most)
        if not value:
            raise CommandError
        return value

    def sequence_set(self) -> SequenceSet:
        """`sequence-set` without `$`."""
        return parse_set(self._take(_SET), self.dialect.limits.set_pairs)

    def set_or_saved(self) -> SequenceSet | None:
        """`sequence-set`; None for `$` (RFC 5182 2.1)."""
        return None if self.skip(b"$") else self.sequence_set()

    def partial(self) -> Partial:
        """`partial-range` (RFC 9394 4): both ends of one sign, smaller first."""
        match = _PARTIAL.match(self.data, self.pos)
        if match is None or match[1] != match[3]:
            raise CommandError
        self.pos = match.end()
        ends = int(match[2]), int(match[4])
        first, last = min(ends), max(ends)
        if not first or last > _MOST_32:
            raise CommandError
        return Partial(-first, -last) if match[1] else Partial(first, last)

    # Names

    def mailbox(self) -> str:
        """`mailbox`."""
        return self.decode_mailbox(self.astring())

    def list_mailbox(self) -> str:
        """`list-mailbox`: a pattern. One that is no name, such as `&*`, is taken as it is and matches nothing."""
        match = _PATTERN.match(self.data, self.pos)
        if match is None:
            octets = self.string()
        else:
            octets = match[0]
            self.pos = match.end()
        try:
            return decode_mailbox(octets, utf8=self.dialect.utf8)
        except EstafetaError:
            return octets.decode("utf-8", "replace")

    def decode_mailbox(self, octets: bytes) -> str:
        """A name out of its octets."""
        try:
            return decode_mailbox(octets, utf8=self.dialect.utf8)
        except EstafetaError as error:
            # RFC 5530 3: what no client may ever name so.
            raise CommandError(error.public, Status.NO, b"CANNOT") from error

    def flag_list(self) -> FlagList:
        """`flag-list`: in parentheses, may be empty."""
        self.open_list()
        flags: list[bytes] = []
        if not self.skip(b")"):
            flags.append(self._take(_FLAG))
            while self.more():
                flags.append(self._take(_FLAG))
        return _sort_flags(flags)

    def bare_flags(self) -> FlagList:
        """`flag *(SP flag)`: what STORE takes too."""
        flags = [self._take(_FLAG)]
        while self.try_space():
            flags.append(self._take(_FLAG))
        return _sort_flags(flags)

    # Dates

    def date(self) -> date:
        """`date`."""
        match = _DATE.match(self.data, self.pos)
        if match is None:
            raise CommandError
        self.pos = match.end()
        try:
            return date(int(match[4]), _MONTHS[match[3].upper()], int(match[2]))
        except (KeyError, ValueError) as error:
            raise CommandError(Text.NO_SUCH_DATE) from error

    def date_time(self) -> datetime:
        """`date-time`, with its zone."""
        match = _DATE_TIME.match(self.data, self.pos)
        if match is None:
            raise CommandError
        self.pos = match.end()
        day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        try:
            zone = timezone(-offset if sign == b"-" else offset) if offset else UTC
            # A leap second is the one before it.
            whole = min(int(second), 59) if second == b"60" else int(second)
            local = datetime(int(year), _MONTHS[month.upper()], int(day), int(hour), int(minute), whole, tzinfo=zone)
            # It is kept in UTC, where its year must be one of 1 to 9999 too: raises OverflowError.
            local.astimezone(UTC)
            return local
        except (KeyError, ValueError, OverflowError) as error:
            raise CommandError(Text.NO_SUCH_DATE) from error


def parse_set(text: bytes, most: int) -> SequenceSet:
    """`sequence-set` out of digits, `*`, `:` and `,`."""
    if text.count(b",") >= most:
        raise CommandError(Text.SET_TOO_LONG, Status.NO, b"LIMIT")
    if not _WELL_FORMED(text):
        raise CommandError
    # Every number begins with another digit than 0, so that 0 can stand for "*" from here on.
    pieces = text.replace(b"*", b"0").split(b",")
    if b":" in text:
        ends = [piece.partition(b":") for piece in pieces]
        lows = [int(low) for low, _, _ in ends]
        highs = [int(high or low) for low, _, high in ends]
    else:
        lows = highs = list(map(int, pieces))
    if max(lows) > _MOST_32 or max(highs) > _MOST_32:
        raise CommandError(Text.NUMBER_TOO_LARGE)
    return SequenceSet(tuple(zip(lows, highs, strict=True)))


def _unescape(value: bytes) -> bytes:
    """What is quoted stands for itself. Two backslashes side by side are always one pair: the first is no other's."""
    return b"\\".join(piece.replace(b"\\", b"") for piece in value.split(b"\\\\"))


def _sort_flags(names: list[bytes]) -> FlagList:
    flags = 0
    keywords: dict[str, str] = {}
    for name in names:
        word = name.decode("ascii")
        if word[0] != "\\":
            keywords.setdefault(word.lower(), word)
            continue
        bit = SYSTEM_FLAGS.get(word.lower())
        if bit is None:
            # RFC 9051 2.3.2: \Recent cannot be set, and names with a backslash are for standards to give.
            raise CommandError(Text.NO_SUCH_FLAG)
        flags |= bit
    return FlagList(flags, tuple(keywords.values()))
