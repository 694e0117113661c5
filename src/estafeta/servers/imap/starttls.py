"""STARTTLS (RFC 9051 6.2.1)."""

from estafeta.protocols.imap.commands import StartTls
from estafeta.protocols.imap.replies import Reply, bad, no, ok
from estafeta.servers.imap.session import ANSWERED, ImapSession, log


async def starttls(session: ImapSession, event: StartTls) -> Reply:
    """TLS from here on. A failed handshake has closed the connection."""
    machine, offer = session.machine, session.service.tls
    if machine.tls:
        return bad("TLS is active already.")
    if offer is None or not session.settings.starttls:
        return no("STARTTLS is not offered here.", b"CANNOT")
    machine.reply(ok("Begin TLS now."))
    if await session.pump.start_tls(offer.context):
        machine.tls_started()
        if machine.discarded:
            log.warning("octets behind STARTTLS thrown away peer=%s count=%d", session.pump.peer, machine.discarded)
    return ANSWERED
