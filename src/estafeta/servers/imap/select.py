"""SELECT and EXAMINE (RFC 9051 6.3.2, 6.3.3), with CONDSTORE and QRESYNC (RFC 7162 3.1.8, 3.2.5)."""

from estafeta.protocols.imap.commands import Select
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.create import tell_name
from estafeta.servers.imap.flaglines import tell_flags
from estafeta.servers.imap.objectids import mailbox_id
from estafeta.servers.imap.resync import resync
from estafeta.servers.imap.selected import Selected
from estafeta.servers.imap.session import ImapSession

# In a larger mailbox the first unseen message is not looked for: its number would need all UIDs (RFC 3501 7.1: UNSEEN
# may be left out).
_SEARCHED = 5_000


async def select(session: ImapSession, event: Select) -> Reply:
    """Select, and say all that there is to know of the mailbox."""
    await _close_old(session)
    folder = await session.find(event.mailbox, "r")
    if event.condstore or event.qresync is not None:
        session.machine.use_condstore()
    selected = await Selected.open(session, folder, examined=event.read_only)
    session.selected = selected
    session.machine.selected()
    try:
        await _tell(session, selected, event)
    except BaseException:
        session.deselect()
        session.machine.unselected()
        raise
    command = "EXAMINE" if event.read_only else "SELECT"
    return ok(f"{command} completed.", b"READ-ONLY" if selected.read_only else b"READ-WRITE")


async def _close_old(session: ImapSession) -> None:
    """RFC 9051 6.3.2: the one before is closed in any case, without expunge; RFC 7162 3.2.11: and the client told."""
    if session.selected is not None:
        await session.leave_selected()
        session.machine.unselected()
        session.machine.condition(ok("The mailbox before is closed.", b"CLOSED"))


async def _tell(session: ImapSession, selected: Selected, event: Select) -> None:
    machine, folder, view = session.machine, selected.folder, selected.view
    known = event.qresync
    status = folder.status
    tell_flags(session, selected)
    session.untagged(b"%d EXISTS" % view.count)
    if not machine.rev2:
        session.untagged(b"%d RECENT" % view.recent_count)
        first = 0 if machine.uid_only else await _first_unseen(session, selected)
        if first:
            machine.condition(ok("The first message that is not seen.", b"UNSEEN %d" % first))
    machine.condition(ok("UIDs are valid.", b"UIDVALIDITY %d" % status.uid_validity))
    machine.condition(ok("The next UID.", b"UIDNEXT %d" % view.uid_next))
    machine.condition(ok("The highest MODSEQ.", b"HIGHESTMODSEQ %d" % view.modseq))
    ident = mailbox_id(folder.account_id, folder.mailbox_id).encode()
    machine.condition(ok("The mailbox has an id.", b"MAILBOXID (%b)" % ident))
    if machine.rev2:
        # RFC 9051 6.3.2, 6.3.9.7: LIST says under which name.
        tell_name(session, folder.name, event.mailbox)
    if known is not None and known.uid_validity == status.uid_validity:
        await resync(session, selected, known)


async def _first_unseen(session: ImapSession, selected: Selected) -> int:
    """Its sequence number; 0 for none, and where finding it would cost more than it is worth."""
    status, folder = selected.folder.status, selected.folder
    if not status.unseen or status.messages > _SEARCHED:
        return 0
    if status.unseen == status.messages:
        return 1
    uid = await session.mailboxes.first_unseen(folder.account_id, folder.mailbox_id)
    if uid is None:
        return 0
    await selected.uids()
    return selected.view.sequence(uid)
