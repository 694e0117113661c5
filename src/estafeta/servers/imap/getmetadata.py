"""GETMETADATA (RFC 5464 4.2)."""

from estafeta.core.ids import SHARED
from estafeta.mailboxes.annotations import annotations_of
from estafeta.protocols.imap.commands import GetMetadata
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.folders import Sight, sight_of
from estafeta.servers.imap.metadata import (
    ADMIN,
    Value,
    check_access,
    check_entries,
    encode_values,
    full_entries,
    select_entries,
    special_use,
)
from estafeta.servers.imap.session import ImapSession
from estafeta.storage.database import Database


async def getmetadata(session: ImapSession, event: GetMetadata) -> Reply:
    """An empty mailbox stands for the server."""
    check_entries(event.entries, tops=True)
    database, sight = session.mailboxes.database, sight_of(session)
    if event.mailbox:
        name, known = await session.thread(_of_mailbox, database, sight, event.mailbox)
    else:
        name, known = "", await session.thread(_of_server, database, sight.account_id)
        known.extend(_admin(session))
    values, longest = select_entries(known, event.entries, event.options)
    if values:
        name_octets = encode_mailbox(name, utf8=session.machine.utf8)
        # A value may be longer than what goes into one line of the machine.
        await session.send(b"* METADATA %b %b\r\n" % (name_octets, encode_values(values)))
    return ok("GETMETADATA completed.", b"METADATA LONGENTRIES %d" % longest if longest else b"")


def _of_mailbox(database: Database, sight: Sight, mailbox: str) -> tuple[str, list[Value]]:
    folder = sight.find(mailbox, "l")
    check_access(folder)
    rows = annotations_of(database, folder.account_id, folder.mailbox_id, (0, sight.account_id))
    return folder.name, [*full_entries(rows), *special_use(folder, sight.account_id)]


def _of_server(database: Database, person_id: int) -> list[Value]:
    """What all see is kept with the shared mailboxes, what only the person sees with theirs."""
    rows = annotations_of(database, SHARED, 0, (0, person_id))
    return list(full_entries(rows))


def _admin(session: ImapSession) -> list[Value]:
    """RFC 5464 6.2.1.2: how to reach whoever runs this."""
    administrators = sorted(session.settings.administrators)
    return [Value(ADMIN, f"mailto:{administrators[0]}".encode())] if administrators else []
