"""The server side of SMTP (RFC 5321), submission (RFC 6409) and LMTP (RFC 2033), without I/O.

Octets go in with `feed`, events come out of `next_event`, answers go back in, octets to send come out of
`take_output`. Nothing that a client sends makes it raise, and the same octets give the same output whole, byte by byte
or split anywhere.

Extensions: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, CHUNKING, BINARYMIME, AUTH, STARTTLS, LIMITS,
DSN, ETRN, REQUIRETLS, FUTURERELEASE. Left out: DELIVERBY, MT-PRIORITY.

`COMMANDS` at the end says which command is legal when. Who may do what is for the server to decide, event by event.
The parts: `conversation` (one event, one answer), `auth`, `transaction`, and here the session and the table.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from estafeta.protocols.smtp import replies
from estafeta.protocols.smtp.commands import parse_hello, parse_lookup
from estafeta.protocols.smtp.events import Etrn, Expand, Hello, HelloKind, StartTls, Verify
from estafeta.protocols.smtp.extensions import extension_lines
from estafeta.protocols.smtp.framing import Fault
from estafeta.protocols.smtp.limits import AUTH_LINE, BareLf, Mode, SmtpSettings
from estafeta.protocols.smtp.replies import Reply
from estafeta.protocols.smtp.states import COMMAND_PHASE, CONNECTED, GREETED, SILENT, Phase, State
from estafeta.protocols.smtp.transaction import TransactionConversation

_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")

_BAD_CODES: Final = frozenset({500, 501, 502, 504, 555})
"""Replies to commands that were wrong by themselves, whatever the state."""

_TLS_HANDSHAKE: Final = 22
"""RFC 8446 5.1: the first octet of a TLS handshake record. No command begins with it."""


class SmtpServer(TransactionConversation):
    """One session. `tls` says that it is inside TLS from the start (port 465)."""

    def __init__(self, settings: SmtpSettings, *, tls: bool = False) -> None:
        super().__init__(settings)
        self.tls = tls
        self.hello: str | None = None
        """The name that the client gave itself, once it was answered with 250."""
        self.discarded = 0
        """Octets that came in clear behind STARTTLS and were thrown away; more than 0 smells of injection."""
        self._auth_line = AUTH_LINE if settings.auth_mechanisms else 0
        self._shaking_hands = False
        self._spoken = False
        self._bad_commands = 0

    def greeting(self) -> None:
        """Queue the 220 that opens the session. Nothing is read before."""
        if self._stopping:
            self._say(replies.SHUTTING_DOWN, plain=True)
            self._close()
            return
        protocol = "LMTP" if self._lmtp else "ESMTP"
        words = f"{self.settings.hostname} {protocol} {self.settings.software}".rstrip()
        self._say(Reply(220, "", words), plain=True)
        self._phase = COMMAND_PHASE

    def feed(self, data: bytes) -> None:
        """Octets that came, as `bytes`. Between STARTTLS and `tls_started`, and after the end, they are thrown away."""
        if self._shaking_hands:
            self.discarded += len(data)
        elif not self.closed:
            self._input.feed(data)

    def tls_started(self, settings: SmtpSettings | None = None) -> None:
        """The handshake is done. RFC 3207 4.2: all that the client said before is forgotten.

        `settings` replace the old ones, since what may be offered inside TLS differs (AUTH mechanisms).
        """
        if self.closed:
            return
        self._shaking_hands = False
        self.settings = settings or self.settings
        self._accept_lf = self.settings.bare_lf is BareLf.ACCEPT
        self._auth_line = AUTH_LINE if self.settings.auth_mechanisms else 0
        self.tls = True
        self.state = CONNECTED
        self.hello = None
        self.authenticated = None
        self._extended = False
        self._phase = COMMAND_PHASE
        self._stop_if_due()

    # Reading

    def _read(self) -> bool:
        return _READERS[self._phase](self)

    def _read_nothing(self) -> bool:
        return False

    def _read_command(self) -> bool:
        if not self._input:
            return False
        if not self._spoken and self._is_tls_handshake():
            self._end_with(replies.NOT_A_MAIL_CLIENT)
            return True
        line = self._input.line(self.settings.max_line, self._auth_line, accept_lf=self._accept_lf)
        if line is None:
            return False
        if isinstance(line, bytes):
            self._run(line)
        elif line is Fault.ENDLESS:
            self._end_with(replies.TOO_MANY_ERRORS)
        else:
            self._refuse(replies.LINE_TOO_LONG if line is Fault.TOO_LONG else replies.BARE_IN_COMMAND)
        return True

    def _is_tls_handshake(self) -> bool:
        self._spoken = True
        return not self.tls and self._input.data[self._input.pos] == _TLS_HANDSHAKE

    def _run(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        command = COMMANDS.get(verb) or COMMANDS.get(verb.upper()) or (_UNKNOWN if line else _EMPTY)
        argument = argument.strip(b" ")
        objection = self._objection(command, line, argument)
        if objection is not None:
            command.refused(self, argument, objection)
            return
        if command.idle and not self._count_idle():
            return
        reply = command.run(self, argument)
        if reply is not None:
            self._refuse(reply)

    def _objection(self, command: "Command", line: bytes, argument: bytes) -> Reply | None:
        """Why the command is not legal now, as the table says."""
        settings = self.settings
        if _CONTROL.search(line):
            return replies.BAD_CHARACTER
        if command.modes is not None and settings.mode not in command.modes:
            return replies.UNKNOWN
        if command.wants_tls and settings.require_tls and not self.tls:
            return replies.TLS_FIRST  # RFC 3207 4
        if command.wants_auth and settings.require_auth and self.authenticated is None:
            return replies.AUTH_FIRST
        if self.state in command.illegal:
            return command.illegal[self.state]
        if command.extended and not self._extended:
            return replies.EHLO_FIRST
        return replies.NO_ARGUMENT if argument and command.bare else None

    def _refuse(self, reply: Reply) -> None:
        if reply.code not in _BAD_CODES:
            if self._count_idle():
                self._say(reply)
            return
        self._bad_commands += 1
        if self._bad_commands > self.settings.max_bad_commands:
            self._end_with(replies.TOO_MANY_ERRORS)
        else:
            self._say(reply)

    def _count_idle(self) -> bool:
        """False, and the session closed, if that was one command too many without a message."""
        self._idle_commands += 1
        if self._idle_commands > self.settings.max_idle_commands:
            self._end_with(replies.TOO_MANY_COMMANDS)
        return not self.closed

    # The session

    def _hello_command(self, kind: HelloKind, argument: bytes) -> Reply | None:
        name = parse_hello(argument)
        if isinstance(name, Reply):
            return name
        self._ask(Hello(name, kind), partial(self._hello_answered, name, kind))
        return None

    def _hello_answered(self, name: str, kind: HelloKind, reply: Reply) -> None:
        if not reply.positive:
            self._say(reply, plain=True)
            return
        self._abandon()  # RFC 5321 4.1.4: a new EHLO is also a RSET
        self.state = GREETED
        self.hello = name
        self._extended = kind is not HelloKind.HELO
        lines = [f"{self.settings.hostname} {reply.text}".rstrip()]
        if self._extended:
            lines += extension_lines(self.settings, tls=self.tls)
        self._say(Reply(250, "", "\n".join(lines)), plain=True)

    def _starttls_command(self, argument: bytes) -> Reply | None:
        if self.tls:
            return replies.ALREADY_TLS
        if not self.settings.tls_available:
            return replies.NOT_OFFERED
        self._ask(StartTls(), self._starttls_answered)
        return None

    def _starttls_answered(self, reply: Reply) -> None:
        if not reply.positive:
            self._refuse(reply)
            return
        self._abandon()
        self._say(reply if reply.code == 220 else replies.TLS_READY)
        # RFC 3207 4.2, CVE-2011-0411: what came in clear behind the command must not be taken for what came inside.
        self.discarded += len(self._input)
        self._input.clear()
        self._phase = SILENT
        self._shaking_hands = True

    def _lookup_command(self, event: type[Verify] | type[Expand], argument: bytes) -> Reply | None:
        if event is Expand and not self.settings.expn:
            return replies.NOT_OFFERED
        parsed = parse_lookup(argument, self._session())
        if isinstance(parsed, Reply):
            return parsed
        self._ask(event(*parsed), partial(self._lookup_answered, parsed[1]))
        return None

    def _etrn_command(self, argument: bytes) -> Reply | None:
        if not self.settings.etrn:
            return replies.NOT_OFFERED
        name = argument.decode("utf-8", "replace")
        if not name or " " in name or not name.isascii():
            return replies.ETRN_SYNTAX
        self._ask(Etrn(name), self._say)
        return None

    def _lookup_answered(self, smtputf8: bool, reply: Reply) -> None:
        before, self._utf8 = self._utf8, self._utf8 or smtputf8
        self._say(reply)
        self._utf8 = before

    def _rset_command(self, argument: bytes) -> Reply | None:
        self._abandon()
        self._say(replies.RESET_OK)
        return None

    def _noop_command(self, argument: bytes) -> Reply | None:
        self._say(replies.NOOP_OK)
        return None

    def _help_command(self, argument: bytes) -> Reply | None:
        self._say(replies.HELP)
        return None

    def _quit_command(self, argument: bytes) -> Reply | None:
        self._end_with(Reply(221, "2.0.0", f"{self.settings.hostname} closing"))
        return None

    def _web_command(self, argument: bytes) -> Reply | None:
        self._end_with(replies.NOT_A_MAIL_CLIENT)
        return None


def _say_refusal(machine: SmtpServer, argument: bytes, reply: Reply) -> None:
    machine._refuse(reply)


def _swallow_chunk(machine: SmtpServer, argument: bytes, reply: Reply) -> None:
    machine._bdat_refused(argument, reply)


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the table: what runs it, and when it is legal."""

    run: Callable[[SmtpServer, bytes], Reply | None]
    """Acts, asks or answers; a reply that it returns is a refusal."""
    illegal: Mapping[State, Reply] = field(default_factory=dict)
    """States in which it is out of sequence, with what is said then."""
    modes: frozenset[Mode] | None = None
    """The services that know it; None: all."""
    bare: bool = False
    """It takes no argument."""
    extended: bool = False
    """It belongs to an extension, so to a session that began with EHLO or LHLO."""
    wants_tls: bool = False
    """It waits for TLS where the settings require that."""
    wants_auth: bool = False
    """It waits for AUTH where the settings require that."""
    idle: bool = False
    """It leads to no message by itself, so it counts as idle."""
    refused: Callable[[SmtpServer, bytes, Reply], None] = _say_refusal


