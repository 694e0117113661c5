"""The base of the directory's parts: transactions that move its version on, and names turned into keys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory import accounts
from estafeta.directory.accounts import AddressRow
from estafeta.directory.locality import Locality
from estafeta.directory.model import AddressKind, Clock, User, UserState
from estafeta.directory.resolver import VERSION, Resolver
from estafeta.directory.sequences import next_value
from estafeta.directory.settings_source import SettingsSource
from estafeta.mail.address import Address
from estafeta.storage.database import Database

if TYPE_CHECKING:
    from estafeta.directory.settings_model import Settings


@dataclass(frozen=True, slots=True)
class Named:
    """An address in a domain of ours, its key there, and what the directory has under it."""

    address: Address
    key: str
    row: AddressRow | None

    @property
    def is_taken(self) -> bool:
        """Whether someone has it; what a removed user left behind is free."""
        return self.row is not None and self.row.state is not UserState.REMOVED


class View:
    """One transaction on the directory: its connection, the settings of that moment, and names looked up in it."""

    def __init__(self, conn: Connection, settings: "Settings") -> None:
        self.conn = conn
        self.settings = settings
        self.locality = Locality(conn, settings)

    def address(self, text: str) -> Address:
        """The address that a person means. EstafetaError INVALID."""
        return self.locality.qualify(text)

    def name(self, text: str) -> Named:
        """The address `text` in one of our domains. EstafetaError INVALID; NOT_FOUND if the domain is not ours."""
        address = self.address(text)
        domain = self.locality.find_domain(address.domain)
        if domain is None:
            raise EstafetaError(
                Kind.NOT_FOUND, f"{address.domain} is not one of our domains; add it with `estafeta domain add`."
            )
        key = accounts.address_key(self.locality, address)
        return Named(Address(address.local, domain.name), key, accounts.find_address(self.conn, key))

    def free_name(self, text: str) -> Named:
        """Like `name`; EstafetaError EXISTS if someone has it."""
        named = self.name(text)
        if named.is_taken and named.row is not None:
            raise EstafetaError(Kind.EXISTS, f"{named.address} exists already: it is {_what(named.row.kind)}.")
        return named

    def name_of(self, text: str, kind: AddressKind) -> Named:
        """Like `name`; EstafetaError NOT_FOUND unless it is what `kind` says."""
        named = self.name(text)
        if named.row is None or named.row.kind is not kind:
            raise EstafetaError(Kind.NOT_FOUND, f"There is no {kind} {named.address}.")
        return named

    def user(self, text: str) -> User:
        """The user, perhaps disabled, with address `text`. EstafetaError NOT_FOUND."""
        named = self.name_of(text, AddressKind.USER)
        if named.row is None or named.row.account_id is None or named.row.state is UserState.REMOVED:
            raise EstafetaError(Kind.NOT_FOUND, f"There is no user {named.address}.")
        return self.user_of(named.row.account_id)

    def user_of(self, account_id: AccountId) -> User:
        """The user of an account that exists."""
        return accounts.read_users(self.conn, self.settings, account_id=account_id, include_removed=True)[0]

    def addresses(self, texts: Sequence[str]) -> list[Address]:
        """Several addresses, each once. EstafetaError INVALID."""
        return list({address.key: address for address in map(self.address, texts)}.values())


class Part:
    """What every part of the directory has."""

    def __init__(self, database: Database, clock: Clock, settings: SettingsSource, resolver: Resolver) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._resolver = resolver

    @contextmanager
    def _reading(self) -> Iterator[View]:
        with self._database.read() as conn:
            yield View(conn, self._settings.current)

    @contextmanager
    def _changing(self) -> Iterator[View]:
        """A write transaction, told to everyone after its commit."""
        try:
            with self._database.write() as tx:
                # First of all: on PostgreSQL its row lock makes changes of all processes wait for each other.
                next_value(tx.conn, VERSION)
                tx.announce("directory")
                yield View(tx.conn, self._settings.current)
        except IntegrityError as error:
            raise EstafetaError(
                Kind.EXISTS, "Someone else changed the same entry at this moment; look and try again.", str(error)
            ) from error
        self._resolver.forget()

    def _now(self) -> int:
        return int(self._clock())


def _what(kind: AddressKind) -> str:
    return {"user": "a user's address", "alias": "an alias", "group": "a group", "list": "a list"}[kind]
