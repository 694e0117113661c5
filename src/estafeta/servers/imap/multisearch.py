"""ESEARCH over several mailboxes (MULTISEARCH, RFC 7377)."""

from collections.abc import Iterable
from functools import partial

from estafeta.core.errors import EstafetaError, Kind
from estafeta.protocols.imap.commands import Search, SearchReturn
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, bad, ok
from estafeta.protocols.imap.searchkeys import Saved, SearchKey, has_numbers, leaves
from estafeta.servers.imap.folders import Folder, sight_of
from estafeta.servers.imap.listing import read_names
from estafeta.servers.imap.longwork import run_long
from estafeta.servers.imap.mailboxfilter import filtered
from estafeta.servers.imap.searching import Found, Scope
from estafeta.servers.imap.searchresult import esearch
from estafeta.servers.imap.searchscope import searcher
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import selected_of

_ALL = SearchReturn(frozenset({"ALL"}))


async def multisearch(session: ImapSession, event: Search) -> Reply:
    """Search each mailbox of the scopes that may be read; those with no result say nothing (RFC 7377 2.1)."""
    returning = event.returning or _ALL
    if returning.options & {"SAVE", "UPDATE"}:
        return bad("Results of several mailboxes can be neither saved nor kept up to date.")
    if has_numbers(event.key) or any(isinstance(leaf, Saved) for leaf in leaves(event.key)):
        return bad("Sequence numbers and $ mean nothing in several mailboxes.")
    for folder in await session.thread(_folders, session, event):
        found = await _search(session, folder, event.key)
        if found.uids:
            await session.send(await session.made(len(found.uids), partial(_line, session, folder, found, returning)))
    return ok("ESEARCH completed.")


def correlator(session: ImapSession, folder: Folder) -> bytes:
    """What an ESEARCH response says of where it looked (RFC 7377 2.1)."""
    name = encode_mailbox(folder.name, utf8=session.machine.utf8)
    return b" MAILBOX %b UIDVALIDITY %d" % (name, folder.status.uid_validity)


def _line(session: ImapSession, folder: Folder, found: Found, returning: SearchReturn) -> bytes:
    where = correlator(session, folder)
    return b"* %b\r\n" % esearch(session.machine.tag, found.uids, found, returning, uid=True, mailbox=where)


def _folders(session: ImapSession, event: Search) -> list[Folder]:
    """In a thread: each mailbox once, however many scopes mean it. RFC 7377 2.2: BAD for the selected one while there
    is none."""
    names = read_names(session.mailboxes.database, sight_of(session))
    found: dict[tuple[int, int], Folder] = {}
    for scope in dict.fromkeys(event.scopes):
        if scope.filter == "SELECTED":
            folders: Iterable[Folder] = [selected_of(session).folder]
        else:
            folders = filtered(names, scope.filter, scope.mailboxes)
        for folder in folders:
            if "r" in folder.rights:
                found.setdefault((folder.account_id, folder.mailbox_id), folder)
    return list(found.values())


async def _search(session: ImapSession, folder: Folder, key: SearchKey) -> Found:
    scope = Scope(folder.account_id, folder.mailbox_id, None)
    try:
        return await run_long(session, lambda progress: searcher(session, scope, progress).find(key))
    except EstafetaError as error:
        if error.kind is Kind.NOT_FOUND:
            return Found([])  # removed while we searched the others
        raise
