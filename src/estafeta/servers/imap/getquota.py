"""GETQUOTA (RFC 9208 4.1.1)."""

from estafeta.protocols.imap.commands import GetQuota
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import Sight, sight_of
from estafeta.servers.imap.people import People
from estafeta.servers.imap.quota import find_root, quota_line
from estafeta.servers.imap.session import ImapSession
from estafeta.storage.database import Database


async def getquota(session: ImapSession, event: GetQuota) -> Reply:
    """One's own root; administrators may look at all."""
    people, database = session.service.shared.people, session.mailboxes.database
    session.untagged(await session.thread(_look, database, people, sight_of(session), event.root))
    return ok("GETQUOTA completed.")


def _look(database: Database, people: People, sight: Sight, name: str) -> bytes:
    return quota_line(database, find_root(people, sight, name))
