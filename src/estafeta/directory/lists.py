"""The directory's distribution lists: made, changed, removed, and who may write to them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory import listrows, names
from estafeta.directory.changes import Part, View
from estafeta.directory.listaccess import may_post
from estafeta.directory.listnames import INNER_WORDS, WORDS
from estafeta.directory.listoptions import with_options
from estafeta.directory.listvalues import ListOptions, MailingList, Others, Post
from estafeta.directory.model import AddressKind, ListRole, ListTarget
from estafeta.directory.settings_fields import parse_list
from estafeta.mail.address import Address, parse_address

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_MOST_LOCAL = 40
"""Characters of a list's local part; in addresses made of it, with tokens, up to 50 more follow."""


_PEOPLE = {"owners", "moderators", "posters"}


class ListMethods(Part):
    """What can be done with lists. Options are typed text by name (estafeta.directory.listvalues.ListOptions)."""

    def add_list(self, address: str, options: Mapping[str, str] | None = None) -> MailingList:
        """A new list without members."""
        with self._changing() as view:
            named = view.free_name(address)
            _check_name(named.address)
            wanted = with_options(ListOptions(), _qualified(view, options or {}))
            names.insert_address(view.conn, named.key, named.address, AddressKind.LIST)
            listrows.insert_list(view.conn, named.key, wanted, self._now())
            return list_named(view, address)

    def change_list(self, address: str, options: Mapping[str, str]) -> MailingList:
        """Change the options that are given."""
        with self._changing() as view:
            found = list_named(view, address)
            wanted = with_options(found.options, _qualified(view, options))
            listrows.write_options(view.conn, found.list_id, wanted)
            return list_named(view, address)

    def add_list_owners(self, address: str, owners: list[str]) -> MailingList:
        """More owners for a list."""
        with self._reading() as view:
            have = list_named(view, address).options.owners
        return self.change_list(address, {"owners": ",".join([*have, *owners])})

    def remove_list_owners(self, address: str, owners: list[str]) -> MailingList:
        """Fewer owners. EstafetaError NOT_FOUND if none of them was one."""
        with self._reading() as view:
            have = list_named(view, address).options.owners
            gone = {owner.key for owner in view.addresses(owners)}
        left = [owner for owner in have if parse_address(owner).key not in gone]
        if len(left) == len(have):
            raise EstafetaError(Kind.NOT_FOUND, f"None of these owns {address}.")
        return self.change_list(address, {"owners": ",".join(left)})

    def renew_list_secret(self, address: str) -> None:
        """Make every link and token of a list worthless that was given out until now."""
        with self._changing() as view:
            listrows.renew_secret(view.conn, list_named(view, address).list_id)

    def remove_list(self, address: str) -> int:
        """Remove a list; how many members it had."""
        with self._changing() as view:
            found = list_named(view, address)
            listrows.delete_list(view.conn, found.list_id)
            names.delete_address(view.conn, found.key)
            return found.members

    def get_list(self, address: str) -> MailingList:
        """The list. EstafetaError NOT_FOUND."""
        with self._reading() as view:
            return list_named(view, address)

    def find_list(self, key: str) -> MailingList | None:
        """The list whose key, as its next hop has it, this is; its members are not counted."""
        with self._database.read() as conn:
            return listrows.find_list(conn, key)

    def find_list_by_id(self, list_id: int) -> MailingList | None:
        """Likewise, by its number."""
        with self._database.read() as conn:
            return listrows.find_list_by_id(conn, list_id)

    def list_lists(self, domain: str = "", member: str = "") -> list[MailingList]:
        """Lists by address: all, those of a domain, those that somebody is on."""
        with self._reading() as view:
            name = ""
            if domain:
                known = view.locality.find_domain(domain)
                if known is None:
                    raise EstafetaError(Kind.NOT_FOUND, f"There is no domain {domain}.")
                name = known.name
            return listrows.read_lists(view.conn, name, view.address(member).key if member else "")

    def is_list_bounce(self, address: str) -> bool:
        """Whether a reverse-path is that of what a list sent."""
        try:
            targets = self._resolver.resolve(parse_address(address)).targets
        except EstafetaError:
            return False
        return any(isinstance(target, ListTarget) and target.role is ListRole.BOUNCES for target in targets)

    def may_post(self, found: MailingList, authors: Sequence[Address]) -> bool:
        """Whether one of the authors (reverse-path, From) may write without being asked about."""
        with self._database.read() as conn:
            return may_post(conn, found, authors)

    def check_post(self, key: str, sender: Address | None) -> str:
        """Why a message with this reverse-path is refused by the list `key` at once; empty where it is not.

        What is moderated is not refused. For the reply to RCPT: From has not been seen yet."""
        with self._database.read() as conn:
            found = listrows.find_list(conn, key)
            if found is None:
                return "There is no such list."
            if sender is None:
                return "Lists take no notices; write to its owner."
            if found.options.others is Others.MODERATE or may_post(conn, found, [sender]):
                return ""
        who = "its members" if found.options.post is Post.MEMBERS else "some people"
        return f"Only {who} may write to {found.address}."


def _check_name(address: Address) -> None:
    local = address.local
    if len(local) > _MOST_LOCAL:
        raise EstafetaError(Kind.INVALID, f"The name of a list has at most {_MOST_LOCAL} characters before @.")
    if not _NAME.fullmatch(local):
        raise EstafetaError(Kind.INVALID, "The name of a list has letters and digits of ASCII, and . - _ between them.")
    if "-" in local and local.rpartition("-")[2].lower() in {*WORDS, *INNER_WORDS}:
        raise EstafetaError(Kind.INVALID, f"{address} looks like an address that another list has by itself.")


def _qualified(view: View, options: Mapping[str, str]) -> dict[str, str]:
    """Bare names of people get the default domain, as everywhere."""
    typed = dict(options)
    for name in _PEOPLE & set(typed):
        typed[name] = ",".join(map(str, view.addresses(parse_list(typed[name]))))
    return typed


def list_named(view: View, text: str) -> MailingList:
    """The list, its members counted. EstafetaError NOT_FOUND."""
    named = view.name_of(text, AddressKind.LIST)
    found = listrows.find_list(view.conn, named.key)
    if found is None:
        raise EstafetaError(Kind.NOT_FOUND, f"There is no list {named.address}.")
    return replace(found, members=listrows.count_members(view.conn, found.list_id))
