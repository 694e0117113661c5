"""LISTRIGHTS (RFC 4314 3.4)."""

from estafeta.protocols.imap.commands import ListRights
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import sight_of
from estafeta.servers.imap.rights import ALL_RIGHTS, ORDER, encode_rights
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.sharing import encode_identifier, entries_of


async def listrights(session: ImapSession, event: ListRights) -> Reply:
    """Everybody may be given any right alone, and needs none; the owner cannot be without any."""
    entries, identifier = await session.thread(
        entries_of,
        session.mailboxes.database,
        session.service.shared.people,
        sight_of(session),
        event.mailbox,
        event.identifier,
    )
    possible = encode_rights(ALL_RIGHTS) if entries.is_owner(identifier) else b'"" ' + b" ".join(_EACH)
    name = encode_mailbox(entries.folder.name, utf8=session.machine.utf8)
    session.untagged(b"LISTRIGHTS %b %b %b" % (name, encode_identifier(event.identifier), possible))
    return ok("LISTRIGHTS completed.")


# RFC 4314 2.1.1: the rights of RFC 2086 are offered too.
_EACH = [letter.encode() for letter in ORDER + "cd"]
