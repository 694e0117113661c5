"""GETQUOTAROOT (RFC 9208 4.1.2)."""

from estafeta.protocols.imap.commands import GetQuotaRoot
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import Sight, sight_of
from estafeta.servers.imap.people import People
from estafeta.servers.imap.quota import encode_root, quota_line, root_of
from estafeta.servers.imap.session import ImapSession
from estafeta.storage.database import Database


async def getquotaroot(session: ImapSession, event: GetQuotaRoot) -> Reply:
    """The root, and what it has."""
    people, database = session.service.shared.people, session.mailboxes.database
    name, root, line = await session.thread(_look, database, people, sight_of(session), event.mailbox)
    session.untagged(b"QUOTAROOT %b %b" % (encode_mailbox(name, utf8=session.machine.utf8), root))
    session.untagged(line)
    return ok("GETQUOTAROOT completed.")


def _look(database: Database, people: People, sight: Sight, mailbox: str) -> tuple[str, bytes, bytes]:
    """RFC 9208 4.1.2: the mailbox need not be there yet. Of others' mailboxes one must be able to read it."""
    place = sight.place(mailbox)
    if place is not None and place.account_id == sight.account_id:
        name = place.name
        root = root_of(people, sight.account_id)
    else:
        folder = sight.find(mailbox, "r")
        name, root = folder.name, root_of(people, folder.account_id)
    return name, encode_root(root), quota_line(database, root)
