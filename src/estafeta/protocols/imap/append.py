"""APPEND and REPLACE: messages are handed on while they come (RFC 9051 6.3.12; RFC 3502, 3516, 4469, 8508, 9755).

The text between two messages is parsed as soon as it is there. A message's literal stands at the end of a line; other
literals, of a mailbox name or a URL, are put into the text.
"""

import re
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeVar

from estafeta.protocols.imap.commands import (
    Append,
    AppendAborted,
    AppendData,
    AppendEnd,
    AppendMessage,
    AppendMessageEnd,
    AppendUrl,
    Command,
)
from estafeta.protocols.imap.faults import CommandError, LiteralMissingError
from estafeta.protocols.imap.lexer import LITERAL_AT_END, Scanner
from estafeta.protocols.imap.lines import LongLine
from estafeta.protocols.imap.machine import Machine, Talk
from estafeta.protocols.imap.replies import Status
from estafeta.protocols.imap.table import Parse
from estafeta.protocols.imap.texts import Text
from estafeta.protocols.imap.values import FlagList

_PIECE = 64 << 10
"""Octets of one AppendData at most."""
_NO_FLAGS = FlagList(0, ())
T = TypeVar("T")


class _Head(NamedTuple):
    """What comes before a message's data. `closing`: the parenthesis after it (RFC 6855 4: `UTF8 (` literal8 `)`)."""

    event: AppendMessage
    closing: bool


class Appending:
    """One command. `left` counts octets of a literal that was begun."""

    def __init__(self, machine: Machine, scanner: Scanner, parse: Parse) -> None:
        self._machine = machine
        self._scanner = scanner
        self._parse = parse
        self._begun = False
        self._left: int | None = None

    def run(self) -> Talk:
        """Hand out the events; after a refusal, throw away the rest."""
        machine = self._machine
        try:
            yield from self._events()
        except CommandError as error:
            machine.fail(error)
            if self._begun and not machine.closed:
                yield AppendAborted()
        if self._left is not None:
            yield from machine.skip(self._left)
            yield from machine.read_line()
        yield from machine.drop()

    def _events(self) -> Talk:
        machine, scanner = self._machine, self._scanner
        scanner.space()
        command = yield from self._with_literals(self._parse)
        head = self._head()
        machine.bad_commands = 0
        yield command
        self._begun = True
        while machine.tag:
            yield from self._message(head)
            if not machine.tag:
                return
            if not scanner.try_space():
                scanner.end()
                yield AppendEnd()
                return
            scanner.pos -= 1
            if isinstance(command, Append) and command.replaces is not None:
                # RFC 8508 5: one message.
                raise CommandError
            head = self._head()

    def _head(self) -> _Head:
        """`[SP flag-list] [SP date-time] SP append-data`, up to where the data begins."""
        scanner = self._scanner
        flags, date = _NO_FLAGS, None
        scanner.space()
        if scanner.at(b"("):
            flags = scanner.flag_list()
            scanner.space()
        if scanner.at(b'"'):
            date = scanner.date_time()
            scanner.space()
        word = scanner.peek_keyword()
        if word == b"CATENATE":
            self._open(word)
            return _Head(AppendMessage(flags, date, None, False), closing=False)
        closing = word == b"UTF8"
        if closing:
            self._open(word)
        spec = self._literal()
        binary = bool(spec[1])
        size = int(spec[2])
        if closing and not binary:
            raise CommandError
        if not size:
            # RFC 3502 6.3.11: a client that thinks better of it sends a message of no octets.
            raise CommandError(Text.MESSAGE_EMPTY, Status.NO)
        self._check_size(size)
        return _Head(AppendMessage(flags, date, size, binary), closing)

    def _open(self, word: bytes) -> None:
        self._scanner.pos += len(word)
        self._scanner.space()
        self._scanner.open_list()

    def _literal(self) -> re.Match[bytes]:
        """The literal that begins at the end of this line."""
        spec = LITERAL_AT_END.match(self._scanner.data, self._scanner.pos)
        if spec is None or self._machine.pending is None:
            raise CommandError
        return spec

    def _check_size(self, size: int) -> None:
        limit = self._machine.limits.append_octets
        if limit and size > limit:
            # RFC 7889 4
            raise CommandError(Text.MESSAGE_TOO_LONG, Status.NO, b"TOOBIG")

    def _message(self, head: _Head) -> Talk:
        machine = self._machine
        yield head.event
        if not machine.tag:
            return
        if head.event.size is None:
            yield from self._parts()
        else:
            yield from self._data(head.event.size)
            if machine.tag and head.closing:
                self._scanner.try_space()
                self._scanner.expect(b")")
        if machine.tag:
            yield AppendMessageEnd()

    def _parts(self) -> Talk:
        """`cat-part *(SP cat-part) ")"` (RFC 4469 5)."""
        machine, scanner = self._machine, self._scanner
        total = 0
        more = True
        while more:
            word = scanner.keyword()
            scanner.space()
            if word == b"URL":
                url = yield from self._with_literals(Scanner.text)
                yield AppendUrl(url)
            elif word == b"TEXT":
                size = int(self._literal()[2])
                total += size
                self._check_size(total)
                yield from self._data(size)
            else:
                raise CommandError
            if not machine.tag:
                return
            more = scanner.more()

    def _data(self, size: int) -> Talk:
        """The octets of the literal that is pending, then the text after it. The size was looked at."""
        machine = self._machine
        machine.invite(machine.take_pending())
        self._left = size
        while self._left:
            data = machine.input.take(min(self._left, _PIECE))
            if not data:
                yield None
                continue
            self._left -= len(data)
            yield AppendData(data)
            if not machine.tag:
                return
        line = yield from machine.read_line()
        self._left = None
        if isinstance(line, LongLine):
            raise CommandError(Text.LINE_TOO_LONG)
        # What came before was parsed already.
        machine.spaces = 0
        machine.count(line)
        self._scanner.data, self._scanner.pos = line, 0

    def _with_literals(self, parse: Callable[[Scanner], T]) -> Generator[Command | None, None, T]:
        """What `parse` makes, with the literals that it meets."""
        scanner = self._scanner
        while True:
            before = scanner.pos
            try:
                return parse(scanner)
            except LiteralMissingError:
                self._machine.spaces = 0
                text = yield from self._machine.read_literal()
                scanner.data, scanner.pos = scanner.data[before:] + text, 0
