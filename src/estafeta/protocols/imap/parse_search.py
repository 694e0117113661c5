"""The tree of search keys (RFC 9051 6.4.4; RFC 3501; RFC 5032, 5182, 6203, 7162, 8474, 8514).

Texts are decoded by the command's CHARSET; without one they are UTF-8, or Latin-1 where they are not (RFC 9051 6.4.4
makes UTF-8 the default; IMAP4rev1 had ASCII, where nobody sends more). A chain of ORs becomes a tree of
small height, and NOT NOT is nothing: clients make chains of a thousand, and whoever walks the tree must not run out
of stack.
"""

from collections.abc import Callable

from estafeta.mail.charsets import decode_unlabelled, find_codec
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.replies import Status
from estafeta.protocols.imap.searchkeys import (
    All,
    And,
    Dated,
    DateOf,
    EmailId,
    Field,
    HasFlag,
    HasKeyword,
    Larger,
    ModSeq,
    Not,
    Numbers,
    Older,
    Or,
    Recent,
    Saved,
    SaveDateSupported,
    SearchKey,
    Smaller,
    ThreadId,
    When,
    Younger,
)
from estafeta.protocols.imap.searchkeys import Text as TextKey
from estafeta.protocols.imap.texts import Text
from estafeta.protocols.imap.values import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

_CHARSETS = b"BADCHARSET (US-ASCII UTF-8 ISO-8859-1)"
"""RFC 9051 7.1: what we name to those who asked for another one."""
_FIELD_NAME_OCTETS = 998

_BARE: dict[bytes, SearchKey] = {
    b"ALL": All(),
    b"ANSWERED": HasFlag(ANSWERED),
    b"DELETED": HasFlag(DELETED),
    b"DRAFT": HasFlag(DRAFT),
    b"FLAGGED": HasFlag(FLAGGED),
    b"SEEN": HasFlag(SEEN),
    b"UNANSWERED": Not(HasFlag(ANSWERED)),
    b"UNDELETED": Not(HasFlag(DELETED)),
    b"UNDRAFT": Not(HasFlag(DRAFT)),
    b"UNFLAGGED": Not(HasFlag(FLAGGED)),
    b"UNSEEN": Not(HasFlag(SEEN)),
    b"RECENT": Recent(),
    b"NEW": And((Recent(), Not(HasFlag(SEEN)))),
    b"OLD": Not(Recent()),
    b"SAVEDATESUPPORTED": SaveDateSupported(),
}
_FIELDS = {
    b"SUBJECT": Field.SUBJECT,
    b"FROM": Field.FROM,
    b"TO": Field.TO,
    b"CC": Field.CC,
    b"BCC": Field.BCC,
    b"BODY": Field.BODY,
    b"TEXT": Field.TEXT,
}
_DATES = {
    prefix + when.value.upper().encode(): (which, when)
    for prefix, which in ((b"", DateOf.INTERNAL), (b"SENT", DateOf.SENT), (b"SAVED", DateOf.SAVED))
    for when in When
}
_ENTRY_TYPES = (b"PRIV", b"SHARED", b"ALL")


def parse_program(scanner: Scanner) -> SearchKey:
    """`search-program` to the end of the command: [CHARSET] and keys."""
    codec = None
    if scanner.peek_keyword() == b"CHARSET":
        scanner.keyword()
        scanner.space()
        if scanner.dialect.utf8_accept:
            raise CommandError(Text.NO_CHARSET_NOW)
        codec = _codec(scanner)
        scanner.space()
    return _SearchParser(scanner, codec).program()


def parse_program_of(scanner: Scanner) -> SearchKey:
    """The same for SORT and THREAD, whose charset comes without a word before it (RFC 5256 BASE.6.4.SORT)."""
    codec = _codec(scanner)
    scanner.space()
    return _SearchParser(scanner, codec).program()


def _codec(scanner: Scanner) -> str:
    name = scanner.astring()
    codec = find_codec(name.decode("ascii", "replace"))
    if codec is None:
        raise CommandError(Text.UNKNOWN_CHARSET, Status.NO, _CHARSETS)
    return codec


def _balance(keys: list[SearchKey]) -> SearchKey:
    """One OR of all, of logarithmic height."""
    if len(keys) == 1:
        return keys[0]
    half = len(keys) // 2
    return Or(_balance(keys[:half]), _balance(keys[half:]))


