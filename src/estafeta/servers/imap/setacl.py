"""SETACL (RFC 4314 3.1)."""

from estafeta.mailboxes.sharing import SetAcl as Change
from estafeta.protocols.imap.commands import SetAcl
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import sight_of
from estafeta.servers.imap.rights import parse_rights
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.sharing import entries_of, refuse_owner


async def setacl(session: ImapSession, event: SetAcl) -> Reply:
    """An entry that would give nothing is removed."""
    wanted = parse_rights(event.rights)
    entries, identifier = await session.thread(
        entries_of,
        session.mailboxes.database,
        session.service.shared.people,
        sight_of(session),
        event.mailbox,
        event.identifier,
    )
    refuse_owner(entries, identifier)
    before = frozenset(entries.rights.get(identifier, ""))
    after = {"+": before | wanted, "-": before - wanted}.get(event.mode, wanted)
    folder = entries.folder
    await session.mailboxes.set_acl(
        Change(folder.account_id, folder.mailbox_id, identifier, "".join(sorted(after)) or None)
    )
    return ok("SETACL completed.")
