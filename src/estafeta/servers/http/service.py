"""One HTTP service of a worker: a listener in TLS with the pages, or one in the clear that leads there.

Where no https listener is started, the clear one has the pages itself: for a proxy in front that has TLS. Connections
are uvicorn's, on our own listeners and loop: none of its signals, process management or access log.
"""

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.lifespan.off import LifespanOff
from uvicorn.server import ServerState

from estafeta.directory.settings_model import Settings
from estafeta.net.connections import Connections
from estafeta.policy.connection import connection_limits
from estafeta.policy.networks import Networks
from estafeta.servers.http.connection import IDLE_SECONDS, MAX_HEAD_BYTES, REQUEST_SECONDS, HttpConnection
from estafeta.servers.http.guard import Guard
from estafeta.servers.http.redirect import redirect_app


@dataclass(frozen=True, slots=True)
class HttpShared:
    """What all HTTP services of a worker use together. `site`: the pages; `https_port`: where they are in TLS, None
    where no https listener is started."""

    site: ASGIApp
    https_port: int | None


class HttpService:
    """Connections of one listener. `secure`: in TLS."""

    def __init__(
        self, shared: HttpShared, settings: Settings, *, hostname: str, secure: bool, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.connections = Connections(loop, connection_limits(settings, REQUEST_SECONDS))
        self.use(settings)
        leads_on = not secure and shared.https_port is not None
        app = redirect_app(hostname, shared.https_port or 0) if leads_on else shared.site
        self._config = _config(Guard(app, secure=secure))
        self._state = ServerState()

    def use(self, settings: Settings) -> None:
        """Take new settings for connections that begin from now on."""
        self._exempt = Networks(settings.limits.exempt_networks)
        self.connections.limits = connection_limits(settings, REQUEST_SECONDS)

    def __call__(self) -> HttpConnection:
        """A new connection (the protocol factory of the listener)."""
        return HttpConnection(self._config, self._state, self.connections, self._exempt)


def _config(app: ASGIApp) -> Config:
    """uvicorn without what it does around connections; what it says of errors of ours goes to our log."""
    config = Config(
        app,
        http=HttpConnection,
        ws="none",
        lifespan="off",
        loop="none",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
    )
    config.load()
    assert config.lifespan_class is LifespanOff  # it is imported by name: let nothing be read from disk for it later
    return config
