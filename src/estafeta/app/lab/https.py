"""The web server of the lab, for MTA-STS policies (RFC 8461 3.3): a page for each host, or a fault instead."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass

from estafeta.app.lab.behaviours import TlsKind
from estafeta.app.lab.certificates import Authority
from estafeta.app.lab.wire import GoneError, Wire, Wires
from estafeta.core.errors import EstafetaError, Kind

PATH = "/.well-known/mta-sts.txt"
FAULTS = ("", "404", "500", "redirect", "hang", "drop", "drip", "giant", "html", "garbage")
_MOST_HEAD = 16_384
_DRIP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Page:
    """What a host serves, how it fails, and the kind of its certificate."""

    body: str
    fault: str = ""
    tls: str = TlsKind.GOOD


class WebServer:
    """One server for all hosts: who is meant is known from SNI and the Host field."""

    def __init__(self, wires: Wires, authority: Authority) -> None:
        self._wires = wires
        self._authority = authority
        self._pages: dict[str, Page] = {}
        #: What was asked: host and path.
        self.requests: list[tuple[str, str]] = []

    async def start(self, address: str, port: int) -> None:
        """Listen. Raises OSError."""
        context = self._authority.context((address,))
        context.sni_callback = self._choose
        await self._wires.listen(self._serve, address, port, context)

    def put(self, host: str, page: Page) -> None:
        """Serve a page at a host. Raises EstafetaError INVALID for a fault that does not exist."""
        if page.fault not in FAULTS:
            raise EstafetaError(Kind.INVALID, f"{page.fault!r} is no fault: known are {', '.join(FAULTS[1:])}.")
        self._pages[host.lower()] = page

    def _choose(self, session: ssl.SSLObject, name: str, context: ssl.SSLContext) -> int | None:
        page = self._pages.get((name or "").lower())
        if page is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        session.context = self._authority.context((name.lower(),), page.tls)
        return None

    async def _serve(self, wire: Wire) -> None:
        head = (await wire.until(b"\r\n\r\n", _MOST_HEAD)).decode("latin-1")
        line, *fields = head.split("\r\n")
        path = [*line.split(" "), "", ""][1]
        hosts = [field.partition(":")[2].strip() for field in fields if field.lower().startswith("host:")]
        host = hosts[0].partition(":")[0].lower() if hosts else ""
        self.requests.append((host, path))
        page = self._pages.get(host)
        if page is None or path != PATH:
            page = Page("", "404")
        await self._answer(wire, page)

    async def _answer(self, wire: Wire, page: Page) -> None:
        body = page.body.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        match page.fault:
            case "drop":
                raise GoneError
            case "hang":
                await wire.hang()
            case "garbage":
                await wire.send(b"\x00\xff no http\r\n\r\n")
            case "giant":
                await wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body)
                while True:
                    await wire.send(b"mx: giant.test\r\n" * 4096)
                    # A client that reads as fast would never let anybody else in, not even the end of its connection.
                    await asyncio.sleep(0)
            case "drip":
                await wire.send(_head("200 OK", "text/plain", len(body)))
                for octet in body:
                    await wire.send(bytes([octet]))
                    await asyncio.sleep(_DRIP_SECONDS)
            case "redirect":
                await wire.send(
                    b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.test/policy\r\nContent-Length: 0\r\n\r\n"
                )
            case "404" | "500":
                await wire.send(_head(f"{page.fault} No", "text/plain", 0))
            case _:
                kind = "text/html" if page.fault == "html" else "text/plain"
                await wire.send(_head("200 OK", kind, len(body)) + body)
        with suppress(GoneError, TimeoutError):
            async with asyncio.timeout(1):
                await wire.hang()


def _head(status: str, kind: str, length: int) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
