"""Settings of restrictions: who may connect, sign in, relay, under which name, and how much (rows A2 to A6, R9).

Names of hosts and domains: `example.org` is that name alone; `.example.org`, also written `*.example.org` or (as Exim 3
wrote it) `*example.org`, is that name and all below it, and never `evil-example.org`.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_fields import Network, parse_host_name


class Authentication(StrEnum):
    """What a client must have signed in for (A2): the manual's *NONE, *RELAY, *LCLRLY."""

    NONE = "none"
    RELAY = "relay"
    LOCAL_AND_RELAY = "local-and-relay"


class VerifyFrom(StrEnum):
    """Whose MAIL FROM is verified (A3)."""

    NONE = "none"
    ALL = "all"
    NOT_ACCEPTED = "not-on-accept-list"


class RelayRule(StrEnum):
    """Who may relay without having signed in (A4): the six options of the manual."""

    ALL = "all"
    NONE = "none"
    NEAR_DOMAINS = "near-domains"
    ADDRESSES = "addresses"
    BOTH = "both"
    POP_BEFORE_SMTP = "pop-before-smtp"


class ConnectionRule(StrEnum):
    """Which connections are refused (A5)."""

    NONE = "none"
    LISTED = "listed"
    EVERYTHING = "everything"


def _name_pattern(text: str) -> str:
    typed = text.strip()
    bare = typed.removeprefix("*").removeprefix(".")
    name = parse_host_name(bare)
    if not name:
        raise ValueError(f"{text!r} is not a name such as example.org, or .example.org for all below it")
    return f".{name}" if typed != bare else name


def _relay_name(text: str) -> str:
    pattern = _name_pattern(text)
    if pattern.startswith(".") and "." not in pattern[1:]:
        # `*org` would let the world relay: no mistyped value may (A4).
        raise ValueError(f"{text!r} stands for a whole top-level domain; name a domain below it")
    return pattern


def _identity(text: str) -> str:
    local, at, domain = text.strip().rpartition("@")
    if not at or any(letter.isspace() for letter in local):
        raise ValueError(f"{text!r} is neither an address nor a domain such as @example.org")
    return f"{local.casefold()}@{_name_pattern(domain)}"


NamePattern = Annotated[str, AfterValidator(_name_pattern)]
RelayName = Annotated[str, AfterValidator(_relay_name)]
Identity = Annotated[str, AfterValidator(_identity)]


class Restrict(Section):
    """Restrictions of the i5/OS manual: authentication, verification, connections."""

    authentication: Authentication = Field(
        default=Authentication.RELAY,
        description="What needs sign-in: none (nobody is offered it, and relay.allow alone decides), relay, or "
        "local-and-relay (also mail for our own users: such a server takes nothing from strangers).",
    )
    verify_identity: bool = Field(
        default=False, description="Only users of restrict.authorised may sign in to send; others may still read."
    )
    authorised: tuple[Identity, ...] = Field(
        default=(), description="Who may sign in to send where that is verified: addresses, or @example.org for all."
    )
    verify_mail_from: VerifyFrom = Field(
        default=VerifyFrom.NONE,
        description="A sender in one of our domains must be who it says: signed in, and known in the directory. none "
        "leaves that to SPF and DMARC; not-on-accept-list excepts restrict.accept_senders.",
    )
    accept_senders: tuple[Identity, ...] = Field(
        default=(),
        description="Senders that are not verified: addresses, or @example.org for a domain. For printers, and for "
        "services elsewhere that send in our name.",
    )
    verify_originator: bool = Field(
        default=False,
        description="Mail that a program on this machine hands over without sign-in must be from the user of the "
        "system that runs it: NAME at a domain of ours, or an address of that mailbox. Linux only.",
    )
    trusted_users: tuple[str, ...] = Field(
        default=("root",), description="Users of the system whose programs may write From as they like."
    )
    connections: ConnectionRule = Field(
        default=ConnectionRule.LISTED,
        description="Connections that SMTP and submission refuse: none, those of restrict.networks and "
        "restrict.names, or everything.",
    )
    networks: tuple[Network, ...] = Field(
        default=(), description="Addresses and networks whose connections are refused."
    )
    names: tuple[NamePattern, ...] = Field(
        default=(), description="Names of clients, as DNS has them, that are refused; .example.org for all below it."
    )
    override: bool = Field(
        default=False,
        description="Clients that may relay because they read mail a short while ago pass restrictions of connections "
        "(the manual's OVERRJTNNL).",
    )


