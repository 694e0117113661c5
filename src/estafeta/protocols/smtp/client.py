"""The client side of SMTP and LMTP, without I/O: RFC 5321 and RFC 2033 with the extensions of `client_extensions`.

Octets go in with `feed`, events come out of `next_event`, octets to send come out of `take_output`. One thing is under
way at a time: the caller begins it when an event has ended the one before.

    caller                     sent                     ends with
    (nothing)                  -, then EHLO or LHLO     Ready, Refused or Broken
    start_tls                  STARTTLS                 TlsWanted (then the handshake and `tls_started`: Ready), Refused
    authenticate, respond      AUTH, responses          Challenge ..., Authenticated, Refused
    begin                      MAIL ...                 ContentWanted (then `put_piece`, `end_content`), Sent
    command                    RSET, NOOP, ETRN, QUIT   Answered

Nothing raises, whatever a server sends: what is no reply, never ends, or comes where it must not ends the session with
`Broken`, or with a `Sent` whose transaction says so; `closed` is True then. The same octets give the same events whole,
byte by byte or split anywhere. Time is the caller's: `lost` tells the machine that it was over.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from enum import StrEnum
from typing import NamedTuple

from estafeta.protocols.smtp.client_extensions import Extensions, parse_extensions
from estafeta.protocols.smtp.client_replies import RawReply, ReplyFault, ReplyReader
from estafeta.protocols.smtp.client_transaction import Manner, Message, Phase, Problem, Transaction

_MOST_CHALLENGES = 10
_CLOSING = 421


class ClientState(StrEnum):
    """What the machine waits for."""

    GREETING = "greeting"
    HELLO = "hello"
    READY = "ready"
    """For the caller."""
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"
    AUTH = "auth"
    TRANSACTION = "transaction"
    COMMAND = "command"
    CLOSED = "closed"


class Ready(NamedTuple):
    """The session stands; `extensions` are what the server offers now."""

    extensions: Extensions


class TlsWanted(NamedTuple):
    """Make the TLS handshake now, then call `tls_started`."""


class Challenge(NamedTuple):
    """What a SASL mechanism is to answer with `respond`."""

    data: bytes


class Authenticated(NamedTuple):
    """AUTH succeeded, says the server."""

    reply: RawReply


class Refused(NamedTuple):
    """The greeting, EHLO, STARTTLS or AUTH got a negative reply. The session goes on after the latter two only."""

    state: ClientState
    reply: RawReply


class ContentWanted(NamedTuple):
    """The content of the transaction is wanted in pieces."""


class Sent(NamedTuple):
    """A transaction is over, one way or another."""

    transaction: Transaction


class Answered(NamedTuple):
    """A command was answered."""

    reply: RawReply


class Broken(NamedTuple):
    """The session is over. `reply` where the server said 421, `wrong` what it said that was no reply."""

    state: ClientState
    problem: Problem
    reply: RawReply | None = None
    wrong: bytes = b""


Event = Ready | TlsWanted | Challenge | Authenticated | Refused | ContentWanted | Sent | Answered | Broken
_TLS_WANTED = TlsWanted()
_CONTENT_WANTED = ContentWanted()


class SmtpClient:
    """One session. `hello_name` is our name; `pipelining` and `chunking` may be switched off."""

    def __init__(
        self, hello_name: str, *, lmtp: bool = False, pipelining: bool = True, chunking: bool = True, tls: bool = False
    ) -> None:
        self.lmtp = lmtp
        self.tls = tls
        self.state = ClientState.GREETING
        self.extensions = Extensions()
        self.greeting: RawReply | None = None
        self.transaction: Transaction | None = None
        self.problem: Problem | None = None
        self.closing: RawReply | None = None
        """The server said 421."""
        self.wrong = b""
        self._hello_name = hello_name.encode("ascii", "replace")
        self._hello_command = b"LHLO" if lmtp else b"EHLO"
        self._pipelining = pipelining
        self._chunking = chunking
        self._reset_wanted = False
        self._challenges = 0
        self._reader = ReplyReader()
        self._output: list[bytes] = []
        self._pending: Event | None = None

    # What the caller asks

    @property
    def closed(self) -> bool:
        """Nothing more can be done in this session."""
        return self.state is ClientState.CLOSED

    @property
    def buffered(self) -> int:
        """Octets that are no whole reply yet. More than 0 in state READY: the server speaks out of turn."""
        return len(self._reader)

    @property
    def replies(self) -> int:
        """Whole replies so far: what a time limit for the next one counts from."""
        return self._reader.taken

    def feed(self, data: bytes) -> None:
        """Octets that came."""
        if self.state is ClientState.HANDSHAKE and data:
            self._pending = self._break(Problem.INJECTED)
        elif self.state is not ClientState.CLOSED:
            self._reader.feed(data)

    def take_output(self) -> bytes:
        """Octets to send; empty if there are none."""
        output = self._output
        if not output:
            return b""
        joined = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        return joined

    def next_event(self) -> Event | None:
        """What happened next; None: more octets are needed, or it is the caller's turn."""
        event = self._pending
        if event is not None:
            self._pending = None
            return event
        waiting = self.state
        while waiting not in _SILENT:
            reply = self._reader.take()
            if reply is None:
                return None
            if isinstance(reply, ReplyFault):
                return self._fault(reply)
            event = self._take_transaction(reply) if waiting is ClientState.TRANSACTION else self._take(reply)
            if event is not None:
                return event
            waiting = self.state
        return None

    # What the caller does

    def start_tls(self) -> None:
        """Send STARTTLS (RFC 3207)."""
        self._command(b"STARTTLS", ClientState.STARTTLS)

    def tls_started(self) -> None:
        """The handshake is done. RFC 3207 4.2: what was known of the server is forgotten, EHLO is said again."""
        if self.state is ClientState.HANDSHAKE:
            self._reader.clear()
            self.extensions = Extensions()
            self.tls = True
            self._hello()

    def authenticate(self, mechanism: str, initial: bytes | None) -> None:
        """Send AUTH (RFC 4954 4) with an initial response, if there is one."""
        words = b"AUTH " + mechanism.encode("ascii", "replace")
        if initial is not None:
            words += b" " + (b2a_base64(initial, newline=False) or b"=")
        self._challenges = 0
        self._command(words, ClientState.AUTH)

    def respond(self, response: bytes | None) -> None:
        """The answer to a `Challenge`; None cancels."""
        if self.state is ClientState.AUTH:
            self._output.append((b"*" if response is None else b2a_base64(response, newline=False)) + b"\r\n")

    def begin(self, message: Message, *, eager: bool = False) -> Transaction:
        """Begin a transaction. `eager`: commands and content at once, where the server offers what that takes."""
        offered = self.extensions
        manner = Manner(
            self.lmtp,
            offered.pipelining and self._pipelining,
            offered.chunking and self._chunking,
            eager,
            self._reset_wanted,
        )
        transaction = Transaction(message, manner)
        if self.state is not ClientState.READY:
            transaction.stop(self.problem or Problem.LOCAL)
            return transaction
        self._reset_wanted = False
        self.transaction = transaction
        self.state = ClientState.TRANSACTION
        transaction.start(self._output)
        return transaction

    def put_piece(self, data: bytes) -> None:
        """A piece of the content that is wanted."""
        if self.transaction is not None:
            self.transaction.put_piece(data, self._output)

    def end_content(self) -> None:
        """The content is complete."""
        if self.transaction is not None:
            self.transaction.end_content(self._output)

    def command(self, line: bytes) -> None:
        """Send a command that has one reply and changes nothing here: RSET, NOOP, ETRN, QUIT."""
        self._command(line, ClientState.COMMAND)

    def lost(self, problem: Problem) -> None:
        """The connection ended, or the caller ends it. Gives one more event."""
        if self.state is not ClientState.CLOSED:
            self._pending = self._break(problem)

    # What replies mean

    def _take_transaction(self, reply: RawReply) -> Event | None:
        transaction = self.transaction
        if transaction is None:
            return None
        if not transaction.take(reply, self._output):
            # Early replies while pieces are sent come here too, and end it.
            return _CONTENT_WANTED if transaction.phase is Phase.CONTENT else None
        return self._end_transaction(transaction)

    def _end_transaction(self, transaction: Transaction) -> Sent:
        self._reset_wanted = transaction.reset_wanted
        if transaction.problem is None:
            self.state = ClientState.READY
        else:
            self._close(transaction.problem, transaction.closing)
        self.transaction = None
        return Sent(transaction)

    def _take(self, reply: RawReply) -> Event | None:
        if reply.code == _CLOSING:
            return self._break(Problem.CLOSING, reply)
        state = self.state
        if state is ClientState.GREETING:
            return self._take_greeting(reply)
        if state is ClientState.HELLO:
            return self._take_hello(reply)
        if state is ClientState.STARTTLS:
            return self._take_starttls(reply)
        if state is ClientState.AUTH:
            return self._take_auth(reply)
        if state is ClientState.READY:
            # Nobody asked. Taken for the answer to the next command it would shift all that follow by one.
            self.wrong = reply.octets[:200]
            return self._break(Problem.PROTOCOL)
        self.state = ClientState.READY
        self._reset_wanted = False
        return Answered(reply)

    def _take_greeting(self, reply: RawReply) -> Event | None:
        self.greeting = reply
        if not reply.positive:
            return self._refuse(reply)
        self._hello()
        return None

    def _take_hello(self, reply: RawReply) -> Event | None:
        if not reply.positive:
            # RFC 5321 3.2: a server that does not know EHLO is greeted with HELO. LMTP has no such older brother.
            if reply.code // 100 == 5 and self._hello_command == b"EHLO":
                self._hello_command = b"HELO"
                self._hello()
                return None
            return self._refuse(reply)
        self.extensions = parse_extensions(reply, esmtp=self._hello_command != b"HELO")
        self.state = ClientState.READY
        return Ready(self.extensions)

    def _take_starttls(self, reply: RawReply) -> Event:
        if not reply.positive:
            self.state = ClientState.READY
            return Refused(ClientState.STARTTLS, reply)
        self.state = ClientState.HANDSHAKE
        if self._reader:
            # Nothing that came in clear may be taken for a reply inside TLS; and who puts it there is no friend.
            return self._break(Problem.INJECTED)
        return _TLS_WANTED

    def _take_auth(self, reply: RawReply) -> Event | None:
        if 300 <= reply.code < 400:
            return self._take_challenge(reply)
        self.state = ClientState.READY
        return Authenticated(reply) if reply.positive else Refused(ClientState.AUTH, reply)

    def _take_challenge(self, reply: RawReply) -> Event | None:
        self._challenges += 1
        try:
            data = a2b_base64(reply.octets[4:].strip(), strict_mode=True)
        except Base64Error:
            data = None
        if data is None or self._challenges > _MOST_CHALLENGES:
            return self._break(Problem.PROTOCOL, reply)
        return Challenge(data)

    def _hello(self) -> None:
        self.state = ClientState.HELLO
        self._output.append(b"%b %b\r\n" % (self._hello_command, self._hello_name))

    def _command(self, line: bytes, state: ClientState) -> None:
        if self.state is ClientState.READY:
            self.state = state
            self._output.append(line + b"\r\n")

    def _refuse(self, reply: RawReply) -> Refused:
        event = Refused(self.state, reply)
        self._close(Problem.PROTOCOL, None)
        return event

    def _fault(self, fault: ReplyFault) -> Event:
        self.wrong = self._reader.wrong
        return self._break(Problem.ENDLESS if fault is ReplyFault.ENDLESS else Problem.PROTOCOL)

    def _break(self, problem: Problem, reply: RawReply | None = None) -> Event:
        transaction = self.transaction
        if transaction is not None:
            transaction.stop(problem)
            return self._end_transaction(transaction)
        event = Broken(self.state, problem, reply, self.wrong)
        self._close(problem, reply)
        return event

    def _close(self, problem: Problem, closing: RawReply | None) -> None:
        self.state = ClientState.CLOSED
        self.problem = problem
        self.closing = closing
        self._reader.clear()


_SILENT = frozenset({ClientState.HANDSHAKE, ClientState.CLOSED})
