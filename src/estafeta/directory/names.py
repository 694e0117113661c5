"""Rows of addresses that stand for others: aliases, groups, and the redirects of users.

Functions over a connection; whoever calls them holds the transaction.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from estafeta.core.ids import AccountId
from estafeta.directory.model import AddressKind, Alias, Group, RedirectMode, UserState
from estafeta.directory.restriction_tables import send_grants
from estafeta.directory.tables import addresses, alias_targets, group_members, groups, redirects, users
from estafeta.mail.address import Address


def insert_address(
    conn: Connection, key: str, address: Address, kind: AddressKind, account_id: AccountId | None = None
) -> None:
    """Enter an address of ours; one that a removed user left behind gives way, and who might send in the name of an
    earlier owner may not in this one's. IntegrityError if it is taken."""
    removed = select(users.c.account_id).where(users.c.state == UserState.REMOVED)
    conn.execute(delete(addresses).where(addresses.c.address_key == key, addresses.c.account_id.in_(removed)))
    conn.execute(delete(send_grants).where(send_grants.c.identity == key))
    domain = key.rpartition("@")[2]
    row = {"address_key": key, "address": str(address), "domain": domain, "kind": kind, "account_id": account_id}
    conn.execute(insert(addresses).values(row))


def delete_address(conn: Connection, key: str) -> None:
    """Forget what `key` was; what it led to is the caller's."""
    conn.execute(delete(addresses).where(addresses.c.address_key == key))


def read_aliases(conn: Connection, domain: str = "", key: str = "") -> list[Alias]:
    """All aliases by address, or those of one domain, or the one under `key`."""
    query = (
        select(addresses.c.address, alias_targets.c.target)
        .select_from(addresses.join(alias_targets, addresses.c.address_key == alias_targets.c.alias_key))
        .order_by(addresses.c.domain, addresses.c.address_key, alias_targets.c.position)
    )
    if domain:
        query = query.where(addresses.c.domain == domain)
    if key:
        query = query.where(addresses.c.address_key == key)
    found: dict[str, list[str]] = {}
    for row in conn.execute(query):
        found.setdefault(row.address, []).append(row.target)
    return [Alias(address, tuple(targets)) for address, targets in found.items()]


def write_alias_targets(conn: Connection, key: str, targets: Sequence[Address]) -> None:
    """Make the alias `key` stand for exactly `targets`."""
    drop_alias_targets(conn, key)
    rows = [{"alias_key": key, "position": at, "target": str(target)} for at, target in enumerate(targets)]
    conn.execute(insert(alias_targets), rows)


def drop_alias_targets(conn: Connection, key: str) -> None:
    """Forget what the alias `key` stands for."""
    conn.execute(delete(alias_targets).where(alias_targets.c.alias_key == key))


def read_groups(conn: Connection, domain: str = "", key: str = "") -> list[Group]:
    """All groups by address, or those of one domain, or the one under `key`."""
    query = (
        select(addresses.c.address, groups.c.display_name, group_members.c.member)
        .select_from(addresses.join(groups, addresses.c.address_key == groups.c.group_key))
        .outerjoin(group_members, group_members.c.group_key == groups.c.group_key)
        .order_by(addresses.c.domain, addresses.c.address_key, group_members.c.member_key)
    )
    if domain:
        query = query.where(addresses.c.domain == domain)
    if key:
        query = query.where(addresses.c.address_key == key)
    found: dict[tuple[str, str], list[str]] = {}
    for row in conn.execute(query):
        members = found.setdefault((row.address, row.display_name), [])
        if row.member is not None:
            members.append(row.member)
    return [Group(address, name, tuple(members)) for (address, name), members in found.items()]


def write_group(conn: Connection, key: str, address: Address, display_name: str) -> None:
    """Enter a group without members."""
    insert_address(conn, key, address, AddressKind.GROUP)
    conn.execute(insert(groups).values(group_key=key, display_name=display_name))


def add_members(conn: Connection, key: str, members: Sequence[Address]) -> None:
    """Put `members` into the group; those that are in it stay as they are."""
    known = set(conn.execute(select(group_members.c.member_key).where(group_members.c.group_key == key)).scalars())
    new = {member.key: str(member) for member in members if member.key not in known}
    if new:
        rows = [{"group_key": key, "member_key": member, "member": text} for member, text in new.items()]
        conn.execute(insert(group_members), rows)


def drop_members(conn: Connection, key: str, members: Sequence[Address] | None = None) -> int:
    """Take `members`, or all, out of the group; how many were in it."""
    statement = delete(group_members).where(group_members.c.group_key == key)
    if members is not None:
        statement = statement.where(group_members.c.member_key.in_([member.key for member in members]))
    return conn.execute(statement).rowcount


def drop_group(conn: Connection, key: str) -> None:
    """Forget a group and its members."""
    drop_members(conn, key)
    conn.execute(delete(groups).where(groups.c.group_key == key))


def write_redirect(conn: Connection, account_id: AccountId, targets: Sequence[Address], mode: RedirectMode) -> None:
    """Send the user's mail to exactly `targets`."""
    conn.execute(delete(redirects).where(redirects.c.account_id == account_id))
    if targets:
        rows = [{"account_id": account_id, "position": at, "target": str(to)} for at, to in enumerate(targets)]
        conn.execute(insert(redirects), rows)
    conn.execute(update(users).where(users.c.account_id == account_id).values(redirect_mode=mode))
