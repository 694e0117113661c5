"""SETQUOTA (RFC 9208 4.1.3), for administrators."""

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import SHARED
from estafeta.protocols.imap.commands import SetQuota
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.folders import Sight, sight_of
from estafeta.servers.imap.people import People
from estafeta.servers.imap.quota import UNIT, find_root, quota_line, root_of
from estafeta.servers.imap.session import ImapSession, log
from estafeta.storage.database import Database

_RESOURCES = ("STORAGE", "MESSAGE")


async def setquota(session: ImapSession, event: SetQuota) -> Reply:
    """The limits become exactly those that are named: a resource that is not named, or has 0, has none."""
    sight = sight_of(session)
    if not sight.administrator:
        raise EstafetaError(Kind.PERMISSION, "Quotas are for administrators to set.")
    unknown = [name for name, _ in event.limits if name not in _RESOURCES]
    if unknown:
        raise ReplyError(no("The resources are STORAGE and MESSAGE.", b"CANNOT"))
    people, database = session.service.shared.people, session.mailboxes.database
    session.untagged(await session.thread(_change, database, people, sight, event))
    log.info(
        "quota set peer=%s by=%s root=%r limits=%r", session.pump.peer, session.user.address, event.root, event.limits
    )
    return ok("SETQUOTA completed.")


def _change(database: Database, people: People, sight: Sight, event: SetQuota) -> bytes:
    root = find_root(people, sight, event.root)
    if root.account_id == SHARED:
        raise EstafetaError(Kind.INVALID, "Shared mailboxes have no quota.")
    limits = dict(event.limits)
    people.directory.change_user(
        root.name, quota_bytes=limits.get("STORAGE", 0) * UNIT, quota_messages=limits.get("MESSAGE", 0)
    )
    return quota_line(database, root_of(people, root.account_id))