class _SearchParser:
    """One search program. `_left` counts the keys that may still come, `_depth` open parentheses."""

    def __init__(self, scanner: Scanner, codec: str | None) -> None:
        self._scanner = scanner
        self._codec = codec
        self._left = scanner.dialect.limits.search_keys
        self._depth = 0
        self._fuzzy = False

    def program(self) -> SearchKey:
        """Keys to the end."""
        keys = [self._key()]
        while self._scanner.try_space():
            keys.append(self._key())
        self._scanner.end()
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def _key(self) -> SearchKey:
        """One `search-key`, with the NOT and FUZZY before it."""
        negated, fuzzy = False, self._fuzzy
        while (word := self._word()) in (b"NOT", b"FUZZY"):
            self._scanner.space()
            negated ^= word == b"NOT"
            # RFC 6203 3: FUZZY is for the key that follows, whatever that is made of.
            self._fuzzy = self._fuzzy or word == b"FUZZY"
        key = self._or() if word == b"OR" else self._single(word)
        self._fuzzy = fuzzy
        return Not(key) if negated else key

    def _word(self) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise CommandError(Text.TOO_MANY_KEYS, Status.NO, b"LIMIT")
        word = self._scanner.peek_keyword()
        self._scanner.pos += len(word)
        return word

    def _or(self) -> SearchKey:
        """OR and two keys. ORs directly within it are taken along: `missing` counts the keys yet to come."""
        keys: list[SearchKey] = []
        missing = 2
        while missing:
            self._scanner.space()
            if self._scanner.peek_keyword() == b"OR":
                self._word()
                missing += 1
            else:
                keys.append(self._key())
                missing -= 1
        return _balance(keys)

    def _single(self, word: bytes) -> SearchKey:
        bare = _BARE.get(word)
        if bare is not None:
            return bare
        field = _FIELDS.get(word)
        if field is not None:
            return TextKey(field, self._text(), fuzzy=self._fuzzy)
        dated = _DATES.get(word)
        if dated is not None:
            self._scanner.space()
            return Dated(dated[0], dated[1], self._scanner.date())
        parse = _KEYS.get(word)
        if parse is not None:
            return parse(self)
        return self._other(word)

    def _other(self, word: bytes) -> SearchKey:
        """Parentheses or a set of numbers; `word` was taken for a keyword."""
        scanner = self._scanner
        if not word and scanner.skip(b"("):
            return self._nested()
        if word == b"$":
            return Saved()
        scanner.pos -= len(word)
        if scanner.dialect.uid_only and (word[:1].isdigit() or scanner.at(b"*")):
            # RFC 9586 3.2
            raise CommandError(Text.UID_REQUIRED, Status.BAD, b"UIDREQUIRED")
        return Numbers(scanner.sequence_set(), uid=False)

    def _nested(self) -> SearchKey:
        self._depth += 1
        if self._depth > self._scanner.dialect.limits.nesting:
            raise CommandError(Text.TOO_DEEP, Status.NO, b"LIMIT")
        self._scanner.try_space()
        keys = [self._key()]
        while self._scanner.more():
            keys.append(self._key())
        self._depth -= 1
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    # Keys with arguments

    def _text(self) -> str:
        self._scanner.space()
        octets = self._scanner.astring()
        if octets.isascii() and self._codec in (None, "ascii", "utf_8"):
            return octets.decode("ascii")
        if self._codec is None:
            return decode_unlabelled(octets)
        try:
            return octets.decode(self._codec)
        except (UnicodeError, LookupError, ValueError) as error:
            raise CommandError(Text.NOT_IN_CHARSET) from error

    def _header(self) -> SearchKey:
        self._scanner.space()
        name = self._scanner.astring()
        if len(name) > _FIELD_NAME_OCTETS:
            raise CommandError
        return TextKey(Field.HEADER, self._text(), decode_unlabelled(name).lower(), self._fuzzy)

    def _keyword(self) -> SearchKey:
        self._scanner.space()
        return HasKeyword(self._scanner.atom().decode("ascii"))

    def _unkeyword(self) -> SearchKey:
        return Not(self._keyword())

    def _uid(self) -> SearchKey:
        self._scanner.space()
        numbers = self._scanner.set_or_saved()
        return Saved() if numbers is None else Numbers(numbers, uid=True)

    def _larger(self) -> SearchKey:
        return Larger(self._number())

    def _smaller(self) -> SearchKey:
        return Smaller(self._number())

    def _older(self) -> SearchKey:
        return Older(self._interval())

    def _younger(self) -> SearchKey:
        return Younger(self._interval())

    def _number(self) -> int:
        self._scanner.space()
        return self._scanner.number64()

    def _interval(self) -> int:
        # RFC 5032 3: nz-number
        self._scanner.space()
        return self._scanner.nz_number()

    def _modseq(self) -> SearchKey:
        # RFC 7162 3.1.5: "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer
        scanner = self._scanner
        scanner.space()
        if scanner.at(b'"'):
            scanner.string()
            scanner.space()
            if scanner.keyword() not in _ENTRY_TYPES:
                raise CommandError
            scanner.space()
        return ModSeq(scanner.number64())

    def _email_id(self) -> SearchKey:
        return EmailId(self._object_id())

    def _thread_id(self) -> SearchKey:
        return ThreadId(self._object_id())

    def _object_id(self) -> str:
        # RFC 8474 7: 1 to 255 of ASCII letters, digits, "_" and "-"; one with other octets names nothing.
        self._scanner.space()
        return self._scanner.astring().decode("ascii", "replace")


_KEYS: dict[bytes, Callable[[_SearchParser], SearchKey]] = {
    b"HEADER": _SearchParser._header,
    b"KEYWORD": _SearchParser._keyword,
    b"UNKEYWORD": _SearchParser._unkeyword,
    b"UID": _SearchParser._uid,
    b"LARGER": _SearchParser._larger,
    b"SMALLER": _SearchParser._smaller,
    b"OLDER": _SearchParser._older,
    b"YOUNGER": _SearchParser._younger,
    b"MODSEQ": _SearchParser._modseq,
    b"EMAILID": _SearchParser._email_id,
    b"THREADID": _SearchParser._thread_id,
}
