"""Domain errors as SMTP replies, in one place (enhanced codes: RFC 3463)."""

from estafeta.core.errors import EstafetaError, Kind
from estafeta.policy.judgement import RefusedError
from estafeta.policy.verdict import Verdict
from estafeta.protocols.smtp.replies import Reply
from estafeta.storage.database import DiskFullError

DISK_LOW = Reply(452, "4.3.1", "This server is short of disk space; nothing is lost, try again later")
_BY_KIND = {
    Kind.NOT_FOUND: (550, "5.1.1"),
    Kind.PERMISSION: (550, "5.7.1"),
    Kind.QUOTA: (452, "4.2.2"),
    Kind.TOO_BIG: (552, "5.3.4"),
    Kind.LIMIT: (554, "5.4.6"),
    Kind.INVALID: (554, "5.6.0"),
    Kind.IN_USE: (450, "4.2.1"),
}
_TEMPORARY = (451, "4.3.0")


def error_reply(error: EstafetaError) -> Reply:
    """The reply to a message or recipient that met `error`. What we do not know better is temporary."""
    if isinstance(error, RefusedError):
        return verdict_reply(error.verdict)
    if isinstance(error, DiskFullError):
        return DISK_LOW
    code, enhanced = _BY_KIND.get(error.kind, _TEMPORARY)
    return Reply(code, enhanced, error.public.rstrip("."))


def verdict_reply(verdict: Verdict) -> Reply:
    """A policy's verdict as it is said."""
    return Reply(verdict.code, verdict.enhanced, verdict.text)
