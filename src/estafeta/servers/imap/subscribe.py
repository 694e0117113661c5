"""SUBSCRIBE and UNSUBSCRIBE (RFC 9051 6.3.7, 6.3.8)."""

from estafeta.mailboxes.folders import SetSubscribed
from estafeta.protocols.imap.commands import Subscribe
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import Sight, sight_of
from estafeta.servers.imap.session import ImapSession


async def subscribe(session: ImapSession, event: Subscribe) -> Reply:
    """Names are remembered whether there is such a mailbox or not: it may come back (RFC 9051 6.3.7)."""
    name = await session.thread(_name, sight_of(session), event.mailbox)
    await session.mailboxes.set_subscribed(SetSubscribed(session.user.account_id, name, event.subscribed))
    return ok("SUBSCRIBE completed." if event.subscribed else "UNSUBSCRIBE completed.")


def _name(sight: Sight, name: str) -> str:
    """As LIST has it. A mailbox that may not be seen is as one that is not there."""
    folder = sight.look_up(name)
    return folder.name if folder is not None and "l" in folder.rights else name
