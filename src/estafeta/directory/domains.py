"""The directory's domains: added, changed, removed, listed."""

from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.changes import Part, View
from estafeta.directory.model import Domain, DomainState, UserState
from estafeta.directory.tables import addresses, domains, users
from estafeta.mail.address import domain_key, parse_address

_MAX_BYTES = 1 << 50
_MAX_MESSAGES = 1 << 40


class DomainMethods(Part):
    """What can be done with domains. Names may be U-labels; they are kept as A-labels."""

    def add_domain(
        self,
        name: str,
        *,
        alias_of: str = "",
        max_message_bytes: int = 0,
        default_quota_bytes: int = 0,
        default_quota_messages: int = 0,
        max_users: int = 0,
    ) -> Domain:
        """Take mail for `name`; as `alias_of` another it has that one's addresses. 0: the site's limit, or none."""
        key = _domain_name(name)
        limits = _limits(max_message_bytes, default_quota_bytes, default_quota_messages, max_users)
        with self._changing() as view:
            if _find(view.conn, key) is not None:
                raise EstafetaError(Kind.EXISTS, f"The domain {key} exists already.")
            row = {"name": key, "state": DomainState.ACTIVE, "alias_of": "", "catch_all": "", **limits}
            if alias_of:
                row["alias_of"] = _real_domain(view.conn, alias_of)
            view.conn.execute(insert(domains).values(**row, created_seconds=self._now()))
            return _get(view.conn, key)

    def change_domain(
        self,
        name: str,
        *,
        max_message_bytes: int | None = None,
        default_quota_bytes: int | None = None,
        default_quota_messages: int | None = None,
        max_users: int | None = None,
        state: DomainState | None = None,
    ) -> Domain:
        """Change what is given. A disabled domain takes no mail; its users still read theirs."""
        limits = _limits(max_message_bytes, default_quota_bytes, default_quota_messages, max_users)
        values = {**limits, **({"state": state} if state is not None else {})}
        with self._changing() as view:
            domain = _get(view.conn, domain_key(name))
            if values:
                view.conn.execute(update(domains).where(domains.c.name == domain.name).values(**values))
            return _get(view.conn, domain.name)

    def remove_domain(self, name: str) -> None:
        """Take no more mail for `name`. EstafetaError IN_USE while it has addresses or unpurged mailboxes."""
        with self._changing() as view:
            domain = _get(view.conn, domain_key(name))
            _refuse_if_used(view.conn, domain.name)
            view.conn.execute(delete(domains).where(domains.c.name == domain.name))

    def set_catch_all(self, name: str, target: str) -> Domain:
        """Send mail for unknown addresses of a domain to `target`; an empty one takes that back."""
        with self._changing() as view:
            domain = _get(view.conn, _real_domain(view.conn, name))
            wanted = str(view.address(target)) if target.strip() else ""
            view.conn.execute(update(domains).where(domains.c.name == domain.name).values(catch_all=wanted))
            return _get(view.conn, domain.name)

    def get_domain(self, name: str) -> Domain:
        """The domain. EstafetaError NOT_FOUND."""
        with self._reading() as view:
            return _get(view.conn, domain_key(name))

    def list_domains(self) -> list[Domain]:
        """All domains by name."""
        with self._reading() as view:
            return _list(view)


def _domain_name(text: str) -> str:
    """The key of a domain that may be added. EstafetaError INVALID."""
    name = text.strip().rstrip(".")
    if not name or name.startswith("["):
        raise EstafetaError(Kind.INVALID, f"{text!r} is not a domain name.")
    try:
        return domain_key(parse_address(f"postmaster@{name}").domain)
    except EstafetaError:
        raise EstafetaError(Kind.INVALID, f"{text!r} is not a domain name.") from None


