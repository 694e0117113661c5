"""ETRN as a client (RFC 1985): ask the server that keeps our mail to send it now."""

from collections.abc import Sequence

from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.connection import open_connection
from estafeta.delivery.hosts import HostProblem, find_hosts
from estafeta.delivery.outfit import Outfit, connection_options
from estafeta.delivery.tlsdemand import TlsRefusal
from estafeta.delivery.values import AttemptError
from estafeta.routing.parsing import parse_server


async def ask_for_mail(outfit: Outfit, server: str, domains: Sequence[str]) -> list[str]:
    """Ask `server` (as in a setting) for the mail of `domains`; its replies, one for each, in words. Raises
    EstafetaError UNAVAILABLE when it cannot be reached."""
    hop = parse_server(server)
    hosts = await find_hosts(hop, outfit.resolver, outfit.settings.current.delivery)
    if isinstance(hosts, HostProblem):
        raise EstafetaError(Kind.UNAVAILABLE, f"{server} cannot be asked for our mail: {hosts.text}")
    policy = await outfit.policies.find(hop)
    problem = ""
    for host in hosts.candidates:
        endpoint = host.endpoint
        demand = await outfit.policies.demand(policy, host.name, endpoint.port, secure=host.secure)
        if isinstance(demand, TlsRefusal):
            problem = demand.text
            continue
        options = connection_options(outfit.settings.current, outfit.hostname, ("", ""))
        credentials = await outfit.credentials(host.name, endpoint.port)
        try:
            connection = await open_connection(
                endpoint, options, demand, outfit.contexts, credentials, outfit.watch(endpoint.ip)
            )
        except AttemptError as error:
            problem = error.text
            continue
        try:
            return [f"{domain}: {(await connection.etrn(domain)).words}" for domain in domains]
        except AttemptError as error:
            problem = error.text
        finally:
            await connection.quit()
    raise EstafetaError(Kind.UNAVAILABLE, f"{server} cannot be asked for our mail: {problem}")
