"""A resolver over a table, which answers without waiting, as `DnsResolver` does from its memory."""

import asyncio
import ipaddress
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from estafeta.dns.values import Answer, DnsStatus, Mx

T = TypeVar("T")
Record = tuple[str, Any]
TIMEOUT = ("TIMEOUT", None)


class Zone:
    """`table`: for each name its (type, value); `TIMEOUT` among them stands for all types that are not there.

    `asked` is a list of what was asked, as "TXT example.com"."""

    def __init__(self, table: Mapping[str, Sequence[Record]]) -> None:
        self._table = {name.lower(): list(records) for name, records in table.items()}
        self.asked: list[str] = []

    async def txt(self, name: str) -> Answer[bytes]:
        return self._find(name, "TXT", lambda value: value if isinstance(value, bytes) else value.encode())

    async def ipv4(self, name: str) -> Answer[str]:
        return self._find(name, "A", lambda value: str(ipaddress.IPv4Address(value)))

    async def ipv6(self, name: str) -> Answer[str]:
        return self._find(name, "AAAA", lambda value: str(ipaddress.IPv6Address(value)))

    async def mx(self, name: str) -> Answer[Mx]:
        return self._find(name, "MX", lambda value: Mx(value[0], value[1].lower()))

    async def ptr(self, address: str) -> Answer[str]:
        name = ipaddress.ip_address(address).reverse_pointer
        return self._find(name, "PTR", lambda value: value.lower().removesuffix("."))

    def _find(self, name: str, kind: str, read: Any) -> Answer[Any]:
        self.asked.append(f"{kind} {name}")
        for _ in range(5):
            records = self._table.get(name.lower())
            if records is None:
                return Answer(DnsStatus.NO_NAME, name=name)
            values = tuple(dict.fromkeys(read(value) for type_, value in records if type_ == kind))
            if values:
                return Answer(DnsStatus.OK, values, name=name)
            alias = [value for type_, value in records if type_ == "CNAME"]
            if not alias:
                break
            name = alias[0].removesuffix(".")
        else:
            return Answer(DnsStatus.FAILED, reason="leads in a circle of CNAME records")
        if TIMEOUT in records:
            return Answer(DnsStatus.FAILED, reason="gives no answer")
        return Answer(DnsStatus.NO_DATA, name=name)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)
