"""The bones of a server machine: input, output, one event at a time, one answer owed at most, and the end.

`Conversation` knows replies but no commands. `_phase` says what the input is at the moment, and the subclass has a
reader for each phase, which uses up input, queues events and replies, and says whether it got anywhere.

Calling an answer that is not owed is a mistake of the caller and raises RuntimeError, except once the session is
closed, when late answers are ignored.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from estafeta.protocols.smtp import replies
from estafeta.protocols.smtp.events import Event
from estafeta.protocols.smtp.framing import InputBuffer
from estafeta.protocols.smtp.limits import BareLf, Mode, SmtpSettings
from estafeta.protocols.smtp.replies import Reply, encode_reply
from estafeta.protocols.smtp.states import COMMAND_PHASE, RESPONSE_PHASE, SILENT, Phase

Answered = Callable[[Reply], None]

_NOT_OWED = "no event is waiting for an answer"


class Conversation(ABC):
    """Octets in, events out; answers in, octets out."""

    def __init__(self, settings: SmtpSettings) -> None:
        self.settings = settings
        self.tls = False
        self.closed = False
        self._input = InputBuffer()
        self._output: list[bytes] = []
        self._events: deque[Event] = deque()
        self._question: Event | None = None
        self._answered: Answered | None = None
        self._phase: Phase = SILENT
        self._lmtp = settings.mode is Mode.LMTP
        self._accept_lf = settings.bare_lf is BareLf.ACCEPT
        self._utf8 = False
        self._stopping = False

    @property
    def waiting(self) -> bool:
        """An event has been taken and its answer is owed."""
        return self._answered is not None and not self._events

    @property
    def is_our_turn(self) -> bool:
        """The client waits for us: for an answer, the greeting, or a handshake."""
        return self._answered is not None or self._phase is SILENT

    @property
    def buffered(self) -> int:
        """Octets that wait to be used: the measure for pausing the reading side."""
        return len(self._input)

    def refuse_session(self, code: int, enhanced: str, text: str) -> None:
        """Queue a 421 or 554 instead of the greeting, and close (RFC 5321 3.1). A greeting has no enhanced code."""
        self._say(Reply(code, enhanced, text), plain=True)
        self._close()

    def next_event(self) -> Event | None:
        """What happened next. None: more octets are needed, or an answer is owed (`waiting`), or it is over.

        What the end itself brought (`Abandoned`) can still be taken once `closed` is true.
        """
        events = self._events
        while not events:
            if self._stopping:
                self._stop_if_due()
            if self._answered is not None or self.closed or not self._read():
                return None
        return events.popleft()

    def answer(self, reply: Reply) -> None:
        """The answer to the last event that wants one. A 421 closes the session, whatever the event was."""
        if self.closed:
            return
        answered = self._answered
        if answered is None or self._events:
            raise RuntimeError(_NOT_OWED)
        self._question = self._answered = None
        if reply.code == 421:
            self._end_with(reply)
            return
        answered(reply)
        if self._stopping:
            self._stop_if_due()

    def take_output(self) -> bytes:
        """Octets to send; empty if there are none."""
        output = self._output
        if not output:
            return b""
        joined = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        return joined

    def timeout(self) -> None:
        """The client took too long (RFC 5321 4.5.3.2): 421 and the end."""
        self._end_with(replies.TIMED_OUT)

    def shutdown(self) -> None:
        """The server stops: 421 and the end, at once or when the message or the answer under way is done."""
        self._stopping = True
        self._stop_if_due()

    # For the subclass

    @abstractmethod
    def _read(self) -> bool:
        """Read on as the phase says. False: nothing more can be made of the input now."""

    @abstractmethod
    def _refuse(self, reply: Reply) -> None:
        """Say that a command had no effect, and count it."""

    def _say(self, reply: Reply, plain: bool = False) -> None:
        self._output.append(encode_reply(reply, self._utf8, plain))

    def _ask(self, event: Event, answered: Answered) -> None:
        """Queue an event whose answer goes to `answered`. Nothing is read until then."""
        self._question, self._answered = event, answered
        self._events.append(event)

    def _take_question(self) -> Event:
        """The event that waits, for an answer that is not a single reply."""
        question = self._question
        if question is None or self._events:
            raise RuntimeError(_NOT_OWED)
        self._question = self._answered = None
        return question

    def _end_with(self, reply: Reply) -> None:
        """The last reply."""
        if not self.closed:
            self._say(reply)
            self._close()

    def _close(self) -> None:
        self._question = self._answered = None
        self._input.clear()
        self.closed = True

    def _stop_if_due(self) -> None:
        if self._stopping and self._answered is None and self._interruptible():
            self._end_with(replies.SHUTTING_DOWN)

    def _interruptible(self) -> bool:
        """A 421 may be sent now: not within a message (RFC 5321 3.8), nor where octets are TLS."""
        return self._phase in (COMMAND_PHASE, RESPONSE_PHASE)
