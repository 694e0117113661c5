r"""Sessions of the client machine as text, played whole, byte by byte and split at random.

S: a line from the server; CR LF is added unless it ends with `\+`. `\r \n \0 \\` are escapes.
C: a line that the client must have sent, in order, likewise escaped.
D: what the caller does: `tls`, `handshake`, `auth MECHANISM [initial]`, `respond TEXT|*`,
   `begin RCPTS [eager] [pieces]`, `piece TEXT`, `end`, `command LINE`, `lost PROBLEM`.
E: an event, as `describe` writes it.
#  a remark; empty lines are skipped.
"""

import random
from collections.abc import Callable, Iterator

from estafeta.protocols.smtp import client
from estafeta.protocols.smtp.client import Event, SmtpClient
from estafeta.protocols.smtp.client_transaction import Message, Problem, Transaction

CONTENT = b"Subject: x\r\n\r\n.dot\r\n"
Split = Callable[[bytes], Iterator[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


def at_random(seed: int) -> Split:
    def split(data: bytes) -> Iterator[bytes]:
        dice, at = random.Random(seed), 0
        while at < len(data):
            size = dice.choice((1, 2, 3, 7, 20))
            yield data[at : at + size]
            at += size

    return split


def unescape(text: str) -> bytes:
    data = text.encode().replace(b"\\r", b"\r").replace(b"\\n", b"\n").replace(b"\\0", b"\0")
    return data[:-2] if data.endswith(b"\\+") else data + b"\r\n"


def message(count: int, *, pieces: bool = False) -> Message:
    rcpts = tuple(b"RCPT TO:<%d@b.test>\r\n" % number for number in range(1, count + 1))
    return Message(b"MAIL FROM:<a@b.test>\r\n", rcpts, None if pieces else CONTENT, len(CONTENT))


def describe(event: Event) -> str:
    match event:
        case client.Ready(extensions):
            return " ".join(("ready", *extensions.keywords))
        case client.TlsWanted():
            return "tls"
        case client.ContentWanted():
            return "content"
        case client.Challenge(data):
            return f"challenge {data.decode()}"
        case client.Authenticated(reply) | client.Answered(reply):
            return f"{type(event).__name__.lower()} {reply.code}"
        case client.Refused(state, reply):
            return f"refused {state} {reply.code}"
        case client.Broken(state, problem, reply, wrong):
            return " ".join(("broken", state, problem, str(reply.code) if reply else "", repr(wrong) if wrong else ""))
        case client.Sent(transaction):
            return f"sent {tell(transaction)}"


def tell(transaction: Transaction) -> str:
    mail = transaction.mail.code if transaction.mail else "-"
    rcpts = ",".join(str(reply.code) for reply in transaction.rcpts) or "-"
    data = transaction.data.code if transaction.data else "-"
    finals = ",".join(str(reply.code) for reply in transaction.finals) or "-"
    words = [f"mail={mail} rcpt={rcpts} data={data} final={finals}"]
    words += ["ended"] if transaction.content_ended else []
    words += ["reset"] if transaction.reset_wanted else []
    words += [str(transaction.problem)] if transaction.problem else []
    return " ".join(words)


def act(machine: SmtpClient, words: str) -> None:
    verb, _, rest = words.partition(" ")
    match verb:
        case "tls":
            machine.start_tls()
        case "handshake":
            machine.tls_started()
        case "auth":
            name, _, initial = rest.partition(" ")
            machine.authenticate(name, initial.encode() if initial else None)
        case "respond":
            machine.respond(None if rest == "*" else rest.encode())
        case "begin":
            count, *flags = rest.split()
            machine.begin(message(int(count), pieces="pieces" in flags), eager="eager" in flags)
        case "piece":
            machine.put_piece(unescape(rest))
        case "end":
            machine.end_content()
        case "command":
            machine.command(rest.encode())
        case "lost":
            machine.lost(Problem(rest))
        case _:
            raise AssertionError(words)


def play(script: str, machine: SmtpClient, split: Split) -> None:
    """Play `script` and check every line of it."""
    said, heard, events = b"", b"", []

    def take() -> None:
        nonlocal said
        while (event := machine.next_event()) is not None:
            events.append(describe(event).strip())
        said += machine.take_output()

    def feed() -> None:
        nonlocal heard
        for piece in split(heard):
            machine.feed(piece)
            take()
        heard = b""

    for line in script.strip().splitlines():
        mark, _, text = line.strip().partition(": ")
        if not line.strip() or line.strip().startswith("#"):
            continue
        if mark == "S":
            heard += unescape(text)
            continue
        feed()
        take()
        if mark == "D":
            act(machine, text)
            take()
        elif mark == "C":
            wanted = unescape(text)
            assert said.startswith(wanted), f"{line!r}: {said!r}"
            said = said[len(wanted) :]
        elif mark == "E":
            assert events, f"{line!r}: nothing happened"
            assert events.pop(0) == text.strip()
        else:
            raise AssertionError(line)
    feed()
    assert (said, events) == (b"", [])
