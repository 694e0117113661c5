"""RENAME (RFC 9051 6.3.6)."""

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mailboxes.folders import RenameBelow, RenameMailbox
from estafeta.protocols.imap.commands import Rename
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.create import tell_name
from estafeta.servers.imap.folders import Folder, Place, Sight, is_inbox, sight_of
from estafeta.servers.imap.session import ImapSession

_OWNER_STAYS = no("A mailbox stays with its owner: make a new one and move the messages.", b"CANNOT")
_OTHERS_INBOX = no("Only its owner may rename INBOX.", b"CANNOT")


async def rename(session: ImapSession, event: Rename) -> Reply:
    """RFC 4314 4: `x` on the mailbox and `k` on its new parent. Mailboxes below it follow, also those below a name that
    is only their parent; INBOX stays and gives its messages away."""
    sight = sight_of(session)
    old, place = await session.thread(_look, sight, event)
    if place.account_id != old.account_id:
        return _OWNER_STAYS
    if isinstance(old, Place):
        await session.mailboxes.rename_below(RenameBelow(old.account_id, old.name, place.name))
        return ok("RENAME completed.")
    if is_inbox(old) and old.account_id != sight.account_id:
        return _OTHERS_INBOX
    await session.mailboxes.rename_mailbox(RenameMailbox(old.account_id, old.mailbox_id, place.name))
    if session.machine.rev2 and not is_inbox(old):
        tell_name(session, sight.name_of(place.account_id, place.name), old.name)
    return ok("RENAME completed.")


def _look(sight: Sight, event: Rename) -> tuple[Folder | Place, Place]:
    return _find(sight, event.old), sight.new_place(event.new)


def _find(sight: Sight, name: str) -> Folder | Place:
    """The mailbox, or where a name leads that only stands above others."""
    try:
        return sight.find(name, "x")
    except EstafetaError as error:
        parent = sight.below(name, "x") if error.kind is Kind.NOT_FOUND else None
        if parent is None:
            raise
        return parent
