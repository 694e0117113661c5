"""Settings of taking mail in: SMTP, submission, LMTP, and who may relay."""

from enum import StrEnum

from pydantic import Field

from estafeta.directory.settings_base import LOOPBACK, Section
from estafeta.directory.settings_fields import Network
from estafeta.directory.settings_restrictions import RelayRestrictions

_MIB = 1 << 20
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


class Smtp(Section):
    """Receiving by SMTP; submission and LMTP share what they do not name themselves."""

    max_message_bytes: int = Field(
        default=50 * _MIB,
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
