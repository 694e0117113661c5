"""Everything of a worker that policy needs: what its checks ask, and what is learnt from what they said."""

import time

from estafeta.app.node_key import load_node_key
from estafeta.app.stores import Site
from estafeta.core.clock import Clock
from estafeta.directory.hostcredentials import HostCredentials
from estafeta.directory.resolver import Resolver
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_source import SettingsSource
from estafeta.dns.resolver import DnsResolver
from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.service import Submit
from estafeta.policy.bayes_automatic import Automatic
from estafeta.policy.bayes_store import BayesStore
from estafeta.policy.checks import Check
from estafeta.policy.content import Content
from estafeta.policy.learning import Learner, all_of
from estafeta.policy.readers import Readers
from estafeta.policy.scanners.hook import Secret
from estafeta.policy.sender import Rewrite
from estafeta.policy.strangers import Strangers
from estafeta.policy.table import Tools, build_checks
from estafeta.routing.rewriting import build_rewriter
from estafeta.storage.database import Database
from estafeta.trust.lookups import Lookups

#: The name by which the secret of the web hook is kept for its host and port.
HOOK_LOGIN = "hook"


class Guard:
    """One for each worker. Without `submit` nothing is learnt, as commands want it."""

    def __init__(
        self,
        resolver: Lookups,
        hostname: str,
        database: Database,
        clock: Clock,
        *,
        addresses: Resolver,
        settings: SettingsSource,
        submit: Submit | None,
        rewrite: Rewrite,
        hook_secret: Secret = lambda host, port: "",
        learners: tuple[Learner, ...] = (),
    ) -> None:
        self._strangers = Strangers(resolver, hostname, database, settings, submit, clock)
        self.readers = Readers(database, submit, settings, clock)
        self._bayes = BayesStore(database)
        tools = Tools(
            resolver,
            hostname,
            addresses.is_local,
            self._strangers,
            self.readers,
            addresses,
            rewrite,
            self._bayes,
            hook_secret,
        )
        self.checks: tuple[Check, ...] = build_checks(tools)
        if submit is not None:
            learners = (*learners, Automatic(submit, settings, clock).learner)
        self.learner = all_of((*self._strangers.learners(), *learners))

    def heard(self, topic: str) -> None:
        """A topic of the bus."""
        self._bayes.heard(topic)
        self._strangers.heard(topic)

    def taught(self, content: Content, lesson: Lesson) -> None:
        """A user moved a message into Junk or out of it."""
        self._strangers.taught(content, lesson)

    def tick(self) -> None:
        """Every second."""
        self._strangers.tick()


def guard_of(site: Site, settings: Settings) -> Guard:
    """For a command: the checks that a worker of this site would ask."""
    dns = DnsResolver()
    dns.use(settings.dns, settings.routing.host_table)
    hostname = site.node.config.hostname
    return Guard(
        dns,
        hostname,
        site.database,
        site.node.make_clock(),
        addresses=Resolver(site.database, site.settings),
        settings=site.settings,
        submit=None,
        rewrite=build_rewriter(
            settings.rewrite, qualify_domain=settings.local.qualify_domain, host_name=hostname
        ).rewrite_address,
        hook_secret=site_secret(site),
    )


def site_secret(site: Site) -> Secret:
    """The secret of the web hook, for a command."""
    return secret_of_hook(site.database, load_node_key(site.node.home))


def secret_of_hook(database: Database, node_key: bytes) -> Secret:
    """Where the secret of the web hook is kept: with the logins for other servers, under a name of its own."""
    credentials = HostCredentials(database, node_key, time.time)

    def find(host: str, port: int) -> str:
        login = credentials.find_credentials(host, port)
        return login.password if login is not None and login.user == HOOK_LOGIN else ""

    return find
