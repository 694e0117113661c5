"""One question by HTTP/1.1, one answer, and the connection is closed. Nothing is followed, nothing unpacked.

An answer that is larger than it may be, ends early, or is no HTTP is an AnswerError; so is any status but 200.
"""

import re
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import h11

from estafeta.directory.settings_scanners import Place
from estafeta.policy.scanners.wire import Wire, open_wire
from estafeta.protocols.scanners.words import AnswerError, cleaned

# The head of an answer.
_HEAD_OCTETS = 32 << 10
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
# Of one field of ours: addresses have 320 characters at most, names of hosts 255.
_LONGEST_VALUE = 1000


class Question(NamedTuple):
    """`host` is what stands in the Host field, `size` the octets that `body` gives, `most` those an answer may have."""

    method: str
    path: str
    host: str
    fields: Sequence[tuple[str, str]]
    body: AsyncIterator[bytes] | None
    size: int
    most: int


async def ask(place: Place, question: Question, tls: ssl.SSLContext | None = None) -> bytes:
    """The content of the answer. Raises OSError, AnswerError."""
    async with open_wire(place, tls) as wire:
        machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_OCTETS)
        try:
            try:
                await _send(wire, machine, question)
            except ConnectionError:
                # It may have answered before it had read all.
                machine.send_failed()
            return await _receive(wire, machine, question.most)
        except h11.RemoteProtocolError as error:
            raise AnswerError(f"its answer is no HTTP: {cleaned(str(error), 100)}") from None
        except h11.LocalProtocolError as error:
            raise AnswerError(f"it could not be asked: {cleaned(str(error), 100)}") from None


async def _send(wire: Wire, machine: h11.Connection, question: Question) -> None:
    fields = [
        ("Host", question.host),
        ("User-Agent", "Estafeta"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
        ("Content-Length", str(question.size)),
        *((name, _value(value)) for name, value in question.fields),
    ]
    head = machine.send(h11.Request(method=question.method, target=question.path, headers=_encoded(fields)))
    await wire.send(head or b"")
    if question.body is not None:
        async for piece in question.body:
            await wire.send(machine.send(h11.Data(piece)) or b"")
    await wire.send(machine.send(h11.EndOfMessage()) or b"")


async def _receive(wire: Wire, machine: h11.Connection, most: int) -> bytes:
    content, came = bytearray(), 0
    while True:
        event = machine.next_event()
        if event is h11.NEED_DATA:
            piece = await wire.read()
            came += len(piece)
            if came > most + _HEAD_OCTETS:
                raise AnswerError("its answer has no end")
            machine.receive_data(piece)
        elif isinstance(event, h11.Response):
            if event.status_code != 200:
                raise AnswerError(f"it answered {event.status_code} {cleaned(bytes(event.reason), 60)}".rstrip())
        elif isinstance(event, h11.Data):
            content += event.data
            if len(content) > most:
                raise AnswerError(f"its answer is larger than {most >> 10} KiB")
        elif isinstance(event, h11.EndOfMessage):
            return bytes(content)
        elif not isinstance(event, h11.InformationalResponse):
            raise AnswerError("it closed the connection without an answer")


def _encoded(fields: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("utf-8", "replace")) for name, value in fields]


def _value(text: str) -> str:
    """Names and addresses that a peer chose, in one line."""
    return _CONTROLS.sub(" ", text)[:_LONGEST_VALUE].strip()
