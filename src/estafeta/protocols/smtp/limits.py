"""The limits of the SMTP machine, each with its reason, and `SmtpSettings`, which a server hands to each session.

Sizes are octets. A limit of 0 means none where the field says so.
"""

from dataclasses import dataclass
from enum import StrEnum

COMMAND_LINE = 512 + 26 + 17 + 10 + 500
"""RFC 5321 4.5.3.1.4: 512 with CRLF, and what extensions add to MAIL: SIZE 26 (RFC 1870 3), BODY 17 (RFC 6152 2),
SMTPUTF8 10 (RFC 6531 3.4), AUTH= 500 (RFC 4954 3). One limit for all commands: a longer RCPT harms nobody."""

AUTH_LINE = 12288
"""RFC 4954 4: the longest line of an exchange, which Kerberos tickets need."""

ENDLESS_LINE = 1024 * 1024
"""A command line that is too long is read to its end and answered; one beyond this is no client's mistake."""

REPLY_LINE = 512
"""RFC 5321 4.5.3.1.5: a reply line with its code and CRLF. Longer texts go on in another line."""

NUMBER_DIGITS = 20
"""RFC 1870 3 and RFC 3030 2: a size has 1 to 20 digits."""

HELLO_NAME = 255
"""RFC 5321 4.5.3.1.2: a domain name has at most 255 octets."""


class Mode(StrEnum):
    """Which of the three services a session is."""

    SMTP = "smtp"
    SUBMISSION = "submission"
    LMTP = "lmtp"


class BareLf(StrEnum):
    """What a LF without CR (or CR without LF) does. It never ends a message, whichever it is."""

    REJECT = "reject"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """What the operator decided, as it applies to one session."""

    hostname: str
    mode: Mode = Mode.SMTP
    software: str = "Estafeta"

    max_message_bytes: int = 50 * 1024 * 1024
    """Announced as SIZE and kept: what a disk and a reader's patience bear. 0: no limit."""

    tls_available: bool = False
    """STARTTLS is offered (and the session is not inside TLS yet)."""
    require_tls: bool = False
    """Only EHLO, NOOP, RSET, HELP, STARTTLS and QUIT before TLS (RFC 3207 4). Not for port 25 of the Internet."""

    auth_mechanisms: tuple[str, ...] = ()
    """Names as advertised, upper case; empty where AUTH is not permitted in this session as it stands."""
    require_auth: bool = False
    """MAIL, VRFY and EXPN want an authenticated client (RFC 6409 4.3)."""

    chunking: bool = True
    """CHUNKING and BINARYMIME (RFC 3030)."""
    smtputf8: bool = True
    """RFC 6531."""
    dsn: bool = False
    """RFC 3461: RET and ENVID on MAIL, NOTIFY and ORCPT on RCPT."""
    requiretls: bool = False
    """RFC 8689."""
    future_release: str = ""
    """RFC 4865 4: the longest time in seconds, and the last moment as YYYY-MM-DDTHH:MM:SSZ. Empty: not offered."""
    etrn: bool = False
    """RFC 1985."""
    expn: bool = False
    """RFC 5321 7.3: EXPN tells list members to anyone who asks, so it is off unless wanted."""
    bare_lf: BareLf = BareLf.REJECT
    """RFC 5321 2.3.8. ACCEPT turns bare CR and LF into CRLF, for old devices inside a network."""

    max_line: int = COMMAND_LINE
    """Bounds what a client can make us keep while a command is not complete."""
    max_recipients: int = 1000
    """Accepted recipients of one message; RFC 5321 4.5.3.1.8 asks for at least 100. Bounds memory and fan-out."""
    max_bad_commands: int = 20
    """Commands that were wrong by themselves. A broken client or a scanner, not a sender of mail."""
    max_idle_commands: int = 200
    """Commands since the last message that led to nothing (NOOP, RSET, VRFY, EHLO, refused recipients ...).
    Each is cheap; without a bound they keep a connection for ever, or try out a dictionary of names."""
    max_transactions: int = 1000
    """MAIL commands in one session: shares connections fairly and lets a reload reach everyone. 0: no limit."""
    max_auth_failures: int = 5
    """Failed AUTH exchanges in one session: guessing then costs a new connection each time (RFC 4954 9)."""
