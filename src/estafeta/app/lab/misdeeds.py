"""What a remote server of the lab does instead of a reply."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from estafeta.app.lab.wire import Wire

NO_TLS: Final = b"220 This is no TLS\r\n" * 10

_DRIP_SECONDS: Final = 0.5
_GARBAGE: Final = b"\x00\xff\xfe\x16\x03\r garbage \x80\x81\r\n2x0 no\r\n-\r\n250\x00\r\n"
_BLOCK: Final = b"x" * 65_536


def encode(reply: str) -> bytes:
    """A reply on the wire, `CODE text`, its lines separated by LF (RFC 5321 4.2.1)."""
    code, lines = reply[:3], reply[4:].split("\n")
    text = "".join(f"{code}-{line}\r\n" for line in lines[:-1])
    return f"{text}{code} {lines[-1]}\r\n".encode("utf-8", "surrogateescape")


async def _hang(wire: Wire, usual: str) -> None:
    await wire.hang()


async def _drop(wire: Wire, usual: str) -> None:
    wire.close()


async def _cut(wire: Wire, usual: str) -> None:
    wire.reset()


async def _drip(wire: Wire, usual: str) -> None:
    for octet in encode((usual or "220 lab").replace("\n", " ")).rstrip(b"\r\n"):
        await wire.send(bytes([octet]))
        await asyncio.sleep(_DRIP_SECONDS)
    await wire.hang()


async def _endless(wire: Wire, usual: str) -> None:
    code = usual[:3] or "220"
    block = b"".join(f"{code}-line {number} of very many\r\n".encode() for number in range(1000))
    while True:
        await wire.send(block)


async def _giant(wire: Wire, usual: str) -> None:
    await wire.send(f"{usual[:3] or '220'} ".encode())
    while True:
        await wire.send(_BLOCK)


async def _garbage(wire: Wire, usual: str) -> None:
    await wire.send(_GARBAGE)
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await wire.hang()


MISDEEDS: Final[Mapping[str, Callable[[Wire, str], Awaitable[None]]]] = {
    "hang": _hang,
    "drop": _drop,
    "reset": _cut,
    "drip": _drip,
    "endless": _endless,
    "giant": _giant,
    "garbage": _garbage,
}
"""Word -> what is done with the connection, given the usual reply. Nothing follows on any of them."""
