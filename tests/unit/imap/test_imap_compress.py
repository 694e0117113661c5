"""COMPRESS=DEFLATE (RFC 4978) in the machine."""

import zlib

import pytest
from imap_transcript import Answerer, begin, run

from estafeta.protocols.imap import commands
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.replies import no
from estafeta.protocols.imap.server import ImapServer


class Client:
    """The other side of a compressed session."""

    def __init__(self, machine: ImapServer) -> None:
        self.machine, self.answerer = machine, Answerer()
        assert run(machine, self.answerer, b"a COMPRESS DEFLATE\r\n") == b"a OK Done.\r\n"
        self.out = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.into = zlib.decompressobj(-15)

    def deflate(self, data: bytes) -> bytes:
        return self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH)

    def say(self, data: bytes) -> bytes:
        return self.hear(run(self.machine, self.answerer, self.deflate(data)))

    def hear(self, data: bytes) -> bytes:
        return self.into.decompress(data)


def test_a_compressed_session() -> None:
    machine = begin()
    client = Client(machine)
    assert machine.compressed
    assert client.say(b"b NOOP\r\nc STATUS {5}\r\n") == b"b OK Done.\r\n+ Ready for literal data\r\n"
    assert client.say(b"inbox (MESSAGES)\r\n") == b"c OK Done.\r\n"
    assert client.say(b"d LOGOUT\r\n") == b"* BYE Goodbye.\r\nd OK Done.\r\n"
    assert machine.take_output() == b""
    assert machine.closed


def test_octets_one_by_one() -> None:
    client = Client(begin())
    data = client.deflate(b"b NOOP\r\nc APPEND x {6+}\r\nab\r\ncd\r\n")
    said = b"".join(run(client.machine, client.answerer, data[at : at + 1]) for at in range(len(data)))
    assert client.hear(said) == b"b OK Done.\r\nc OK Done.\r\n"


def test_what_came_with_the_command_is_compressed() -> None:
    machine, answerer = begin(), Answerer()
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = deflater.compress(b"b NOOP\r\n") + deflater.flush(zlib.Z_SYNC_FLUSH)
    said = run(machine, answerer, b"a COMPRESS DEFLATE\r\n" + data)
    assert said.startswith(b"a OK Done.\r\n")
    assert zlib.decompressobj(-15).decompress(said.removeprefix(b"a OK Done.\r\n")) == b"b OK Done.\r\n"


def test_compress_refused() -> None:
    machine = begin()
    answerer = Answerer({commands.Compress: no("Active.", b"COMPRESSIONACTIVE")})
    said = run(machine, answerer, b"a COMPRESS DEFLATE\r\nb NOOP\r\n")
    assert said == b"a NO [COMPRESSIONACTIVE] Active.\r\nb OK Done.\r\n"
    assert not machine.compressed


def test_unauthenticate_keeps_compression() -> None:
    client = Client(begin())
    assert client.say(b"b UNAUTHENTICATE\r\n") == b"b OK Done.\r\n"
    assert client.say(b"c LOGIN a b\r\n") == b"c OK Done.\r\n"


@pytest.mark.parametrize("data", [b"b NOOP\r\n", b"\xff" * 20])
def test_what_is_no_stream(data: bytes) -> None:
    client = Client(begin())
    said = client.hear(run(client.machine, client.answerer, data))
    assert said == b"* BYE The data is not compressed as agreed, closing the connection.\r\n"
    assert client.machine.closed


def test_a_stream_that_ends() -> None:
    client = Client(begin())
    data = client.out.compress(b"b NOOP\r\n") + client.out.flush(zlib.Z_FINISH)
    said = client.hear(run(client.machine, client.answerer, data))
    assert said.startswith(b"b OK Done.\r\n")
    assert b"* BYE" in said


def test_bombs() -> None:
    client = Client(begin(limits=Limits(inflated_discard_octets=1 << 20)))
    said = client.say(b"x" * (64 << 20))
    assert said == b"* BYE Too much data that nobody asked for, closing the connection.\r\n"
    assert client.machine.buffered < 1 << 20


def test_a_bomb_waits_compressed() -> None:
    client = Client(begin())
    client.machine.feed(client.deflate(b"b APPEND x {50000000+}\r\n" + b"x" * 50_000_000 + b"\r\nc NOOP\r\n"))
    assert client.machine.buffered < 100_000
    taken = 0
    while (event := client.machine.next_event()) is not None:
        assert len(client.machine.input) <= 128 << 10
        if isinstance(event, commands.AppendData):
            taken += len(event.data)
        client.answerer.answer(client.machine, event)
        client.answerer.events.clear()
    assert taken == 50_000_000
    assert client.hear(client.machine.take_output()) == b"b OK Done.\r\nc OK Done.\r\n"
