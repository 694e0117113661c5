"""The control socket: one line of JSON in, one line of JSON out, then closed. Only the server's user and root get in.

The supervisor serves it from its selector; `ask` is the client's side. Requests: `{"do": "status"}`, `reload`, `stop`.
"""

import json
import logging
import selectors
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from estafeta.app import listening
from estafeta.core.errors import EstafetaError, Kind

_log = logging.getLogger("estafeta.control")

Action = Callable[[], dict[str, object]]

_MAX_REQUEST_BYTES = 4096
_MAX_CLIENTS = 32
#: An answer that the client does not take within this time is dropped: the supervisor has other things to do.
_ANSWER_SECONDS = 1.0


class ControlServer:
    """Listens at `path` and answers with what the actions return."""

    def __init__(self, path: Path, actions: Mapping[str, Action]) -> None:
        self._path = path
        self._actions = actions
        self._clients: dict[socket.socket, bytes] = {}
        self._selector: selectors.BaseSelector | None = None
        self._listener = listening.unix_socket(path, 0o600)

    def register(self, selector: selectors.BaseSelector) -> None:
        """Serve from `selector`, whose keys' data are called when they are readable."""
        self._selector = selector
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self.forget()
        with suppress(OSError):
            self._path.unlink()

    def forget(self) -> None:
        """Close our descriptors only: what a forked child does."""
        self._listener.close()
        for client in self._clients:
            client.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= _MAX_CLIENTS or self._selector is None:
            client.close()
            return
        client.setblocking(False)
        self._clients[client] = b""
        self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: socket.socket) -> None:
        try:
            got = client.recv(_MAX_REQUEST_BYTES)
        except OSError:
            got = b""
        text = self._clients[client] + got
        if got and b"\n" not in text and len(text) <= _MAX_REQUEST_BYTES:
            self._clients[client] = text
            return
        if b"\n" in text:
            self._answer(client, self._perform(text))
        self._drop(client)

    def _perform(self, request: bytes) -> dict[str, object]:
        try:
            action = self._actions[json.loads(request)["do"]]
        except (ValueError, KeyError, TypeError):
            return {
                "error": "This server does not know that request: is it older than the command?",
                "kind": Kind.INVALID,
            }
        try:
            return action()
        except EstafetaError as error:
            return {"error": error.public, "kind": error.kind}
        except Exception:  # noqa: BLE001 - logged, and the supervisor must go on
            _log.exception("control request failed")
            return {"error": "The request failed: the server's log says why.", "kind": Kind.UNAVAILABLE}

    def _answer(self, client: socket.socket, answer: dict[str, object]) -> None:
        client.settimeout(_ANSWER_SECONDS)
        with suppress(OSError):
            client.sendall(json.dumps(answer).encode() + b"\n")

    def _drop(self, client: socket.socket) -> None:
        if self._selector is not None:
            self._selector.unregister(client)
        del self._clients[client]
        client.close()


def ask(path: Path, what: str, *, timeout_seconds: float = 5.0) -> dict[str, Any]:
    """Ask the supervisor. Raises EstafetaError: what it answered, or UNAVAILABLE when nobody answers."""
    try:
        with listening.connect_unix(path, timeout_seconds) as sock:
            sock.sendall(json.dumps({"do": what}).encode() + b"\n")
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        said: dict[str, Any] = json.loads(answer)
    except PermissionError:
        raise EstafetaError(
            Kind.PERMISSION, "Only the server's user and root may ask it: try again as one of them."
        ) from None
    except (OSError, ValueError) as error:
        raise EstafetaError(Kind.UNAVAILABLE, "The server does not answer.", str(error)) from None
    if "error" in said:
        raise EstafetaError(Kind(said.get("kind", Kind.UNAVAILABLE)), said["error"])
    return said
