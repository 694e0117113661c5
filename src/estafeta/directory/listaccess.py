"""Who may write to a list. Functions over a connection.

Authors are told by their addresses alone: the reverse-path and From, which anybody can write. What really keeps
strangers out is moderation, and that users here must sign in to write as themselves (`relay.sender_must_be`).
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from estafeta.directory import listrows
from estafeta.directory.listnames import split_role
from estafeta.directory.listvalues import MailingList, Post
from estafeta.directory.model import AddressKind, ListRole
from estafeta.directory.tables import addresses, group_members
from estafeta.mail.address import Address, parse_address


def may_post(conn: Connection, found: MailingList, authors: Sequence[Address]) -> bool:
    """Whether one of the authors may write without being asked about."""
    if found.options.post is Post.ANYONE or is_trusted(found, authors):
        return True
    if _is_from_parent(conn, found, authors):
        return True
    return found.options.post is Post.MEMBERS and is_member(conn, found, authors)


def is_trusted(found: MailingList, authors: Iterable[Address]) -> bool:
    """Whether one of the authors is an owner, a moderator or a poster of the list."""
    options = found.options
    trusted = {parse_address(one).key for one in (*options.owners, *options.moderators, *options.posters)}
    return any(author.key in trusted for author in authors)


def is_member(conn: Connection, found: MailingList, authors: Iterable[Address]) -> bool:
    """Whether one of the authors is a member: under any of their addresses here, or through a group."""
    keys = {author.key for author in authors}
    keys |= _own_keys(conn, keys)
    groups = select(group_members.c.group_key).where(group_members.c.member_key.in_(keys))
    return bool(listrows.find_numbers(conn, found.list_id, {*keys, *conn.execute(groups).scalars()}))


def _own_keys(conn: Connection, keys: set[str]) -> set[str]:
    """All addresses of the users here that these belong to."""
    columns = addresses.c
    accounts = select(columns.account_id).where(columns.address_key.in_(keys), columns.kind == AddressKind.USER)
    return set(conn.execute(select(columns.address_key).where(columns.account_id.in_(accounts))).scalars())


def _is_from_parent(conn: Connection, found: MailingList, authors: Iterable[Address]) -> bool:
    """Whether it comes from another list here that has this one as a member: its reverse-path says so."""
    for author in authors:
        name = split_role(author.local)
        if name is not None and name.role is ListRole.BOUNCES:
            parent = listrows.find_list(conn, Address(name.local, author.domain).key)
            if parent is not None and listrows.find_numbers(conn, parent.list_id, [found.key]):
                return True
    return False
