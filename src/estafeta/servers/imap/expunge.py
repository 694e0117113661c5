"""EXPUNGE (RFC 9051 6.4.3) and UID EXPUNGE (RFC 4315 2.1)."""

from estafeta.mailboxes.change import Expunge as ExpungeMessages
from estafeta.mailboxes.values import ALL, Ranges, ranges_of
from estafeta.protocols.imap.commands import Expunge
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.selected import Selected
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import need_right, selected_of


async def expunge(session: ImapSession, event: Expunge) -> Reply:
    """Remove what has \\Deleted; that it went, is told like what others removed."""
    selected = selected_of(session)
    need_right(selected, "e")
    folder = selected.folder
    gone = await session.mailboxes.expunge(
        ExpungeMessages(folder.account_id, folder.mailbox_id, await _ranges(selected, event), only_deleted=True)
    )
    selected.touched(gone.modseq, silent=False)
    # RFC 7162 3.2.7: by then the client has been told of everything up to it.
    told = session.machine.condstore and gone.modseq
    return ok("EXPUNGE completed.", b"HIGHESTMODSEQ %d" % gone.modseq if told else b"")


async def _ranges(selected: Selected, event: Expunge) -> Ranges:
    """Of UIDs, and of `$` (RFC 5182 2.1), those of messages that the client knows; EXPUNGE alone means all."""
    if event.uids is None and not event.saved:
        return ALL
    uids = await selected.resolve(event.uids, uid=True)
    return await selected.session.made(len(uids), lambda: ranges_of(uids))
