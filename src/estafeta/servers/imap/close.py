"""CLOSE and UNSELECT (RFC 9051 6.4.1, 6.4.2)."""

from estafeta.mailboxes.change import Expunge
from estafeta.mailboxes.values import ALL
from estafeta.protocols.imap.commands import Close
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import selected_of


async def close(session: ImapSession, event: Close) -> Reply:
    """CLOSE removes what has \\Deleted and says nothing of it; nor, RFC 4314 4, that it is not allowed to."""
    selected = selected_of(session)
    folder = selected.folder
    if event.expunge and not selected.read_only and "e" in folder.rights:
        await session.mailboxes.expunge(Expunge(folder.account_id, folder.mailbox_id, ALL, only_deleted=True))
    await session.leave_selected()
    return ok("CLOSE completed." if event.expunge else "UNSELECT completed.")
