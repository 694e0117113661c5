"""The other side of the milter protocol, for tests: packets, and a milter that answers as a table says."""

import asyncio
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from estafeta.protocols.milter.values import Stage, Told

CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP = b"c", b"a", b"r", b"t", b"d", b"s"


def packet(letter: bytes, data: bytes = b"") -> bytes:
    return struct.pack("!I", len(data) + 1) + letter + data


def agreement(steps: int = 0, actions: int = 0x31, version: int = 6, more: bytes = b"") -> bytes:
    return packet(b"O", struct.pack("!III", version, actions, steps) + more)


def packets(octets: bytes) -> Iterator[tuple[bytes, bytes]]:
    while octets:
        size = struct.unpack("!I", octets[:4])[0]
        yield octets[4:5], octets[5 : 4 + size]
        octets = octets[4 + size :]


TOLD = Told(
    host="mx.there.test",
    address="192.0.2.7",
    helo="mx.there.test",
    sender="ana@there.test",
    recipients=(("bob@here.test", {"{rcpt_addr}": "bob@here.test"}), ("eva@here.test", {})),
    fields=((b"From", b" ana@there.test"), (b"Subject", b"  two\r\n\tlines")),
    macros={Stage.CONNECT: {"j": "mx.here.test"}, Stage.MAIL: {"i": "1a"}, Stage.RCPT: {"i": "1a"}},
    parameters=("SIZE=10",),
)


@dataclass
class Milter:
    """Answers each command with the packets that `says` has for its letter, CONTINUE where it has none, and remembers
    what it was told. `steps` and `actions` as it agrees to them."""

    says: dict[bytes, bytes] = field(default_factory=dict)
    steps: int = 0
    actions: int = 0x31
    told: list[tuple[bytes, bytes]] = field(default_factory=list)
    silent: frozenset[bytes] = frozenset()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            letter = await reader.readexactly(1)
            self.told.append((letter, await reader.readexactly(size - 1)))
            if letter == b"Q":
                return
            if letter == b"O":
                writer.write(agreement(self.steps, self.actions))
            elif letter != b"D" and letter not in self.silent:
                writer.write(self.says.get(letter, packet(CONTINUE)))
            await writer.drain()

    def letters(self) -> str:
        return b"".join(letter for letter, _ in self.told).decode()

    def data(self, letter: bytes) -> list[bytes]:
        return [data for one, data in self.told if one == letter]
