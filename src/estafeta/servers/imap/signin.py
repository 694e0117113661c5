"""What every sign-in ends with: who it is, whether there is room, and the reply."""

from collections.abc import Awaitable

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Account, Service
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.capability import capabilities
from estafeta.servers.imap.errors import reply_of
from estafeta.servers.imap.furnish import ensure_folders
from estafeta.servers.imap.session import ImapSession, log

WRONG = no("The name or the password is wrong.", b"AUTHENTICATIONFAILED")
_TOO_MANY = no("You have too many sessions open; close some of them.", b"LIMIT")


def admit(session: ImapSession, account: Account, how: str) -> Awaitable[Reply] | Reply:
    """Who it is is known: enter the authenticated state."""
    if not session.enter(account):
        return _TOO_MANY
    session.service.shared.sign_in.reading(session.pump.peer, Service.IMAP)
    log.info("signed in peer=%s user=%s method=%s", session.pump.peer, account.address, how)
    waiting = ensure_folders(session)
    return welcome(session) if waiting is None else _made(session, waiting)


async def _made(session: ImapSession, waiting: Awaitable[None]) -> Reply:
    try:
        await waiting
    except EstafetaError as error:
        # Without them a mail program makes its own: no reason to turn anybody away.
        log.warning("default folders not made", extra={"reason": error.public, "cause": error.private})
    return welcome(session)


def welcome(session: ImapSession) -> Reply:
    """RFC 9051 6.2.3: the capabilities come along, so that nobody has to ask."""
    return ok("Signed in.", b"CAPABILITY " + capabilities(session))


def refuse(session: ImapSession, login: str, how: str, error: EstafetaError | None = None) -> Reply:
    """A sign-in failed: say why; after too many the session ends."""
    reason = "credentials" if error is None else error.private or error.public
    log.info("sign-in failed peer=%s login=%r method=%s reason=%r", session.pump.peer, login[:320], how, reason)
    if error is None:
        reply = WRONG
    elif error.kind is Kind.PERMISSION:
        reply = no(error.public, b"AUTHENTICATIONFAILED")
    else:
        reply = reply_of(error)
    return count_failure(session, reply)


def count_failure(session: ImapSession, reply: Reply) -> Reply:
    """Count a failed sign-in; the last one that is borne ends the session."""
    session.sign_ins += 1
    if session.sign_ins >= session.settings.max_sign_ins:
        session.machine.close_after_reply()
    return reply
