"""NOTIFY (RFC 5465)."""

from estafeta.protocols.imap.commands import Notify
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.notices import Notices
from estafeta.servers.imap.session import ImapSession


async def notify(session: ImapSession, event: Notify) -> Reply:
    """What replaces all that was asked before."""
    if session.notices is not None:
        session.notices.close()
        session.notices = None
    session.machine.notify_expunges = any(
        group.filter == "SELECTED" and "MESSAGEEXPUNGE" in group.events for group in event.groups
    )
    if event.groups:
        session.notices = Notices(session, event.groups)
        await session.notices.start(tell_status=event.status)
    return ok("NOTIFY completed.")
