"""Settings of what leaves the server: routing, queue, delivery, notices, lists, journal.

A setting whose name ends with `_rules` or `_table` is a list of lines, each in a small language of its own; on the
command line lines are separated by a line end or ` ;; `. Passwords are never settings: `estafeta smarthost` keeps them.
"""

from enum import StrEnum

from pydantic import Field, field_validator

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_fields import AddressOrEmpty, HostName, HostPortOrEmpty, WebBase
from estafeta.directory.settings_routing import (
    DomainPattern,
    HostLine,
    LookupLine,
    NameServerText,
    RetryRuleLine,
    RewriteRuleLines,
    RouteRuleLine,
    ServerOrEmpty,
    SourceLine,
)
from estafeta.directory.settings_tls import PathOrEmpty, TlsRuleLine

_SMALLEST_PIECE = 32_768


class TlsLevel(StrEnum):
    """How mail leaves where no rule and no policy of the other side says more."""

    NONE = "none"
    MAY = "may"
    ENCRYPT = "encrypt"
    VERIFY = "verify"


class ReturnContent(StrEnum):
    """What of a message goes back with a notice."""

    FULL = "full"
    HEADERS = "headers"


class JournalLevel(StrEnum):
    """How much is recorded."""

    FULL = "full"
    REDUCED = "reduced"
    OFF = "off"


class IpPreference(StrEnum):
    """Which addresses of a host are tried first."""

    IPV6 = "ipv6"
    IPV4 = "ipv4"
    IPV4_ONLY = "ipv4-only"
    IPV6_ONLY = "ipv6-only"


class Routing(Section):
    """Where mail for other hosts goes (rows Q1, Q2)."""

    outward: bool = Field(
        default=True, description="Send mail to other servers at all. Off, only addresses of our own domains are taken."
    )
    host_table: tuple[HostLine, ...] = Field(
        default=(),
        description="Hosts that are known without asking DNS, one in a line: a name and its IP addresses, as in "
        "`mail.example.org 192.0.2.1 2001:db8::1`. They go before DNS, MX records included.",
    )
    route_rules: tuple[RouteRuleLine, ...] = Field(
        default=(),
        description="Next hops by recipient, one rule in a line, the first that matches counts: a pattern and a next "
        "hop, as in `*.example.org host:gateway.example.org:25`, `example.net mx:relay.example.net` or `x.test "
        "lmtp:/s`. Patterns are domains or addresses with * and ?; `direct` as next hop goes by DNS, past hub, "
        "firewall and smarthost. A rule that names one of our own domains takes what nobody has there.",
    )
    sender_route_rules: tuple[RouteRuleLine, ...] = Field(
        default=(),
        description="Next hops by sender, likewise; they are asked after route_rules.",
    )
    smarthost: ServerOrEmpty = Field(
        default="",
        max_length=300,
        description="Server that takes all mail for other domains, as in `[mail.example.com]:587` (brackets: that "
        "host; without them its MX is asked for). Login and password: `estafeta smarthost set`. Empty: mail goes to "
        "its destination directly.",
    )
    mail_router: ServerOrEmpty = Field(
        default="",
        max_length=300,
        description="Server that takes mail whose domain has no address in DNS (the mail router of i5/OS).",
    )
    firewall: bool = Field(
        default=False,
        description="Send all mail through mail_router, but that of firewall_except_domains (forward outgoing mail to "
        "router through firewall).",
    )
    firewall_except_domains: tuple[DomainPattern, ...] = Field(
        default=(), description="Domains, with * and ?, whose mail does not go through the firewall."
    )
    hub: ServerOrEmpty = Field(
        default="",
        max_length=300,
        description="Server that takes all mail that is not local (the forwarding mail hub domain): for other "
        "domains, and for addresses of our own domains that nobody has here. One that returns the latter makes a loop.",
    )
    backup_mx_domains: tuple[HostName, ...] = Field(
        default=(), description="Domains of others for which we are a backup MX: their mail is taken and passed on."
    )
    percent_sign: bool = Field(
        default=False,
        description="Read `user%host@here` as `user@host` (interpret percent sign as routing character). Only for who "
        "may relay.",
    )
    address_literals: bool = Field(
        default=True, description="Send to recipients such as user@[192.0.2.1]; off, they are refused."
    )
    source_address_table: tuple[SourceLine, ...] = Field(
        default=(),
        description="Our IP address for outgoing connections by sender domain, one in a line: a domain with * and ?, "
        "and one or two addresses, as in `example.org 192.0.2.1 2001:db8::1`.",
    )