_ESMTP: Final = frozenset({Mode.SMTP, Mode.SUBMISSION})
_LMTP: Final = frozenset({Mode.LMTP})

_IN_TRANSACTION: Final = (State.MAIL, State.RCPT, State.BDAT)
_BEFORE_MAIL: Final = {
    State.CONNECTED: replies.HELLO_FIRST,
    State.MAIL: replies.NESTED_MAIL,
    State.RCPT: replies.NESTED_MAIL,
    State.BDAT: replies.BDAT_BEGUN,
}
_AFTER_MAIL: Final = {State.CONNECTED: replies.HELLO_FIRST, State.GREETED: replies.MAIL_FIRST}
_UNTIL_BDAT: Final = {**_AFTER_MAIL, State.BDAT: replies.BDAT_BEGUN}
_NO_ETRN: Final = dict.fromkeys(_IN_TRANSACTION, replies.ETRN_IN_TRANSACTION)
_NO_TRANSACTION: Final = dict.fromkeys(_IN_TRANSACTION, replies.AUTH_IN_TRANSACTION)


def _hello(kind: HelloKind) -> Callable[[SmtpServer, bytes], Reply | None]:
    return lambda machine, argument: machine._hello_command(kind, argument)


def _lookup(event: type[Verify] | type[Expand]) -> Callable[[SmtpServer, bytes], Reply | None]:
    return lambda machine, argument: machine._lookup_command(event, argument)


