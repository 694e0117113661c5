"""The web of a worker: what its http and https services share. Imported only where there is such a listener, since
Starlette and uvicorn take memory and time (docs/adr/0009).
"""

import asyncio
import time

from estafeta.app.config import ListenerConfig, Service
from estafeta.app.context import WorkerContext
from estafeta.app.outward import Outward
from estafeta.directory.settings import SiteSettings
from estafeta.mailboxes.service import Submit
from estafeta.policy.networks import Networks
from estafeta.servers.http.allowance import Allowance
from estafeta.servers.http.held import HeldDesk, HeldPages
from estafeta.servers.http.lists import ListDesk, ListPages
from estafeta.servers.http.service import HttpService, HttpShared
from estafeta.servers.http.site import build_site


class Web:
    """Makes the services."""

    def __init__(
        self,
        context: WorkerContext,
        outward: Outward,
        submit: Submit,
        settings: SiteSettings,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._settings = settings
        self._loop = loop
        desk = ListDesk(
            means=outward.list_means,
            submit=submit,
            note=outward.notes.add,
            allowance=Allowance(time.monotonic),
            exempt=lambda: Networks(settings.current.limits.exempt_networks),
        )
        self._shared = HttpShared(
            build_site(ListPages(desk), HeldPages(HeldDesk(outward.list_means.database, submit, outward.clock))),
            _https_port(context),
        )

    def service(self, listener: ListenerConfig, hostname: str) -> HttpService:
        """The service of a listener; `hostname` is what it is called where a request names no host."""
        return HttpService(
            self._shared, self._settings.current, hostname=hostname, secure=listener.implicit_tls, loop=self._loop
        )


def _https_port(context: WorkerContext) -> int | None:
    """The port of the first https listener, as it is bound."""
    ports = [sock.getsockname()[1] for listener, sock in context.sockets if listener.service is Service.HTTPS]
    return ports[0] if ports else None