class Rewrite(Section):
    """Addresses made over as they pass (row Q4)."""

    address_rules: RewriteRuleLines = Field(
        default=(),
        description="One rule in a line: pattern, replacement, fields. `*@cay.example $1@example frFs`: patterns have "
        "* and ?, which are $1, $2 ... in the replacement; `${lookup{$1}{TABLE}}` looks up in rewrite.lookup_table "
        "and the rule does not count where nothing is found. Fields: s sender, f from, t to, c cc, b bcc, r reply-to, "
        "F and T envelope sender and recipient, h all of the header, E both of the envelope, none: all. q: stop after "
        "this rule. R: again, up to 10 times. X: rewrites nothing; what the rule makes must be an address here for "
        "the address to be used.",
    )
    lookup_table: tuple[LookupLine, ...] = Field(
        default=(),
        description="Lines `TABLE key value` for lookups in address_rules. A table that is named as a file, as in "
        "`${lookup{$1}lsearch{/etc/email-addresses}{$value}fail}`, and has no lines here is read from that file when "
        "the settings are loaded.",
    )


class Queue(Section):
    """Mail that waits (rows Q3, Q6)."""

    retry_rules: tuple[RetryRuleLine, ...] = Field(
        default=("* * F,2h,15m; G,16h,2h,1.5; F,4d,8h",),
        description="When to try again, one rule in a line, the first that matches counts: domain pattern, error (* "
        "or timeout, refused, dns, tls, auth, quota, greylisted, 4xx or a code such as 451), and the times. F,2h,15m: "
        "for two hours every 15 minutes; G,16h,2h,1.5: up to 16 hours beginning with 2 hours, each 1.5 times the "
        "last. After the last the message goes back.",
    )
    jitter_percent: int = Field(
        default=10, ge=0, le=50, description="How much retries are spread, so that not all come at once."
    )
    warn_after_seconds: int = Field(
        default=14_400,
        ge=0,
        le=604_800,
        description="Age at which a sender hears that a message is late (RFC 3461 delay). 0: never.",
    )
    max_release_seconds: int = Field(
        default=2_592_000,
        ge=0,
        le=31_536_000,
        description="How far in the future a user may have a message sent (RFC 4865 FUTURERELEASE). 0: not offered.",
    )
    hold_normal: bool = Field(default=False, description="Hold what has normal priority; it is taken but not sent.")
    hold_high: bool = Field(default=False, description="Hold what has high priority.")


