"""QUIT (RFC 1939 4 and 6): the only command that removes messages."""

from collections.abc import Awaitable

from estafeta.core.errors import EstafetaError
from estafeta.core.ids import INBOX
from estafeta.mailboxes.change import Expunge
from estafeta.mailboxes.values import ranges_of
from estafeta.protocols.pop3 import events
from estafeta.protocols.pop3.texts import Text
from estafeta.servers.pop3.errors import error_code, error_words
from estafeta.servers.pop3.maildrop import Maildrop
from estafeta.servers.pop3.session import Pop3Session, log


def quit_session(session: Pop3Session, event: events.Quit) -> Awaitable[None] | None:
    """Enter UPDATE if there is something to remove; say goodbye otherwise."""
    maildrop = session.maildrop
    if maildrop is not None and maildrop.deleted_uids():
        session.maildrop = None  # from here on the lock is given back by `_update`, whether the peer stays or not
        return _update(session, maildrop)
    session.release()
    session.machine.ok(Text.BYE)
    return None


async def _update(session: Pop3Session, maildrop: Maildrop) -> None:
    machine, uids = session.machine, maildrop.deleted_uids()
    wanted = Expunge(maildrop.account_id, INBOX, ranges_of(uids), reading=maildrop.reading())
    try:
        # A message that somebody else removed meanwhile is no error: it is gone, as was wished.
        await session.service.shared.mailboxes.expunge(wanted)
    except EstafetaError as error:
        # RFC 1939 6: "-ERR some deleted messages not removed"
        log.warning("not removed peer=%s count=%d cause=%r", session.pump.peer, len(uids), error.private)
        machine.err(Text.NOT_REMOVED, error_words(machine, error), code=error_code(error))
        return
    finally:
        maildrop.lock.release()
    machine.ok(Text.BYE_REMOVED, len(uids))
