"""Every setting of a site: name, default, bounds, and the reason for them.

Units are in the names. 0 means "no limit" only where the description says so. `Settings` is frozen: a change makes a
new one (estafeta.directory.settings). The reference page is generated from here.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from estafeta.directory.settings_base import LOOPBACK, Section
from estafeta.directory.settings_bayes import Bayes
from estafeta.directory.settings_dkim import Dkim, Srs
from estafeta.directory.settings_dmarc import Dmarc
from estafeta.directory.settings_fields import AddressOrEmpty, HostName, IpAddress, Network, Separators
from estafeta.directory.settings_filters import Filters, Quarantine
from estafeta.directory.settings_hook import Hook
from estafeta.directory.settings_milters import Milters
from estafeta.directory.settings_outward import (
    Batch,
    Delivery,
    Dns,
    Journal,
    Lists,
    Notices,
    Queue,
    Rewrite,
    Routing,
    Split,
)
from estafeta.directory.settings_policy import Policy
from estafeta.directory.settings_restrictions import Blocking, Rates, RelayRestrictions, Restrict
from estafeta.directory.settings_scanners import Clamav, Rspamd, Spamassassin
from estafeta.directory.settings_spam import Spam

MIB = 1 << 20
_MAX_BYTES = 1 << 40


class BareLf(StrEnum):
    """What to do with a line end of LF alone (RFC 5321 2.3.8 forbids it)."""

    REJECT = "reject"
    ACCEPT = "accept"


class SenderRule(StrEnum):
    """Whose address a signed-in user may send from."""

    OWN = "own"
    LOCAL_DOMAIN = "local-domain"
    ANY = "any"


class Pop3Security(StrEnum):
    """Which sessions may sign in by POP3."""

    CLEAR = "clear"
    TLS = "tls"
    BOTH = "both"


class ImapSecurity(StrEnum):
    """Which sessions may sign in by IMAP."""

    CLEAR = "clear"
    TLS = "tls"
    BOTH = "both"


class Smtp(Section):
    """Receiving by SMTP; submission and LMTP share what they do not name themselves."""

    max_message_bytes: int = Field(
        default=50 * MIB,
        ge=64 * 1024,
        le=_MAX_BYTES,
        description="Largest message taken, announced as SIZE. 50 MiB carries a 36 MiB attachment in base64, as the "
        "large providers do. RFC 5321 4.5.3.1.7 asks for at least 64 KiB. A domain may set less.",
    )
    max_recipients: int = Field(
        default=1000,
        ge=100,
        le=100_000,
        description="Recipients of one message. RFC 5321 4.5.3.1.8 asks for at least 100; lists send 1000 at a time.",
    )
    max_command_bytes: int = Field(
        default=4096,
        ge=512,
        le=65536,
        description="Longest command line. RFC 5321 4.5.3.1.4 says 512, extensions and AUTH need more; tokens in AUTH "
        "have their own limit.",
    )
    max_bad_commands: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Unknown or refused commands before the session is closed; a person at a keyboard needs a few, a "
        "browser that was led to port 25 sends dozens.",
    )
    max_commands_between_messages: int = Field(
        default=100,
        ge=10,
        le=10_000,
        description="Commands that do no work (NOOP, RSET, VRFY, EHLO) between two messages before the session is "
        "closed.",
    )
    max_unknown_recipients: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Unknown recipients in one session before it is closed: someone is guessing addresses.",
    )
    max_messages_per_session: int = Field(
        default=1000,
        ge=0,
        le=1_000_000,
        description="Messages in one session before the client is asked to come again, so that a restart or a new "
        "limit reaches everyone. 0 is no limit.",
    )
    command_timeout_seconds: int = Field(
        default=300,
        ge=10,
        le=3600,
        description="Silence after which a session is closed. RFC 5321 4.5.3.2.7 asks for five minutes.",
    )
    data_timeout_seconds: int = Field(
        default=180,
        ge=10,
        le=3600,
        description="Silence within a message after which the session is closed. RFC 5321 4.5.3.2.5 has clients wait "
        "three minutes for each block.",
    )
    session_seconds: int = Field(
        default=7200,
        ge=60,
        le=86_400,
        description="Longest life of a session: a client that drips one octet at a time holds a connection no longer.",
    )
    bare_lf: BareLf = Field(
        default=BareLf.REJECT,
        description="Line ends of LF alone: reject (550 5.6.11) or accept. Never an end of message either way, "
        "which is what SMTP smuggling needs.",
    )
    expn: bool = Field(
        default=False, description="Answer EXPN with the members of aliases: it tells strangers who is here."
    )
    vrfy: bool = Field(
        default=False,
        description="Answer VRFY truthfully. Off, it says 252 for everyone (RFC 5321 7.3), so nobody can list "
        "addresses.",
    )
    max_received_hops: int = Field(
        default=50,
        ge=10,
        le=1000,
        description="Received fields in a message that is taken for a loop. RFC 5321 6.3 asks for at least 100 where "
        "loops are not found otherwise; 50 is what other servers settled on.",
    )
    advertise_auth_networks: tuple[Network, ...] = Field(
        default=("0.0.0.0/0", "::/0"),
        description="Clients that are offered AUTH on port 25. Some mail programs ask for a password wherever it is "
        "offered, though their network may relay without.",
    )
    advertise_tls_networks: tuple[Network, ...] = Field(
        default=("0.0.0.0/0", "::/0"), description="Clients that are offered STARTTLS; leave out those with broken TLS."
    )
    host_lookup_networks: tuple[Network, ...] = Field(
        default=("0.0.0.0/0", "::/0"),
        description="Clients whose name is looked up in DNS, for the log, the Received field and checks. Names that "
        "restrict.names and relay.names need are looked up all the same.",
    )
    auth: bool = Field(default=False, description="Offer AUTH on port 25 at all; people send through 587 and 465.")
    chunking: bool = Field(default=True, description="Offer CHUNKING and BINARYMIME (RFC 3030).")
    smtputf8: bool = Field(default=True, description="Offer SMTPUTF8 (RFC 6531): addresses in any script.")
    banner: str = Field(
        default="",
        max_length=200,
        description="Words after the host name in the greeting; empty tells nothing of the software.",
    )


class Submission(Section):
    """Sending by our own users, ports 587 and 465 (RFC 6409, RFC 8314)."""

    require_auth: bool = Field(default=True, description="Take mail only after sign-in, except from relay.networks.")
    max_recipients: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Recipients of one submitted message; a stolen password reaches no more.",
    )
    max_messages_per_session: int = Field(
        default=200, ge=0, le=1_000_000, description="Messages in one submission session. 0 is no limit."
    )
    add_missing_fields: bool = Field(
        default=True, description="Add Date, Message-ID and From where a program left them out (RFC 6409 8)."
    )
    from_must_be: SenderRule = Field(
        default=SenderRule.OWN,
        description="From and Sender of what a signed-in user sends: one of their own addresses, any in our domains, "
        "or anything (RFC 6409 8.1).",
    )
    hide_client_address: bool = Field(
        default=False,
        description="Leave the user's IP address out of the Received field: it tells readers where they were.",
    )


class Lmtp(Section):
    """Taking mail from another server of ours (RFC 2033)."""

    networks: tuple[Network, ...] = Field(
        default=LOOPBACK, description="Clients that may deliver by LMTP over TCP: they are believed without any check."
    )
    max_recipients: int = Field(default=10_000, ge=100, le=1_000_000, description="Recipients of one message by LMTP.")


class Pop3(Section):
    """Reading by POP3 (RFC 1939)."""

    security: Pop3Security = Field(
        default=Pop3Security.TLS,
        description="tls: sign-in only under TLS. both: also without, from auth.clear_text_networks. clear: without, "
        "and TLS is not offered.",
    )
    inactivity_seconds: int = Field(
        default=600,
        ge=600,
        le=86_400,
        description="Silence after which a session ends, deleting nothing. RFC 1939 3 asks for at least ten minutes.",
    )
    login_seconds: int = Field(
        default=60, ge=10, le=600, description="Time to sign in: a stranger holds no connection for long."
    )
    apop: bool = Field(
        default=False,
        description="Offer APOP to users who were given an APOP secret. It needs the secret itself on the server "
        "(encrypted) and rests on MD5 (RFC 6151).",
    )
    shared_sessions: bool = Field(
        default=False,
        description="Several sessions on one mailbox at once. Off, the second is told [IN-USE] (RFC 2449 8.1.2).",
    )
    login_delay_seconds: int = Field(
        default=0,
        ge=0,
        le=86_400,
        description="Least time between two sign-ins of a user, announced as LOGIN-DELAY. 0 is none.",
    )
    max_bad_commands: int = Field(default=10, ge=1, le=1000, description="Wrong commands before the session is closed.")


class Imap(Section):
    """Reading by IMAP (RFC 9051, RFC 3501)."""

    security: ImapSecurity = Field(
        default=ImapSecurity.TLS,
        description="tls: sign-in only under TLS. both: also without, from auth.clear_text_networks. clear: without, "
        "and TLS is not offered.",
    )
    inactivity_seconds: int = Field(
        default=1800,
        ge=1800,
        le=86_400,
        description="Silence after which a session ends, IDLE included. RFC 9051 5.4 asks for at least 30 minutes.",
    )
    login_seconds: int = Field(
        default=60, ge=10, le=600, description="Time to sign in: a stranger holds no connection for long."
    )
    max_sessions_per_user: int = Field(
        default=50,
        ge=5,
        le=10_000,
        description="Sessions of one user in one worker. A mail program opens five to ten, people have a few of them.",
    )
    max_bad_commands: int = Field(
        default=20, ge=1, le=1000, description="Wrong commands in a row before the session is closed."
    )
    max_append_bytes: int = Field(
        default=50 * MIB,
        ge=64 * 1024,
        le=_MAX_BYTES,
        description="Largest message that a client may store, announced as APPENDLIMIT (RFC 7889).",
    )
    max_messages_at_once: int = Field(
        default=100_000,
        ge=1000,
        le=10_000_000,
        description="Messages that one COPY or MOVE takes, or one APPEND brings, announced as MESSAGELIMIT (RFC 9738).",
    )
    max_mailboxes: int = Field(default=10_000, ge=10, le=1_000_000, description="Mailboxes of one account.")
    compress: bool = Field(
        default=True, description="Offer COMPRESS=DEFLATE (RFC 4978). Costs about 100 KiB a session."
    )
    default_folders: tuple[str, ...] = Field(
        default=("Drafts", "Sent", "Archive", "Junk", "Trash", "Templates"),
        description="Mailboxes that an account gets when its user signs in for the first time; those with a name of "
        "RFC 6154 get its special use.",
    )
    administrators: tuple[str, ...] = Field(
        default=(),
        description="Addresses of users who may set quotas, server metadata and the folders of #shared/ by IMAP.",
    )


class Relay(RelayRestrictions):
    """Who may send to addresses that are not ours."""

    networks: tuple[Network, ...] = Field(
        default=LOOPBACK,
        description="Clients that may relay without sign-in, where relay.allow is addresses or both.",
    )
    sender_must_be: SenderRule = Field(
        default=SenderRule.OWN,
        description="MAIL FROM of a signed-in user: one of their own addresses, any in our domains, or anything.",
    )


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


class Settings(BaseModel):
    """All settings at one moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smtp: Smtp = Smtp()
    submission: Submission = Submission()
    lmtp: Lmtp = Lmtp()
    pop3: Pop3 = Pop3()
    imap: Imap = Imap()
    restrict: Restrict = Restrict()
    relay: Relay = Relay()
    limits: Limits = Limits()
    auth: Auth = Auth()
    rates: Rates = Rates()
    local: Local = Local()
    store: Store = Store()
    search: Search = Search()
    tls: Tls = Tls()
    routing: Routing = Routing()
    rewrite: Rewrite = Rewrite()
    queue: Queue = Queue()
    delivery: Delivery = Delivery()
    dns: Dns = Dns()
    notices: Notices = Notices()
    batch: Batch = Batch()
    lists: Lists = Lists()
    journal: Journal = Journal()
    split: Split = Split()
    dmarc: Dmarc = Dmarc()
    dkim: Dkim = Dkim()
    srs: Srs = Srs()
    policy: Policy = Policy()
    spam: Spam = Spam()
    bayes: Bayes = Bayes()
    clamav: Clamav = Clamav()
    milters: Milters = Milters()
    hook: Hook = Hook()
    rspamd: Rspamd = Rspamd()
    spamassassin: Spamassassin = Spamassassin()
    filters: Filters = Filters()
    quarantine: Quarantine = Quarantine()
