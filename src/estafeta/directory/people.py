"""Who is meant by a name in other people's folders, and which names mean a person: what access control lists ask.

An identifier of an access control list (RFC 4314 3) is the address of a user, `@domain` for everyone of a domain,
`group:address` for the members of a group, or `anyone` for all who sign in; `-` in front takes rights away (section 2).
Addresses in identifiers are keys: folded, the domain in the form that the directory keeps it in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory.changes import Named, Part, View
from estafeta.directory.model import AddressKind, Service, UserState
from estafeta.directory.tables import addresses, domains, group_members, users

ANYONE = "anyone"
_GROUP = "group:"
_CHUNK = 400
_POSSIBLE = (
    "Rights are for the address of a user, @domain, group:address, or anyone; with - in front they are taken away."
)


@dataclass(frozen=True, slots=True)
class Person:
    """A user as others see them. `address` is a key; quotas are those that count after inheritance, 0 is no limit."""

    account_id: AccountId
    address: str
    quota_bytes: int
    quota_messages: int


class PeopleMethods(Part):
    """Reading people; nothing here changes the directory."""

    @property
    def generation(self) -> int:
        """Another number after every change of the directory that this process heard of."""
        return self._resolver.generation

    def person(self, account_id: AccountId) -> Person | None:
        """The user of an account; None when there is none, or a removed one."""
        with self._reading() as view:
            return _read_person(view, account_id)

    def may_use(self, account_id: AccountId, service: Service) -> bool:
        """Whether there is an active user of this account who may use the service."""
        query = select(users.c.state, users.c.services).where(users.c.account_id == account_id)
        with self._reading() as view:
            row = view.conn.execute(query).first()
        return row is not None and row.state == UserState.ACTIVE and service in row.services.split(",")

    def find_person(self, text: str) -> Person | None:
        """The user with this address, any of theirs; None when it is not one of a user here."""
        with self._reading() as view:
            try:
                named = view.name(text)
            except EstafetaError:
                return None
            return _person_named(view, named)

    def identifiers_of(self, account_id: AccountId) -> tuple[str, ...]:
        """Every identifier that means this user: addresses, domain, groups (also groups within groups), anyone."""
        with self._reading() as view:
            person = _read_person(view, account_id)
            if person is None:
                return ()
            of_user = select(addresses.c.address_key).where(
                addresses.c.account_id == account_id, addresses.c.kind == AddressKind.USER
            )
            own = {person.address, *view.conn.execute(of_user).scalars()}
            groups = _groups_with(view, own)
        domain = person.address.rpartition("@")[2]
        return (*sorted(own), f"@{domain}", *(f"{_GROUP}{key}" for key in sorted(groups)), ANYONE)

    def check_identifier(self, text: str) -> str:
        """The identifier that a person means, in the form that is stored. EstafetaError INVALID, NOT_FOUND."""
        sign, name = ("-", text[1:]) if text.startswith("-") else ("", text)
        if name.lower() == ANYONE:
            return sign + ANYONE
        with self._reading() as view:
            return sign + _identifier(view, name)


def _identifier(view: View, name: str) -> str:
    if name.startswith("@"):
        domain = view.locality.find_domain(name[1:]) if name[1:] else None
        if domain is None:
            raise EstafetaError(Kind.INVALID, f"That domain is not ours. {_POSSIBLE}")
        return f"@{domain.name}"
    is_group = name.lower().startswith(_GROUP)
    try:
        named = view.name(name[len(_GROUP) :] if is_group else name)
    except EstafetaError:
        raise EstafetaError(Kind.INVALID, f"That is nobody here. {_POSSIBLE}") from None
    if named.row is not None and named.row.kind is AddressKind.GROUP:
        return f"{_GROUP}{named.key}"
    person = None if is_group else _person_named(view, named)
    if person is None:
        raise EstafetaError(Kind.INVALID, f"That is nobody here. {_POSSIBLE}")
    return person.address


def _person_named(view: View, named: Named) -> Person | None:
    row = named.row
    if row is None or row.account_id is None or row.state is UserState.REMOVED:
        return None
    return _read_person(view, row.account_id)


def _read_person(view: View, account_id: AccountId) -> Person | None:
    query = (
        select(
            users.c.local_key,
            users.c.domain,
            users.c.quota_bytes,
            users.c.quota_messages,
            domains.c.default_quota_bytes,
            domains.c.default_quota_messages,
        )
        .select_from(users.outerjoin(domains, users.c.domain == domains.c.name))
        .where(users.c.account_id == account_id, users.c.state != UserState.REMOVED)
    )
    row = view.conn.execute(query).first()
    if row is None:
        return None
    limits = view.settings.limits
    octets = row.quota_bytes if row.quota_bytes >= 0 else row.default_quota_bytes or limits.default_quota_bytes
    count = (
        row.quota_messages if row.quota_messages >= 0 else row.default_quota_messages or limits.default_quota_messages
    )
    return Person(account_id, f"{row.local_key}@{row.domain}", octets, count)


def _groups_with(view: View, keys: Iterable[str]) -> set[str]:
    """Keys of the groups that these addresses are in, and of the groups that those are in."""
    found: set[str] = set()
    wanted = set(keys)
    # A group within a group within ...: as deep as mail for it would go.
    for _ in range(view.settings.limits.max_expansion_depth):
        holding = select(group_members.c.group_key)
        new = set(_matching(view, holding, group_members.c.member_key, sorted(_forms(view, wanted)))) - found
        if not new:
            break
        found |= new
        wanted = new
    return found


def _forms(view: View, keys: Iterable[str]) -> set[str]:
    """The keys, also as they are in alias domains: a member is kept as it was typed."""
    forms = set(keys)
    by_domain: dict[str, list[str]] = {}
    for key in forms:
        local, _, domain = key.rpartition("@")
        by_domain.setdefault(domain, []).append(local)
    query = select(domains.c.name, domains.c.alias_of)
    with_alias = _rows(view, query, domains.c.alias_of, sorted(by_domain))
    return forms | {f"{local}@{row.name}" for row in with_alias for local in by_domain[row.alias_of]}


def _matching(view: View, query: Any, column: Any, values: Sequence[str]) -> Iterator[str]:
    return (row[0] for row in _rows(view, query, column, values))


def _rows(view: View, query: Any, column: Any, values: Sequence[str]) -> Iterator[Any]:
    for start in range(0, len(values), _CHUNK):
        yield from view.conn.execute(query.where(column.in_(values[start : start + _CHUNK])))