def _limits(
    max_message_bytes: int | None,
    default_quota_bytes: int | None,
    default_quota_messages: int | None,
    max_users: int | None,
) -> dict[str, Any]:
    """The given limits by column. EstafetaError INVALID for one out of bounds."""
    given = {"max_message_bytes": max_message_bytes, "default_quota_bytes": default_quota_bytes}
    for value in given.values():
        if value is not None and not 0 <= value <= _MAX_BYTES:
            raise EstafetaError(Kind.INVALID, f"A size is a number of bytes from 0 to {_MAX_BYTES}, not {value}.")
    if max_users is not None and not 0 <= max_users <= 2_000_000_000:
        raise EstafetaError(Kind.INVALID, f"The number of users is from 0 to 2000000000, not {max_users}.")
    if default_quota_messages is not None and not 0 <= default_quota_messages <= _MAX_MESSAGES:
        raise EstafetaError(Kind.INVALID, f"A quota is from 0 (none) to {_MAX_MESSAGES} messages.")
    counts = {"default_quota_messages": default_quota_messages, "max_users": max_users}
    return {name: value for name, value in {**given, **counts}.items() if value is not None}


def _real_domain(conn: Connection, text: str) -> str:
    """The key of a domain that has addresses of its own."""
    domain = _get(conn, domain_key(text))
    if domain.alias_of:
        raise EstafetaError(Kind.INVALID, f"{domain.name} is itself an alias of {domain.alias_of}; name that one.")
    return domain.name


def _refuse_if_used(conn: Connection, name: str) -> None:
    count = conn.execute(select(func.count()).where(addresses.c.domain == name)).scalar() or 0
    if count:
        raise EstafetaError(Kind.IN_USE, f"{name} still has {count} addresses; remove and purge them first.")
    unpurged = conn.execute(select(func.count()).where(users.c.domain == name)).scalar() or 0
    if unpurged:
        raise EstafetaError(Kind.IN_USE, f"{name} still has {unpurged} removed users; purge them first.")
    alias = conn.execute(select(func.min(domains.c.name)).where(domains.c.alias_of == name)).scalar()
    if alias:
        raise EstafetaError(Kind.IN_USE, f"{alias} is an alias of {name}; remove that first.")


def _find(conn: Connection, key: str) -> str | None:
    return conn.execute(select(domains.c.name).where(domains.c.name == key)).scalar()


def _get(conn: Connection, key: str) -> Domain:
    row = conn.execute(select(domains).where(domains.c.name == key)).first()
    if row is None:
        raise EstafetaError(Kind.NOT_FOUND, f"There is no domain {key}.")
    return _domain(row, count_users(conn, key))


def _list(view: View) -> list[Domain]:
    query = select(users.c.domain, func.count()).where(users.c.state != UserState.REMOVED).group_by(users.c.domain)
    counts = {row[0]: row[1] for row in view.conn.execute(query)}
    rows = view.conn.execute(select(domains).order_by(domains.c.name))
    return [_domain(row, counts.get(row.name, 0)) for row in rows]


def _domain(row: Any, user_count: int) -> Domain:
    return Domain(
        name=row.name,
        state=DomainState(row.state),
        alias_of=row.alias_of,
        catch_all=row.catch_all,
        max_message_bytes=row.max_message_bytes,
        default_quota_bytes=row.default_quota_bytes,
        default_quota_messages=row.default_quota_messages,
        max_users=row.max_users,
        users=user_count,
        created_seconds=row.created_seconds,
    )


def count_users(conn: Connection, domain: str) -> int:
    """Users of `domain` that were not removed."""
    query = select(func.count()).where(users.c.domain == domain, users.c.state != UserState.REMOVED)
    return conn.execute(query).scalar() or 0


def check_room(conn: Connection, domain: str) -> None:
    """EstafetaError LIMIT if `domain` has as many users as it may."""
    limit = conn.execute(select(domains.c.max_users).where(domains.c.name == domain)).scalar() or 0
    if limit and count_users(conn, domain) >= limit:
        raise EstafetaError(Kind.LIMIT, f"{domain} has {limit} users and may not have more.")
