"""What a session keeps of the settings from its beginning to its end."""

from dataclasses import dataclass

from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_outward import JournalLevel
from estafeta.directory.settings_reading import ImapSecurity
from estafeta.policy.networks import Networks


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """See `estafeta.directory.settings_model.Imap` for what each means."""

    hostname: str
    starttls: bool
    """STARTTLS is offered outside TLS."""
    require_tls: bool
    """No sign-in of any kind outside TLS."""
    clear_text: Networks
    """Where passwords may come in clear, unless TLS is required."""
    scram: bool = True
    inactivity_seconds: float = 1800.0
    login_seconds: float = 60.0
    max_sign_ins: int = 3
    max_bad_commands: int = 20
    max_sessions_per_user: int = 50
    max_append_bytes: int = 50 << 20
    message_limit: int = 100_000
    max_mailboxes: int = 10_000
    compress: bool = True
    default_folders: tuple[str, ...] = ()
    administrators: frozenset[str] = frozenset()
    """Addresses in lower case."""
    note_reading: bool = False
    """The journal has who read what."""


def imap_settings(settings: Settings, *, hostname: str, tls_available: bool) -> ImapSettings:
    """The settings of now for new sessions of a service with or without a certificate."""
    imap, auth = settings.imap, settings.auth
    return ImapSettings(
        hostname=hostname,
        starttls=tls_available and imap.security is not ImapSecurity.CLEAR,
        require_tls=imap.security is ImapSecurity.TLS,
        clear_text=Networks(auth.clear_text_networks),
        scram=auth.scram,
        inactivity_seconds=imap.inactivity_seconds,
        login_seconds=imap.login_seconds,
        max_sign_ins=auth.max_attempts_per_session,
        max_bad_commands=imap.max_bad_commands,
        max_sessions_per_user=imap.max_sessions_per_user,
        max_append_bytes=imap.max_append_bytes,
        message_limit=imap.max_messages_at_once,
        max_mailboxes=imap.max_mailboxes,
        compress=imap.compress,
        default_folders=imap.default_folders,
        administrators=frozenset(address.lower() for address in imap.administrators),
        note_reading=settings.journal.level is JournalLevel.FULL,
    )
