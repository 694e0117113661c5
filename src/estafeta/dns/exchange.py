"""One question to one name server: by UDP from a port of its own, by TCP where the reply was cut (RFC 7766)."""

import asyncio

from estafeta.dns.message import Question, is_reply, is_truncated
from estafeta.dns.servers import NameServer


async def exchange(server: NameServer, question: Question, seconds: float) -> bytes:
    """The octets of the reply. Raises TimeoutError or OSError; datagrams that are no reply to it are passed over."""
    async with asyncio.timeout(seconds):
        reply = await _by_udp(server, question)
        if is_truncated(reply):
            reply = await _by_tcp(server, question)
        return reply


class _Listener(asyncio.DatagramProtocol):
    """Waits for the one reply. The socket is connected, so the system drops what others send."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.reply.done() and is_reply(data, self._question):
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc or ConnectionAbortedError())


async def _by_udp(server: NameServer, question: Question) -> bytes:
    loop = asyncio.get_running_loop()
    transport, listener = await loop.create_datagram_endpoint(
        lambda: _Listener(question), remote_addr=(server.address, server.port)
    )
    try:
        transport.sendto(question.wire)
        return await listener.reply
    finally:
        listener.reply.cancel()
        transport.close()


async def _by_tcp(server: NameServer, question: Question) -> bytes:
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(len(question.wire).to_bytes(2) + question.wire)
        reply = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("the connection ended before the reply") from None
    finally:
        writer.close()
    if not is_reply(reply, question):
        raise ConnectionAbortedError("the reply is none to our question")
    return reply
