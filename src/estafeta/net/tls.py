"""TLS as a listener offers it."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsOffer:
    """The context for handshakes, and the channel bindings of an established session by name (RFC 5929)."""

    context: ssl.SSLContext
    bindings: Callable[[ssl.SSLObject], Mapping[str, bytes]]
