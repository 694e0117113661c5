"""NAMESPACE (RFC 2342)."""

from estafeta.protocols.imap.commands import Namespace
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.session import ImapSession


def namespace(session: ImapSession, event: Namespace) -> Reply:
    """One's own mailboxes, those of other users, those of nobody."""
    session.untagged(b'NAMESPACE (("" "/")) (("#user/" "/")) (("#shared/" "/"))')
    return ok("NAMESPACE completed.")
