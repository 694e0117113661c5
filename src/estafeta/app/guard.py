"""Everything of a worker that policy needs: what its checks ask, and what is learnt from what they said."""

from estafeta.app.stores import Site
from estafeta.directory.settings_model import Settings
from estafeta.dns.resolver import DnsResolver
from estafeta.policy.checks import Check
from estafeta.policy.learning import Learner, all_of
from estafeta.policy.table import Tools, build_checks
from estafeta.trust.lookups import Lookups


class Guard:
    """One for each worker."""

    def __init__(self, resolver: Lookups, hostname: str) -> None:
        self.checks: tuple[Check, ...] = build_checks(Tools(resolver, hostname))
        learners: tuple[Learner, ...] = ()
        self.learner = all_of(learners)


def guard_of(site: Site, settings: Settings) -> Guard:
    """For a command: the checks that a worker of this site would ask."""
    dns = DnsResolver()
    dns.use(settings.dns, settings.routing.host_table)
    return Guard(dns, site.node.config.hostname)