class Delivery(Section):
    """Sending to other servers (row Q11)."""

    port: int = Field(
        default=25, ge=1, le=65535, description="Port of other servers where the next hop names none; 25 outside a lab."
    )
    max_connections: int = Field(
        default=100, ge=1, le=10_000, description="Connections outward of one worker, each about 60 KiB."
    )
    max_connections_per_destination: int = Field(
        default=20, ge=1, le=1000, description="Connections to one destination."
    )
    max_messages_per_connection: int = Field(
        default=100, ge=1, le=100_000, description="Messages sent over one connection before another is made."
    )
    max_recipients: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Recipients of one transaction; RFC 5321 4.5.3.1.8 lets servers stop at 100.",
    )
    rate_rules: tuple[str, ...] = Field(
        default=(),
        description="Most messages to a destination, one rule in a line: a domain pattern, a number per s, m or h, and "
        "optionally most connections, as in `example.org 100/m 2`.",
    )
    connect_seconds: int = Field(default=30, ge=1, le=300, description="Time for a connection to one address.")
    greeting_seconds: int = Field(
        default=300, ge=5, le=600, description="Time for the greeting and the answer to EHLO (RFC 5321 4.5.3.2.1)."
    )
    command_seconds: int = Field(
        default=300, ge=5, le=600, description="Time for the answer to a command (RFC 5321 4.5.3.2.2)."
    )
    data_seconds: int = Field(
        default=600, ge=5, le=3600, description="Time for the answer after the final dot (RFC 5321 4.5.3.2.6)."
    )
    idle_seconds: int = Field(
        default=5, ge=0, le=300, description="How long a connection without work is kept for the next message."
    )
    ip_preference: IpPreference = Field(
        default=IpPreference.IPV6, description="Addresses tried first: ipv6, ipv4, ipv4-only or ipv6-only."
    )
    hello_name: HostName = Field(default="", description="Name that is said in EHLO. Empty: the node's host name.")
    tls_level: TlsLevel = Field(
        default=TlsLevel.MAY,
        description="TLS where nothing else says more. none: never. may: where offered, certificates not checked (RFC "
        "7435). encrypt: always. verify: always, with a certificate that is valid for the host.",
    )
    tls_rules: tuple[TlsRuleLine, ...] = Field(
        default=(),
        description="TLS by destination, one rule in a line, the first that matches counts and goes before DANE and "
        "MTA-STS: a domain or host pattern, a level (none, may, encrypt, verify, or usual for what would be without "
        "the rule) and optionally `ca=FILE` (only these CAs), `cert=NAME` (client certificate) and `name=HOST` (what "
        "the certificate must be for).",
    )
    ca_file: PathOrEmpty = Field(
        default="", description="File (PEM) with CAs that are believed besides those of the system. Empty: none."
    )
    mta_sts: bool = Field(default=True, description="Obey MTA-STS policies of other domains (RFC 8461).")
    dane: bool = Field(
        default=True, description="Obey TLSA records (RFC 7672); needs a resolver that validates: dns.validating."
    )
    tls_reports: bool = Field(
        default=True, description="Collect results of TLS (RFC 8460), for `estafeta tls-report` and for reports."
    )
    send_tls_reports: bool = Field(
        default=False,
        description="Send a report on each day to the domains that ask for one by mail (RFC 8460). Receivers may "
        "ignore reports that are not signed with DKIM.",
    )
    https_port: int = Field(
        default=443, ge=1, le=65535, description="Port of the servers with MTA-STS policies; 443 outside a lab."
    )
    socks_proxy: HostPortOrEmpty = Field(
        default="",
        max_length=300,
        description="SOCKS5 proxy for all outgoing SMTP and LMTP connections, HOST:PORT (RFC 1928). Empty: none.",
    )
    pipelining: bool = Field(default=True, description="Send commands without waiting where that is offered.")
    chunking: bool = Field(default=True, description="Send contents with BDAT where that is offered.")


class Dns(Section):
    """Asking name servers."""

    servers: tuple[NameServerText, ...] = Field(
        default=(), description="Name servers, as ADDRESS or ADDRESS:PORT. Empty: those of /etc/resolv.conf."
    )
    timeout_seconds: int = Field(default=10, ge=1, le=60, description="Time for an answer, all tries together.")
    validating: bool = Field(
        default=False,
        description="The name servers validate DNSSEC and the way to them is safe (this host, or its own network): "
        "their AD flag is believed, and DANE works.",
    )
    max_cache_entries: int = Field(
        default=50_000, ge=100, le=10_000_000, description="Answers remembered in one worker, about 500 octets each."
    )


class Notices(Section):
    """Notices to senders (row Q7): non-delivery, delay, confirmation."""

    dsn: bool = Field(default=True, description="Offer DSN: senders may ask for confirmations (RFC 3461).")
    responsible_person: AddressOrEmpty = Field(
        default="",
        description="Who answers for notices: the address in their From field, and whom people are told to ask. Empty: "
        "MAILER-DAEMON at this host, and postmaster to ask.",
    )
    nondelivery_copy: AddressOrEmpty = Field(
        default="",
        description="Who gets a copy of every non-delivery notice (NONDELIVERY of i5/OS), and hears of undeliverable "
        "mail that has no sender to be told. Empty: nobody.",
    )
    return_content: ReturnContent = Field(
        default=ReturnContent.HEADERS,
        description="What goes back with a non-delivery notice where the sender did not say (RET): full or headers. Of "
        "messages from outside, and of those with REQUIRETLS, never more than the header.",
    )
    max_return_bytes: int = Field(
        default=262_144, ge=0, le=1 << 30, description="Larger messages go back with their header only."
    )
    language: str = Field(
        default="en",
        pattern="^(en|es|ja)$",
        description="Language of notices to senders whose language is not known (users have theirs): en, es or ja.",
    )


