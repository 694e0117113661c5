"""The side of the mail server in the milter protocol, for one message, without I/O.

    machine = MilterClient(told)
    send machine.take_output(); feed what comes; while machine.wants_body: put_body(piece) or end_body()
    until machine.outcome is there, or feed raises AnswerError: then the milter cannot be used for this message

`agreed` says what the milter may do, as soon as that is known. Steps are told one after the other: agreement, client,
HELO, sender, each recipient, DATA, each field, end of the header, body, end. A step that the milter does not want is
left out; one that it does not answer is not waited for. Whatever it answers, in whatever pieces, `feed` raises nothing
but AnswerError, and keeps at most one packet and `MAX_CHANGED_OCTETS`.

Departures from what sendmail does: all is told when the message is complete, on a connection of its own; a refused
recipient refuses the message; bodies, senders and recipients stay as they are (what would change them is not offered).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from estafeta.protocols.milter.replies import parse_reply
from estafeta.protocols.milter.values import Change, Fate, Outcome, Stage, Told
from estafeta.protocols.milter.words import (
    CHUNK_OCTETS,
    OFFERED,
    OLDEST_VERSION,
    UNDERSTOOD,
    VERSION,
    Actions,
    Answer,
    Command,
    PacketReader,
    Steps,
    encode_packet,
    text,
)
from estafeta.protocols.scanners.words import AnswerError, cleaned

#: Changes to one header: filters make some; each is kept until the message is stored.
MAX_CHANGES = 200
MAX_CHANGED_OCTETS = 256 << 10
#: "I am still working" comes every ten seconds or so; the time of the whole is the caller's.
MAX_PROGRESS = 1000
#: Names of macros that a milter may want (SMFIF_SETSYMLIST).
_MOST_MACROS = 100

_STAGES = (Stage.CONNECT, Stage.HELO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END, Stage.END_OF_HEADER)
_FINAL = {
    Answer.ACCEPT: Fate.ACCEPT,
    Answer.REJECT: Fate.REJECT,
    Answer.TEMPFAIL: Fate.TEMPFAIL,
    Answer.DISCARD: Fate.DISCARD,
    Answer.CONNECTION_FAIL: Fate.TEMPFAIL,
    Answer.SHUTDOWN: Fate.TEMPFAIL,
}
_CHANGES = {
    Answer.ADD_HEADER: Actions.ADD_HEADERS,
    Answer.INSERT_HEADER: Actions.ADD_HEADERS,
    Answer.CHANGE_HEADER: Actions.CHANGE_HEADERS,
    Answer.QUARANTINE: Actions.QUARANTINE,
}
# What it could do for others (SMFIR_REPLBODY, ADDRCPT, DELRCPT, ADDRCPT_PAR, CHGFROM).
_NOT_OFFERED = {b"b": "the body", b"+": "the recipients", b"-": "the recipients", b"2": "the recipients",
                b"e": "the sender"}  # fmt: skip


class _Step(NamedTuple):
    """One thing to tell. `silent`: the flag with which it is not answered."""

    letter: bytes
    data: bytes
    stage: Stage | None = None
    macros: tuple[tuple[str, str], ...] = ()
    silent: Steps = Steps(0)


class MilterClient:
    """See the module."""

    def __init__(self, told: Told) -> None:
        self.outcome: Outcome | None = None
        self.wants_body = False
        self.agreed: Actions | None = None
        self._told = told
        self._reader = PacketReader()
        self._output = bytearray(encode_packet(Command.NEGOTIATE, struct.pack("!III", VERSION, OFFERED, UNDERSTOOD)))
        self._actions = Actions(0)
        self._steps = Steps(0)
        self._wanted: dict[Stage, frozenset[str]] = {}
        self._left: Iterator[_Step] = iter(())
        self._waiting: bytes = Command.NEGOTIATE
        self._changes: list[Change] = []
        self._quarantine = ""
        self._progress = 0
        self._changed_octets = 0

    def take_output(self) -> bytes:
        """What is to be sent now."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def feed(self, data: bytes) -> None:
        """What the milter said; b"": it closed the connection. Raises AnswerError."""
        if not data:
            raise AnswerError("it closed the connection")
        self._reader.feed(data)
        self._take_all()

    def put_body(self, data: bytes) -> None:
        """A piece of the body, at most CHUNK_OCTETS, when it is wanted. Raises AnswerError, as `feed` does."""
        assert self.wants_body
        assert len(data) <= CHUNK_OCTETS
        self._tell(_Step(Command.BODY, data, silent=Steps.SILENT_BODY))
        self.wants_body = not self._waiting
        self._take_all()

    def end_body(self) -> None:
        """The body is over. Raises AnswerError."""
        assert self.wants_body
        self._end_body()
        self._take_all()

    def _end_body(self) -> None:
        self.wants_body = False
        self._tell(_Step(Command.END, b"", Stage.END, self._macros(Stage.END)))

    def quit(self) -> bytes:
        """What is said at the end."""
        return encode_packet(Command.QUIT)

    # what it says

    def _take_all(self) -> None:
        """An answer that comes before its question waits for it: when octets come changes nothing."""
        while self._waiting and (packet := self._reader.next_packet()) is not None:
            self._take(*packet)

    def _take(self, letter: bytes, data: bytes) -> None:
        if self._waiting == Command.NEGOTIATE:
            self._agree(letter, data)
        elif letter in _FINAL or letter == Answer.REPLY:
            self._end(letter, data)
        elif letter == Answer.CONTINUE:
            self._go_on()
        elif letter == Answer.SKIP and self._waiting == Command.BODY and Steps.SKIP in self._steps:
            self._end_body()
        elif letter == Answer.PROGRESS:
            self._progress += 1
            if self._progress > MAX_PROGRESS:
                raise AnswerError("it is still at work after a thousand assurances")
        elif letter in _CHANGES and self._waiting == Command.END:
            self._change(letter, data)
        elif letter in _NOT_OFFERED and self._waiting == Command.END:
            raise AnswerError(f"it wants to change {_NOT_OFFERED[letter]}, which is not offered")
        else:
            raise AnswerError(f"it answered {cleaned(letter, 1)!r} to {cleaned(self._waiting, 1)!r}")

    def _agree(self, letter: bytes, data: bytes) -> None:
        if letter != Command.NEGOTIATE or len(data) < 12:
            raise AnswerError("it does not speak the milter protocol")
        version, actions, steps = struct.unpack("!III", data[:12])
        if not OLDEST_VERSION <= version <= VERSION:
            raise AnswerError(f"it speaks version {version} of the protocol, not 2 to 6")
        # Some want all that there is (rspamd) and never do it; what was not offered is refused when it is done.
        self._actions, self._steps = Actions(actions) & OFFERED, Steps(steps) & UNDERSTOOD
        self.agreed = self._actions
        self._wanted = _wanted_macros(data[12:]) if Actions.SET_MACROS in self._actions else {}
        self._waiting = b""
        self._left = self._plan()
        self._go_on()

    def _end(self, letter: bytes, data: bytes) -> None:
        if letter == Answer.REPLY:
            code, enhanced, words = parse_reply(data)
            self._finish(Outcome(Fate.REJECT if code >= 500 else Fate.TEMPFAIL, code, enhanced, words))
        else:
            self._finish(Outcome(_FINAL[letter]))

    def _go_on(self) -> None:
        """The next step, and more where steps are not answered."""
        if self._waiting == Command.END:
            self._finish(Outcome(Fate.ACCEPT))
            return
        if self._waiting == Command.BODY:
            self._waiting, self.wants_body = b"", True
            return
        self._waiting = b""
        for step in self._left:
            self._tell(step)
            if self._waiting:
                return
        if Steps.NO_BODY in self._steps:
            self._end_body()
        else:
            self.wants_body = True

    def _finish(self, outcome: Outcome) -> None:
        """What was asked for so far counts where the message is taken at its end."""
        at_end = self._waiting == Command.END and outcome.fate is Fate.ACCEPT
        self._waiting, self.wants_body = b"", False
        if at_end:
            outcome = outcome._replace(changes=tuple(self._changes), quarantine=self._quarantine)
        self.outcome = outcome

    def _change(self, letter: bytes, data: bytes) -> None:
        if _CHANGES[letter] not in self._actions:
            raise AnswerError("it does what it did not say that it would do")
        if letter == Answer.QUARANTINE:
            self._quarantine = cleaned(data.partition(b"\0")[0], 200) or "without a reason"
            return
        self._changed_octets += len(data)
        if len(self._changes) >= MAX_CHANGES or self._changed_octets > MAX_CHANGED_OCTETS:
            raise AnswerError("it changes the header too much")
        place = 0
        if letter != Answer.ADD_HEADER:
            place, data = int.from_bytes(data[:4], "big"), data[4:]
        name, value = _two_texts(data)
        what = {Answer.ADD_HEADER: "add", Answer.INSERT_HEADER: "insert"}.get(letter, "change")
        if Steps.LEADING_SPACE not in self._steps:
            value = b" " + value.lstrip(b" \t") if value else value
        self._changes.append(Change(what, name, value, place))

    # what it is told

    def _tell(self, step: _Step) -> None:
        if step.stage is not None and step.macros:
            pairs = b"".join(text(name) + text(value) for name, value in step.macros)
            self._output += encode_packet(Command.MACROS, step.letter + pairs)
        self._output += encode_packet(step.letter, step.data)
        self._waiting = b"" if step.silent and step.silent in self._steps else step.letter

    def _plan(self) -> Iterator[_Step]:
        """The steps up to the end of the header that this milter wants."""
        told, wants = self._told, self._wants
        if wants(Steps.NO_CONNECT):
            yield self._step(Command.CONNECT, _client(told), Stage.CONNECT, Steps.SILENT_CONNECT)
        if wants(Steps.NO_HELO):
            yield self._step(Command.HELO, text(told.helo), Stage.HELO, Steps.SILENT_HELO)
        if wants(Steps.NO_MAIL):
            said = text(f"<{told.sender}>") + b"".join(map(text, told.parameters))
            yield self._step(Command.MAIL, said, Stage.MAIL, Steps.SILENT_MAIL)
        if wants(Steps.NO_RCPT):
            for address, macros in told.recipients:
                step = self._step(Command.RCPT, text(f"<{address}>"), Stage.RCPT, Steps.SILENT_RCPT, macros)
                yield step
        if wants(Steps.NO_DATA):
            yield self._step(Command.DATA, b"", Stage.DATA, Steps.SILENT_DATA)
        if wants(Steps.NO_HEADERS):
            for name, value in told.fields:
                yield _Step(Command.HEADER, self._field(name, value), silent=Steps.SILENT_HEADERS)
        if wants(Steps.NO_END_OF_HEADER):
            yield self._step(Command.END_OF_HEADER, b"", Stage.END_OF_HEADER, Steps.SILENT_END_OF_HEADER)

    def _wants(self, flag: Steps) -> bool:
        return flag not in self._steps

    def _step(
        self, letter: bytes, data: bytes, stage: Stage, silent: Steps, more: dict[str, str] | None = None
    ) -> _Step:
        return _Step(letter, data, stage, self._macros(stage, more), silent)

    def _macros(self, stage: Stage, more: dict[str, str] | None = None) -> tuple[tuple[str, str], ...]:
        macros = self._told.macros.get(stage, {}) | (more or {})
        wanted = self._wanted.get(stage)
        return tuple((name, value) for name, value in macros.items() if wanted is None or name in wanted)

    def _field(self, name: bytes, value: bytes) -> bytes:
        if Steps.LEADING_SPACE not in self._steps:
            value = value.lstrip(b" \t")
        # libmilter's filters know folds by LF alone.
        return text(name) + text(value.replace(b"\r\n", b"\n"))


def _client(told: Told) -> bytes:
    if not told.address:
        return text(told.host) + b"L\0\0" + text("local")
    family = b"6" if ":" in told.address else b"4"
    # No port: who connects from where is known by its address.
    return text(told.host) + family + b"\0\0" + text(told.address)


def _two_texts(data: bytes) -> tuple[bytes, bytes]:
    name, first, rest = data.partition(b"\0")
    value, second, _ = rest.partition(b"\0")
    if not first or not second or not name:
        raise AnswerError("it sent a header field that cannot be read")
    return name, value


def _wanted_macros(data: bytes) -> dict[Stage, frozenset[str]]:
    """Which macros it wants at which stage (SMFIF_SETSYMLIST): a number and names with blanks between them."""
    wanted: dict[Stage, frozenset[str]] = {}
    at = 0
    while len(data) - at > 4:
        place, end = int.from_bytes(data[at : at + 4], "big"), data.find(b"\0", at + 4)
        if end < 0 or place >= len(_STAGES):
            raise AnswerError("it wants macros in words that cannot be read")
        listed = data[at + 4 : end].decode("ascii", "replace").replace(",", " ").split()
        wanted[_STAGES[place]] = frozenset(listed[:_MOST_MACROS])
        at = end + 1
    return wanted
