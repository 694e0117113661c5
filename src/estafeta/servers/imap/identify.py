"""ID (RFC 2971)."""

from estafeta.protocols.imap.commands import Id
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.session import ImapSession, log


def identify(session: ImapSession, event: Id) -> Reply:
    """ID (RFC 2971): our name, and no version for strangers."""
    if event.fields:
        said = " ".join(f"{name}={value!r}" for name, value in event.fields)
        log.info("client peer=%s %s", session.pump.peer, said[:500])
    session.untagged(b'ID ("name" "Estafeta" "vendor" "Estafeta")')
    return ok("ID completed.")
