"""COPY (RFC 9051 6.4.7) and MOVE (RFC 6851), with COPYUID (RFC 4315)."""

from array import array

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mailboxes.copying import CopyMessages
from estafeta.mailboxes.values import Copied, ranges_of
from estafeta.protocols.imap.commands import Copy
from estafeta.protocols.imap.encode import encode_ranges
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.flagrights import allowed_flags
from estafeta.servers.imap.folders import Folder, quota_of
from estafeta.servers.imap.selected import Selected
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import need_right, refuse_too_many, selected_of


async def copy(session: ImapSession, event: Copy) -> Reply:
    """COPY, MOVE, and both by UID: all of the messages or none."""
    selected = selected_of(session)
    command = "MOVE" if event.move else "COPY"
    if event.move:
        # RFC 6851 5, RFC 4314 4: what STORE \Deleted and EXPUNGE need.
        need_right(selected, "te")
    target = await find_target(session, event.mailbox)
    uids = await selected.resolve(event.numbers, uid=event.uid)
    refuse_too_many(uids, session.settings.message_limit)
    if not uids:
        return ok(f"{command} completed.")
    copied = await _copy(session, selected, target, event, uids)
    if not copied.count:
        return (
            no("These messages are no longer there.", b"EXPUNGEISSUED")
            if not event.uid
            else ok(f"{command} completed.")
        )
    code = copy_uid(copied)
    if not event.move:
        source = selected.folder
        if (source.account_id, source.mailbox_id) == (target.account_id, target.mailbox_id):
            selected.touched(copied.modseq, silent=False)
        return ok("COPY completed.", code)
    # RFC 6851 4.3: the client should know where they went before it hears that they are gone.
    session.machine.condition(ok("They are there now.", code))
    return ok("MOVE completed.", await _highest(session, selected, target, copied))


async def find_target(session: ImapSession, name: str) -> Folder:
    """Where messages may be put. RFC 9051 6.3.12, 6.4.7: TRYCREATE where the mailbox is what is missing."""
    try:
        return await session.find(name, "i")
    except EstafetaError as error:
        if error.kind is Kind.NOT_FOUND:
            raise ReplyError(no(error.public, b"TRYCREATE")) from None
        raise


async def _copy(session: ImapSession, selected: Selected, target: Folder, event: Copy, uids: "array[int]") -> Copied:
    source = selected.folder
    quota_bytes, quota_messages = await quota_of(session, target.account_id)
    if event.move and target.account_id == source.account_id:
        quota_bytes = quota_messages = 0  # nothing is added to what the account holds
    flags, keywords = allowed_flags(target.rights)
    wanted = CopyMessages(
        source.account_id,
        source.mailbox_id,
        await session.made(len(uids), lambda: ranges_of(uids)),
        target.account_id,
        target.mailbox_id,
        move=event.move,
        quota_bytes=quota_bytes,
        quota_messages=quota_messages,
        keep_flags=flags,
        keep_keywords=keywords,
    )
    return await session.mailboxes.copy_messages(wanted)


def copy_uid(copied: Copied) -> bytes:
    """RFC 4315 3."""
    last = copied.first_uid + copied.count - 1
    return b"COPYUID %d %b %b" % (
        copied.uid_validity,
        encode_ranges(copied.sources),
        encode_ranges([(copied.first_uid, last)]),
    )


async def _highest(session: ImapSession, selected: Selected, target: Folder, copied: Copied) -> bytes:
    """Have what is gone told now, and the code of RFC 7162 3.2.7 where the client wants that."""
    source, modseq = selected.folder, copied.modseq
    if source.account_id != target.account_id:
        modseq = (await session.mailboxes.status(source.account_id, source.mailbox_id)).modseq
    selected.touched(modseq, silent=False)
    return b"HIGHESTMODSEQ %d" % modseq if session.machine.condstore else b""
