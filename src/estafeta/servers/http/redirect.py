"""The clear port: everybody is sent on to the same address with TLS.

What changes something is not sent on but refused: it has gone over the wire in the clear already.
"""

import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from estafeta.servers.http.answers import error_response

_HOST = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_HTTPS = 443


def redirect_app(hostname: str, https_port: int) -> ASGIApp:
    """Sends requests on to `https_port` of the host that they name, or `hostname` where they name none."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        response: Response = error_response(request, 403)
        if request.method in ("GET", "HEAD"):
            response = RedirectResponse(_target(request, hostname, https_port), 308)
        await response(scope, receive, send)

    return app


def _target(request: Request, hostname: str, https_port: int) -> str:
    named = _HOST.fullmatch(request.headers.get("host", ""))
    host = named[1] if named is not None else hostname
    port = "" if https_port == _HTTPS else f":{https_port}"
    path = request.scope["raw_path"].decode("ascii", "replace")
    query = request.scope["query_string"].decode("ascii", "replace")
    return f"https://{host}{port}{path if path.startswith('/') else '/'}{'?' if query else ''}{query}"
