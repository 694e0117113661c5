"""LOGOUT (RFC 9051 6.1.3)."""

from estafeta.protocols.imap.commands import Logout
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.session import ImapSession


def logout(session: ImapSession, event: Logout) -> Reply:
    """RFC 9051 6.1.3."""
    session.deselect()
    return ok("LOGOUT completed.")
