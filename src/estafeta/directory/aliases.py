"""The directory's aliases and groups."""

from collections.abc import Sequence

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory import accounts, names
from estafeta.directory.changes import Named, Part, View
from estafeta.directory.model import AddressKind, Alias, Group
from estafeta.mail.address import Address


class AliasMethods(Part):
    """What can be done with aliases and groups. Targets and members may be here or elsewhere."""

    def add_alias(self, address: str, targets: Sequence[str]) -> Alias:
        """Make `address` stand for `targets`, in addition to those it has."""
        with self._changing() as view:
            named = view.name(address)
            known = names.read_aliases(view.conn, key=named.key) if _is_alias(named) else []
            have = list(known[0].targets) if known else []
            return put_alias(view, address, [*have, *targets])

    def remove_alias(self, address: str, targets: Sequence[str] = ()) -> None:
        """Take `targets` away from an alias, or the whole alias when none are given or left."""
        with self._changing() as view:
            named = view.name_of(address, AddressKind.ALIAS)
            have = view.addresses(names.read_aliases(view.conn, key=named.key)[0].targets)
            gone = {target.key for target in view.addresses(targets)}
            missing = gone - {target.key for target in have}
            if missing:
                raise EstafetaError(Kind.NOT_FOUND, f"{named.address} does not lead to {min(missing)}.")
            left = [target for target in have if target.key not in gone] if gone else []
            if left:
                names.write_alias_targets(view.conn, named.key, left)
                return
            names.drop_alias_targets(view.conn, named.key)
            names.delete_address(view.conn, named.key)

    def get_alias(self, address: str) -> Alias:
        """The alias. EstafetaError NOT_FOUND."""
        with self._reading() as view:
            return names.read_aliases(view.conn, key=view.name_of(address, AddressKind.ALIAS).key)[0]

    def list_aliases(self, domain: str = "") -> list[Alias]:
        """Aliases by address, of one domain or of all."""
        with self._reading() as view:
            return names.read_aliases(view.conn, _domain_name(view, domain))

    def add_group(self, address: str, *, display_name: str = "", members: Sequence[str] = ()) -> Group:
        """A new group."""
        if not display_name.isprintable() or len(display_name) > 256:
            raise EstafetaError(Kind.INVALID, "The display name is one line of at most 256 characters.")
        with self._changing() as view:
            named = view.free_name(address)
            names.write_group(view.conn, named.key, named.address, display_name.strip())
            names.add_members(view.conn, named.key, _others(view, named, members))
            return names.read_groups(view.conn, key=named.key)[0]

    def add_members(self, group: str, members: Sequence[str]) -> Group:
        """Put addresses into a group."""
        with self._changing() as view:
            named = view.name_of(group, AddressKind.GROUP)
            names.add_members(view.conn, named.key, _others(view, named, members))
            return names.read_groups(view.conn, key=named.key)[0]

    def remove_members(self, group: str, members: Sequence[str]) -> Group:
        """Take addresses out of a group. EstafetaError NOT_FOUND if none of them was in it."""
        with self._changing() as view:
            named = view.name_of(group, AddressKind.GROUP)
            if not names.drop_members(view.conn, named.key, view.addresses(members)):
                raise EstafetaError(Kind.NOT_FOUND, f"None of these is a member of {named.address}.")
            return names.read_groups(view.conn, key=named.key)[0]

    def remove_group(self, address: str) -> None:
        """Remove a group; its members stay."""
        with self._changing() as view:
            named = view.name_of(address, AddressKind.GROUP)
            names.drop_group(view.conn, named.key)
            names.delete_address(view.conn, named.key)

    def get_group(self, address: str) -> Group:
        """The group. EstafetaError NOT_FOUND."""
        with self._reading() as view:
            return names.read_groups(view.conn, key=view.name_of(address, AddressKind.GROUP).key)[0]

    def list_groups(self, domain: str = "") -> list[Group]:
        """Groups by address, of one domain or of all."""
        with self._reading() as view:
            return names.read_groups(view.conn, _domain_name(view, domain))


def put_alias(view: View, text: str, targets: Sequence[str]) -> Alias:
    """Make `text` an alias for exactly `targets`, in place of the alias it may be."""
    named = view.name(text)
    if not _is_alias(named):
        named = view.free_name(text)
    wanted = _others(view, named, targets)
    if not wanted:
        raise EstafetaError(Kind.INVALID, f"An alias needs an address to stand for; {named.address} has none.")
    if not _is_alias(named):
        names.insert_address(view.conn, named.key, named.address, AddressKind.ALIAS)
    names.write_alias_targets(view.conn, named.key, wanted)
    return names.read_aliases(view.conn, key=named.key)[0]


def _is_alias(named: Named) -> bool:
    return named.row is not None and named.row.kind is AddressKind.ALIAS


def _others(view: View, named: Named, texts: Sequence[str]) -> list[Address]:
    """The addresses; EstafetaError INVALID if the name itself is among them."""
    found = view.addresses(texts)
    if any(accounts.address_key(view.locality, address) == named.key for address in found):
        raise EstafetaError(Kind.INVALID, f"{named.address} cannot lead to itself.")
    return found


def _domain_name(view: View, text: str) -> str:
    if not text:
        return ""
    domain = view.locality.find_domain(text)
    if domain is None:
        raise EstafetaError(Kind.NOT_FOUND, f"There is no domain {text}.")
    return domain.name
