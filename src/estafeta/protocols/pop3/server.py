"""The server side of POP3, without I/O: RFC 1939 with CAPA (RFC 2449), STLS (RFC 2595), SASL (RFC 5034), response codes
(RFC 2449 8, RFC 3206), UTF8 and LANG (RFC 6856).

Octets go in with `feed`, events come out of `next_event`, answers go back in, octets to send come out of
`take_output`. Nothing raises, whatever a client sends. An answer that is not owed is a mistake of the caller and raises
RuntimeError, except once the session is closed, when late answers are ignored. The same octets give the same output
whole, byte by byte or split anywhere.

`commands.COMMANDS` says which command is legal when. NOOP, UTF8, LANG and the lines of a SASL exchange are done here;
everything else is for the session to decide.

A departure: RFC 6856 2.1 lets a server refuse RETR and TOP of messages with UTF-8 headers until UTF8 was sent. Clients
in the world show raw UTF-8 headers and never send UTF8, so contents are always sent as they are stored.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from estafeta.protocols.pop3 import events
from estafeta.protocols.pop3.commands import COMMANDS, Command, Own, State
from estafeta.protocols.pop3.content import encode_content
from estafeta.protocols.pop3.events import Event
from estafeta.protocols.pop3.lines import Lines, TooLong
from estafeta.protocols.pop3.replies import Code, encode_err, encode_ok
from estafeta.protocols.pop3.texts import DEFAULT_LANGUAGE, LANGUAGES, Text, find_language, say
from estafeta.protocols.sasl import Exchange, Failure, Mechanism, Progress, Prompt, Success, Supply

_ANSWERED = events.Answered()


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets of a line with CR LF, and wrong commands before the session ends."""

    command_octets: int = 255
    """RFC 2449 4."""
    exchange_octets: int = 12288
    """RFC 5034 4: enough for the lines of any SASL mechanism."""
    bad_commands: int = 10


