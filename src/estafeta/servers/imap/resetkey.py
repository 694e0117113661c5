"""RESETKEY: URLs that were signed before are void (RFC 4467 7)."""

from estafeta.mailboxes.urlkeys import ResetUrlKeys
from estafeta.protocols.imap.commands import ResetKey
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.session import ImapSession


async def resetkey(session: ImapSession, event: ResetKey) -> Reply:
    """Of one mailbox, or of all."""
    if event.mechanisms and "INTERNAL" not in (name.upper() for name in event.mechanisms):
        return no("The mechanism is INTERNAL.", b"URLMECH INTERNAL")
    mine = ResetUrlKeys(session.user.account_id)
    if event.mailbox:
        folder = await session.find(event.mailbox, "r")
        mine = ResetUrlKeys(session.user.account_id, folder.account_id, folder.mailbox_id)
    await session.mailboxes.reset_url_keys(mine)
    return ok("RESETKEY completed.", b"URLMECH INTERNAL")
