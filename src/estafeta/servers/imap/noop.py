"""NOOP, and CHECK of IMAP4rev1 (RFC 9051 6.1.2)."""

from estafeta.protocols.imap.commands import Noop
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.session import ImapSession


def noop(session: ImapSession, event: Noop) -> Reply:
    """RFC 9051 6.1.2: a way to hear what is new, which the session says before the reply."""
    return ok("NOOP completed.")
