"""UNAUTHENTICATE (RFC 8437)."""

from estafeta.protocols.imap.commands import Unauthenticate
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.session import ImapSession


def unauthenticate(session: ImapSession, event: Unauthenticate) -> Reply:
    """UNAUTHENTICATE (RFC 8437)."""
    session.release()
    return ok("Signed out.")
