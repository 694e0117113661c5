"""A resolver with a table, a web server with policies, and a database for what is decided from them."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.tls_tables import sts_policies, tls_reports, tls_results
from estafeta.directory.settings_model import Settings
from estafeta.dns.values import Answer, DnsStatus, Mx, Tlsa
from estafeta.storage.commit import GroupCommit, Operation
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

NOTHING: Answer[Any] = Answer(DnsStatus.NO_NAME)
FAILED: Answer[Any] = Answer(DnsStatus.FAILED, reason="SERVFAIL")


class Names:
    """A resolver: (type, name) -> answer. Counts what it is asked."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], Answer[Any]] = {}
        self.asked: list[tuple[str, str]] = []

    def put(self, kind: str, name: str, *records: object, secure: bool = False, real: str = "") -> None:
        self.table[kind, name] = Answer(DnsStatus.OK, records, secure, real or name, 300)

    async def _find(self, kind: str, name: str) -> Answer[Any]:
        self.asked.append((kind, name))
        await asyncio.sleep(0)
        return self.table.get((kind, name), NOTHING)

    async def mx(self, name: str) -> Answer[Mx]:
        return await self._find("mx", name)

    async def ipv4(self, name: str) -> Answer[str]:
        return await self._find("a", name)

    async def ipv6(self, name: str) -> Answer[str]:
        return await self._find("aaaa", name)

    async def txt(self, name: str) -> Answer[bytes]:
        return await self._find("txt", name)

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        return await self._find("tlsa", name)

    async def ptr(self, address: str) -> Answer[str]:
        return await self._find("ptr", address)


class Base:
    """A database with the tables of TLS outward, and a submit that commits at once."""

    def __init__(self, directory: Path) -> None:
        self.database = Database(f"sqlite:///{directory / 'tls.db'}")
        with self.database.write() as tx:
            for table in (sts_policies, tls_results, tls_reports):
                table.create(tx.conn, checkfirst=True)
        self.packs = Packs(directory / "packs")
        self.group = GroupCommit(self.database, self.packs)
        self.broken = False

    def submit(self, operation: Operation, payload: Any, contents: Sequence[Any] = ()) -> "asyncio.Future[Any]":
        future = asyncio.get_running_loop().create_future()
        if self.broken:
            future.set_exception(EstafetaError(Kind.TEMPORARY, "Broken."))
        else:
            future.set_result(self.group.run(operation, payload, contents))
        return future

    def close(self) -> None:
        self.group.close()
        self.packs.close()
        self.database.close()


def settings(**sections: dict[str, Any]) -> Any:
    """A settings source; its `current` may be replaced."""
    return SimpleNamespace(current=Settings.model_validate(sections))


Behave = Callable[[ssl.SSLSocket, bytes], object]


class WebServer:
    """HTTPS on 127.0.0.1: each connection's request is handed to `behave`, which answers as it likes."""

    def __init__(self, context: ssl.SSLContext, behave: Behave) -> None:
        self.behave = behave
        self.requests: list[bytes] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(5)
            try:
                with plain, self._context.wrap_socket(plain, server_side=True) as sock:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        piece = sock.recv(4096)
                        if not piece:
                            break
                        request += piece
                    self.requests.append(request)
                    self.behave(sock, request)
            except OSError:
                continue


def answer(body: bytes, *, status: str = "200 OK", kind: str = "text/plain", extra: str = "") -> Behave:
    """An ordinary answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return lambda sock, request: sock.sendall(head.encode() + body)
