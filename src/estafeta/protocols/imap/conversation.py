"""Commands out of lines and literals, one after the other, for the whole session (RFC 9051 2.2, 4.3, 5.5)."""

import re
from collections.abc import Generator

from estafeta.protocols.imap.append import Appending
from estafeta.protocols.imap.commands import Command, IdleDone
from estafeta.protocols.imap.exchange import authenticate
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.lines import LongLine
from estafeta.protocols.imap.machine import Machine, Talk
from estafeta.protocols.imap.states import State
from estafeta.protocols.imap.table import COMMANDS, UID_COMMANDS, Reading, Rule
from estafeta.protocols.imap.texts import Text

_COMMAND = re.compile(rb'([^\x00- "%()*+\\{\x7f-\xff]{1,1000}) +(UID +)?([!-~]+)', re.IGNORECASE)
_TAG = re.compile(rb'[^\x00- "%()*+\\{\x7f-\xff]{1,60}(?= |$)')


def converse(machine: Machine) -> Talk:
    """All commands of a session."""
    while True:
        line = yield from machine.read_line()
        machine.rule = None
        match = None if isinstance(line, LongLine) else _COMMAND.match(line)
        if isinstance(line, LongLine) or match is None:
            _refuse(machine, line)
            yield from machine.drop()
            continue
        machine.tag = match[1]
        machine.text_octets = machine.spaces = 0
        try:
            machine.count(line)
            rule = machine.rule = find_rule(machine, match)
            if rule.reading is Reading.WHOLE and machine.pending is None:
                command = rule.parse(Scanner(line, match.end(), machine.dialect))
                machine.bad_commands = 0
                yield command
                if machine.idling:
                    yield from _idle(machine)
            else:
                yield from _other(machine, rule, line, match.end())
        except CommandError as error:
            machine.fail(error)
            yield from machine.drop()


def _refuse(machine: Machine, line: bytes | LongLine) -> None:
    """Answer a line that is no command, with its tag if it has one."""
    too_long = isinstance(line, LongLine)
    tag = _TAG.match(line.head if isinstance(line, LongLine) else line)
    machine.tag = tag[0] if tag else b""
    machine.fail(CommandError(Text.LINE_TOO_LONG if too_long else Text.NO_TAG))


def find_rule(machine: Machine, match: re.Match[bytes]) -> Rule:
    """The table's line for a command that is legal now; raises CommandError."""
    _, uid, name = match.groups()
    table = UID_COMMANDS if uid else COMMANDS
    rule = table.get(name) or table.get(name.upper())
    if rule is None:
        raise CommandError(Text.UNKNOWN_COMMAND)
    if machine.state not in rule.states:
        if machine.state is State.NOT_AUTHENTICATED:
            raise CommandError(Text.SIGN_IN_FIRST)
        raise CommandError(Text.SELECT_FIRST if State.SELECTED in rule.states else Text.SIGNED_IN_ALREADY)
    if rule.numbers and machine.dialect.uid_only:
        raise CommandError(Text.UID_REQUIRED, code=b"UIDREQUIRED")
    return rule


def _other(machine: Machine, rule: Rule, line: bytes, pos: int) -> Talk:
    """A command with literals, AUTHENTICATE, or APPEND."""
    if rule.reading is Reading.APPEND:
        yield from Appending(machine, Scanner(line, pos, machine.dialect), rule.parse).run()
        return
    if rule.reading is Reading.EXCHANGE:
        yield from authenticate(machine, Scanner(line, pos, machine.dialect))
        return
    data = yield from _gather(machine, line)
    command = rule.parse(Scanner(data, pos, machine.dialect))
    machine.bad_commands = 0
    yield command


def _gather(machine: Machine, line: bytes) -> Generator[Command | None, None, bytes]:
    """The whole text of a command, each literal behind its `{n}` and CR LF."""
    pieces = [line]
    while machine.pending is not None:
        pieces.append((yield from machine.read_literal()))
    return b"".join(pieces)


def _idle(machine: Machine) -> Talk:
    """IDLE, until DONE (RFC 2177)."""
    line = yield from machine.read_line()
    machine.idling = False
    if isinstance(line, LongLine) or line.strip().upper() != b"DONE":
        raise CommandError(Text.IDLE_ENDS_WITH_DONE)
    yield IdleDone()
