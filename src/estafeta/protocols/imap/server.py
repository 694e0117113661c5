"""The server side of IMAP without I/O: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) with the extensions that the
table of commands names.

Octets go in with `feed`, commands come out of `next_event`, answers go back in, octets to send come out of
`take_output`. Nothing raises, whatever a client sends. An answer that is not owed is a mistake of the caller and raises
RuntimeError, except once the session is closed, when late answers are ignored. The same octets give the same output
whole, byte by byte or split anywhere.

`table.COMMANDS` says which command is legal when. Wrong commands are answered here; the session sees well-formed ones
and decides what they mean. When EXPUNGE may be said is decided here: `expunge_allowed`.
"""

import zlib
from collections.abc import Iterable

from estafeta.protocols.imap import commands
from estafeta.protocols.imap.commands import Command
from estafeta.protocols.imap.compress import Deflater, Inflater
from estafeta.protocols.imap.conversation import converse
from estafeta.protocols.imap.lexer import Dialect
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.machine import Machine
from estafeta.protocols.imap.replies import Reply, Status
from estafeta.protocols.imap.searchkeys import has_numbers
from estafeta.protocols.imap.states import State
from estafeta.protocols.imap.texts import DEFAULT_LANGUAGE, Text
from estafeta.protocols.sasl import Exchange, Mechanism, Supply

__all__ = ["ImapServer", "Limits", "State"]

_STEPS = (
    commands.Append,
    commands.AppendMessage,
    commands.AppendData,
    commands.AppendUrl,
    commands.AppendMessageEnd,
    commands.AppendAborted,
    commands.Idle,
)
"""What `go_on` answers."""


