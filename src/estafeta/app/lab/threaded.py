"""The lab in a thread of its own, for tests and tools that do not run in an event loop themselves."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

from estafeta.app.lab.behaviours import ACCEPT, Behaviour
from estafeta.app.lab.lab import Lab
from estafeta.app.lab.names import Names
from estafeta.app.lab.remote import Remote, Watch
from estafeta.app.lab.socks import Proxy
from estafeta.core.clock import LabClock

T = TypeVar("T")
_SECONDS = 20.0


class LabThread:
    """The methods of `Lab`; each waits until it is done. Names, behaviours and records are shared as they are."""

    def __init__(self, directory: Path | None = None, *, port: int = 0, dns_port: int = 0, watch: Watch | None = None):
        self.lab = Lab(directory, port=port, dns_port=dns_port, watch=watch)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="lab", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin. Raises OSError."""
        self._thread.start()
        self._ready.result(_SECONDS)

    def close(self) -> None:
        """End everything."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_SECONDS)

    @property
    def names(self) -> Names:
        """The table of names."""
        return self.lab.names

    @property
    def clock(self) -> LabClock:
        """The clock of the lab."""
        return self.lab.clock

    @property
    def port(self) -> int:
        """The port of all mail servers."""
        return self.lab.port

    @property
    def dns_address(self) -> str:
        """The name server, ADDRESS:PORT."""
        return self.lab.dns_address

    def settings(self) -> dict[str, Any]:
        """Settings of a node that shall live in this lab."""
        return self.lab.settings()

    def environment(self) -> dict[str, str]:
        """Environment of such a node."""
        return self.lab.environment()

    def remote(self, host: str, behaviour: Behaviour = ACCEPT, **options: Any) -> Remote:
        """Start a mail server (`Lab.remote`)."""
        return self._do(self.lab.remote(host, behaviour, **options))

    def site(self, domain: str, behaviour: Behaviour = ACCEPT, *, secure: bool | None = None) -> Remote:
        """A domain with one mail exchanger (`Lab.site`)."""
        return self._do(self.lab.site(domain, behaviour, secure=secure))

    def policy(self, domain: str, text: str, **options: Any) -> None:
        """An MTA-STS policy (`Lab.policy`)."""
        self._do(self.lab.policy(domain, text, **options))

    def socks(self, **options: Any) -> Proxy:
        """Start a SOCKS5 proxy (`Lab.socks`)."""
        return self._do(self.lab.socks(**options))

    def black_hole(self, host: str) -> str:
        """A host whose connections never come about (`Lab.black_hole`)."""
        return self._do(self.lab.black_hole(host))

    def dead_address(self) -> str:
        """An address where nobody listens."""
        return self.lab.dead_address()

    def tlsa(self, remote: Remote, **options: int) -> tuple[int, int, int, bytes]:
        """The TLSA record of a server's certificate (`Lab.tlsa`)."""
        return self.lab.tlsa(remote, **options)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None  # start() came first
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            await self.lab.start()
        except Exception as error:  # noqa: BLE001 - told to who waits in start()
            self._ready.set_exception(error)
            await self.lab.close()
            return
        self._ready.set_result(None)
        try:
            await self._stop.wait()
        finally:
            await self.lab.close()
