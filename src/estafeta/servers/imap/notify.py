"""NOTIFY (RFC 5465)."""

from estafeta.protocols.imap.commands import Notify
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.notices import Notices
from estafeta.servers.imap.session import ImapSession

_BADEVENT = no(
    "There are no annotations of messages here.",
    b"BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "
    b"ServerMetadataChange)",
)


async def notify(session: ImapSession, event: Notify) -> Reply:
    """What replaces all that was asked before."""
    if any("ANNOTATIONCHANGE" in group.events for group in event.groups):
        return _BADEVENT
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
