r"""Sessions of IMAP as text, driven through the machine with scripted answers.

    C: a1 NOOP              a line that the client sends
    S: a1 OK Done.          a line that the server sends
    C< hello                octets that the client sends, without a line end
    C% \xff\x00             the same with escapes
    E: Noop()               the next command that came out, as its repr; where a transcript has none, they are not
                            looked at

`play` runs a transcript in step (each S line must be there when the lines above it were sent), whole, byte by byte and
split in random places: what the server says in all is the same. The session is signed in and has selected a mailbox
unless told otherwise; `answers` says what the session does with a command, else it agrees to everything.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from estafeta.protocols.imap import commands
from estafeta.protocols.imap.commands import Command
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.protocols.imap.server import ImapServer, State
from estafeta.protocols.sasl import NeedPassword, PasswordResult, ScramKeys, make_mechanism

Answer = Callable[[ImapServer, Any], None]
Answers = Mapping[type[Any], Answer | Reply]
STEPS = (
    commands.Append,
    commands.AppendMessage,
    commands.AppendData,
    commands.AppendUrl,
    commands.AppendMessageEnd,
    commands.AppendAborted,
    commands.Idle,
)
GREETING = b"* OK [CAPABILITY IMAP4rev2] ready\r\n"


@dataclass
class Answerer:
    """The session's part. `events` collects what came, data of messages joined."""

    answers: Answers = field(default_factory=dict)
    keys: ScramKeys | None = None
    events: list[Command] = field(default_factory=list)

    def answer(self, machine: ImapServer, event: Command) -> None:
        """Answer one event as told, else agree."""
        self._note(event)
        told = self.answers.get(type(event))
        if isinstance(told, Reply):
            machine.reply(told)
        elif told is not None:
            told(machine, event)
        else:
            self._agree(machine, event)

    def _note(self, event: Command) -> None:
        last = self.events[-1] if self.events else None
        if isinstance(event, commands.AppendData) and isinstance(last, commands.AppendData):
            self.events[-1] = commands.AppendData(last.data + event.data)
        else:
            self.events.append(event)

    def _agree(self, machine: ImapServer, event: Command) -> None:
        match event:
            case commands.Authenticate(name):
                made = make_mechanism(name, secret=b"s")
                if made is None:
                    machine.reply(no("No such mechanism."))
                else:
                    machine.answer_auth(made)
            case commands.AuthNeed(need):
                machine.answer_need(PasswordResult.OK if isinstance(need, NeedPassword) else self.keys)
            case _ if isinstance(event, STEPS):
                machine.go_on()
            case _:
                self._prepare(machine, event)
                machine.reply(ok("Done."))

    def _prepare(self, machine: ImapServer, event: Command) -> None:
        match event:
            case commands.Login() | commands.Authenticated():
                machine.signed_in()
            case commands.Select():
                machine.selected()
            case commands.Enable():
                machine.enable(event.names)
            case commands.StartTls():
                pass


def begin(state: State = State.SELECTED, enabled: Iterable[str] = (), limits: Limits | None = None) -> ImapServer:
    """A machine that has greeted and is in a state; its greeting was taken."""
    machine = ImapServer(limits)
    machine.greeting("ready", b"IMAP4rev2")
    assert machine.take_output() == GREETING
    if state is not State.NOT_AUTHENTICATED:
        machine.signed_in()
    if state is State.SELECTED:
        machine.selected()
    machine.enable(enabled)
    return machine


def run(machine: ImapServer, answerer: Answerer, data: bytes) -> bytes:
    """Feed, answer all that comes of it, and return what was said."""
    machine.feed(data)
    while (event := machine.next_event()) is not None:
        answerer.answer(machine, event)
    return machine.take_output()


def play(
    transcript: str,
    answers: Answers | None = None,
    *,
    state: State = State.SELECTED,
    enabled: Iterable[str] = (),
    limits: Limits | None = None,
    keys: ScramKeys | None = None,
    split: bool = True,
) -> list[Command]:
    """Run a transcript in every way and compare; the events of the last run. `split` False: in step only."""
    turns = _parse(transcript)

    def fresh() -> tuple[ImapServer, Answerer]:
        return begin(state, enabled, limits), Answerer(answers or {}, keys)

    machine, answerer = fresh()
    for sent, expected in turns:
        said = run(machine, answerer, sent)
        _same([said.decode()], [expected.decode()], f"after {sent!r}")
    events = answerer.events
    wanted = [line[3:] for line in _lines(transcript) if line.startswith("E: ")]
    if wanted:
        _same(map(repr, events), wanted, "events")
    if not split:
        return events
    sent = b"".join(turn[0] for turn in turns)
    expected = b"".join(turn[1] for turn in turns)
    for pieces in _splits(sent):
        machine, answerer = fresh()
        said = b"".join([run(machine, answerer, piece) for piece in pieces])
        _same([said.decode()], [expected.decode()], f"in {len(pieces)} pieces")
        if commands.AppendData not in answerer.answers:
            # How much of a message had come when it was refused is the one thing that splitting changes.
            _same(map(repr, answerer.events), map(repr, events), f"events in {len(pieces)} pieces")
    return events


def _same(came: Iterable[str], expected: Iterable[str], where: str) -> None:
    """Both texts, one above the other, where they differ: pytest explains no assertions of imported modules."""
    one, other = "\n".join(came), "\n".join(expected)
    assert one == other, f"{where}\ncame:\n{one}\nexpected:\n{other}"


def _splits(data: bytes) -> Iterable[list[bytes]]:
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    chance = random.Random(len(data))
    for _ in range(3):
        cuts = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(1, 6)))
        yield [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _lines(transcript: str) -> list[str]:
    return [stripped for line in transcript.splitlines() if (stripped := line.lstrip())]


def _parse(transcript: str) -> list[tuple[bytes, bytes]]:
    """Turns: what the client sends, what the server then says."""
    turns: list[tuple[bytes, bytes]] = []
    for line in _lines(transcript):
        mark, text = line[:3], line[3:]
        if mark in ("S: ", "S:"):
            sent, said = turns.pop() if turns else (b"", b"")
            turns.append((sent, said + text.encode() + b"\r\n"))
            continue
        if mark == "E: ":
            continue
        octets = _octets(mark, text)
        if turns and not turns[-1][1]:
            octets = turns.pop()[0] + octets
        turns.append((octets, b""))
    return turns


def _octets(mark: str, text: str) -> bytes:
    match mark.rstrip():
        case "C:":
            return text.encode() + b"\r\n"
        case "C<":
            return text.encode()
        case "C%":
            return text.encode().decode("unicode_escape").encode("latin-1")
    raise ValueError(f"no such mark: {mark!r}")