class Batch(Section):
    """Sites that are connected now and then (row Q8)."""

    enabled: bool = Field(
        default=False, description="Send mail only in batch sessions: at intervals or on demand (`estafeta batch run`)."
    )
    interval_seconds: int = Field(
        default=1800, ge=0, le=604_800, description="Time between sessions. 0: only on demand."
    )
    before_command: str = Field(
        default="", max_length=1000, description="Command run before a session (dial); where it fails, nothing is sent."
    )
    after_command: str = Field(default="", max_length=1000, description="Command run after a session (hang up).")
    command_seconds: int = Field(default=120, ge=1, le=3600, description="Time for each of these commands.")
    etrn_server: str = Field(
        default="", max_length=300, description="Server that keeps our mail: it is asked with ETRN in each session."
    )
    etrn_domains: tuple[HostName, ...] = Field(default=(), description="Domains that are asked for with ETRN.")
    serve_domains: tuple[HostName, ...] = Field(
        default=(), description="Domains whose servers may fetch their mail from us with ETRN (RFC 1985)."
    )


class Lists(Section):
    """Distribution lists (row D3)."""

    max_members: int = Field(default=100_000, ge=1, le=10_000_000, description="Members that one list may have.")
    max_bounce_days: int = Field(
        default=5, ge=1, le=1000, description="Days with bounces after which a member is unsubscribed."
    )
    bounce_memory_days: int = Field(default=30, ge=1, le=365, description="Bounces are forgotten after so many days.")
    confirm_days: int = Field(
        default=7, ge=1, le=90, description="Time to confirm a subscription or moderate a message."
    )
    link_base: WebBase = Field(
        default="",
        max_length=300,
        description="Where links for subscribers lead: the beginning of an address at which an https listener of this "
        "server answers, itself or behind a proxy, as https://lists.example.org. Empty: https://HOSTNAME, from when an "
        "https listener has a certificate for that name that others can trust (not self-signed); before that, and with "
        "none, people join and leave by mail only.",
    )


class Journal(Section):
    """Records of what happens to messages (rows O2, O3)."""

    level: JournalLevel = Field(
        default=JournalLevel.FULL,
        description="full: every transition. reduced: receptions, deliveries, failures. off: nothing.",
    )
    max_receiver_mib: int = Field(
        default=512, ge=1, le=1 << 20, description="Size at which a journal receiver is closed and another begun."
    )
    receiver_days: int = Field(default=30, ge=1, le=3650, description="Age at which a receiver is closed, likewise.")
    keep_days: int = Field(
        default=90, ge=0, le=36_500, description="Closed receivers are removed after so long. 0: never."
    )
    keep_log_days: int = Field(
        default=7, ge=0, le=3650, description='Day logs kept, with [log] target = "file". 0: all.'
    )
    report_to: AddressOrEmpty = Field(default="", description="Who gets the statistics of each day. Empty: nobody.")
    subjects: bool = Field(default=True, description="Record subjects, so that messages are found by them.")


class Split(Section):
    """Messages in pieces (row Q9)."""

    max_piece_bytes: int = Field(
        default=0,
        ge=0,
        le=1 << 40,
        description="Larger messages (up to 128 MiB) go out as message/partial pieces of about this size, at least "
        "32768 (RFC 2046 5.2.2). 0: never, which is wise: many mail programs cannot join them.",
    )
    join: bool = Field(default=False, description="Join message/partial pieces that arrive for mailboxes here.")
    join_days: int = Field(
        default=7,
        ge=1,
        le=90,
        description="How long pieces wait for the others before they are delivered as they are; never longer than "
        "queue.retry_rules keep messages.",
    )

    @field_validator("max_piece_bytes")
    @classmethod
    def _check_piece(cls, octets: int) -> int:
        """Smaller ones would make a thousand messages out of one."""
        if 0 < octets < _SMALLEST_PIECE:
            raise ValueError(f"pieces have at least {_SMALLEST_PIECE} octets; 0 switches them off")
        return octets
