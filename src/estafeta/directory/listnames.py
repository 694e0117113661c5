"""Addresses that every list has without anyone making them: NAME-request, NAME-owner and so on, and those of VERP.

`split_role` is pure text; whether there is such a list, the directory says. Words after the role (a token, the member
that a bounce is about) follow a `+`, whatever separators the site has.
"""

from typing import NamedTuple

from estafeta.directory.model import ListRole

#: What people and other list managers write (RFC 2142 6; -join and -leave are Mailman's).
WORDS = {
    "request": ListRole.REQUEST,
    "owner": ListRole.OWNER,
    "bounces": ListRole.BOUNCES,
    "subscribe": ListRole.SUBSCRIBE,
    "join": ListRole.SUBSCRIBE,
    "unsubscribe": ListRole.UNSUBSCRIBE,
    "leave": ListRole.UNSUBSCRIBE,
    "confirm": ListRole.CONFIRM,
}
#: Only the queue has these, never a client: they stand for decisions that were made.
INNER_WORDS = {"approved": ListRole.APPROVED, "next": ListRole.NEXT}
_MOST_LOCAL_OCTETS = 64


class RoleName(NamedTuple):
    """A local part taken apart: the list's own, the role, and the words after it."""

    local: str
    role: ListRole
    argument: str


def split_role(local: str) -> RoleName | None:
    """`news-bounces+ana=example.org`: None unless it has the form of a list's address with a role."""
    front, _, argument = local.partition("+")
    name, dash, word = front.rpartition("-")
    role = WORDS.get(word.lower())
    if role is None or not dash or not name:
        return None
    return RoleName(name, role, argument)


def role_of(list_address: str, address: str) -> tuple[ListRole, str]:
    """What an address in the queue of a list stands for, with its words: the whole of it is a post otherwise."""
    list_local, local = list_address.rpartition("@")[0], address.rpartition("@")[0]
    front, _, argument = local.partition("+")
    name, _, word = front.rpartition("-")
    role = WORDS.get(word.lower()) or INNER_WORDS.get(word)
    if role is None or name.casefold() != list_local.casefold():
        return ListRole.POST, ""
    return role, argument


def with_role(list_address: str, word: str, argument: str = "") -> str:
    """The list's address for a role: `news-confirm+TOKEN@example.org`."""
    local, _, domain = list_address.rpartition("@")
    return f"{local}-{word}{'+' + argument if argument else ''}@{domain}"


def verp_address(bounces: str, member: str) -> str:
    """VERP: the reverse-path that names whom a message went to, `news-bounces+ana=example.org@our.org`.

    `bounces` itself where the result could not be used everywhere: RFC 5321 4.5.3.1.1 lets a server refuse local parts
    over 64 octets, and quoted or internationalised ones need what not every server has.
    """
    local, _, domain = bounces.rpartition("@")
    at, _, host = member.rpartition("@")
    made = f"{local}+{at}={host}"
    if not made.isascii() or '"' in made or "[" in host or len(made) > _MOST_LOCAL_OCTETS:
        return bounces
    return f"{made}@{domain}"


def verp_member(argument: str) -> str:
    """The member that `verp_address` put into the words after the role; empty for none."""
    at, equals, host = argument.rpartition("=")
    return f"{at}@{host}" if equals and at and host else ""
