"""The values that the directory hands out: frozen, without behaviour beyond reading them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from estafeta.core.ids import AccountId
from estafeta.mail.address import Address
from estafeta.routing.values import HopKind, NextHop

Clock = Callable[[], float]
"""Epoch seconds, as `time.time` gives them."""

INHERIT = -1
"""A user's quota that stands for the domain's or the site's value."""


class UserState(StrEnum):
    """`DISABLED`: no sign-in, mail refused for now. `REMOVED`: gone for all but the purge of its mailbox."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVED = "removed"


class DomainState(StrEnum):
    """Mail for a `DISABLED` domain is refused for now; nothing of it is lost."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Service(StrEnum):
    """What a user may sign in to: together, the mail service level."""

    SUBMISSION = "submission"
    POP3 = "pop3"
    IMAP = "imap"
    WEB = "web"


ALL_SERVICES = frozenset(Service)


class AddressKind(StrEnum):
    """What an address of ours is."""

    USER = "user"
    ALIAS = "alias"
    GROUP = "group"
    LIST = "list"


class ListRole(StrEnum):
    """What an address of a distribution list is for (estafeta.directory.listnames).

    APPROVED: a message that waits for a moderator or was released; NEXT: the rest of an expansion. Both exist in the
    queue only."""

    POST = "post"
    REQUEST = "request"
    OWNER = "owner"
    BOUNCES = "bounces"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    CONFIRM = "confirm"
    APPROVED = "approved"
    NEXT = "next"


class RedirectMode(StrEnum):
    """Whether a user's mail goes elsewhere: not, only, or there and into the mailbox."""

    NONE = "none"
    ONLY = "only"
    COPY = "copy"


class CredentialKind(StrEnum):
    """One row of `credentials` each."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    SCRAM_SHA_256 = "scram-sha-256"
    APOP = "apop"


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of ours. Limits of 0 mean the site's own value, or none."""

    name: str
    state: DomainState
    alias_of: str
    catch_all: str
    max_message_bytes: int
    default_quota_bytes: int
    default_quota_messages: int
    max_users: int
    users: int
    created_seconds: int


@dataclass(frozen=True, slots=True)
class User:
    """A user as listed. Quotas are what counts after inheritance; 0 is no limit."""

    account_id: AccountId
    address: str
    addresses: tuple[str, ...]
    display_name: str
    preferred_address: str
    quota_bytes: int
    quota_inherited: bool
    quota_messages: int
    quota_messages_inherited: bool
    language: str
    services: frozenset[Service]
    state: UserState
    redirect: tuple[str, ...]
    redirect_mode: RedirectMode
    has_password: bool
    created_seconds: int
    removed_seconds: int


@dataclass(frozen=True, slots=True)
class Alias:
    """An address that stands for one or many others, here or elsewhere."""

    address: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of addresses that can be written to as one."""

    address: str
    display_name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Who signed in. `grants`: as whom it may send besides itself: keys of addresses, and `@domain`."""

    account_id: AccountId
    address: str
    display_name: str
    language: str
    services: frozenset[Service]
    grants: frozenset[str] = frozenset()


class Status(StrEnum):
    """What an address means to us.

    LOCAL: ours; at least one target is a mailbox or a list here (others may be elsewhere).
    REMOTE: ours, but every target is elsewhere (a redirected account).
    NOT_OURS: its domain is not ours; only who may relay can send there. Its one target is the address itself.
    UNKNOWN: our domain, no such address. DISABLED, REMOVED: its user or domain is.
    DENIED: a loop, too many targets, or an address that takes no direct mail (`never_users`).
    STALE: a return path that is too old, or was never made here (SRS).
    """

    LOCAL = "local"
    REMOTE = "remote"
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    REMOVED = "removed"
    NOT_OURS = "not_ours"
    DENIED = "denied"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class LocalTarget:
    """A mailbox here. `extension` is what followed the separator in the address, else empty."""

    account_id: AccountId
    quota_bytes: int
    extension: str = ""
    quota_messages: int = 0


@dataclass(frozen=True, slots=True)
class RemoteTarget:
    """An address elsewhere."""

    address: Address


@dataclass(frozen=True, slots=True)
class ListTarget:
    """A distribution list here. `key`: its address, as the next hop has it; `address`: what the queue keeps as the
    recipient, which says the role. `restricted`: ask `Directory.check_post` before a post is accepted."""

    key: str
    address: Address
    role: ListRole = ListRole.POST
    restricted: bool = False

    @property
    def hop(self) -> NextHop:
        """Where the queue sends it."""
        return NextHop(HopKind.LIST, self.key)


Target = LocalTarget | RemoteTarget | ListTarget


@dataclass(frozen=True, slots=True)
class Resolution:
    """Where mail for an address goes, after aliases, groups and redirects.

    `account_id` is the user that the address itself names, None for aliases, groups and strangers: whose it is.
    `max_message_bytes` is its domain's limit, 0 for the site's. `reason` is a sentence for the log and the reply.
    """

    status: Status
    targets: tuple[Target, ...] = ()
    reason: str = ""
    account_id: AccountId | None = None
    max_message_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A line of an imported file that was not taken in, or not wholly, and why."""

    line: int
    text: str
    problem: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: names added and changed, and every line that needs a person's attention."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    problems: tuple[LineProblem, ...]
