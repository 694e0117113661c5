"""SETMETADATA (RFC 5464 4.3)."""

from collections.abc import Sequence

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import SHARED, AccountId
from estafeta.mailboxes.annotations import SetAnnotations
from estafeta.mailboxes.specialuse import SetSpecialUse
from estafeta.protocols.imap.commands import SetMetadata
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.folders import Folder, Sight, sight_of
from estafeta.servers.imap.metadata import (
    ADMIN,
    MAX_BYTES,
    MAX_ENTRIES,
    SPECIAL_USE,
    check_access,
    check_entries,
    stored_entry,
)
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.uses import USES

Entries = Sequence[tuple[str, bytes | None]]

_TOO_LONG = no(f"A value may have at most {MAX_BYTES} octets.", b"METADATA MAXSIZE %d" % MAX_BYTES)
_TOO_MANY = no(f"There may be at most {MAX_ENTRIES} annotations.", b"METADATA TOOMANY")
_READ_ONLY = no("That is for the server's administrator to set.", b"NOPERM")
_NO_USE = no("The value is some of \\Archive, \\Drafts, \\Important, \\Junk, \\Sent, \\Trash.", b"CANNOT")


async def setmetadata(session: ImapSession, event: SetMetadata) -> Reply:
    """RFC 5464 4.3: all or nothing; /private and /shared are stored one after the other, each as a whole."""
    check_entries(entry for entry, _ in event.entries)
    if any(value is not None and len(value) > MAX_BYTES for _, value in event.entries):
        raise ReplyError(_TOO_LONG)
    sight = sight_of(session)
    if not event.mailbox:
        _check_server(sight, event.entries)
        await _store(session, SHARED, 0, event.entries)
        return ok("SETMETADATA completed.")
    folder = await session.find(event.mailbox, "l")
    check_access(folder, write_shared=any(entry.startswith("/shared") for entry, _ in event.entries))
    uses = [value for entry, value in event.entries if entry == SPECIAL_USE]
    if uses:
        await _set_use(session, folder, uses[-1])
    await _store(session, folder.account_id, folder.mailbox_id, [one for one in event.entries if one[0] != SPECIAL_USE])
    return ok("SETMETADATA completed.")


def _check_server(sight: Sight, entries: Entries) -> None:
    """What all see is the administrators' to change; /shared/admin is a setting."""
    shared = {entry for entry, _ in entries if entry.startswith("/shared")}
    if ADMIN in shared or (shared and not sight.administrator):
        raise ReplyError(_READ_ONLY)


async def _set_use(session: ImapSession, folder: Folder, value: bytes | None) -> None:
    r"""`/private/specialuse` (RFC 6154 4): `\Sent \Archive`, NIL for none. Only for mailboxes of one's own."""
    words = (value or b"").decode("ascii", "replace").split()
    unknown = [word for word in words if not word.startswith("\\") or word[1:].lower() not in USES]
    if unknown or folder.account_id != session.user.account_id:
        raise ReplyError(_NO_USE)
    uses = " ".join(dict.fromkeys(USES[word[1:].lower()] for word in words))
    await session.mailboxes.set_special_use(SetSpecialUse(folder.account_id, folder.mailbox_id, uses))


async def _store(session: ImapSession, account_id: AccountId, mailbox_id: int, entries: Entries) -> None:
    sorted_out: dict[int, list[tuple[str, bytes | None]]] = {}
    for entry, value in entries:
        person_id, name = stored_entry(entry, session.user.account_id)
        sorted_out.setdefault(person_id, []).append((name, value))
    for person_id, own in sorted_out.items():
        wanted = SetAnnotations(account_id, mailbox_id, person_id, tuple(own), MAX_ENTRIES, MAX_BYTES)
        try:
            await session.mailboxes.set_annotations(wanted)
        except EstafetaError as error:
            if error.kind is Kind.LIMIT:
                raise ReplyError(_TOO_MANY) from error
            raise
