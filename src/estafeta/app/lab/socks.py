"""The SOCKS5 proxy of the lab (RFC 1928, sign-in as RFC 1929): connects to loopback only, and remembers to where."""

import asyncio
import ipaddress
import struct
from collections.abc import Callable
from contextlib import suppress

from estafeta.app.lab.wire import GoneError, Wire

_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_NO_SIGN_IN, _PASSWORD, _NONE_FITS = 0, 2, 255
_NOT_ALLOWED, _HOST_UNREACHABLE, _REFUSED = 2, 4, 5
_PIECE = 65_536


class Proxy:
    """One proxy. `refuse` is a reply code of RFC 1928 6 that all requests get; `user` and `password` make sign-in
    required; `find` gives the address of a name."""

    def __init__(
        self,
        address: str,
        port: int,
        find: Callable[[str], str],
        *,
        refuse: int = 0,
        user: str = "",
        password: str = "",
    ) -> None:
        self.address = address
        self.port = port
        self.refuse = refuse
        self.user = user
        self.password = password
        self._find = find
        #: Whereto clients wanted: host and port.
        self.targets: list[tuple[str, int]] = []

    @property
    def place(self) -> str:
        """As the setting delivery.socks_proxy wants it."""
        return f"{self.address}:{self.port}"

    async def serve(self, wire: Wire) -> None:
        """One client."""
        if not await self._greet(wire):
            return
        host, port = await self._request(wire)
        self.targets.append((host, port))
        code = self.refuse
        address = host if _is_address(host) else self._find(host)
        if not code and not address:
            code = _HOST_UNREACHABLE
        elif not code and not ipaddress.ip_address(address).is_loopback:
            code = _NOT_ALLOWED
        if code:
            await _reply(wire, code)
            return
        await self._pass_on(wire, address, port)

    async def _greet(self, wire: Wire) -> bool:
        _, count = await wire.exactly(2)
        methods = await wire.exactly(count)
        wanted = _PASSWORD if self.user else _NO_SIGN_IN
        if wanted not in methods:
            await wire.send(bytes([5, _NONE_FITS]))
            return False
        await wire.send(bytes([5, wanted]))
        if not self.user:
            return True
        await wire.exactly(1)
        user = await wire.exactly((await wire.exactly(1))[0])
        password = await wire.exactly((await wire.exactly(1))[0])
        right = (user, password) == (self.user.encode(), self.password.encode())
        await wire.send(bytes([1, 0 if right else 1]))
        return right

    async def _request(self, wire: Wire) -> tuple[str, int]:
        version, command, _, kind = await wire.exactly(4)
        if version != 5 or command != _CONNECT or kind not in (_IPV4, _NAME, _IPV6):
            raise GoneError
        if kind == _NAME:
            host = (await wire.exactly((await wire.exactly(1))[0])).decode("ascii", "replace")
        else:
            host = str(ipaddress.ip_address(await wire.exactly(4 if kind == _IPV4 else 16)))
        (port,) = struct.unpack("!H", await wire.exactly(2))
        return host, port

    async def _pass_on(self, wire: Wire, address: str, port: int) -> None:
        try:
            reader, writer = await asyncio.open_connection(address, port)
        except OSError:
            await _reply(wire, _REFUSED)
            return
        try:
            await _reply(wire, 0)
            back = asyncio.get_running_loop().create_task(_copy_back(reader, wire))
            try:
                while True:
                    writer.write(await wire.some())
                    await writer.drain()
            finally:
                back.cancel()
                await asyncio.gather(back, return_exceptions=True)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _copy_back(reader: asyncio.StreamReader, wire: Wire) -> None:
    with suppress(GoneError, OSError):
        while data := await reader.read(_PIECE):
            await wire.send(data)
    wire.close()


async def _reply(wire: Wire, code: int) -> None:
    await wire.send(bytes([5, code, 0, _IPV4, 0, 0, 0, 0, 0, 0]))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