class Pop3Server:
    """One session. `tls` says that it is inside TLS from the start (port 995)."""

    def __init__(self, limits: Limits | None = None, *, tls: bool = False) -> None:
        self.tls = tls
        self.state = State.AUTHORIZATION
        self.closed = False
        self.language = DEFAULT_LANGUAGE
        self.utf8 = False
        self.in_content = False
        """A content was begun and not ended: nothing else may be said."""
        self.queued = 0
        """Octets of output that nobody has taken."""
        self.discarded = 0
        """Octets that came in clear behind a STLS and were thrown away: more than 0 smells of injection."""
        self._limits = limits or Limits()
        self._preferred = DEFAULT_LANGUAGE
        self._lines = Lines()
        self._output: list[bytes] = []
        self._owed: Event | None = None
        self._pending: Event | None = None
        self._started = False
        self._handshake = False
        self._stopping = False
        self._name: bytes | None = None
        self._exchange: Exchange | None = None
        self._mechanism = ""
        self._initial: bytes | None = None
        self._bad_commands = 0

    # What the session calls

    @property
    def buffered(self) -> int:
        """Octets that wait to be used: the measure for pausing the reading side."""
        return len(self._lines)

    def greeting(self, hostname: str, timestamp: str = "") -> None:
        """Queue the greeting; nothing is read before. `timestamp` is what APOP digests (RFC 1939 7)."""
        if timestamp:
            self._put(encode_ok(self.words(Text.READY_APOP, hostname, timestamp)))
        else:
            self._put(encode_ok(self.words(Text.READY, hostname)))
        self._started = True

    def refuse_session(self, words: str, code: Code | None = None) -> None:
        """Queue `-ERR` instead of the greeting, and close."""
        self._put(encode_err(words, code))
        self._close()

    def feed(self, data: bytes) -> None:
        """Octets that came. Between STLS and `tls_started`, and after the end, they are thrown away."""
        if self._handshake:
            self.discarded += len(data)
        elif not self.closed:
            self._lines.feed(data)

    def next_event(self) -> Event | None:
        """What happened next. None: more octets are needed, or an answer is owed, or it is over."""
        while self._owed is None and self._started and not self._handshake and not self.closed:
            if self._pending is not None:
                self._owed, self._pending = self._pending, None
                return self._owed
            exchange = self.state is State.EXCHANGE
            line = self._lines.take(self._limits.exchange_octets if exchange else self._limits.command_octets)
            if line is None:
                return None
            event = self._run_exchange(line) if exchange else self._run(line)
            if event is not None:
                self._owed = None if event is _ANSWERED else event
                return event
        return None

    def ok(self, text: Text, *values: object) -> None:
        """Answer `+OK`. What it means depends on the event: see there."""
        event = self._take_owed()
        if event is not None:
            self._put(encode_ok(self.words(text, *values)))
            self._succeed(event)
            self._answered()

    def ok_lines(self, text: Text, *values: object, lines: Iterable[bytes]) -> None:
        """Answer `+OK` and lines that begin with no dot."""
        if self._take_owed() is not None:
            self._put(encode_ok(self.words(text, *values)), *(b"%b\r\n" % line for line in lines), b".\r\n")
            self._answered()

    def ok_content(self, content: bytes, text: Text, *values: object) -> None:
        """Answer `+OK` and a whole content."""
        if self._take_owed() is not None:
            self._put(encode_ok(self.words(text, *values)), encode_content(content))
            self._answered()

    def begin_content(self, text: Text, *values: object) -> None:
        """Answer `+OK`; what follows is sent past the machine until `end_content`."""
        if self._owed is not None and not self.closed:
            self._put(encode_ok(self.words(text, *values)))
            self.in_content = True

    def end_content(self, data: bytes) -> None:
        """The last octets of a content that was begun, its final dot included."""
        self.in_content = False
        if self._take_owed() is not None:
            self._put(data)
            self._answered()

    def err(self, text: Text, *values: object, code: Code | None = None) -> None:
        """Answer `-ERR`."""
        event = self._take_owed()
        if event is not None:
            self._put(encode_err(self.words(text, *values), code))
            self._fail(event)
            self._answered()

    def err_close(self, text: Text, *values: object, code: Code | None = None) -> None:
        """Answer `-ERR` and end the session."""
        if self._take_owed() is not None:
            self._put(encode_err(self.words(text, *values), code))
            self._close()

    def answer_auth(self, mechanism: Mechanism) -> None:
        """The answer to `Authenticate`: a fresh mechanism, which then talks with the client."""
        if self._take_owed() is None:
            return
        self._exchange = Exchange(mechanism)
        initial, self._initial = self._initial, None
        self._go_on(self._exchange.start(initial))

    def answer_need(self, supply: Supply) -> None:
        """The answer to `AuthNeed`: what the directory said."""
        if self._take_owed() is not None and self._exchange is not None:
            self._go_on(self._exchange.supply(supply))

    def signed_in(self, language: str) -> None:
        """The client may enter TRANSACTION; `ok` then answers. `language` is the user's, for `LANG *`."""
        self.state = State.TRANSACTION
        self._exchange = None
        self._preferred = find_language(language) or DEFAULT_LANGUAGE

    def tls_started(self) -> None:
        """The handshake is done. RFC 2595 4: all that the client said before is forgotten."""
        self._lines.clear()
        self._handshake = False
        self._name = None
        self.language = DEFAULT_LANGUAGE
        self.tls = True

    def words(self, text: Text, *values: object) -> str:
        """A sentence in the language of the session."""
        return say(text, self.language, *values)

    def take_output(self) -> bytes:
        """Octets to send; empty if there are none."""
        output = self._output
        if not output:
            return b""
        joined = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        self.queued = 0
        return joined

    def timeout(self) -> None:
        """The client was silent too long. RFC 1939 3: close, remove nothing and say nothing."""
        self._close()

    def shutdown(self) -> None:
        """The server stops: say so and close, at once or when the answer that is owed has been given."""
        self._stopping = True
        self._answered()

    # Answers

    def _put(self, *pieces: bytes) -> None:
        self._output += pieces
        self.queued += sum(map(len, pieces))

    def _take_owed(self) -> Event | None:
        """The event that is being answered; None once the session is closed."""
        event, self._owed = self._owed, None
        if event is None and not self.closed:
            raise RuntimeError("no event is waiting for an answer")
        return None if self.closed else event

    def _answered(self) -> None:
        if self._stopping and not self.closed and self._owed is None and self._pending is None:
            self._put(encode_err(self.words(Text.STOPPING), Code.SYS_TEMP))
            self._close()

    def _close(self) -> None:
        self.closed = True
        self._owed = self._pending = None
        self._lines.clear()

    def _succeed(self, event: Event) -> None:
        if isinstance(event, events.User):
            self._name = event.name
        elif isinstance(event, events.Quit):
            self._close()
        elif isinstance(event, events.StartTls):
            # RFC 2595 4: what came in the same packet was not protected and is never looked at.
            self.discarded += len(self._lines)
            self._lines.clear()
            self._handshake = True

    def _fail(self, event: Event) -> None:
        if isinstance(event, events.Quit):
            # RFC 1939 6: the session ends whether all messages could be removed or not.
            self._close()
        if self.state is State.EXCHANGE:
            self._end_exchange()
        self._initial = None

    def _end_exchange(self) -> None:
        self.state = State.AUTHORIZATION
        self._exchange = None

    # Commands

    def _run(self, line: bytes | TooLong) -> Event | None:
        """A command line: an event, or None when it was answered here."""
        if isinstance(line, TooLong):
            return self._bad(Text.LINE_TOO_LONG)
        verb, _, argument = line.partition(b" ")
        command = COMMANDS.get(verb) or COMMANDS.get(verb.upper())
        if command is None:
            return self._bad(Text.UNKNOWN_COMMAND)
        if self.state not in command.states:
            before = self.state is State.AUTHORIZATION
            return self._bad(Text.SIGN_IN_FIRST if before else Text.SIGNED_IN_ALREADY)
        parsed = command.parse(argument)
        if isinstance(parsed, Own):
            return _OWN[parsed](self, command, argument)
        return self._bad(Text.USAGE, command.usage) if parsed is None else parsed

    def _bad(self, text: Text, *values: object) -> Event | None:
        """Say what is wrong with a command, and count it."""
        self._bad_commands += 1
        if self._bad_commands >= self._limits.bad_commands:
            self._put(encode_err(self.words(Text.TOO_MANY_BAD)))
            self._close()
        else:
            self._put(encode_err(self.words(text, *values)))
        return None

    def _noop(self, command: Command, argument: bytes) -> Event:
        self._put(encode_ok(self.words(Text.DONE)))
        return _ANSWERED

    def _use_utf8(self, command: Command, argument: bytes) -> Event:
        # RFC 6856 2: UTF-8 headers come as they are anyway (see above), so this only has to be remembered.
        self.utf8 = True
        self._put(encode_ok(self.words(Text.UTF8_ON)))
        return _ANSWERED

    def _password(self, command: Command, argument: bytes) -> Event | None:
        if self._name is None:
            return self._bad(Text.USER_FIRST)
        if not argument:
            return self._bad(Text.USAGE, command.usage)
        name, self._name = self._name, None
        return events.Password(name, argument)

    def _quit(self, command: Command, argument: bytes) -> Event:
        return events.Quit(update=self.state is State.TRANSACTION)

    def _lang(self, command: Command, argument: bytes) -> Event:
        wanted = argument.strip()
        if not wanted:
            lines = (f"{tag} {name}\r\n".encode() for tag, name in LANGUAGES.items())
            self._put(encode_ok(self.words(Text.LANGUAGE_LIST)), *lines, b".\r\n")
            return _ANSWERED
        # RFC 6856 3: "*" is the user's own language, or the server's default.
        language = self._preferred if wanted == b"*" else find_language(wanted.decode("ascii", "replace"))
        if language is None:
            self._put(encode_err(self.words(Text.NO_LANGUAGE)))
            return _ANSWERED
        self.language = language
        self._put(encode_ok(self.words(Text.LANGUAGE_SET, language)))
        return _ANSWERED

    # SASL (RFC 5034)

    def _auth(self, command: Command, argument: bytes) -> Event | None:
        words = argument.split()
        if not words:
            return events.Mechanisms()
        if len(words) > 2 or not words[0].isascii():
            return self._bad(Text.USAGE, command.usage)
        self._mechanism = words[0].decode().upper()
        self._initial = words[1] if len(words) == 2 else None
        return events.Authenticate(self._mechanism)

    def _run_exchange(self, line: bytes | TooLong) -> Event | None:
        if isinstance(line, TooLong) or self._exchange is None:
            self._end_exchange()
            return self._bad(Text.LINE_TOO_LONG)
        return self._progress(self._exchange.receive(line))

    def _go_on(self, progress: Progress) -> None:
        """After an answer: the mechanism may have another question, which `next_event` hands out."""
        self.state = State.EXCHANGE
        self._pending = self._progress(progress)
        self._answered()

    def _progress(self, progress: Progress) -> Event | None:
        match progress:
            case Prompt(line):
                self._put(b"+ %b\r\n" % line)
                return None
            case Success(authcid, authzid):
                return events.Authenticated(authcid, authzid, self._mechanism)
            case Failure(reason, authcid):
                return events.AuthFailed(reason, authcid, self._mechanism)
            case need:
                return events.AuthNeed(need)


_OWN: dict[Own, Callable[[Pop3Server, Command, bytes], Event | None]] = {
    Own.NOOP: Pop3Server._noop,
    Own.UTF8: Pop3Server._use_utf8,
    Own.LANG: Pop3Server._lang,
    Own.PASS: Pop3Server._password,
    Own.AUTH: Pop3Server._auth,
    Own.QUIT: Pop3Server._quit,
}
