"""MYRIGHTS (RFC 4314 3.5)."""

from estafeta.core.errors import EstafetaError, Kind
from estafeta.protocols.imap.commands import MyRights
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import sight_of
from estafeta.servers.imap.rights import encode_rights
from estafeta.servers.imap.session import ImapSession

# RFC 4314 4: whoever has one of these may ask.
_ENOUGH = frozenset("lrikxa")


async def myrights(session: ImapSession, event: MyRights) -> Reply:
    """Which rights one has oneself."""
    folder = await session.thread(sight_of(session).look_up, event.mailbox)
    if folder is None or not folder.rights & _ENOUGH:
        raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
    name = encode_mailbox(folder.name, utf8=session.machine.utf8)
    session.untagged(b"MYRIGHTS %b %b" % (name, encode_rights(folder.rights)))
    return ok("MYRIGHTS completed.")
