"""IDLE (RFC 2177, RFC 9051 6.3.13)."""

from estafeta.protocols.imap.commands import Idle, IdleDone
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.session import ANSWERED, ImapSession


def idle(session: ImapSession, event: Idle) -> Reply:
    """IDLE (RFC 2177): the machine says `+`; from now on what others change is said at once."""
    session.machine.go_on()
    if session.selected is not None and session.selected.wants_sync(asking=False):
        session.poke()
    return ANSWERED


def idle_done(session: ImapSession, event: IdleDone) -> Reply:
    """DONE."""
    return ok("IDLE completed.")
