"""From an address to where its mail goes, with a bounded memory of the answers.

What an address leads to is in estafeta.directory.expansion. `cached` is a dict lookup and may be called on the event
loop; the others read the database.
"""

import time

from sqlalchemy import Connection

from estafeta.directory.expansion import Expansion
from estafeta.directory.locality import DomainMemory, Locality
from estafeta.directory.model import Clock, RemoteTarget, Resolution, Status
from estafeta.directory.sequences import read_value
from estafeta.directory.settings_source import SettingsSource
from estafeta.directory.sitesecrets import SRS, find_secret
from estafeta.mail.address import Address, domain_key
from estafeta.storage.database import Database
from estafeta.trust.srs import is_srs, reverse

VERSION = "directory.version"
"""The sequence that every change of the directory moves on."""


class Resolver:
    """Resolves addresses. `max_entries` bounds its memory: about 500 octets each.

    Threads may resolve while the event loop asks `cached`: an answer read before a `forget` is never remembered.
    """

    def __init__(
        self, database: Database, settings: SettingsSource, *, max_entries: int = 20_000, clock: Clock = time.time
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._max_entries = max_entries
        self._version = -1
        self.generation = 0
        """Grows with every `forget`."""
        self._domains = DomainMemory()
        # Strangers can ask for any number of unknown addresses: they push out only each other.
        self._good: dict[tuple[str, str], Resolution] = {}
        self._bad: dict[tuple[str, str], Resolution] = {}

    def cached(self, address: Address) -> Resolution | None:
        """The remembered answer, if there is one."""
        key = (address.local, address.domain)
        return self._good.get(key) or self._bad.get(key)

    def resolve(self, address: Address) -> Resolution:
        """Where mail for `address` goes. An empty domain means this host. Never raises for what an address may be."""
        # Taken before the read: `forget` puts new ones in place, so what is stored here after it is never seen.
        good, bad, domains, settings = self._good, self._bad, self._domains, self._settings.current
        with self._database.read() as conn:
            locality = Locality(conn, settings, domains)
            if locality.find_domain(address.domain) is None:
                reason = f"{address.domain or 'This host'} is not one of our domains."
                resolution = Resolution(Status.NOT_OURS, (RemoteTarget(address),), reason)
            elif is_srs(address.local):
                return self._way_back(conn, locality, address)
            else:
                resolution = Expansion(conn, settings, locality).expand(address)
        memory = good if resolution.targets and resolution.status is not Status.NOT_OURS else bad
        _remember(memory, (address.local, address.domain), resolution, self._max_entries)
        return resolution

    def _way_back(self, conn: Connection, locality: Locality, path: Address) -> Resolution:
        """A return path that was made here leads to whom it was made of; remembered by nobody, since it grows old."""
        secret = find_secret(conn, SRS)
        found = reverse(path.local, [secret] if secret else [], self._clock())
        address = found.address
        if address is None:
            return Resolution(Status.STALE, (), found.problem)
        if locality.find_domain(address.domain) is None:
            return Resolution(Status.REMOTE, (RemoteTarget(address),), "A return path (SRS).")
        if is_srs(address.local):
            return self._way_back(conn, locality, address)  # shorter each time
        return Expansion(conn, self._settings.current, locality).expand(address)

    def is_local(self, domain: str) -> bool:
        """Whether mail for `domain` is ours: from memory for what was resolved lately, else from the database."""
        known = self._domains.domains
        key = domain_key(domain)
        if key in known:
            return known[key] is not None
        domains, settings = self._domains, self._settings.current
        with self._database.read() as conn:
            return Locality(conn, settings, domains).find_domain(domain) is not None

    def forget(self) -> None:
        """The directory or the settings changed."""
        self.generation += 1
        self._domains = DomainMemory()
        self._good = {}
        self._bad = {}

    def poll_version(self) -> bool:
        """Forget if someone changed the directory since the last poll; True if so. For lost announcements."""
        with self._database.read() as conn:
            version = read_value(conn, VERSION)
        if version == self._version:
            return False
        self._version = version
        self.forget()
        return True


def _remember(
    memory: dict[tuple[str, str], Resolution], key: tuple[str, str], resolution: Resolution, max_entries: int
) -> None:
    if len(memory) >= max_entries:
        # The oldest tenth at once: popping one by one would walk over deleted slots each time.
        for old in list(memory)[: max(1, max_entries // 10)]:
            memory.pop(old, None)
    memory[key] = resolution
