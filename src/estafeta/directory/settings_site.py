"""Settings of the site as a whole: limits, sign-in, what is local, the store, search, our own TLS."""

from pydantic import Field

from estafeta.directory.settings_base import LOOPBACK, Section
from estafeta.directory.settings_fields import AddressOrEmpty, HostName, IpAddress, Network, Separators
from estafeta.directory.settings_restrictions import Blocking

_MAX_BYTES = 1 << 40


class Limits(Section):
    """Connections and load."""

    max_connections: int = Field(
        default=2000,
        ge=10,
        le=100_000,
        description="Connections of one service in one worker; each costs about 30 KiB.",
    )
    max_connections_per_address: int = Field(
        default=50,
        ge=1,
        le=100_000,
        description="Connections of one client address to one service; IPv6 counts by /64.",
    )
    max_connections_per_minute: int = Field(
        default=600, ge=1, le=1_000_000, description="New connections of one client address within a minute."
    )
    exempt_networks: tuple[Network, ...] = Field(
        default=LOOPBACK,
        description="Clients that the limits per address do not count: this machine, monitors, gateways, webmail. "
        "Wrong passwords from there do not make other users there wait.",
    )
    default_quota_bytes: int = Field(
        default=0,
        ge=0,
        le=_MAX_BYTES,
        description="Mailbox size of users whose domain and own entry say nothing. 0 is no limit.",
    )
    default_quota_messages: int = Field(
        default=0,
        ge=0,
        le=1 << 40,
        description="Messages that such users may keep. 0 is no limit.",
    )
    max_expansion: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Targets that one address may expand to through aliases, groups, redirects.",
    )
    max_expansion_depth: int = Field(
        default=16, ge=1, le=100, description="Aliases within aliases before an address is taken for a mistake."
    )


class Auth(Blocking):
    """Sign-in and passwords."""

    clear_text_networks: tuple[Network, ...] = Field(
        default=(),
        description="Clients that may sign in without TLS. Empty: nobody's password crosses a wire in clear.",
    )
    min_password_length: int = Field(
        default=8, ge=1, le=128, description="Characters that a new password needs at least (NIST SP 800-63B 5.1.1: 8)."
    )
    argon2_memory_mib: int = Field(
        default=19,
        ge=8,
        le=1024,
        description="Memory of one Argon2id hash; with 2 passes the least that OWASP advises, ~15 ms.",
    )
    argon2_passes: int = Field(default=2, ge=1, le=20, description="Passes of Argon2id over its memory.")
    max_parallel_hashes: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Argon2id hashes at once in one worker: bounds its memory and what attackers cost.",
    )
    scram: bool = Field(
        default=True,
        description="Keep SCRAM-SHA-256 keys beside the Argon2id hash. Off, a stolen store is harder to guess from, "
        "and SCRAM cannot be offered.",
    )
    scram_iterations: int = Field(
        default=65_536,
        ge=4096,
        le=10_000_000,
        description="PBKDF2 rounds of SCRAM keys, which the client pays at sign-in: 16 times the minimum of RFC 7677 4 "
        "and the most that programs with Cyrus SASL (mbsync, KMail) accept: above it they cannot sign in.",
    )
    remember_seconds: int = Field(
        default=600,
        ge=0,
        le=86_400,
        description="How long a verified password is remembered (as a keyed hash in memory), so that polling clients "
        "cost nothing. 0 is never.",
    )
    failures_before_delay: int = Field(
        default=5, ge=1, le=1000, description="Wrong passwords for a user from a network before it has to wait."
    )
    failures_per_network: int = Field(
        default=50,
        ge=1,
        le=100_000,
        description="Wrong passwords from one network (/24, /56) for any users before it has to wait.",
    )
    max_delay_seconds: int = Field(
        default=900,
        ge=1,
        le=86_400,
        description="Longest wait after wrong passwords; it doubles from one second with each.",
    )
    max_attempts_per_session: int = Field(
        default=3, ge=1, le=100, description="Sign-ins tried in one session before it is closed."
    )


class Local(Section):
    """What is local, and how bare names are completed."""

    host_names: tuple[HostName, ...] = Field(
        default=(),
        description="Names of this host whose mail is ours. Unless such a name is a domain of the directory itself, "
        "its addresses are those of qualify_recipient, qualify_domain or the oldest domain, whichever is ours.",
    )
    addresses: tuple[IpAddress, ...] = Field(
        default=(), description="Our IP addresses, for recipients such as user@[192.0.2.1] (RFC 5321 4.1.3)."
    )
    qualify_domain: HostName = Field(
        default="",
        description="Domain of senders given without one by local programs and submission. Empty: the oldest domain.",
    )
    qualify_recipient: HostName = Field(
        default="", description="Domain of recipients given without one, likewise. Empty: the same as qualify_domain."
    )
    extension_separators: Separators = Field(
        default="+",
        max_length=8,
        description="Characters that begin an extension: user+lists reaches user. Empty: none.",
    )
    never_users: tuple[str, ...] = Field(
        default=("root",),
        description="Local parts that take no mail themselves; an alias of that name sends it to a person.",
    )
    postmaster: AddressOrEmpty = Field(
        default="",
        description="Who gets mail for postmaster where a domain has no such address (RFC 5321 4.5.1 requires one). "
        "Empty: the first user.",
    )


class Store(Section):
    """Where mail is kept."""

    minimum_free_mib: int = Field(
        default=128,
        ge=0,
        le=1 << 30,
        description="Free disk space below which new mail is put off with 452 until there is more.",
    )
    pack_mib: int = Field(
        default=256,
        ge=16,
        le=2048,
        description="Size at which a pack is closed and a new one begun; also the unit of compaction.",
    )
    compact_dead_percent: int = Field(
        default=50, ge=10, le=95, description="Share of deleted content at which a pack is rewritten without it."
    )


class Search(Section):
    """Finding text in mail."""

    enabled: bool = Field(
        default=True,
        description="Keep an index of the text of all mail, made when the machine is idle. Off, each search reads "
        "every message. The index takes about five times the room of the text.",
    )
    max_text_kib: int = Field(
        default=4096,
        ge=64,
        le=65_536,
        description="Text of one message that is searched, in units of 1024 characters; the Bible has 4096. Changing "
        "it makes the index anew.",
    )
    max_attachment_mib: int = Field(
        default=20,
        ge=0,
        le=200,
        description="Largest attachment (PDF, Office, OpenDocument) whose text is searched. 0: none is. Changing this "
        "makes the index anew.",
    )


class Tls(Section):
    """TLS of our own services."""

    minimum_version: str = Field(
        default="1.2",
        pattern=r"^1\.[23]$",
        description="Oldest TLS taken: 1.2 or 1.3. Older ones are broken (RFC 8996).",
    )
    handshake_seconds: int = Field(
        default=30, ge=1, le=300, description="Time for a handshake before the connection is closed."
    )
