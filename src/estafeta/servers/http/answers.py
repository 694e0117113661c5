"""Pages as answers to requests."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from estafeta.servers.http.language import choose_language
from estafeta.servers.http.pages import Page, error_page, render_page


def language_of(request: Request, default: str = "en") -> str:
    """The language that the browser wants, of ours."""
    return choose_language(request.headers.get("accept-language", ""), default)


def page_response(page: Page, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A page."""
    known = {"content-language": page.language, "vary": "accept-language"}
    return HTMLResponse(render_page(page), status, {**known, **(headers or {})})


def error_response(request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """A page that says in a sentence what is wrong."""
    return page_response(error_page(language_of(request), status), status, headers)
