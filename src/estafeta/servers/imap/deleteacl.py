"""DELETEACL (RFC 4314 3.2)."""

from estafeta.mailboxes.sharing import SetAcl as Change
from estafeta.protocols.imap.commands import DeleteAcl
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import sight_of
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.sharing import entries_of, refuse_owner


async def deleteacl(session: ImapSession, event: DeleteAcl) -> Reply:
    """No entry is no error: nobody has rights by it afterwards."""
    entries, identifier = await session.thread(
        entries_of,
        session.mailboxes.database,
        session.service.shared.people,
        sight_of(session),
        event.mailbox,
        event.identifier,
    )
    refuse_owner(entries, identifier)
    await session.mailboxes.set_acl(Change(entries.folder.account_id, entries.folder.mailbox_id, identifier, None))
    return ok("DELETEACL completed.")