class RelayRestrictions(Section):
    """What section relay has of the manual's restrictions."""

    allow: RelayRule = Field(
        default=RelayRule.ADDRESSES,
        description="Who may relay without sign-in: addresses (relay.networks and relay.names), near-domains "
        "(anybody, to relay.near_domains), both (one or the other), pop-before-smtp, none, or all, which is an open "
        "relay and holds only with relay.open_relay.",
    )
    open_relay: bool = Field(
        default=False,
        description="Second key for relay.allow = all and for networks in relay.networks wider than /8 (IPv6: /16), "
        "which count for nothing without it. An open relay is found within hours and blocked everywhere.",
    )
    without_sign_in: bool = Field(
        default=True,
        description="relay.allow holds beside sign-in. Off, as in the manual: it holds only where "
        "restrict.authentication is none, and who did not sign in relays nothing.",
    )
    names: tuple[RelayName, ...] = Field(
        default=(),
        description="Names of clients that may relay without sign-in; .example.org for all below it. Only names whose "
        "address leads back to the client count, yet DNS is easier to forge than an address.",
    )
    near_domains: tuple[RelayName, ...] = Field(
        default=(), description="Domains of others to which anybody may relay, where relay.allow says so."
    )
    sender_domains: tuple[NamePattern, ...] = Field(
        default=(),
        description="Domains of senders that may relay, even when signed in (Exim's sender_address_relay). Empty: any. "
        "The null sender of notices always may.",
    )
    pop_minutes: int = Field(
        default=240,
        ge=15,
        le=65_535,
        description="POP before SMTP: how long a client may relay after it signed in to read its mail.",
    )
    pop_by_imap: bool = Field(default=True, description="POP before SMTP: reading by IMAP counts as well.")


class Blocking(Section):
    """What section auth has of blocks."""

    share_after_seconds: int = Field(
        default=30,
        ge=1,
        le=86_400,
        description="A wait after wrong passwords of at least this long is told to all workers and machines, as a "
        "block of that network for that user, or for all sign-ins.",
    )
    failures_per_account: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="Wrong passwords for a user from anywhere before each sign-in of the user from networks where none "
        "succeeded lately is made to wait; it is never refused for that.",
    )
    max_account_delay_seconds: int = Field(
        default=8, ge=0, le=60, description="Longest such wait: mail programs give up after some 30 seconds. 0: none."
    )


class Rates(Section):
    """How much users may send, so that a stolen password does little."""

    max_recipients_per_day: int = Field(
        default=500,
        ge=0,
        le=10_000_000,
        description="Recipients that any user may write to within a day. People write to tens, a club's letter goes to "
        "hundreds, a stolen account sends to thousands. 0: no brake at all.",
    )
    max_recipients_per_hour: int = Field(
        default=300, ge=0, le=10_000_000, description="The same within an hour. 0: only the day counts."
    )
    max_times_normal: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Who usually sends more may send this many times what is normal for them: their busiest day of the "
        "last 30, older ones counting less and the last three not at all.",
    )
    exempt: tuple[Identity, ...] = Field(
        default=(), description="Users without a brake: addresses, or @example.org. For programs that send much."
    )
    tell: str = Field(
        default="postmaster",
        max_length=320,
        description="Who gets a message when a user's mail is held: an address, or a name at the user's domain. Empty: "
        "nobody; `estafeta status` says it all the same.",
    )
