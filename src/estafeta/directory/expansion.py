"""One address expanded through aliases, groups and redirects to mailboxes here and addresses elsewhere.

Order of lookup in a domain of ours: the exact address; the address without its extension, longest base first; the
addresses that a list has by itself (NAME-request and so on); postmaster, which always exists (RFC 5321 4.5.1); the
catch-all of the domain. A name in `local.never_users` takes
mail only through an alias or a group of that name, never as a user and never through the catch-all.

Each name is visited once, so loops end; each mailbox and each address elsewhere comes out once. Depth and count are
bounded by the settings (`limits.max_expansion_depth`, `limits.max_expansion`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, select

from estafeta.core.ids import AccountId
from estafeta.directory.listnames import WORDS, split_role
from estafeta.directory.listrows import find_list
from estafeta.directory.listvalues import MailingList, Others, Post
from estafeta.directory.locality import LocalDomain, Locality, local_key
from estafeta.directory.model import (
    AddressKind,
    DomainState,
    ListRole,
    ListTarget,
    LocalTarget,
    RedirectMode,
    RemoteTarget,
    Resolution,
    Status,
    Target,
    UserState,
)
from estafeta.directory.tables import addresses, alias_targets, group_members, redirects, users
from estafeta.mail.address import Address, parse_address

if TYPE_CHECKING:
    from estafeta.directory.settings_model import Settings

_CHUNK = 400
_POSTMASTER = "postmaster"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A key to look for and the extension that the address then has."""

    key: str
    extension: str