def _answer_with(reply: Reply) -> Command:
    return Command(lambda machine, argument: reply)


_UNKNOWN: Final = _answer_with(replies.UNKNOWN)
_EMPTY: Final = _answer_with(replies.EMPTY)
_OBSOLETE: Final = _answer_with(replies.NOT_OFFERED)  # RFC 5321 F.6, F.2
_WEB: Final = Command(SmtpServer._web_command)

# RFC 5321 4.1.4: NOOP, HELP, EXPN, VRFY and RSET need no greeting.
COMMANDS: Final[Mapping[bytes, Command]] = {
    b"HELO": Command(_hello(HelloKind.HELO), modes=_ESMTP, idle=True),
    b"EHLO": Command(_hello(HelloKind.EHLO), modes=_ESMTP, idle=True),
    b"LHLO": Command(_hello(HelloKind.LHLO), modes=_LMTP, idle=True),
    b"MAIL": Command(SmtpServer._mail_command, _BEFORE_MAIL, wants_tls=True, wants_auth=True),
    b"RCPT": Command(SmtpServer._rcpt_command, _UNTIL_BDAT),
    b"DATA": Command(SmtpServer._data_command, _UNTIL_BDAT, bare=True),
    b"BDAT": Command(SmtpServer._bdat_command, _AFTER_MAIL, extended=True, refused=_swallow_chunk),
    b"STARTTLS": Command(SmtpServer._starttls_command, bare=True, extended=True, idle=True),
    b"AUTH": Command(SmtpServer._auth_command, _NO_TRANSACTION, extended=True, wants_tls=True, idle=True),
    b"RSET": Command(SmtpServer._rset_command, bare=True, idle=True),
    b"NOOP": Command(SmtpServer._noop_command, idle=True),
    b"HELP": Command(SmtpServer._help_command, idle=True),
    b"VRFY": Command(_lookup(Verify), wants_tls=True, wants_auth=True, idle=True),
    b"EXPN": Command(_lookup(Expand), wants_tls=True, wants_auth=True, idle=True),
    b"ETRN": Command(SmtpServer._etrn_command, _NO_ETRN, modes=_ESMTP, extended=True, wants_tls=True, idle=True),
    b"QUIT": Command(SmtpServer._quit_command, bare=True),
    b"SEND": _OBSOLETE,
    b"SAML": _OBSOLETE,
    b"SOML": _OBSOLETE,
    b"TURN": _OBSOLETE,
    b"GET": _WEB,
    b"POST": _WEB,
    b"PUT": _WEB,
    b"HEAD": _WEB,
    b"OPTIONS": _WEB,
    b"CONNECT": _WEB,
}

_READERS: Final[Mapping[Phase, Callable[[SmtpServer], bool]]] = {
    Phase.SILENT: SmtpServer._read_nothing,
    Phase.COMMANDS: SmtpServer._read_command,
    Phase.RESPONSE: SmtpServer._read_response,
    Phase.DATA: SmtpServer._read_data,
    Phase.CHUNK: SmtpServer._read_chunk,
}
