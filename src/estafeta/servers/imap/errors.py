"""Domain errors as IMAP replies, in one place (RFC 5530)."""

from estafeta.core.errors import EstafetaError, Kind
from estafeta.protocols.imap.replies import Reply, bad, no
from estafeta.protocols.sasl import Reason

_CODES = {
    Kind.NOT_FOUND: b"NONEXISTENT",
    Kind.EXISTS: b"ALREADYEXISTS",
    Kind.PERMISSION: b"NOPERM",
    Kind.QUOTA: b"OVERQUOTA",
    Kind.TOO_BIG: b"TOOBIG",
    Kind.LIMIT: b"LIMIT",
    Kind.IN_USE: b"INUSE",
    Kind.INVALID: b"CANNOT",
    Kind.TEMPORARY: b"UNAVAILABLE",
    Kind.UNAVAILABLE: b"UNAVAILABLE",
}

#: How a failed AUTHENTICATE or LOGIN ends (RFC 5530 3; RFC 9051 6.2.2: BAD when the client cancelled).
SIGN_IN_REPLIES: dict[Reason, Reply] = {
    Reason.CREDENTIALS: no("The name or the password is wrong.", b"AUTHENTICATIONFAILED"),
    Reason.MALFORMED: bad("That is not what this mechanism expects."),
    Reason.CANCELLED: bad("Cancelled."),
    Reason.CHANNEL_BINDING: no("The channel binding does not fit this connection.", b"AUTHENTICATIONFAILED"),
    Reason.TEMPORARY: no("Signing in is not possible now; try again later.", b"UNAVAILABLE"),
    Reason.TOO_WEAK: no("This mechanism is too weak for this user.", b"AUTHENTICATIONFAILED"),
    Reason.TRANSITION: no("Sign in once with PLAIN, then this mechanism works.", b"AUTHENTICATIONFAILED"),
}


class ReplyError(Exception):
    """Ends the command with a reply of its own."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def reply_of(error: EstafetaError | ReplyError) -> Reply:
    """The NO of something that could not be done."""
    if isinstance(error, ReplyError):
        return error.reply
    return no(error.public, _CODES[error.kind])
