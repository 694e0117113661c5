"""What a session keeps of the settings from its beginning to its end."""

from dataclasses import dataclass

from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_outward import JournalLevel
from estafeta.directory.settings_reading import Pop3Security
from estafeta.policy.networks import Networks


@dataclass(frozen=True, slots=True)
class Pop3Settings:
    """See `estafeta.directory.settings_model.Pop3` for what each means."""

    hostname: str
    stls: bool
    """STLS is offered outside TLS."""
    require_tls: bool
    """No sign-in of any kind outside TLS."""
    clear_text: Networks
    """Where passwords may come in clear, unless TLS is required."""
    scram: bool = True
    apop: bool = False
    shared: bool = False
    inactivity_seconds: float = 600.0
    login_seconds: float = 60.0
    login_delay_seconds: int = 0
    max_bad_commands: int = 10
    max_sign_ins: int = 3
    note_reading: bool = False
    """The journal has who read what."""


def pop3_settings(settings: Settings, *, hostname: str, tls_available: bool) -> Pop3Settings:
    """The settings of now for new sessions of a service with or without a certificate."""
    pop3, auth = settings.pop3, settings.auth
    return Pop3Settings(
        hostname=hostname,
        stls=tls_available and pop3.security is not Pop3Security.CLEAR,
        require_tls=pop3.security is Pop3Security.TLS,
        clear_text=Networks(auth.clear_text_networks),
        scram=auth.scram,
        apop=pop3.apop,
        shared=pop3.shared_sessions,
        inactivity_seconds=pop3.inactivity_seconds,
        login_seconds=pop3.login_seconds,
        login_delay_seconds=pop3.login_delay_seconds,
        max_bad_commands=pop3.max_bad_commands,
        max_sign_ins=auth.max_attempts_per_session,
        note_reading=settings.journal.level is JournalLevel.FULL,
    )
