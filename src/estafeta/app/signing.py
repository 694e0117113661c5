"""Keys of DKIM in a running server and on the command line: made for a new domain, tended by a job."""

import asyncio
from collections.abc import Callable

from estafeta.app.jobs import Job
from estafeta.app.node_key import load_node_key
from estafeta.app.stores import Site
from estafeta.directory.keykeeping import KeyKeeper
from estafeta.directory.keystates import StoredKey
from estafeta.directory.model import Clock
from estafeta.directory.settings import SiteSettings
from estafeta.directory.signingkeys import SigningKeys
from estafeta.dns.resolver import DnsResolver
from estafeta.mail.address import domain_key

# How soon after its record was published a key begins to sign.
_TEND_SECONDS = 600


def open_keys(site: Site) -> SigningKeys:
    """The keys of a site, for the command line."""
    return SigningKeys(site.database, load_node_key(site.node.home), site.node.make_clock())


def make_first_keys(site: Site, domain: str) -> list[StoredKey]:
    """Keys for a domain that was added just now; none where settings want none."""
    settings = site.settings.current
    name = domain_key(domain)
    if not settings.dkim.make_keys or not settings.routing.outward or name in settings.dkim.unsigned_domains:
        return []
    keys = open_keys(site)
    return keys.list_keys(name) or [keys.create_key(name, one) for one in settings.dkim.algorithms]


def key_job(keys: SigningKeys, settings: SiteSettings, clock: Clock, stopping: Callable[[], bool]) -> Job:
    """What becomes of keys as time goes by (`directory.keykeeping`), for one machine of the site at a time."""

    def tend() -> None:
        dkim = settings.current.dkim
        if (dkim.sign or dkim.seal) and settings.current.routing.outward:
            asyncio.run(_tend(keys, settings, clock, stopping))

    return Job("dkim-keys", _TEND_SECONDS, tend)


async def _tend(keys: SigningKeys, settings: SiteSettings, clock: Clock, stopping: Callable[[], bool]) -> None:
    # Its own, without a memory: a record that was missing ten minutes ago may be there now.
    resolver = DnsResolver()
    resolver.use(settings.current.dns, settings.current.routing.host_table)
    await KeyKeeper(keys, resolver, settings, clock, stopping).tend()
