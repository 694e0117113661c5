"""COMPRESS=DEFLATE (RFC 4978)."""

from estafeta.protocols.imap.commands import Compress
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.session import ImapSession


def compress(session: ImapSession, event: Compress) -> Reply:
    """COMPRESS=DEFLATE (RFC 4978)."""
    if session.machine.compressed:
        return no("The connection is compressed already.", b"COMPRESSIONACTIVE")
    if not session.settings.compress:
        return no("Compression is not offered here.", b"CANNOT")
    return ok("Compression begins.")
