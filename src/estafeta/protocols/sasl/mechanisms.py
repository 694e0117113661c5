"""The mechanisms by name, strongest first, and one function that makes one."""

from collections.abc import Mapping

from estafeta.protocols.sasl.exchange import Mechanism
from estafeta.protocols.sasl.plain import LoginServer, PlainServer
from estafeta.protocols.sasl.scram import DEFAULT_ITERATIONS, ScramServer

MECHANISMS = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN")
"""In the order in which they are advertised."""


def make_mechanism(
    name: str,
    *,
    secret: bytes,
    channel_bindings: Mapping[str, bytes] | None = None,
    plus_offered: bool = False,
    iterations: int = DEFAULT_ITERATIONS,
) -> Mechanism | None:
    """A fresh exchange of the mechanism `name` (any case), or None for an unknown one.

    `secret` keys the salts of users that do not exist; `channel_bindings` is what TLS gave (`tls-server-end-point`,
    `tls-exporter`, `tls-unique`); `plus_offered` says that -PLUS was in the list that this client saw.
    """
    upper = name.upper()
    if upper == "PLAIN":
        return PlainServer()
    if upper == "LOGIN":
        return LoginServer()
    if upper in ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
        return ScramServer(
            secret=secret,
            channel_bindings=channel_bindings,
            plus=upper.endswith("-PLUS"),
            plus_offered=plus_offered,
            iterations=iterations,
        )
    return None
