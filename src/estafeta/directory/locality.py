"""What is local: domains of the directory, names and addresses of this host, and how bare names are completed.

Every form of a local domain comes down to one row of `domains`: a host name and an address literal stand for the
domain of bare recipients, an alias domain for the one that it names (RFC 5321 4.1.3 for literals).
"""

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import DomainState
from estafeta.directory.tables import domains
from estafeta.mail.address import Address, domain_key, parse_address

if TYPE_CHECKING:
    from estafeta.directory.settings_model import Settings

_MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class LocalDomain:
    """What resolving needs of a domain of ours."""

    name: str
    state: DomainState
    alias_of: str
    catch_all: str
    max_message_bytes: int
    default_quota_bytes: int
    default_quota_messages: int


@dataclass(slots=True)
class DomainMemory:
    """Domains looked up so far, also those that are not ours. Thrown away whole when anything changes."""

    domains: dict[str, LocalDomain | None] = field(default_factory=dict)
    default: str | None = None


class Locality:
    """Lives for one transaction; `memory` may be shared by those that began after the last change."""

    def __init__(self, conn: Connection, settings: "Settings", memory: DomainMemory | None = None) -> None:
        self._conn = conn
        self._local = settings.local
        self._memory = memory or DomainMemory()

    def find_domain(self, domain: str) -> LocalDomain | None:
        """The domain of the directory that `domain` (any form; empty for the default) stands for; None: not ours."""
        key = domain_key(domain)
        known = self._memory.domains
        if key not in known:
            if len(known) >= _MAX_REMEMBERED:
                known.clear()
            known[key] = found = self._look_up(key)
            return found
        return known[key]

    def default_domain(self) -> str:
        """`local.qualify_domain`, else the oldest domain; empty if there is none."""
        if self._memory.default is None:
            self._memory.default = self._local.qualify_domain or self._oldest_domain()
        return self._memory.default

    def qualify(self, text: str, *, recipient: bool = False) -> Address:
        """The address that a local person or program means; a bare name gets the domain of the settings.

        EstafetaError INVALID where it is no address, or bare and there is no domain to add.
        """
        text = text.strip()
        if "@" in text or not text:
            return parse_address(text)
        domain = (self._local.qualify_recipient if recipient else "") or self.default_domain()
        if not domain:
            raise EstafetaError(Kind.INVALID, f"{text!r} has no domain; write it as {text}@example.org.")
        return parse_address(f"{text}@{domain}")

    def _look_up(self, key: str) -> LocalDomain | None:
        row = _read_domain(self._conn, key) if key else None
        if row is None and self._is_host(key):
            row = self._home()
        if row is not None and row.alias_of:
            row = _read_domain(self._conn, row.alias_of)
        return row

    def _home(self) -> LocalDomain | None:
        """The domain that this host's names and addresses stand for; `qualify_domain` may be one elsewhere."""
        for name in (self._local.qualify_recipient, self._local.qualify_domain):
            row = _read_domain(self._conn, name) if name else None
            if row is not None:
                return row
        return _read_domain(self._conn, self._oldest_domain())

    def _oldest_domain(self) -> str:
        oldest = select(domains.c.name).order_by(domains.c.created_seconds, domains.c.name).limit(1)
        return self._conn.execute(oldest).scalar() or ""

    def _is_host(self, key: str) -> bool:
        if not key or key in self._local.host_names:
            return True
        literal = _literal_address(key)
        return bool(literal) and literal in self._local.addresses


def local_key(address: Address) -> str:
    """The folded local part of `address`."""
    return address.key.rpartition("@")[0] if address.domain else address.key


def _literal_address(key: str) -> str:
    """The IP address in `[192.0.2.1]` or `[ipv6:2001:db8::1]`, in its canonical form; empty otherwise."""
    if not (key.startswith("[") and key.endswith("]")):
        return ""
    try:
        return str(ipaddress.ip_address(key[1:-1].removeprefix("ipv6:")))
    except ValueError:
        return ""


def _read_domain(conn: Connection, name: str) -> LocalDomain | None:
    columns = domains.c
    query = select(
        columns.name,
        columns.state,
        columns.alias_of,
        columns.catch_all,
        columns.max_message_bytes,
        columns.default_quota_bytes,
        columns.default_quota_messages,
    ).where(columns.name == name)
    row = conn.execute(query).first()
    return LocalDomain(row[0], DomainState(row[1]), *row[2:]) if row else None
