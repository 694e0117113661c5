"""ESEARCH over several mailboxes (MULTISEARCH, RFC 7377)."""

from collections.abc import Iterator

from estafeta.core.errors import EstafetaError, Kind
from estafeta.protocols.imap.commands import Search, SearchReturn
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, bad, ok
from estafeta.protocols.imap.searchkeys import Numbers, Saved, SearchKey
from estafeta.servers.imap.folders import Folder, sight_of
from estafeta.servers.imap.listing import Names, read_names
from estafeta.servers.imap.longwork import run_long
from estafeta.servers.imap.mailboxfilter import filtered
from estafeta.servers.imap.searching import Found, Scope, leaves
from estafeta.servers.imap.searchresult import esearch
from estafeta.servers.imap.searchscope import searcher
from estafeta.servers.imap.session import ImapSession

_ALL = SearchReturn(frozenset({"ALL"}))
_SELECTED = frozenset({"SELECTED", "SELECTED-DELAYED"})


async def multisearch(session: ImapSession, event: Search) -> Reply:
    """Search each mailbox of the scopes that may be read; those with no result say nothing (RFC 7377 2.1)."""
    returning = event.returning or _ALL
    if returning.options & {"SAVE", "CONTEXT", "UPDATE"}:
        return bad("Results of several mailboxes can be neither saved nor kept up to date.")
    if any(_needs_view(leaf) for leaf in leaves(event.key)):
        return bad("Sequence numbers and $ mean nothing in several mailboxes.")
    names = await session.thread(read_names, session.mailboxes.database, sight_of(session))
    for folder in _folders(session, event, names):
        found = await _search(session, folder, event.key)
        if found.uids or "COUNT" in returning.options:
            name = encode_mailbox(folder.name, utf8=session.machine.utf8)
            where = b" MAILBOX %b UIDVALIDITY %d" % (name, folder.status.uid_validity)
            line = esearch(session.machine.tag, found.uids, found, returning, uid=True, mailbox=where)
            await session.send(b"* %b\r\n" % line)
    return ok("ESEARCH completed.")


def _folders(session: ImapSession, event: Search, names: Names) -> Iterator[Folder]:
    """Each mailbox once, however many scopes mean it."""
    seen: set[tuple[int, int]] = set()
    for scope in event.scopes:
        if scope.filter in _SELECTED:
            folders = [session.selected.folder] if session.selected is not None else []
        else:
            folders = list(filtered(names, scope.filter, scope.mailboxes))
        for folder in folders:
            key = folder.account_id, folder.mailbox_id
            if key not in seen and "r" in folder.rights:
                seen.add(key)
                yield folder


async def _search(session: ImapSession, folder: Folder, key: SearchKey) -> Found:
    scope = Scope(folder.account_id, folder.mailbox_id, None)
    try:
        return await run_long(session, lambda progress: searcher(session, scope, progress).find(key))
    except EstafetaError as error:
        if error.kind is Kind.NOT_FOUND:
            return Found([])  # removed while we searched the others
        raise


def _needs_view(leaf: SearchKey) -> bool:
    return isinstance(leaf, Saved) or (isinstance(leaf, Numbers) and not leaf.uid)
