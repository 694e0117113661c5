"""Sets of names of hosts and domains, and of addresses, as settings write them (directory.settings_restrictions)."""

from collections.abc import Iterable

from estafeta.mail.address import Address, domain_key

# RFC 5321 4.5.1, RFC 2142.
_ROLES = frozenset({"postmaster", "abuse"})


def takes_from_everybody(address: Address) -> bool:
    """Whether mail to this address is taken whoever sends it, unless it is refused for what it is."""
    return address.local.lower() in _ROLES


class Names:
    """`example.org` is that name alone, `.example.org` that name and all below it. A final dot says nothing."""

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = tuple(patterns)
        self._exact = frozenset(pattern.removeprefix(".") for pattern in patterns)
        self._below = tuple(pattern for pattern in patterns if pattern.startswith("."))

    def __bool__(self) -> bool:
        return bool(self._exact)

    def __contains__(self, name: str) -> bool:
        key = domain_key(name).rstrip(".")
        return bool(key) and (key in self._exact or key.endswith(self._below))


class Senders:
    """Addresses, and domains as `@example.org` or `@.example.org`."""

    def __init__(self, identities: Iterable[str]) -> None:
        split = [identity.rpartition("@") for identity in identities]
        self._domains = Names(domain for local, _, domain in split if not local)
        self._addresses = frozenset(Address(local, domain).key for local, _, domain in split if local)

    def __contains__(self, address: Address) -> bool:
        return address.domain in self._domains or address.key in self._addresses