class Expansion:
    """Collects the targets of one address. Lives for one read transaction."""

    def __init__(self, conn: Connection, settings: "Settings", locality: Locality) -> None:
        self._conn = conn
        self._settings = settings
        self._locality = locality
        self._rows: dict[str, Any] = {}
        self._targets: dict[str, Target] = {}
        self._visited: set[str] = set()
        self._problems: list[tuple[Status, str]] = []
        self._too_many = False
        self._account_id: AccountId | None = None
        self._max_list_bytes = 0

    def expand(self, address: Address) -> Resolution:
        """Where `address`, whose domain is ours, leads."""
        self._expand(address, "", 0)
        domain = self._locality.find_domain(address.domain)
        limits = (domain.max_message_bytes if domain else 0, self._max_list_bytes)
        return self._result(address, min(filter(None, limits), default=0))

    def _result(self, address: Address, max_message_bytes: int) -> Resolution:
        if self._too_many:
            reason = f"{address} expands to more than {self._settings.limits.max_expansion} addresses."
            return Resolution(Status.DENIED, (), reason, self._account_id, max_message_bytes)
        targets = tuple(self._targets.values())
        if not targets and not self._problems:
            self._problems.append((Status.DENIED, f"{address} leads back to itself or to nobody."))
        reason = " ".join(dict.fromkeys(sentence for _, sentence in self._problems))
        return Resolution(self._status(targets), targets, reason, self._account_id, max_message_bytes)

    def _status(self, targets: tuple[Target, ...]) -> Status:
        if any(isinstance(target, LocalTarget | ListTarget) for target in targets):
            return Status.LOCAL
        return Status.REMOTE if targets else self._problems[0][0]

    def _expand(self, address: Address, extension: str, depth: int) -> None:
        domain = self._locality.find_domain(address.domain)
        if domain is None:
            self._targets.setdefault(address.key, RemoteTarget(address))
            return
        if domain.state is DomainState.DISABLED:
            self._note(Status.DISABLED, f"The domain {domain.name} takes no mail at present.")
            return
        found = self._find(address, domain)
        if found is None:
            self._fall_back(address, domain, depth)
        elif self._enter(found[0].key, depth):
            self._follow(found[1], domain, found[0].extension or extension, depth)

    def _enter(self, name: str, depth: int) -> bool:
        """Whether `name` is to be followed: the first time, not too deep, not one too many."""
        if name in self._visited:
            return False
        self._visited.add(name)
        limits = self._settings.limits
        # What was visited on the way counts too, so that no tangle of aliases costs more than its limit.
        self._too_many = self._too_many or len(self._visited) + len(self._targets) > 2 * limits.max_expansion + 2
        if depth > limits.max_expansion_depth:
            self._note(Status.DENIED, f"{name} is more than {limits.max_expansion_depth} aliases deep.")
            return False
        return not self._too_many

    def _fall_back(self, address: Address, domain: LocalDomain, depth: int) -> None:
        """Where mail goes for a name that nobody has."""
        if self._follow_role(address, domain, depth):
            return
        if self._is_never_user(address):
            self._note(Status.DENIED, _no_direct_mail(address))
            return
        instead = self._postmaster() if local_key(address) == _POSTMASTER else None
        if instead is None and domain.catch_all:
            instead = parse_address(domain.catch_all)
        if instead is None or not self._enter(f"instead of {local_key(address)}@{domain.name}", depth):
            self._note(Status.UNKNOWN, f"There is no {address} here.")
            return
        self._expand(instead, "", depth + 1)

    def _follow_role(self, address: Address, domain: LocalDomain, depth: int) -> bool:
        """Whether it is one of the addresses that a list has without anyone making them."""
        name = split_role(address.local)
        if name is None:
            return False
        key = f"{local_key(Address(name.local, domain.name))}@{domain.name}"
        self._fetch([key])
        row = self._rows[key]
        if row is None or row.kind != AddressKind.LIST:
            return False
        if self._enter(local_key(address) + "@" + domain.name, depth):
            self._add_list(key, Address(address.local, domain.name), name.role, depth)
        return True

    def _add_list(self, key: str, address: Address, role: ListRole, depth: int) -> None:
        found = find_list(self._conn, key)
        if found is None:
            return
        if role is ListRole.OWNER:
            # Mail for people, as through an alias (RFC 2142 6).
            owners = [parse_address(text) for text in found.options.owners] or [Address(_POSTMASTER, address.domain)]
            self._load(owners)
            for owner in owners:
                self._expand(owner, "", depth + 1)
            return
        if role is ListRole.POST and found.options.max_bytes:
            self._max_list_bytes = min(self._max_list_bytes or found.options.max_bytes, found.options.max_bytes)
        restricted = role is ListRole.POST and _is_restricted(found)
        self._targets.setdefault(f"list {role} {key}", ListTarget(key, address, role, restricted))

    def _postmaster(self) -> Address | None:
        wanted = self._settings.local.postmaster
        if wanted and self._is_known(parse_address(wanted)):
            return parse_address(wanted)
        first = select(users.c.local, users.c.domain).where(users.c.state == UserState.ACTIVE)
        row = self._conn.execute(first.order_by(users.c.account_id).limit(1)).first()
        return Address(row.local, row.domain) if row is not None else None

    def _is_known(self, address: Address) -> bool:
        domain = self._locality.find_domain(address.domain)
        return domain is None or self._find(address, domain) is not None

    def _is_never_user(self, address: Address) -> bool:
        never = self._settings.local.never_users
        return any(entry.key.rpartition("@")[0] in never for entry in self._candidates(address, "-"))

    def _note(self, status: Status, sentence: str) -> None:
        self._problems.append((status, sentence))

    def _follow(self, row: Any, domain: LocalDomain, extension: str, depth: int) -> None:
        match AddressKind(row.kind):
            case AddressKind.USER:
                self._add_user(row, domain, extension, depth)
            case AddressKind.ALIAS:
                query = select(alias_targets.c.target).where(alias_targets.c.alias_key == row.address_key)
                self._add_all(query.order_by(alias_targets.c.position), extension, depth)
            case AddressKind.GROUP:
                query = select(group_members.c.member).where(group_members.c.group_key == row.address_key)
                self._add_all(query.order_by(group_members.c.member_key), extension, depth)
            case AddressKind.LIST:
                # Where "-" separates extensions too, news-request is news with the extension "request".
                role = WORDS.get(extension.partition("+")[0].lower(), ListRole.POST)
                local = row.address_key.rpartition("@")[0]
                self._add_list(row.address_key, Address(_role_local(local, role, extension), domain.name), role, depth)

    def _add_user(self, row: Any, domain: LocalDomain, extension: str, depth: int) -> None:
        account_id = AccountId(row.account_id)
        if depth == 0:
            self._account_id = account_id
        if row.state != UserState.ACTIVE:
            self._note(*_closed(row))
        elif row.address_key.rpartition("@")[0] in self._settings.local.never_users:
            self._note(Status.DENIED, _no_direct_mail(row.address))
        else:
            if row.redirect_mode != RedirectMode.ONLY:
                target = LocalTarget(account_id, self._quota(row, domain), extension, self._quota_messages(row, domain))
                self._targets.setdefault(f"account {account_id}", target)
            if row.redirect_mode != RedirectMode.NONE:
                query = select(redirects.c.target).where(redirects.c.account_id == account_id)
                self._add_all(query.order_by(redirects.c.position), extension, depth)

    def _quota(self, row: Any, domain: LocalDomain) -> int:
        if row.quota_bytes >= 0:
            return int(row.quota_bytes)
        return domain.default_quota_bytes or self._settings.limits.default_quota_bytes

    def _quota_messages(self, row: Any, domain: LocalDomain) -> int:
        if row.quota_messages >= 0:
            return int(row.quota_messages)
        return domain.default_quota_messages or self._settings.limits.default_quota_messages

    def _add_all(self, query: Select[str], extension: str, depth: int) -> None:
        targets = [parse_address(text) for text in self._conn.execute(query).scalars()]
        self._load(targets)
        for target in targets:
            self._expand(target, extension, depth + 1)
            if len(self._targets) > self._settings.limits.max_expansion:
                self._too_many = True
            if self._too_many:
                return

    def _find(self, address: Address, domain: LocalDomain) -> tuple[_Candidate, Any] | None:
        candidates = self._candidates(address, domain.name)
        self._fetch(candidate.key for candidate in candidates)
        for candidate in candidates:
            row = self._rows[candidate.key]
            if row is not None:
                return candidate, row
        return None

    def _candidates(self, address: Address, domain: str) -> list[_Candidate]:
        """The address whole, then with ever longer extensions cut off."""
        found = [_Candidate(f"{local_key(address)}@{domain}", "")]
        text = address.local
        for at in range(len(text) - 1, 0, -1):
            if text[at] in self._settings.local.extension_separators:
                base = local_key(Address(text[:at], address.domain))
                found.append(_Candidate(f"{base}@{domain}", text[at + 1 :]))
        return found

    def _load(self, targets: Iterable[Address]) -> None:
        """Fetch what many targets will ask for in few queries."""
        wanted: list[str] = []
        for target in targets:
            domain = self._locality.find_domain(target.domain)
            if domain is not None:
                wanted.extend(candidate.key for candidate in self._candidates(target, domain.name))
        self._fetch(wanted)

    def _fetch(self, keys: Iterable[str]) -> None:
        missing = [key for key in dict.fromkeys(keys) if key not in self._rows]
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            self._rows.update(dict.fromkeys(chunk))
            for row in self._conn.execute(_LOOKUP.where(addresses.c.address_key.in_(chunk))):
                self._rows[row.address_key] = row


_LOOKUP = select(
    addresses.c.address_key,
    addresses.c.address,
    addresses.c.kind,
    addresses.c.account_id,
    users.c.state,
    users.c.quota_bytes,
    users.c.quota_messages,
    users.c.redirect_mode,
).select_from(addresses.outerjoin(users, addresses.c.account_id == users.c.account_id))


def _role_local(local: str, role: ListRole, extension: str) -> str:
    return local if role is ListRole.POST else f"{local}-{extension}"


def _is_restricted(found: MailingList) -> bool:
    return found.options.others is Others.REFUSE and found.options.post is not Post.ANYONE


def _no_direct_mail(address: object) -> str:
    return f"{address} takes no direct mail; an alias can send it to a person."


def _closed(row: Any) -> tuple[Status, str]:
    if row.state == UserState.REMOVED:
        return Status.REMOVED, f"{row.address} is no longer in use."
    return Status.DISABLED, f"The mailbox of {row.address} is disabled."
