"""A small IMAP client of asyncio for the crash test: one command at a time, everything that comes is kept.

It trusts the server, which is one that this program started on this machine.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass

_TIMEOUT_SECONDS = 20.0
_LINE_OCTETS = 1 << 20
_LITERAL = re.compile(rb"\{(\d{1,9})\}\r\n\Z")
_CODE = re.compile(r"\[([^\]]*)\]")


class BrokenError(Exception):
    """The connection ended, or nothing came for too long: nobody knows what became of the last command."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended: OK, NO or BAD, the text behind it, and the untagged responses with their literals."""

    status: str
    text: str
    untagged: tuple[bytes, ...]

    @property
    def ok(self) -> bool:
        """The command was done."""
        return self.status == "OK"

    @property
    def code(self) -> list[str]:
        """The words of the response code; empty if there is none."""
        found = _CODE.match(self.text)
        return found[1].split() if found else []


class ImapClient:
    """One connection, in TLS. Every method raises BrokenError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0

    @classmethod
    async def open(cls, port: int) -> "ImapClient":
        """Connect to this machine, and read the greeting."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=_context(), limit=_LINE_OCTETS)
        except (OSError, TimeoutError) as error:
            raise BrokenError from error
        client = cls(reader, writer)
        try:
            if not (await client._read()).startswith(b"* OK "):
                raise BrokenError
        except BrokenError:
            client.close()
            raise
        return client

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()

    async def command(self, line: str) -> Answer:
        """Say it, and read on to its end."""
        tag = self._tag()
        await self._write(f"{tag} {line}\r\n".encode())
        return await self._answer(tag)

    async def append(self, mailbox: str, flags: str, content: bytes) -> Answer:
        """APPEND with a literal that waits to be asked for (RFC 9051 4.3)."""
        tag = self._tag()
        await self._write(f"{tag} APPEND {mailbox} ({flags}) {{{len(content)}}}\r\n".encode())
        first = await self._read()
        if not first.startswith(b"+"):
            return await self._answer(tag, first)
        await self._write(content + b"\r\n")
        return await self._answer(tag)

    def _tag(self) -> str:
        self._number += 1
        return f"c{self._number}"

    async def _answer(self, tag: str, response: bytes = b"") -> Answer:
        untagged = []
        start = tag.encode() + b" "
        response = response or await self._read()
        while not response.startswith(start):
            untagged.append(response)
            response = await self._read()
        status, _, text = response.decode("utf-8", "replace")[len(start) :].partition(" ")
        return Answer(status, text, tuple(untagged))

    async def _write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                self._writer.write(data)
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise BrokenError from error

    async def _read(self) -> bytes:
        """One response, literals within, without its line end."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                response = await self._reader.readuntil(b"\r\n")
                while literal := _LITERAL.search(response):
                    response += await self._reader.readexactly(int(literal[1]))
                    response += await self._reader.readuntil(b"\r\n")
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            raise BrokenError from error
        return response.removesuffix(b"\r\n")


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
