"""The directory: what is in it, every change to it, and where an address leads.

Addresses and domains are given as text, as a person types them; a bare name gets the default domain. Methods are
synchronous and belong on the command line or in a thread, except `cached`. Every failure that a person can cause is an
`EstafetaError` of kind INVALID, NOT_FOUND, EXISTS, IN_USE or LIMIT. Each change moves the version of the directory on
and announces `directory` on the bus, whose listeners call `forget` (and `Authenticator.forget`).
"""

from estafeta.directory.aliases import AliasMethods
from estafeta.directory.blocks import BlockMethods
from estafeta.directory.credentials import CredentialMaker
from estafeta.directory.domains import DomainMethods
from estafeta.directory.grants import GrantMethods
from estafeta.directory.listmembers import ListMemberMethods
from estafeta.directory.lists import ListMethods
from estafeta.directory.model import Clock, Resolution
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.people import PeopleMethods
from estafeta.directory.resolver import Resolver
from estafeta.directory.settings_source import SettingsSource
from estafeta.directory.transfers import TransferMethods
from estafeta.directory.users import UserMethods
from estafeta.mail.address import Address
from estafeta.storage.database import Database


class Directory(
    DomainMethods,
    UserMethods,
    AliasMethods,
    PeopleMethods,
    TransferMethods,
    ListMethods,
    ListMemberMethods,
    GrantMethods,
    BlockMethods,
):
    """Everything about who is here. `profile` overrides what the settings say an Argon2id hash costs."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: SettingsSource,
        *,
        profile: PasswordProfile | None = None,
        node_key: bytes | None = None,
        max_remembered: int = 20_000,
    ) -> None:
        super().__init__(
            database, clock, settings, Resolver(database, settings, max_entries=max_remembered, clock=clock)
        )
        self.credentials = CredentialMaker(settings, profile=profile, node_key=node_key)

    @property
    def database(self) -> Database:
        """Where it is kept."""
        return self._database

    def cached(self, address: Address) -> Resolution | None:
        """The remembered resolution, if there is one: a dict lookup, for the event loop."""
        return self._resolver.cached(address)

    def resolve(self, address: Address) -> Resolution:
        """Where mail for `address` goes; an empty domain means this host. Reads the database."""
        return self._resolver.resolve(address)

    def qualify(self, text: str, *, recipient: bool = False) -> Address:
        """The address that a local person or program means by `text`, which may be a bare name.

        `recipient` takes `local.qualify_recipient` before `local.qualify_domain`. EstafetaError INVALID.
        """
        with self._reading() as view:
            return view.locality.qualify(text, recipient=recipient)

    def is_local_domain(self, domain: str) -> bool:
        """Whether mail for `domain`, in any form, is ours."""
        with self._reading() as view:
            return view.locality.find_domain(domain) is not None

    def forget(self) -> None:
        """Drop remembered resolutions: on the bus topics `directory` and `settings`."""
        self._resolver.forget()

    def poll_version(self) -> bool:
        """Forget if the directory changed since the last poll; True if so. For announcements that were lost."""
        return self._resolver.poll_version()
