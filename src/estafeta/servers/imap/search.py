"""SEARCH (RFC 9051 6.4.4) with RETURN (RFC 4731, 5182, 5267, 9394)."""

from collections.abc import Awaitable

from estafeta.protocols.imap.commands import Search, SearchReturn
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.contexts import keep_context
from estafeta.servers.imap.longwork import run_long
from estafeta.servers.imap.multisearch import multisearch
from estafeta.servers.imap.searchresult import esearch, plain, returns_nothing, saved, sequence_numbers
from estafeta.servers.imap.searchscope import scope_of, searcher, selected_of
from estafeta.servers.imap.session import ImapSession

_ALL = SearchReturn(frozenset({"ALL"}))


def search(session: ImapSession, event: Search) -> Awaitable[Reply]:
    """In the selected mailbox, or in those that ESEARCH names (RFC 7377)."""
    return multisearch(session, event) if event.scopes else _search(session, event)


async def _search(session: ImapSession, event: Search) -> Reply:
    selected = selected_of(session)
    keep = event.returning is not None and "SAVE" in event.returning.options
    if keep:
        # RFC 5182 2.1: should the search fail, the result is empty.
        before, selected.saved = selected.saved, ()
        scope = await scope_of(selected, saved_before=before)
    else:
        scope = await scope_of(selected)
    found = await run_long(session, lambda progress: searcher(session, scope, progress).find(event.key))
    numbers = found.uids if event.uid else sequence_numbers(await selected.uids(), found.uids)
    returning = event.returning
    if returning is None and not session.machine.rev2:
        session.untagged(plain(b"SEARCH", numbers, max(found.modseqs.values(), default=0)))
        return ok("SEARCH completed.")
    returning = returning or _ALL
    if not returns_nothing(returning):
        session.untagged(esearch(session.machine.tag, numbers, found, returning, uid=event.uid))
    if keep:
        selected.saved = saved(found.uids, returning)
    if "UPDATE" in returning.options:
        keep_context(session, selected, event.key, found.uids, uid=event.uid)
    return ok("SEARCH completed.")
