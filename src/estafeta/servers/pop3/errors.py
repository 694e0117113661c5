"""Domain errors as POP3 answers, in one place (RFC 2449 8.1, RFC 3206)."""

from estafeta.core.errors import EstafetaError, Kind
from estafeta.protocols.pop3.replies import Code
from estafeta.protocols.pop3.server import Pop3Server
from estafeta.protocols.pop3.texts import DEFAULT_LANGUAGE, Text
from estafeta.protocols.sasl import Reason

_PERMANENT = frozenset({Kind.NOT_FOUND, Kind.PERMISSION, Kind.INVALID, Kind.UNAVAILABLE, Kind.TOO_BIG})

SASL_ANSWERS: dict[Reason, tuple[Text, Code | None]] = {
    Reason.CREDENTIALS: (Text.CREDENTIALS, Code.AUTH),
    Reason.MALFORMED: (Text.MALFORMED, None),
    Reason.CANCELLED: (Text.CANCELLED, None),
    Reason.CHANNEL_BINDING: (Text.CHANNEL_BINDING, Code.AUTH),
    Reason.TEMPORARY: (Text.TEMPORARY, Code.SYS_TEMP),
    Reason.TOO_WEAK: (Text.TOO_WEAK, Code.AUTH),
    Reason.TRANSITION: (Text.TOO_WEAK, Code.AUTH),
}


def error_code(error: EstafetaError) -> Code:
    """RFC 3206 4: whether waiting helps or the operator has to."""
    return Code.SYS_PERM if error.kind in _PERMANENT else Code.SYS_TEMP


def error_words(machine: Pop3Server, error: EstafetaError, translated: Text | None = None) -> str:
    """The error's own sentence in English; in other languages `translated`, or one that says whether waiting helps."""
    if machine.language == DEFAULT_LANGUAGE:
        return error.public
    return machine.words(translated or (Text.PERMANENT if error_code(error) is Code.SYS_PERM else Text.TEMPORARY))


def answer_error(machine: Pop3Server, error: EstafetaError) -> None:
    """`-ERR` for something that could not be done."""
    machine.err(Text.PLAIN, error_words(machine, error), code=error_code(error))
