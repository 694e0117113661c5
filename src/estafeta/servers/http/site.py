"""All pages of this server as one application: which address leads to which code, and what errors look like."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from estafeta.core.errors import EstafetaError, Kind
from estafeta.servers.http.answers import error_response
from estafeta.servers.http.held import HeldPages
from estafeta.servers.http.lists import ListPages

_STATUS = {
    Kind.NOT_FOUND: 404,
    Kind.PERMISSION: 403,
    Kind.INVALID: 400,
    Kind.LIMIT: 429,
    Kind.TOO_BIG: 413,
    Kind.TEMPORARY: 503,
    Kind.UNAVAILABLE: 503,
}


def build_site(lists: ListPages, held: HeldPages) -> Starlette:
    """The application."""
    return Starlette(
        routes=[*lists.routes(), *held.routes()],
        exception_handlers={
            HTTPException: _refused,
            EstafetaError: _failed,
            ClientDisconnect: _gone,
            Exception: _broken,
        },
    )


async def _refused(request: Request, error: Exception) -> Response:
    """404, 405, 413."""
    if not isinstance(error, HTTPException):
        raise error
    return error_response(request, error.status_code, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    status = _STATUS.get(error.kind, 500) if isinstance(error, EstafetaError) else 500
    return error_response(request, status, {"retry-after": "60"} if status == 503 else None)


async def _gone(request: Request, error: Exception) -> Response:
    """The client went before its request was whole: nobody reads this."""
    return Response(status_code=400)


async def _broken(request: Request, error: Exception) -> Response:
    """Ours; who runs the application logs it."""
    return error_response(request, 500)
