"""Settings of the services that mailboxes are read by: POP3 and IMAP."""

from enum import StrEnum

from pydantic import Field

from estafeta.directory.settings_base import Section

_MIB = 1 << 20
_MAX_BYTES = 1 << 40


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
        default=50 * _MIB,
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
