"""What holds for every request and answer, whatever page it is for: the layer around the application.

Bodies have at most `max_body_bytes`; more is HTTP 413, as soon as it is known. An answer that does not wait for the
rest of a body ends the connection. Every answer says when it was made (RFC 9110 6.6.1), may be kept by nobody, and
forbids what browsers can be told to forbid; over TLS it also says that this host has TLS (RFC 6797).
"""

from collections.abc import Iterable
from email.utils import formatdate

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from estafeta.servers.http.pages import SECURITY_POLICY

MAX_BODY_BYTES = 65_536

_HEADERS = {
    "content-security-policy": SECURITY_POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "x-robots-tag": "noindex",
    "cache-control": "no-store",
}
_TLS_HEADERS = {"strict-transport-security": "max-age=31536000"}


class Guard:
    """The application `app` behind these rules."""

    def __init__(self, app: ASGIApp, *, secure: bool, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._headers = {**_HEADERS, **(_TLS_HEADERS if secure else {})}
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (ASGI)."""
        body = _Body(scope["headers"], receive, self._max_body_bytes)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers["date"] = formatdate(usegmt=True)
                if not body.complete:
                    headers["connection"] = "close"
            await send(message)

        await self._app(scope, body.receive, answer)


class _Body:
    """The body of a request, counted."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._received = 0
        # h11 has checked that it is a number.
        found = {name: value for name, value in headers if name in (b"content-length", b"transfer-encoding")}
        self._declared = int(found.get(b"content-length", b"0"))
        #: Whether all of it has been read.
        self.complete = not self._declared and b"transfer-encoding" not in found

    async def receive(self) -> Message:
        """The next part. HTTPException: the whole is too large."""
        if self._declared > self._max_bytes:
            raise HTTPException(413)
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self._received > self._max_bytes:
                self.complete = False
                raise HTTPException(413)
        return message
