"""What the parts of the IMAP machine share: the session's state, its input, and how anything is said.

`server.ImapServer` is this with what a session calls; `conversation`, `append` and `exchange` read commands with it.
"""

import re
from collections.abc import Generator
from functools import lru_cache

from estafeta.protocols.imap.commands import Command
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.lexer import LITERAL_AT_END, Dialect
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.lines import Input, LongLine
from estafeta.protocols.imap.replies import Reply, Status
from estafeta.protocols.imap.states import State
from estafeta.protocols.imap.table import Rule
from estafeta.protocols.imap.texts import DEFAULT_LANGUAGE, Text, say
from estafeta.protocols.sasl import Exchange, Progress

Talk = Generator[Command | None, None, None]
"""Reads commands: yields each for the session to answer, None while more octets are needed."""
_UNPRINTABLE = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]+")


class Machine:
    """The state of one session."""

    def __init__(self, limits: Limits, *, tls: bool) -> None:
        self.tls = tls
        self.state = State.NOT_AUTHENTICATED
        self.closed = False
        self.tag = b""
        """Of the command in progress; empty when there is none."""
        self.rule: Rule | None = None
        """What the table says of the last command."""
        self.language = DEFAULT_LANGUAGE
        self.enabled: frozenset[str] = frozenset()
        self.idling = False
        self.queued = 0
        """Octets of output that nobody has taken."""
        self.discarded = 0
        """Octets that came in clear behind a STARTTLS and were thrown away: more than 0 smells of injection."""
        self.limits = limits
        self.dialect = Dialect(limits)
        self.input = Input()
        self.output: list[bytes] = []
        self.pending: re.Match[bytes] | None = None
        """The `{n}` at the end of the last line, while its literal was not asked for."""
        self.text_octets = 0
        """Of the command in progress, message data excepted."""
        self.spaces = 0
        """In its text, literals excepted."""
        self.exchange: Exchange | None = None
        self.progress: Progress | None = None
        self.initial: bytes | None = None
        self.bad_commands = 0

    @property
    def utf8(self) -> bool:
        """Mailbox names and quoted strings are UTF-8: UTF8=ACCEPT or IMAP4rev2 was enabled."""
        return self.dialect.utf8

    # Reading

    def read_line(self) -> Generator[None, None, bytes | LongLine]:
        """The next line; `pending` says whether a literal follows it."""
        limit = self.limits.early_line_octets if self.state is State.NOT_AUTHENTICATED else self.limits.line_octets
        while (line := self.input.take_line(limit)) is None:
            yield None
        tail = line.tail if isinstance(line, LongLine) else line
        self.pending = LITERAL_AT_END.search(tail) if tail.endswith(b"}") else None
        return line

    def read_literal(self) -> Generator[None, None, bytes]:
        """The literal of `pending` and the line after it, as the text that follows the line before."""
        spec = self.take_pending()
        size = int(spec[2])
        early = self.state is State.NOT_AUTHENTICATED
        if size > (self.limits.early_literal_octets if early else self.limits.literal_octets):
            self.pending = spec
            raise CommandError(Text.LITERAL_TOO_LONG, code=b"TOOBIG")
        self.text_octets += size
        if self.text_octets > self.limits.command_octets:
            self.pending = spec
            raise CommandError(Text.COMMAND_TOO_LONG, code=b"TOOBIG")
        self.invite(spec)
        while len(self.input) < size:
            yield None
        octets = self.input.take(size)
        line = yield from self.read_line()
        if isinstance(line, LongLine):
            raise CommandError(Text.LINE_TOO_LONG)
        self.count(line)
        return b"\r\n%b%b" % (octets, line)

    def count(self, line: bytes) -> None:
        """Another line of the command in progress; raises CommandError when it is one too many."""
        self.text_octets += len(line)
        self.spaces += line.count(b" ")
        if self.text_octets > self.limits.command_octets:
            raise CommandError(Text.COMMAND_TOO_LONG, code=b"TOOBIG")
        if self.spaces > self.limits.words:
            raise CommandError(Text.TOO_MANY_WORDS, Status.NO, b"LIMIT")

    def take_pending(self) -> re.Match[bytes]:
        """`pending`, which is no longer: its literal is about to be read."""
        spec, self.pending = self.pending, None
        if spec is None:
            raise CommandError
        return spec

    def invite(self, spec: re.Match[bytes]) -> None:
        """Ask for a synchronizing literal; others come by themselves (RFC 7888)."""
        if not spec[3]:
            self.put(b"+ %b\r\n" % self.words(Text.READY_FOR_LITERAL))

    def drop(self) -> Generator[None, None, None]:
        """Throw away what follows the text of a command that was answered. A client that waits for `+` sends no more
        of it (RFC 9051 4.3); literals that it sent unasked are read (RFC 7888 4)."""
        while (spec := self.pending) is not None:
            self.pending = None
            if not spec[3]:
                return
            yield from self.skip(int(spec[2]))
            yield from self.read_line()

    def skip(self, size: int) -> Generator[None, None, None]:
        """Throw away octets; too many end the session."""
        early = self.state is State.NOT_AUTHENTICATED
        if size > (self.limits.early_literal_octets if early else self.limits.discard_octets):
            self.bye(Text.TOO_MUCH, b"TOOBIG")
        while size and not self.closed:
            taken = len(self.input.take(size))
            size -= taken
            if not taken:
                yield None

    # Saying

    def put(self, *pieces: bytes) -> None:
        """Queue output."""
        self.output += pieces
        self.queued += sum(map(len, pieces))

    def words(self, sentence: str) -> bytes:
        """A sentence in the language of the session, fit for a response line."""
        return encode_words(sentence, self.language, self.dialect.utf8)

    def say(self, tag: bytes, reply: Reply) -> None:
        """One status response."""
        status, sentence, code = reply
        words = encode_words(sentence, self.language, self.dialect.utf8)
        if code:
            self.put(b"%b %b [%b] %b\r\n" % (tag, status.encode(), code, words))
        else:
            self.put(b"%b %b %b\r\n" % (tag, status.encode(), words))

    def fail(self, error: CommandError) -> None:
        """Answer a command that is wrong, and count it: too many in a row end the session."""
        self.bad_commands += 1
        if self.bad_commands >= self.limits.bad_commands:
            self.bye(Text.TOO_MANY_BAD)
            return
        sentence = error.text
        if not sentence:
            usage = self.rule.usage if self.rule is not None else ""
            sentence = say(Text.USAGE, self.language, usage)
        self.say(self.tag or b"*", Reply(error.status, sentence, error.code))
        self.tag = b""

    def bye(self, sentence: str, code: bytes = b"") -> None:
        """An untagged BYE, and the end."""
        if not self.closed:
            words = self.words(sentence)
            self.put(b"* BYE [%b] %b\r\n" % (code, words) if code else b"* BYE %b\r\n" % words)
            self.close()

    def close(self) -> None:
        """Nothing more is read or said."""
        self.closed = True
        self.state = State.LOGOUT
        self.tag = b""
        self.idling = False
        self.input.clear()


@lru_cache(maxsize=512)
def encode_words(sentence: str, language: str, utf8: bool) -> bytes:
    """`text` of RFC 9051 9: one line, not empty. ASCII until the client showed that it can take more (RFC 5255 3.2)."""
    line = _UNPRINTABLE.sub(" ", say(sentence, language)) or Text.DONE
    octets = line.encode("utf-8" if utf8 or language != DEFAULT_LANGUAGE else "ascii", "replace")
    # What looks like a response code is none.
    return b" " + octets if octets.startswith(b"[") else octets
