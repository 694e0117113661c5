r"""Sessions as text, played against the machine whole, byte by byte and split at random.

C: a line from the client; CR LF is added, unless it ends with `\+`. `\r \n \t \0 \xHH \\` are escapes.
S: a line that the server must send.
E: what must come of it: `message <content with escapes>`, `abandoned`, `refused <code> from <sender> to <number>`, or
   `auth <identity>`.
T: the TLS handshake is done at this point. An optional word `PLAIN` etc. names the mechanisms then offered.
#  a remark; empty lines are skipped.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from estafeta.protocols import sasl
from estafeta.protocols.smtp import (
    Abandoned,
    Authenticate,
    Authenticated,
    AuthFailed,
    AuthNeed,
    Chunk,
    Data,
    Etrn,
    Event,
    Expand,
    Hello,
    Mail,
    MessageEnd,
    Mode,
    Rcpt,
    Refused,
    Reply,
    SmtpServer,
    SmtpSettings,
    StartTls,
    Verify,
    replies,
)

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", "+": ""}

USERS = {"jane": "secret", "tim": "tanstaaftanstaaf"}
KEYS = sasl.make_scram_keys("secret", b"0123456789abcdef", 4096)

MESSAGE_OK = Reply(250, "2.0.0", "Message accepted")


def unescape(text: str) -> bytes:
    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if code.startswith("x") else _ESCAPES[code]

    return b"".join(
        _ESCAPE.sub(one, part).encode("latin-1") if "\\x" in part else _ESCAPE.sub(one, part).encode()
        for part in re.split(r"((?:\\x[0-9a-fA-F]{2})+)", text)
    )


@dataclass
class Script:
    """A transcript taken apart. `steps` are octets to feed, or None where the handshake is done."""

    steps: list[bytes | tuple[str, ...]] = field(default_factory=list)
    output: bytes = b""
    results: list[str] = field(default_factory=list)


def parse(text: str) -> Script:
    script, pending = Script(), b""
    for raw in text.splitlines():
        line = raw.strip()
        kind, rest = line[:2], line[3:]
        if not line or line.startswith("#"):
            continue
        if kind == "C:":
            pending += unescape(rest) + (b"" if rest.endswith("\\+") else b"\r\n")
        elif kind == "S:":
            script.output += unescape(rest) + b"\r\n"
        elif kind == "E:":
            script.results.append(rest)
        elif kind == "T:":
            script.steps += [pending, tuple(rest.split())]
            pending = b""
        else:
            raise ValueError(line)
    script.steps.append(pending)
    return script


@dataclass
class Shell:
    """What a server would do with the events: accepts all but what the tables say, records what came of it."""

    refused: Mapping[str, Reply] = field(default_factory=dict)
    """By event name or recipient."""
    each: tuple[Reply, ...] = ()
    results: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    content: bytes = b""

    def act(self, machine: SmtpServer, event: Event) -> None:
        if isinstance(event, Chunk):
            self.content += event.data
            return
        self.events.append(event)
        if isinstance(event, Abandoned):
            self.content = b""
            self.results.append("abandoned")
        elif isinstance(event, Refused):
            self.results.append(f"refused {event.reply.code} from {event.mail.address or ''} to {event.recipients}")
        elif isinstance(event, Authenticate):
            self._authenticate(machine, event)
        elif isinstance(event, AuthNeed):
            machine.answer_need(self._look_up(event.need))
        elif isinstance(event, MessageEnd):
            self._end(machine, event)
        else:
            machine.answer(self._reply(event))

    def _end(self, machine: SmtpServer, event: MessageEnd) -> None:
        assert event.size == len(self.content)
        self.results.append(f"message {repr(self.content)[2:-1]}".rstrip())
        self.content = b""
        if self.each and machine.settings.mode is Mode.LMTP:
            machine.answer_each(self.each)
        else:
            machine.answer(self.refused.get("message", MESSAGE_OK))

    def _authenticate(self, machine: SmtpServer, event: Authenticate) -> None:
        if "authenticate" in self.refused:
            machine.answer(self.refused["authenticate"])
            return
        mechanism = sasl.make_mechanism(event.mechanism, secret=b"k")
        assert mechanism is not None
        machine.answer_auth(mechanism)

    def _look_up(self, need: sasl.Need) -> sasl.Supply:
        if isinstance(need, sasl.NeedScram):
            return KEYS if need.authcid == "jane" else None
        if need.authcid == "later":
            return sasl.PasswordResult.TEMPORARY
        right = USERS.get(need.authcid) == need.password
        return sasl.PasswordResult.OK if right else sasl.PasswordResult.FAILED

    def _reply(self, event: Event) -> Reply:
        name = type(event).__name__.lower()
        if isinstance(event, Rcpt) and str(event.address) in self.refused:
            return self.refused[str(event.address)]
        if name in self.refused:
            return self.refused[name]
        if isinstance(event, Authenticated):
            self.results.append(f"auth {event.authzid or event.authcid}")
        if isinstance(event, Authenticated | AuthFailed):
            return event.reply
        return _ANSWERS[type(event)]


_ANSWERS: dict[type, Reply] = {
    Hello: Reply(250, "", ""),
    Mail: replies.SENDER_OK,
    Rcpt: replies.RECIPIENT_OK,
    Data: replies.START_DATA,
    StartTls: replies.TLS_READY,
    Verify: replies.CANNOT_VERIFY,
    Etrn: Reply(250, "2.0.0", "OK, sending"),
    Expand: Reply(250, "2.1.5", "<jane@example.test>\n<tim@example.test>"),
}

Splitter = Callable[[bytes], Iterator[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


def at_random(seed: int) -> Splitter:
    def split(data: bytes) -> Iterator[bytes]:
        dice, at = random.Random(seed), 0
        while at < len(data):
            size = dice.choice((1, 2, 3, 5, 8, 40, 400))
            yield data[at : at + size]
            at += size

    return split


SPLITTERS: list[Splitter] = [whole, byte_by_byte, *(at_random(seed) for seed in range(6))]


def pump(machine: SmtpServer, shell: Shell) -> bytes:
    while (event := machine.next_event()) is not None:
        shell.act(machine, event)
    assert not machine.waiting
    return machine.take_output()


def play(script: Script, settings: SmtpSettings, shell: Shell, split: Splitter = whole) -> tuple[bytes, SmtpServer]:
    machine = SmtpServer(settings)
    machine.greeting()
    output = machine.take_output()
    for step in script.steps:
        if isinstance(step, tuple):
            machine.tls_started(replace(settings, auth_mechanisms=step) if step else None)
            output += pump(machine, shell)
            continue
        for piece in split(step):
            machine.feed(piece)
            output += pump(machine, shell)
    return output, machine


def check(
    text: str, settings: SmtpSettings, *, refused: Mapping[str, Reply] | None = None, each: tuple[Reply, ...] = ()
) -> Shell:
    """Play `text` in every split; output and results must be the same and as written. Returns the last shell."""
    script = parse(text)
    for split in SPLITTERS:
        shell = Shell(refused or {}, each)
        output, _ = play(script, settings, shell, split)
        assert output.decode().split("\r\n") == script.output.decode().split("\r\n")
        assert shell.results == script.results
    return shell
