"""GETACL (RFC 4314 3.3)."""

from estafeta.protocols.imap.commands import GetAcl
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import sight_of
from estafeta.servers.imap.rights import ALL_RIGHTS, encode_rights
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.sharing import Entries, encode_identifier


async def getacl(session: ImapSession, event: GetAcl) -> Reply:
    """The owner first, who has all rights without an entry."""
    shared = session.service.shared
    entries = await session.thread(Entries, session.mailboxes.database, shared.people, sight_of(session), event.mailbox)
    rights = {entries.owner: ALL_RIGHTS} if entries.owner else {}
    rights.update((identifier, frozenset(given)) for identifier, given in entries.rights.items())
    said = [b" %b %b" % (encode_identifier(one), encode_rights(given)) for one, given in rights.items() if given]
    session.untagged(b"ACL %b%b" % (encode_mailbox(entries.folder.name, utf8=session.machine.utf8), b"".join(said)))
    return ok("GETACL completed.")
