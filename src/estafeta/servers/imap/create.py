"""CREATE (RFC 9051 6.3.4), with special uses (RFC 6154 3) and the MAILBOXID of what was made (RFC 8474 4.1)."""

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mailboxes.folders import CreateMailbox
from estafeta.protocols.imap.commands import Create
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.folders import sight_of
from estafeta.servers.imap.objectids import mailbox_id
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.uses import USES


async def create(session: ImapSession, event: Create) -> Reply:
    """RFC 4314 4: `k` on the parent is needed. Parents need not exist, names imply them (`folders`)."""
    sight = sight_of(session)
    place = await session.thread(sight.new_place, event.mailbox)
    uses = _special_uses(event.special_use, own=place.account_id == sight.account_id)
    try:
        made = await session.mailboxes.create_mailbox(
            CreateMailbox(
                place.account_id, place.name, uses, subscribed=False, max_mailboxes=session.settings.max_mailboxes
            )
        )
    except EstafetaError as error:
        if error.kind is Kind.IN_USE:
            raise ReplyError(no("Another mailbox has that special use.", b"USEATTR")) from error
        raise
    name = sight.name_of(place.account_id, place.name)
    if session.machine.rev2 and name != event.mailbox:
        tell_name(session, name, event.mailbox)
    return ok("CREATE completed.", b"MAILBOXID (%b)" % mailbox_id(place.account_id, made).encode())


def _special_uses(wanted: tuple[str, ...], *, own: bool) -> str:
    """As they are stored. RFC 6154 3: NO with [USEATTR] for one that cannot be; in others' folders none can."""
    if wanted and not own:
        raise ReplyError(no("Special uses are for your own mailboxes.", b"USEATTR"))
    unknown = [use for use in wanted if use.lower() not in USES]
    if unknown:
        raise ReplyError(no("Mailboxes can be for Archive, Drafts, Important, Junk, Sent, Trash.", b"USEATTR"))
    return " ".join(dict.fromkeys(USES[use.lower()] for use in wanted))


def tell_name(session: ImapSession, name: str, called: str) -> None:
    """RFC 9051 6.3.9.7: what a mailbox is called, and what the client called it where that is something else."""
    utf8 = session.machine.utf8
    old = b' ("OLDNAME" (%b))' % encode_mailbox(called, utf8=utf8) if called != name else b""
    session.untagged(b'LIST () "/" %b%b' % (encode_mailbox(name, utf8=utf8), old))
