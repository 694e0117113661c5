"""DELETE (RFC 9051 6.3.5)."""

from estafeta.mailboxes.folders import DeleteMailbox
from estafeta.protocols.imap.commands import Delete
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.folders import Folder, is_inbox
from estafeta.servers.imap.session import ImapSession


async def delete(session: ImapSession, event: Delete) -> Reply:
    """RFC 4314 4: `x` is needed. Mailboxes below it stay, and with them its name as their parent."""
    folder = await session.find(event.mailbox, "x")
    if is_inbox(folder):
        return no("INBOX cannot be removed.", b"CANNOT")
    await session.mailboxes.delete_mailbox(DeleteMailbox(folder.account_id, folder.mailbox_id))
    _leave(session, folder)
    return ok("DELETE completed.")


def _leave(session: ImapSession, folder: Folder) -> None:
    """A client that removes the mailbox it has selected has none selected afterwards."""
    selected = session.selected
    if selected is not None and (selected.folder.account_id, selected.folder.mailbox_id) == (
        folder.account_id,
        folder.mailbox_id,
    ):
        session.deselect()
        session.machine.unselected()
        session.machine.condition(ok("The mailbox is closed.", b"CLOSED"))
