"""RENAME (RFC 9051 6.3.6)."""

from estafeta.mailboxes.folders import RenameMailbox
from estafeta.protocols.imap.commands import Rename
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.create import tell_new_name
from estafeta.servers.imap.folders import Folder, Place, Sight, is_inbox, sight_of
from estafeta.servers.imap.session import ImapSession

_OWNER_STAYS = no("A mailbox stays with its owner: make a new one and move the messages.", b"CANNOT")
_OTHERS_INBOX = no("Only its owner may rename INBOX.", b"CANNOT")


async def rename(session: ImapSession, event: Rename) -> Reply:
    """RFC 4314 4: `x` on the mailbox and `k` on its new parent. Mailboxes below it follow; INBOX stays and gives its
    messages away."""
    sight = sight_of(session)
    folder, place = await session.thread(_look, sight, event)
    if place.account_id != folder.account_id:
        return _OWNER_STAYS
    if is_inbox(folder) and folder.account_id != sight.account_id:
        return _OTHERS_INBOX
    await session.mailboxes.rename_mailbox(RenameMailbox(folder.account_id, folder.mailbox_id, place.name))
    if session.machine.rev2 and not is_inbox(folder):
        tell_new_name(session, folder.name, sight.name_of(place.account_id, place.name))
    return ok("RENAME completed.")


def _look(sight: Sight, event: Rename) -> tuple[Folder, Place]:
    return sight.find(event.old, "x"), sight.new_place(event.new)