class ImapServer(Machine):
    """One session. `tls` says that it is inside TLS from the start (port 993)."""

    def __init__(self, limits: Limits | None = None, *, tls: bool = False) -> None:
        super().__init__(limits or Limits(), tls=tls)
        self.notify_expunges = False
        """NOTIFY with SELECTED and MessageExpunge (RFC 5465 5.3): EXPUNGE may be said at any time."""
        self._talk = converse(self)
        self._owed: Command | None = None
        self._started = False
        self._handshake = False
        self._stopping = False
        self._closing = False
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None
        self._inflated = 0
        """Octets inflated since the last command."""
        self._sent_clear = b""
        """Output from before COMPRESS."""

    # What the pump calls

    @property
    def buffered(self) -> int:
        """Octets that wait to be used: the measure for pausing the reading side."""
        return len(self.input) + (len(self._inflater) if self._inflater is not None else 0)

    def feed(self, data: bytes) -> None:
        """Octets that came. Between STARTTLS and `tls_started`, and after the end, they are thrown away."""
        if self._handshake:
            self.discarded += len(data)
        elif self.closed:
            return
        elif self._inflater is not None:
            self._inflater.feed(data)
        else:
            self.input.feed(data)

    def next_event(self) -> Command | None:
        """What the client asked next. None: more octets are needed, or an answer is owed, or it is over."""
        if self._owed is not None or not self._listening():
            return None
        command = next(self._talk)
        while command is None and self._inflate():
            command = next(self._talk)
        if command is not None and self._listening():
            self._owed = command
            self._inflated = 0
        return self._owed

    def _listening(self) -> bool:
        return self._started and not self._handshake and not self.closed

    def take_output(self) -> bytes:
        """Octets to send; empty if there are none."""
        pieces = self.take_pieces()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def take_pieces(self) -> list[bytes]:
        """Octets to send, not joined: a long answer need not be copied for that."""
        pieces = self.output[:]
        # Not `clear`: what is compressed is taken in a thread, and the event loop may add to it meanwhile.
        del self.output[: len(pieces)]
        self.queued = 0
        if self._deflater is not None:
            clear, self._sent_clear = self._sent_clear, b""
            return [clear, self._deflater.encode(b"".join(pieces))] if pieces else [clear]
        return pieces

    def timeout(self) -> None:
        """The client was silent too long (RFC 9051 5.4)."""
        self._end(Text.TIMEOUT)

    def shutdown(self) -> None:
        """The server stops: say so and close, at once or when the answer that is owed has been given."""
        self._stopping = True
        self._answered()

    # What the session calls to begin and to end

    def greeting(self, text: str, capabilities: bytes) -> None:
        """Queue the greeting; nothing is read before. `capabilities` with or without the word CAPABILITY."""
        if capabilities[:10].upper() != b"CAPABILITY":
            capabilities = b"CAPABILITY " + capabilities
        self.condition(Reply(Status.OK, text, capabilities))
        self._started = True

    def refuse_session(self, text: str, code: bytes = b"") -> None:
        """Queue BYE instead of the greeting, and close."""
        self.bye(text, code)

    # What the session says

    def untagged(self, data: bytes) -> None:
        """`* ` data CR LF. Late ones are ignored once the session is closed."""
        if not self.closed:
            self.put(b"* %b\r\n" % data)

    def raw(self, *pieces: bytes) -> None:
        """Complete lines, ready to be sent."""
        if not self.closed:
            self.put(*pieces)

    def condition(self, reply: Reply) -> None:
        """An untagged OK, NO or BAD."""
        if not self.closed:
            self.say(b"*", reply)

    def reply(self, reply: Reply) -> None:
        """The tagged response: the command is over, and what it implies for the session is done."""
        event = self._owed
        if self.closed:
            return
        if event is None or not self.tag:
            raise RuntimeError("no command is waiting for its reply")
        self._owed = None
        if isinstance(event, commands.Logout):
            self._log_out(reply)
            return
        self.say(self.tag, reply)
        self.tag = b""
        self.exchange = None
        if reply.status is Status.OK:
            self._succeed(event)
        if self._closing:
            self._end(Text.TOO_MANY_SIGN_INS)
        elif self._stopping:
            self._answered()

    def go_on(self) -> None:
        """The answer to an event that is a step of its command."""
        event = self._owed
        if self.closed:
            return
        if not isinstance(event, _STEPS):
            raise RuntimeError("no step is waiting to go on")
        self._owed = None
        if isinstance(event, commands.Idle):
            self.idling = True
            self.put(b"+ %b\r\n" % self.words(Text.IDLING))
        if self._stopping:
            self._answered()

    def answer_auth(self, mechanism: Mechanism) -> None:
        """The answer to `Authenticate`: a fresh mechanism, which then talks with the client."""
        if self._take(commands.Authenticate):
            self.exchange = Exchange(mechanism)
            self.progress = self.exchange.start(self.initial)
            self.initial = None

    def answer_need(self, supply: Supply) -> None:
        """The answer to `AuthNeed`: what the directory said."""
        if self._take(commands.AuthNeed) and self.exchange is not None:
            self.progress = self.exchange.supply(supply)

    # What the session tells of itself

    @property
    def rev2(self) -> bool:
        """IMAP4rev2 was enabled."""
        return "IMAP4REV2" in self.enabled

    @property
    def condstore(self) -> bool:
        """A command that enables CONDSTORE was seen (RFC 7162 3.1)."""
        return "CONDSTORE" in self.enabled

    @property
    def qresync(self) -> bool:
        """QRESYNC was enabled: VANISHED instead of EXPUNGE."""
        return "QRESYNC" in self.enabled

    @property
    def uid_only(self) -> bool:
        """UIDONLY was enabled: no message numbers in either direction."""
        return "UIDONLY" in self.enabled

    @property
    def compressed(self) -> bool:
        """COMPRESS is on."""
        return self._deflater is not None

    @property
    def expunge_allowed(self) -> bool:
        """Whether EXPUNGE, or VANISHED in its place, may be said now.

        RFC 9051 7.5.1: not while no command is in progress, nor during FETCH, STORE and SEARCH; their UID forms may
        have it (RFC 9051 6.4.9), but not a UID SEARCH for message numbers (RFC 7162 3.2.10.2). RFC 2177: IDLE is a
        command in progress. RFC 5465 5.3: a client that asked for MessageExpunge of the selected mailbox takes it at
        any time. RFC 9586 3: in a UIDONLY session no numbers can shift, so any command will do.
        """
        if self.notify_expunges:
            return True
        rule = self.rule
        if not self.tag or rule is None or not (rule.expunge or self.uid_only):
            return False
        event = self._owed
        return not (isinstance(event, commands.Search | commands.Sort | commands.Thread) and has_numbers(event.key))

    def signed_in(self) -> None:
        """The client is who it says; `reply` with OK then answers."""
        self.state = State.AUTHENTICATED

    def selected(self) -> None:
        """A mailbox is open from now on."""
        self.state = State.SELECTED

    def unselected(self) -> None:
        """None is, any more."""
        if self.state is State.SELECTED:
            self.state = State.AUTHENTICATED

    def enable(self, names: Iterable[str]) -> None:
        """Remember what was enabled, in capitals. RFC 7162 3.2.3: QRESYNC includes CONDSTORE."""
        enabled = self.enabled | set(names)
        if "QRESYNC" in enabled:
            enabled |= {"CONDSTORE"}
        self.enabled = enabled
        self._set_dialect()

    def close_after_reply(self) -> None:
        """The reply that is owed will be the last; BYE follows it."""
        self._closing = True

    def use_condstore(self) -> None:
        """A command that enables CONDSTORE was seen."""
        self.enabled |= {"CONDSTORE"}

    def set_limits(self, limits: Limits) -> None:
        """Other limits from now on: those of the user who signed in."""
        self.limits = limits
        self._set_dialect()

    def tls_started(self) -> None:
        """The handshake is done. RFC 9051 6.2.1: what the client said before is forgotten."""
        self.discarded += len(self.input)
        self.input.clear()
        self._handshake = False
        self.tls = True

    # Inside

    def _set_dialect(self) -> None:
        enabled = self.enabled
        self.dialect = Dialect(
            self.limits,
            utf8=not enabled.isdisjoint(("UTF8=ACCEPT", "IMAP4REV2")),
            utf8_accept="UTF8=ACCEPT" in enabled,
            uid_only="UIDONLY" in enabled,
            qresync="QRESYNC" in enabled,
        )

    def _take(self, kind: type[Command]) -> bool:
        """Whether the event that is owed an answer, of this kind, may be answered."""
        if self.closed:
            return False
        if not isinstance(self._owed, kind):
            raise RuntimeError("no such event is waiting for an answer")
        self._owed = None
        return True

    def _answered(self) -> None:
        if self._stopping and self._owed is None:
            self._end(Text.STOPPING)

    def _end(self, text: Text) -> None:
        self._owed = None
        self.bye(text)

    def _log_out(self, reply: Reply) -> None:
        # RFC 9051 6.1.3: BYE before the tagged OK.
        self.put(b"* BYE %b\r\n" % self.words(Text.BYE))
        self.say(self.tag, reply)
        self.close()

    def _succeed(self, event: Command) -> None:
        match event:
            case commands.Close():
                self.unselected()
            case commands.StartTls():
                # RFC 9051 6.2.1: what came in the same packet was not protected and is never looked at.
                self.discarded += len(self.input)
                self.input.clear()
                self._handshake = True
            case commands.Compress():
                self._compress()
            case commands.Unauthenticate():
                self._unauthenticate()
            case _:
                pass

    def _unauthenticate(self) -> None:
        """RFC 8437 3: as if just connected; TLS and compression stay."""
        self.unselected()
        self.state = State.NOT_AUTHENTICATED
        self.notify_expunges = False
        self.enabled = frozenset()
        self.language = DEFAULT_LANGUAGE
        self._set_dialect()

    def _compress(self) -> None:
        """RFC 4978 3: the tagged OK is the last that goes in clear; what the client sent after its command is not."""
        self._sent_clear = b"".join(self.output)
        self.output.clear()
        self._deflater, self._inflater = Deflater(), Inflater()
        self._inflater.feed(self.input.drain())

    def _inflate(self) -> bool:
        """Get more input out of what is compressed. False: there is none."""
        if self._inflater is None or self.closed:
            return False
        try:
            data = self._inflater.take()
        except zlib.error:
            self.bye(Text.NOT_DEFLATE)
            return False
        self._inflated += len(data)
        if self._inflated > self.limits.inflated_discard_octets:
            self.bye(Text.TOO_MUCH)
            return False
        self.input.feed(data)
        return bool(data)
