"""Rows of users, their addresses and credentials: what the directory and sign-in both need of the database.

Functions over a connection; whoever calls them holds the transaction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select

from estafeta.core.errors import EstafetaError
from estafeta.core.ids import AccountId
from estafeta.directory.locality import Locality, local_key
from estafeta.directory.model import (
    Account,
    AddressKind,
    CredentialKind,
    RedirectMode,
    Service,
    User,
    UserState,
)
from estafeta.directory.restriction_tables import send_grants
from estafeta.directory.tables import addresses, credentials, domains, redirects, users
from estafeta.mail.address import Address

if TYPE_CHECKING:
    from estafeta.directory.settings_model import Settings


@dataclass(frozen=True, slots=True)
class AddressRow:
    """What an address of ours is."""

    key: str
    address: str
    kind: AddressKind
    account_id: AccountId | None
    state: UserState | None


def address_key(locality: Locality, address: Address) -> str:
    """The key of `address` in the directory, its domain in the form that it is kept in; empty if it is not ours."""
    domain = locality.find_domain(address.domain)
    return f"{local_key(address)}@{domain.name}" if domain is not None else ""


def find_address(conn: Connection, key: str) -> AddressRow | None:
    """The entry under `key`."""
    query = (
        select(addresses, users.c.state)
        .select_from(addresses.outerjoin(users, addresses.c.account_id == users.c.account_id))
        .where(addresses.c.address_key == key)
    )
    row = conn.execute(query).first()
    if row is None:
        return None
    state = UserState(row.state) if row.state else None
    return AddressRow(row.address_key, row.address, AddressKind(row.kind), row.account_id, state)


def find_login(conn: Connection, settings: "Settings", login: str) -> Account | None:
    """The active user who signs in as `login`: any of their addresses, or a bare name in the default domain."""
    locality = Locality(conn, settings)
    try:
        key = address_key(locality, locality.qualify(login))
    except EstafetaError:
        return None
    query = (
        select(users)
        .select_from(users.join(addresses, addresses.c.account_id == users.c.account_id))
        .where(addresses.c.address_key == key, users.c.state == UserState.ACTIVE)
    )
    row = conn.execute(query).first()
    return _account(row, read_grants(conn, row.account_id)) if row is not None else None


def read_credential(conn: Connection, account_id: AccountId, kind: CredentialKind) -> str:
    """The stored data; empty if there is none."""
    query = select(credentials.c.data).where(credentials.c.account_id == account_id, credentials.c.kind == kind)
    return conn.execute(query).scalar() or ""


def store_credentials(
    conn: Connection, account_id: AccountId, rows: Mapping[CredentialKind, str], now_seconds: int
) -> None:
    """Put `rows` in place of those of the same kinds."""
    kinds = list(rows)
    conn.execute(delete(credentials).where(credentials.c.account_id == account_id, credentials.c.kind.in_(kinds)))
    conn.execute(
        insert(credentials),
        [
            {"account_id": account_id, "kind": kind, "data": data, "changed_seconds": now_seconds}
            for kind, data in rows.items()
        ],
    )


def drop_credentials(conn: Connection, account_id: AccountId, *kinds: CredentialKind) -> None:
    """Remove the credentials of the named kinds; all of them without any."""
    statement = delete(credentials).where(credentials.c.account_id == account_id)
    conn.execute(statement.where(credentials.c.kind.in_(kinds)) if kinds else statement)


def read_users(
    conn: Connection, settings: "Settings", *, domain: str = "", account_id: int = 0, include_removed: bool = False
) -> list[User]:
    """Users with all that belongs to them, by address; of one domain or one account where asked."""
    query = select(users, domains.c.default_quota_bytes, domains.c.default_quota_messages).select_from(
        users.outerjoin(domains, users.c.domain == domains.c.name)
    )
    if domain:
        query = query.where(users.c.domain == domain)
    if account_id:
        query = query.where(users.c.account_id == account_id)
    if not include_removed:
        query = query.where(users.c.state != UserState.REMOVED)
    rows = conn.execute(query.order_by(users.c.domain, users.c.local_key, users.c.account_id)).all()
    parts = _Parts(conn, account_id)
    return [parts.user(row, settings) for row in rows]


class _Parts:
    """Addresses, redirects and passwords of all accounts (or one), in three queries."""

    def __init__(self, conn: Connection, account_id: int) -> None:
        def of(query: Any, column: Any) -> Iterable[Any]:
            return conn.execute(query.where(column == account_id) if account_id else query)

        self.addresses: dict[int, list[str]] = {}
        columns = addresses.c
        listed = select(columns.account_id, columns.address).where(columns.kind == AddressKind.USER)
        for row in of(listed.order_by(columns.address_key), columns.account_id):
            self.addresses.setdefault(row.account_id, []).append(row.address)
        self.redirects: dict[int, list[str]] = {}
        targets = select(redirects.c.account_id, redirects.c.target).order_by(redirects.c.position)
        for row in of(targets, redirects.c.account_id):
            self.redirects.setdefault(row.account_id, []).append(row.target)
        passwords = select(credentials.c.account_id).where(credentials.c.kind == CredentialKind.PASSWORD)
        self.with_password = {row.account_id for row in of(passwords, credentials.c.account_id)}

    def user(self, row: Any, settings: "Settings") -> User:
        inherited, limits = row.quota_bytes < 0, settings.limits
        messages_inherited = row.quota_messages < 0
        messages_above = row.default_quota_messages or limits.default_quota_messages
        return User(
            account_id=AccountId(row.account_id),
            address=str(Address(row.local, row.domain)),
            addresses=tuple(self.addresses.get(row.account_id, ())),
            display_name=row.display_name,
            preferred_address=row.preferred_address,
            quota_bytes=(row.default_quota_bytes or limits.default_quota_bytes) if inherited else row.quota_bytes,
            quota_inherited=inherited,
            quota_messages=messages_above if messages_inherited else row.quota_messages,
            quota_messages_inherited=messages_inherited,
            language=row.language,
            services=parse_services(row.services),
            state=UserState(row.state),
            redirect=tuple(self.redirects.get(row.account_id, ())),
            redirect_mode=RedirectMode(row.redirect_mode),
            has_password=row.account_id in self.with_password,
            created_seconds=row.created_seconds,
            removed_seconds=row.removed_seconds,
        )


def parse_services(text: str) -> frozenset[Service]:
    """The stored comma list; ValueError for a name that is no service."""
    return frozenset(Service(name) for name in text.split(",") if name)


def encode_services(services: Iterable[Service]) -> str:
    """The comma list as stored, in the order of the services' declaration."""
    chosen = set(services)
    return ",".join(service for service in Service if service in chosen)


def read_grants(conn: Connection, account_id: AccountId) -> frozenset[str]:
    """As whom a user may send besides its own addresses (estafeta.directory.grants)."""
    query = select(send_grants.c.identity).where(send_grants.c.account_id == account_id)
    return frozenset(conn.execute(query).scalars())


def _account(row: Any, grants: frozenset[str]) -> Account:
    address = str(Address(row.local, row.domain))
    services = parse_services(row.services)
    return Account(AccountId(row.account_id), address, row.display_name, row.language, services, grants)
